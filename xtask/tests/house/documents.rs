//! What README, CONTRIBUTING and docs/ name: paths, and commands of `cargo xtask`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Endings of files that a document may name shortly, as `home.rs`.
const ENDINGS: [&str; 6] = [".rs", ".md", ".toml", ".yml", ".yaml", ".j2"];
/// What looks like a path and is none: a Deployment.
const ELSEWHERE: [&str; 1] = ["ingress/ingress-nginx-controller"];

fn documents(root: &Path) -> Vec<(PathBuf, String)> {
    let more = std::fs::read_dir(root.join("docs")).into_iter().flatten().flatten().map(|it| it.path());
    let pages = more.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let all = ["README.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into_iter().chain(pages);
    all.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// What stands between backticks on a line, and where it is.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = vec![];
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2).map(|it| (number + 1, it)));
        }
    }
    found
}

/// All files and folders, from the root.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![root.to_owned()];
    while let Some(folder) = next.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let shown = path.strip_prefix(root).unwrap().display().to_string();
            if shown == "target" || shown == ".git" {
                continue;
            }
            if path.is_dir() {
                next.push(path);
            }
            found.insert(shown);
        }
    }
    found
}

/// `a/{b,c}.rs` as the two that it stands for.
fn each(token: &str) -> Vec<String> {
    let Some((before, rest)) = token.split_once('{') else { return vec![token.to_owned()] };
    let Some((names, after)) = rest.split_once('}') else { return vec![token.to_owned()] };
    names.split(',').map(|name| format!("{before}{name}{after}")).collect()
}

pub fn wrong_paths(root: &Path) -> Vec<String> {
    let tree = tree(root);
    let folders: BTreeSet<&str> =
        tree.iter().filter(|it| root.join(it).is_dir()).filter_map(|it| it.rsplit('/').next()).collect();
    let is_there = |token: &str| {
        let token = token.trim_end_matches('/');
        let below = format!("/{token}");
        tree.iter().any(|it| it == token || it.ends_with(&below))
    };
    let mut wrong = vec![];
    for (document, text) in documents(root) {
        for (line, token) in quoted(&text) {
            let plain = token.chars().all(|c| c.is_ascii_alphanumeric() || "-_./{},".contains(c));
            let of_tree = token.split_once('/').is_some_and(|(first, _)| folders.contains(first));
            let is_file = ENDINGS.iter().any(|ending| token.len() > ending.len() && token.ends_with(ending));
            if !plain || !(of_tree || is_file) || ELSEWHERE.contains(&token) {
                continue;
            }
            for path in each(token).iter().filter(|path| !is_there(path)) {
                wrong.push(format!("{}:{line}: {path} is not there", document.display()));
            }
        }
    }
    wrong
}

/// What README's map names and is not there, and which of these folders it does not name.
pub fn wrong_map(root: &Path, folders: &[&str]) -> Vec<String> {
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let map = readme.split("## The map").nth(1).and_then(|rest| rest.split("```").nth(1)).unwrap();
    let (mut named, mut top) = (BTreeSet::new(), PathBuf::new());
    for line in map.lines().filter(|line| !line.is_empty()) {
        let names = line.trim_start().split("  ").next().unwrap().split(", ");
        // What is indented is below the last that is not; what stands beside a name is in its folder.
        let mut folder = if line.starts_with(' ') { top.clone() } else { PathBuf::new() };
        for name in names {
            let path = folder.join(name.trim_end_matches('/'));
            folder = path.parent().unwrap().to_owned();
            named.insert(path);
        }
        if !line.starts_with(' ') {
            top = PathBuf::from(line.split('/').next().unwrap());
        }
    }
    let gone = named.iter().filter(|path| !root.join(path).exists());
    let gone = gone.map(|path| format!("README.md's map: {} is not there", path.display()));
    let unnamed = folders.iter().filter(|folder| !named.contains(Path::new(folder)));
    gone.chain(unnamed.map(|folder| format!("README.md's map does not name {folder}"))).collect()
}

/// A line of `--help`: options with whether they take a value, and words.
struct Help {
    options: Vec<(String, bool)>,
    words: Vec<String>,
}

fn help(of: &[&str]) -> Help {
    let said =
        Command::new(env!("CARGO_BIN_EXE_xtask")).args(of).arg("--help").env_remove("OIDC_LAB").output();
    let text = String::from_utf8(said.unwrap().stdout).unwrap();
    let mut help = Help { options: vec![], words: vec![] };
    for line in text.lines().map(str::trim) {
        for (place, _) in line.match_indices("--") {
            let rest = &line[place..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let value = rest[name.len()..].starts_with(" <");
            help.options.push((name, value));
        }
        // `- working:  Bring up …` and `render  Print …`.
        let word = line.trim_start_matches("- ").split([':', ' ']).next().unwrap_or_default();
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            help.words.push(word.to_owned());
        }
    }
    help
}

pub fn wrong_commands(root: &Path) -> Vec<String> {
    let all = help(&[]);
    let mut wrong = vec![];
    for (document, text) in documents(root) {
        for (number, line) in text.lines().enumerate() {
            for (place, begin) in line.match_indices("cargo xtask ") {
                let rest = &line[place + begin.len()..];
                let quoted = line[..place].matches('`').count() % 2 == 1;
                let fenced = text.lines().take(number).filter(|it| it.starts_with("```")).count() % 2 == 1;
                if !quoted && !fenced {
                    continue;
                }
                let said = rest.split(['`', '#', '|', ';', '&', '(']).next().unwrap_or_default();
                if let Some(what) = not_one(&all, said) {
                    wrong.push(format!(
                        "{}:{}: {what} in `cargo xtask {said}`",
                        document.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    wrong
}

/// What of a command line is no goal, command or option.
fn not_one(all: &Help, said: &str) -> Option<String> {
    let mut words = said.split_whitespace();
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            let name = format!("--{}", option.split('=').next().unwrap_or_default());
            let mut meant = all.options.iter().filter(|(it, _)| *it == name).peekable();
            if meant.peek().is_none() {
                return Some(name);
            }
            // Prose names an option too, and there without its value.
            if meant.any(|(_, value)| *value) && !option.contains('=') {
                words.next();
            }
            continue;
        }
        let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        if !plain || word.starts_with('-') {
            continue;
        }
        if !all.words.iter().any(|it| it == word) {
            return Some(word.to_owned());
        }
        if [
            "doctor",
            "faults",
            "load",
            "rotate",
            "matrix",
            "compare",
            "open",
            "report",
            "man",
            "kubectl",
            "tools",
            "completions",
        ]
        .contains(&word)
        {
            // What follows is the command's own.
            let own = help(&[word]);
            let options = words.filter(|it| it.starts_with("--") && it.len() > 2 && word != "kubectl");
            let known =
                |it: &&str| own.options.iter().any(|(name, _)| Some(name.as_str()) == it.split('=').next());
            return options.into_iter().find(|it| !known(it)).map(str::to_owned);
        }
    }
    None
}
