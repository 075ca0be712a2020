//! Which files there are, and what they say.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::yaml;
use crate::shown::shown;
use base::{Error, Result, utf16};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// The most files.
const MOST: usize = 10_000;
/// What stands for standard input.
pub const INPUT: &str = "-";

/// A file, and what it says.
pub struct Source {
    /// Its path, as it was named.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An object, and where it stands.
pub struct Found {
    /// The number of its file.
    pub source: usize,
    /// Its first line, from 1, and the one behind its last.
    pub lines: (usize, usize),
    /// It.
    pub value: Value,
}

/// The files behind paths: a folder is all of `*.yaml`, `*.yml` and `*.json` in it and below, `-` is `input`.
///
/// # Errors
/// One cannot be read, or there are none.
pub fn sources(paths: &[PathBuf], input: &[u8]) -> Result<Vec<Source>> {
    let (mut all, mut met) = (vec![], vec![]);
    for path in paths {
        if path.as_os_str() == INPUT {
            all.push(text(INPUT, input.to_vec())?);
            continue;
        }
        for path in below(path)? {
            // A folder and a file in it may both be named.
            let place = path.canonicalize().unwrap_or_else(|_| path.clone());
            if met.contains(&place) {
                continue;
            }
            met.push(place);
            let mut file = std::fs::File::open(&path).map_err(|error| unreadable(&path, &error))?;
            all.push(text(&path.display().to_string(), bytes(&mut file, &path)?)?);
        }
    }
    Ok(all)
}

/// What stands on standard input, which [`sources`] takes for `-`.
///
/// # Errors
/// It cannot be read.
pub fn standard_input() -> Result<Vec<u8>> {
    bytes(&mut std::io::stdin().lock(), Path::new(INPUT))
}

/// As much of an input as tells whether it is too large.
fn bytes(input: &mut dyn std::io::Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    input.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::environment(format!("{} cannot be read: {error}", named(&path.display().to_string())))
        .hint("name a file, a folder, or `-` for standard input")
}

/// A file, for a sentence.
pub fn named(name: &str) -> String {
    if name == INPUT { "standard input".to_owned() } else { shown(name) }
}

/// The files of a folder and of those below it, in order; a file is itself.
fn below(path: &Path) -> Result<Vec<PathBuf>> {
    if !std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let name = shown(&path.display().to_string());
    let (mut folders, mut files) = (vec![path.to_owned()], vec![]);
    while let Some(folder) = folders.pop() {
        let failed = |error| unreadable(&folder, &error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let manifest =
                path.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|end| it == *end));
            // A link to a folder may lead round in a circle.
            match kind.is_dir() {
                _ if hidden => {}
                true => folders.push(path),
                false if manifest && path.is_file() => files.push(path),
                false => {}
            }
        }
        if files.len() > MOST {
            return Err(Error::environment(format!("{name} has more than {MOST} files"))
                .hint("name the folder with Argo CD's manifests"));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::environment(format!("{name} has no *.yaml, *.yml or *.json"))
            .hint("name a file, or pipe what `helm template` or `kustomize build` prints to `-f -`"));
    }
    Ok(files)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<Source> {
    if bytes.len() as u64 > LARGEST {
        return Err(Error::environment(format!("{} is larger than {} MiB", named(name), LARGEST >> 20))
            .hint("name the files with Argo CD's manifests alone"));
    }
    match utf16::text(&bytes).map_or_else(|| String::from_utf8(bytes), Ok) {
        Ok(text) => Ok(Source { name: name.to_owned(), text }),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            Err(no_manifest(name, Some(line), "is no text in UTF-8"))
        }
    }
}

/// That a file is none that can be looked at: the line, and what it is instead.
pub fn no_manifest(name: &str, line: Option<usize>, is: &str) -> Error {
    let at = line.map_or_else(String::new, |line| format!(", line {line},"));
    Error::environment(format!("{}{at} {is}", named(name)))
        .hint("give it what would be applied: templates first through `helm template` or `kustomize build`")
}

/// The objects of a file; those of a `List` each by itself.
///
/// # Errors
/// It is neither YAML nor JSON.
pub fn objects(number: usize, source: &Source) -> Result<Vec<Found>> {
    let mut all = vec![];
    for document in yaml::documents(&source.text) {
        let value = yaml::read(document.text).map_err(|line| {
            let line = document.line + line.map_or(0, |line| line.saturating_sub(1));
            no_manifest(&source.name, Some(line), "is no YAML that can be read")
        })?;
        let end = document.line + document.text.lines().count().max(1);
        let items = listed(value);
        let begins = if items.len() > 1 { items_begin(&document) } else { vec![] };
        for (at, item) in items.into_iter().enumerate() {
            let begin = begins.get(at).copied().unwrap_or(document.line);
            let end = begins.get(at + 1).copied().unwrap_or(end);
            let lines = (begin, end);
            // A list in a list is what nobody writes, and yet one.
            let inner = listed(item).into_iter().flat_map(listed);
            all.extend(inner.map(|value| Found { source: number, lines, value }));
        }
    }
    Ok(all)
}

/// The items of a list; anything else is one by itself.
fn listed(mut value: Value) -> Vec<Value> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").filter(|_| is_list).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ if value.is_array() => value.as_array_mut().map(std::mem::take).unwrap_or_default(),
        _ => vec![value],
    }
}

/// The lines on which the items of a list begin, where they are written as such.
fn items_begin(document: &yaml::Document<'_>) -> Vec<usize> {
    let lines = document.text.lines().enumerate().map(|(at, line)| (document.line + at, line));
    let items = lines.skip_while(|(_, line)| !line.trim_start().starts_with("items:"));
    let starts: Vec<_> = items.filter(|(_, line)| line.trim_start().starts_with("- ")).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first = starts.first().map_or(0, |(_, line)| indent(line));
    starts.into_iter().filter(|(_, line)| indent(line) == first).map(|(at, _)| at).collect()
}
