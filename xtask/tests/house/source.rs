//! Rust sources, as far as the house asks: words and signs by line, without comments, strings
//! and tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A word or a sign of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Sign(char),
    Text,
}

/// A file that is not of tests.
pub struct File {
    pub path: PathBuf,
    pub text: String,
    /// Where it is in its crate: `["commands", "matrix"]` for `commands/matrix/mod.rs`; none for the root.
    pub module: Vec<String>,
    /// What it consists of, with the line, tests left out.
    pub tokens: Vec<(Token, usize)>,
}

/// A crate's sources.
pub struct Crate {
    pub name: String,
    pub files: Vec<File>,
    /// The modules of each module.
    children: BTreeMap<Vec<String>, BTreeSet<String>>,
}

impl Crate {
    pub fn read(name: &str, folder: &Path) -> Self {
        let source = folder.join("src");
        let mut paths = vec![];
        walk(&source, &mut paths);
        paths.sort();
        assert!(!paths.is_empty(), "{} has no sources", source.display());
        let mut files: Vec<File> = paths.iter().map(|path| File::read(&source, path)).collect();
        let tests: BTreeSet<Vec<String>> = files.iter().flat_map(File::modules_of_tests).collect();
        files.retain(|file| !tests.iter().any(|tests| file.module.starts_with(tests)));
        files.retain(|file| !file.module.last().is_some_and(|name| name.ends_with("_tests")));
        let mut children: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
        for module in files.iter().map(|file| &file.module) {
            for depth in 0..module.len() {
                children.entry(module[..depth].to_vec()).or_default().insert(module[depth].clone());
            }
        }
        Self { name: name.to_owned(), files, children }
    }

    /// Where another crate is named.
    pub fn uses_of<'a>(&'a self, other: &'a str) -> impl Iterator<Item = String> + 'a {
        self.files.iter().flat_map(move |file| {
            let beside = &file.module[..file.module.len().saturating_sub(1)];
            let at = file.tokens.windows(3).enumerate().filter_map(move |(place, three)| {
                let named = three[0].0 == Token::Word(other.to_owned())
                    && three[1].0 == Token::Sign(':')
                    && three[2].0 == Token::Sign(':');
                let inner = place > 0 && file.tokens[place - 1].0 == Token::Sign(':');
                // A module of the crate's own, or of the file's, may have the same name.
                let own = self.has(&[], other) || self.has(&file.module, other) || self.has(beside, other);
                (named && !inner && !own).then_some(three[0].1)
            });
            at.map(|line| format!("{}:{line}", file.path.display()))
        })
    }

    /// Whether a module has one of this name.
    pub fn has(&self, module: &[String], child: &str) -> bool {
        self.children.get(module).is_some_and(|children| children.contains(child))
    }

    /// The modules of a module.
    pub fn children(&self, module: &[String]) -> impl Iterator<Item = &String> {
        self.children.get(module).into_iter().flatten()
    }

    pub fn by_module(&self) -> BTreeMap<&[String], &File> {
        self.files.iter().map(|file| (file.module.as_slice(), file)).collect()
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

impl File {
    fn read(source: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let inner = path.strip_prefix(source).unwrap().with_extension("");
        let mut module: Vec<String> = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        let tokens = without_tests(tokens(&text));
        Self { path: path.to_owned(), text, module, tokens }
    }

    pub fn shown(&self, root: &Path) -> String {
        self.path.strip_prefix(root).unwrap_or(&self.path).display().to_string()
    }

    pub fn code_lines(&self) -> usize {
        self.tokens.iter().map(|(_, line)| line).collect::<BTreeSet<_>>().len()
    }

    /// The modules that it declares for tests only.
    fn modules_of_tests(&self) -> Vec<Vec<String>> {
        let mut found = vec![];
        let mut after_test = false;
        for line in self.text.lines().map(str::trim) {
            if line == "#[cfg(test)]" {
                after_test = true;
                continue;
            }
            if line.starts_with("#[") {
                continue;
            }
            let name = line.split_once("mod ").and_then(|(_, rest)| rest.strip_suffix(';'));
            if let Some(name) = name.filter(|_| after_test) {
                found.push([self.module.as_slice(), &[name.to_owned()]].concat());
            }
            after_test = false;
        }
        found
    }
}

/// Words and signs; each line of a text counts as code.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut found = vec![];
    let is = |at: usize, c: char| chars.get(at) == Some(&c);
    while at < chars.len() {
        let c = chars[at];
        if c == '\n' {
            line += 1;
            at += 1;
        } else if c.is_whitespace() {
            at += 1;
        } else if c == '/' && is(at + 1, '/') {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && is(at + 1, '*') {
            while at < chars.len() && !(chars[at] == '*' && is(at + 1, '/')) {
                line += usize::from(chars[at] == '\n');
                at += 1;
            }
            at += 2;
        } else if let Some((quote, hashes)) = raw(&chars, at) {
            let mut end = quote + 1;
            while end < chars.len() && !(chars[end] == '"' && (1..=hashes).all(|it| is(end + it, '#'))) {
                end += 1;
            }
            text_lines(&chars[at..end], &mut line, &mut found);
            at = end + 1 + hashes;
        } else if c == '"' {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != '"' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            text_lines(&chars[at..end.min(chars.len())], &mut line, &mut found);
            at = end + 1;
        } else if c == '\'' && (is(at + 1, '\\') || is(at + 2, '\'')) {
            let mut end = at + 1;
            while end < chars.len() && chars[end] != '\'' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            found.push((Token::Text, line));
            at = end + 1;
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            found.push((Token::Word(chars[start..at].iter().collect()), line));
        } else {
            found.push((Token::Sign(c), line));
            at += 1;
        }
    }
    found
}

fn text_lines(text: &[char], line: &mut usize, found: &mut Vec<(Token, usize)>) {
    found.push((Token::Text, *line));
    for _ in text.iter().filter(|c| **c == '\n') {
        *line += 1;
        found.push((Token::Text, *line));
    }
}

/// Where the quote of a raw text is that begins here, and how many hashes it has.
fn raw(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let before = at.checked_sub(1).map(|at| chars[at]);
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let start = match (chars[at], chars.get(at + 1)) {
        ('r', _) => at + 1,
        ('b', Some('r')) => at + 2,
        _ => return None,
    };
    let hashes = chars[start..].iter().take_while(|c| **c == '#').count();
    (chars.get(start + hashes) == Some(&'"')).then_some((start + hashes, hashes))
}

/// Leaves out what `#[cfg(test)]` stands before.
fn without_tests(tokens: Vec<(Token, usize)>) -> Vec<(Token, usize)> {
    let word = |text: &str| Token::Word(text.to_owned());
    let attribute = [
        Token::Sign('#'),
        Token::Sign('['),
        word("cfg"),
        Token::Sign('('),
        word("test"),
        Token::Sign(')'),
        Token::Sign(']'),
    ];
    let mut kept = vec![];
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].iter().map(|(token, _)| token);
        if !here.take(attribute.len()).eq(attribute.iter()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += attribute.len();
        let mut depth = 0;
        while at < tokens.len() {
            match tokens[at].0 {
                Token::Sign('{') => depth += 1,
                Token::Sign('}') => depth -= 1,
                _ => {}
            }
            let ended = matches!(tokens[at].0, Token::Sign('}' | ';')) && depth == 0;
            at += 1;
            if ended {
                break;
            }
        }
    }
    kept
}
