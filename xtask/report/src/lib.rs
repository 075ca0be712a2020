//! What people look at: a page with drawings, JUnit for CI and a HAR for developer tools, all made
//! from the document of a run alone. Whatever stands in that document was said by others: a field
//! may be missing, be of another kind, or be hostile.

mod begun;
mod draw;
mod facts;
mod files;
mod har;
mod headline;
mod hidden;
pub mod junit;
mod login;
mod markdown;
mod page;
mod read;
mod tables;
mod text;
mod xml;

use std::path::{Path, PathBuf};

use base::{Error, Result};
use serde_json::Value;

pub use begun::Begun;
use draw::{STYLE, WIDE, plot, sequence::Sequence, timeline};
pub use files::check;
use read::{Read as _, Run, examples, goal, passed};

/// The file that people open.
pub const PAGE: &str = "report.html";

/// Writes the report of a run into a folder: `run.json`, `report.html`, `junit.xml`, `trace.har`.
///
/// # Errors
/// As [`check`]; or the document is not that of a run.
pub fn write(dir: &Path, run: &Value) -> Result<()> {
    check(dir)?;
    let it = Run::of(run).ok_or_else(|| Error::environment("this is not the document of a run"))?;
    let contents = [json(run), page::of(&it), junit::of(&it), json(&har::of(&it))];
    files::write(dir, files::NAMES.into_iter().zip(contents))
}

/// What a program does with a run that ended: its report, where a folder is named; a few lines in the summary of the
/// job, where GitHub runs this.
///
/// # Errors
/// As [`write()`]; or the file that GitHub names cannot be written.
pub fn publish(run: impl FnOnce() -> Value, dir: Option<&Path>, github: bool) -> Result<()> {
    if dir.is_none() && !github {
        return Ok(());
    }
    let run = run();
    if let Some(dir) = dir {
        write(dir, &run)?;
    }
    if !github {
        return Ok(());
    }
    base::terminal::github::summarise(&markdown(&run)).map_err(|error| {
        Error::environment(format!("the file in GITHUB_STEP_SUMMARY cannot be written: {error}"))
    })
}

/// Makes the report of a saved document again, in its own folder or another. Gives that folder, and the document.
///
/// # Errors
/// The file cannot be read or is not the document of a run; or as [`write()`].
pub fn again(run_json: &Path, into: Option<&Path>) -> Result<(PathBuf, Value)> {
    let document = files::read(run_json)?;
    files::run(run_json, &document)?;
    let dir = into.map_or_else(|| files::folder_of(run_json), Path::to_owned);
    write(&dir, &document)?;
    Ok((dir, document))
}

/// Writes each drawing of a run as an SVG file of its own, and says which.
///
/// # Errors
/// One cannot be written; or the document is not that of a run.
pub fn pictures(dir: &Path, run: &Value) -> Result<Vec<PathBuf>> {
    let it = Run::of(run).ok_or_else(|| Error::environment("this is not the document of a run"))?;
    let drawn = drawings(&it);
    let paths = drawn.iter().map(|(name, _)| dir.join(name)).collect();
    files::write(dir, drawn)?;
    Ok(paths)
}

/// A short summary in Markdown, for `$GITHUB_STEP_SUMMARY`; empty for what is not a run.
pub fn markdown(run: &Value) -> String {
    Run::of(run).map(|run| markdown::of(&run)).unwrap_or_default()
}

/// The most drawings that become files.
const PICTURES: usize = 100;

/// Every drawing by the name of its file: place and name of the entry, and what is drawn.
fn drawings(run: &Run<'_>) -> Vec<(String, String)> {
    let limits = text::Limits::ALL[0];
    let mut drawn = vec![];
    for (place, entry) in run.entries.iter().enumerate() {
        let name = format!("{}-{}", place + 1, plain(goal(entry)));
        let mut login = |what: &str, trace: &Value| {
            let end = if passed(trace) { "passed" } else { "refused" };
            let title = format!("A login {}, {end}", text::words(what, 60));
            let drawing = Sequence::draw(trace, WIDE, &title);
            drawn.push((format!("{name}-{}", plain(what)), drawing));
        };
        for (way, trace) in examples(entry.list("traces")).into_iter().enumerate() {
            login(&format!("login-{}", way + 1), trace);
        }
        for (test, story) in entry.list("stories").iter().enumerate() {
            if let Some(trace) = story.list("traces").first() {
                login(&format!("{}-after-{}", test + 1, story.text("after").unwrap_or("?")), trace);
            }
        }
        for row in entry.list("releases") {
            for (stage, trace) in row.at("traces").as_object().into_iter().flatten() {
                login(&format!("{}-{stage}", row.text("version").unwrap_or("?")), trace);
            }
        }
        for row in entry.list("faults").iter().filter(|row| row.at("trace").is_object()) {
            login(row.text("fault").unwrap_or("?"), row.at("trace"));
        }
        let title = format!("The steps of {}", text::words(goal(entry), 60));
        let bars = timeline::draw(entry.list("steps"), limits.rows, WIDE, &title);
        drawn.extend(bars.map(|drawing| (format!("{name}-steps"), drawing)));
        let title = "How long each login took, and how it ended";
        let points = plot::draw(entry.list("series"), entry.list("failures"), limits.logins, WIDE, title);
        drawn.extend(points.map(|drawing| (format!("{name}-latency"), drawing)));
    }
    drawn
        .into_iter()
        .take(PICTURES)
        .map(|(name, drawing)| (format!("{name}.svg"), drawing.alone(STYLE)))
        .collect()
}

/// A name as a part of a file's name.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    name.chars().take(40).map(plain).collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// A document as text; of what a terminal obeys nothing stands in it as itself.
fn json(document: &Value) -> String {
    let mut safe = String::new();
    for c in document.to_string().chars() {
        // JSON has controls below U+0020 escaped.
        if c > '~' && base::shown::is_obeyed(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe += &format!("\\u{unit:04x}"));
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    safe
}
