//! The house: which crate and which module may know which, how long a file may be, and that
//! what the documents name is there. It reads sources and documents, and runs nothing but
//! `--help`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod arrows;
mod documents;
mod source;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use source::Crate;

/// The crates, each with those that it may know.
const CRATES: [(&str, &str, &[&str]); 14] = [
    (
        "xtask",
        "xtask",
        &[
            "cluster",
            "doctor",
            "kind_lab",
            "load",
            "local_lab",
            "stand_ins",
            "local_cluster",
            "toolbox",
            "releases",
            "report",
            "probe",
            "base",
        ],
    ),
    ("kind_lab", "xtask/kind-lab", &["cluster", "toolbox", "releases", "base"]),
    ("load", "xtask/load", &["cluster", "probe", "base"]),
    ("cluster", "xtask/cluster", &["base"]),
    ("doctor", "xtask/doctor", &["explain", "probe", "releases", "report", "base"]),
    ("explain", "xtask/explain", &["probe", "base"]),
    ("local_lab", "xtask/local-lab", &["local_cluster", "stand_ins", "releases", "base"]),
    ("stand_ins", "xtask/stand-ins", &["local_cluster", "releases", "base"]),
    ("local_cluster", "xtask/local-cluster", &["base"]),
    ("toolbox", "xtask/toolbox", &["releases", "base"]),
    ("releases", "xtask/releases", &[]),
    ("report", "xtask/report", &["base"]),
    ("probe", "probe", &["report", "base"]),
    ("base", "xtask/base", &[]),
];

/// The one way through xtask, from left to right. The words of the command line are data:
/// they stand at the right end, where all may read them, and `usage` reads them from the line.
const ONE_WAY: [&str; 20] = [
    "main", "usage", "commands", "goals", "timings", "plan", "steps", "faults", "login", "session", "lab",
    "route", "render", "known", "record", "programs", "console", "cli", "fault", "table",
];

/// Files that are longer than [`LINES`] lines of code, and why.
const LONG: [(&str, &str); 1] =
    [("probe/src/login.rs", "one login from its first request to its last, in their order")];
/// The most lines of code of a file, without tests, comments and blank lines.
const LINES: usize = 400;
/// The most of a crate.
const LINES_OF_A_CRATE: usize = 11_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn crates() -> &'static [Crate] {
    static CRATES_READ: OnceLock<Vec<Crate>> = OnceLock::new();
    CRATES_READ.get_or_init(|| {
        CRATES.iter().map(|(name, folder, _)| Crate::read(name, &root().join(folder))).collect()
    })
}

/// Fails with everything that is wrong, one a line.
#[track_caller]
fn nothing_of(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_crate_knows_one_to_its_left() {
    let mut wrong = vec![];
    for (own, (_, _, may)) in crates().iter().zip(CRATES) {
        for (other, ..) in CRATES.iter().filter(|(other, ..)| *other != own.name && !may.contains(other)) {
            wrong.extend(
                own.uses_of(other).map(|place| format!("{place}: {} must not know {other}", own.name)),
            );
        }
    }
    nothing_of(&wrong);
}

#[test]
fn there_is_one_way_through_xtask() {
    let xtask = &crates()[0];
    let place = |module: &str| ONE_WAY.iter().position(|it| *it == module);
    let mut wrong = vec![];
    for arrow in arrows::at_the_root(xtask) {
        match (place(&arrow.from), place(&arrow.to)) {
            (Some(from), Some(to)) if from < to => {}
            (Some(_), Some(_)) => {
                wrong.push(format!("{}: an arrow back, from {} to {}", arrow.place, arrow.from, arrow.to))
            }
            _ => {
                wrong.push(format!("{}: {} or {} has no place in ONE_WAY", arrow.place, arrow.from, arrow.to))
            }
        }
    }
    nothing_of(&wrong);
}

#[test]
fn no_modules_know_each_other_in_a_circle() {
    nothing_of(&crates().iter().flat_map(arrows::circles).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let mut wrong = vec![];
    for file in crates().iter().flat_map(|own| &own.files) {
        let shown = file.shown(&root());
        let listed = LONG.iter().any(|(path, _)| *path == shown);
        if listed != (file.code_lines() > LINES) {
            let what = if listed { "is listed as long and is not" } else { "is longer than a file may be" };
            wrong.push(format!("{shown}: {} lines of code: it {what}", file.code_lines()));
        }
    }
    nothing_of(&wrong);
}

#[test]
fn no_crate_is_too_big_to_be_known() {
    let lines =
        crates().iter().map(|own| (own, own.files.iter().map(source::File::code_lines).sum::<usize>()));
    let wrong = lines.filter(|(_, lines)| *lines > LINES_OF_A_CRATE);
    nothing_of(&wrong.map(|(own, lines)| format!("{}: {lines} lines of code", own.name)).collect::<Vec<_>>());
}

#[test]
fn every_file_says_at_its_top_what_it_is() {
    let without = crates().iter().flat_map(|own| &own.files).filter(|file| !file.text.starts_with("//!"));
    nothing_of(&without.map(|file| format!("{}: no top comment", file.shown(&root()))).collect::<Vec<_>>());
}

#[test]
fn what_the_documents_name_is_there() {
    nothing_of(&documents::wrong_paths(&root()));
}

#[test]
fn the_map_names_what_is_there_and_each_crate() {
    let folders = CRATES.iter().map(|(_, folder, _)| *folder).chain(["docs"]);
    nothing_of(&documents::wrong_map(&root(), &folders.collect::<Vec<_>>()));
}

#[test]
fn every_command_in_the_documents_is_one() {
    nothing_of(&documents::wrong_commands(&root()));
}
