//! Which module names which, by the paths in `use` lines and expressions.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Crate, File, Token};

/// A module names another one beside it.
#[derive(Clone, Debug)]
pub struct Arrow {
    pub folder: Vec<String>,
    pub from: String,
    pub to: String,
    pub place: String,
}

/// The arrows between the modules at a crate's root. What its root file names counts as main's.
pub fn at_the_root(own: &Crate) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = all(own).into_iter().filter(|arrow| arrow.folder.is_empty()).collect();
    for file in own.files.iter().filter(|file| file.module.is_empty()) {
        for module in own.children(&[]) {
            let place = file.path.display().to_string();
            arrows.push(Arrow { folder: vec![], from: "main".into(), to: module.clone(), place });
        }
    }
    arrows
}

/// The circles between modules of one folder, in all folders of a crate: a text for each.
pub fn circles(own: &Crate) -> Vec<String> {
    let mut folders: BTreeMap<Vec<String>, Vec<Arrow>> = BTreeMap::new();
    for arrow in all(own) {
        folders.entry(arrow.folder.clone()).or_default().push(arrow);
    }
    let mut found = vec![];
    for (folder, arrows) in folders {
        let names: BTreeSet<&String> = arrows.iter().flat_map(|arrow| [&arrow.from, &arrow.to]).collect();
        let reached = |from: &String| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(name) = next.pop() {
                for arrow in arrows.iter().filter(|arrow| arrow.from == name) {
                    if seen.insert(arrow.to.clone()) {
                        next.push(arrow.to.clone());
                    }
                }
            }
            seen
        };
        let reach: BTreeMap<&String, BTreeSet<String>> = names.iter().map(|it| (*it, reached(it))).collect();
        let mut done = BTreeSet::new();
        for name in &names {
            let with: Vec<String> = names
                .iter()
                .filter(|it| reach[*name].contains(**it) && reach[**it].contains(*name))
                .map(|it| (*it).clone())
                .collect();
            if with.len() > 1 && done.insert(with.clone()) {
                let folder = if folder.is_empty() { "root" } else { &folder.join("/") };
                let mut text = format!("{} {folder}: {} know each other:", own.name, with.join(", "));
                let mut once = BTreeSet::new();
                for arrow in arrows.iter().filter(|it| with.contains(&it.from) && with.contains(&it.to)) {
                    if once.insert((&arrow.from, &arrow.to)) {
                        text.push_str(&format!("\n    {} -> {} ({})", arrow.from, arrow.to, arrow.place));
                    }
                }
                found.push(text);
            }
        }
    }
    found
}

/// All arrows between modules that are beside each other.
fn all(own: &Crate) -> Vec<Arrow> {
    let by_module = own.by_module();
    let again: BTreeMap<&[String], BTreeMap<String, Vec<String>>> =
        by_module.iter().map(|(module, file)| (*module, shown_again(own, file))).collect();
    let mut arrows = vec![];
    for file in &own.files {
        for (path, line) in paths(&file.tokens) {
            let Some(target) = absolute(own, file, &path) else { continue };
            // What a folder's own file shows again is that of the module which has it.
            let named = (0..target.len()).find_map(|end| {
                let name = again.get(&target[..end])?.get(&target[end])?;
                (!own.has(&target[..end], &target[end])).then(|| name.clone())
            });
            let target = named.unwrap_or(target);
            let common = file.module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            let (Some(from), Some(to)) = (file.module.get(common), target.get(common)) else { continue };
            let folder = file.module[..common].to_vec();
            if own.has(&folder, to) {
                let place = format!("{}:{line}", file.path.display());
                arrows.push(Arrow { folder, from: from.clone(), to: to.clone(), place });
            }
        }
    }
    arrows
}

/// What a file shows again of its own modules: the name, and where it is.
fn shown_again(own: &Crate, file: &File) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (path, _) in paths(&file.tokens) {
        if path.len() > 1 && own.has(&file.module, &path[0]) {
            let target = [file.module.as_slice(), &path].concat();
            found.insert(path[path.len() - 1].clone(), target);
        }
    }
    found
}

/// A path from the crate's root, if it is one into this crate.
fn absolute(own: &Crate, file: &File, path: &[String]) -> Option<Vec<String>> {
    let mut rest = path;
    let mut base = match path.first()?.as_str() {
        "crate" => vec![],
        "self" | "super" => file.module.clone(),
        first if own.has(&file.module, first) => {
            return Some([file.module.as_slice(), path].concat());
        }
        _ => return None,
    };
    while let Some(first) = rest.first().filter(|it| matches!(it.as_str(), "crate" | "self" | "super")) {
        if first == "super" {
            base.pop();
        }
        rest = &rest[1..];
    }
    (!rest.is_empty()).then(|| [base.as_slice(), rest].concat())
}

/// All paths of more than one part, with those in braces each by itself.
fn paths(tokens: &[(Token, usize)]) -> Vec<(Vec<String>, usize)> {
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        if let Token::Word(_) = tokens[at].0 {
            at = tree(tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found.retain(|(path, _)| path.len() > 1);
    found
}

/// Reads a path from here on, and gives the place after it.
fn tree(
    tokens: &[(Token, usize)],
    start: usize,
    before: &[String],
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let mut path = before.to_vec();
    let mut at = start;
    let line = tokens[start].1;
    let sign = |at: usize, c: char| tokens.get(at).is_some_and(|(token, _)| *token == Token::Sign(c));
    loop {
        match tokens.get(at).map(|(token, _)| token) {
            Some(Token::Word(word)) => path.push(word.clone()),
            Some(Token::Sign('{')) if at > start => {
                at += 1;
                while at < tokens.len() && !sign(at, '}') {
                    match tokens[at].0 {
                        Token::Word(_) => at = tree(tokens, at, &path, found),
                        _ => at += 1,
                    }
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if sign(at, ':') && sign(at + 1, ':') {
            at += 2;
        } else {
            break;
        }
    }
    found.push((path, line));
    at.max(start + 1)
}
