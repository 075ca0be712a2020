//! Whose a folder is: what is in one of somebody's own stays, whatever is typed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::support::{Ended, Lab, files, processes_of};

/// Everything that brings a lab up, takes one down or looks for one.
const ALL: [&str; 13] = [
    "working",
    "broken",
    "down",
    "reproduce",
    "faults rotate",
    "matrix v3.3.6",
    "compare",
    "status",
    "test",
    "doctor",
    "rotate",
    "kubectl -- get pods",
    "",
];

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Runs a line on the lab of a folder.
fn on(lab: &Lab, folder: &Path, line: &str) -> Ended {
    Ended::of(lab.command(&words(line)).env("OIDC_LAB_DIR", folder))
}

/// A folder of the test's own, which is not the lab's.
fn made(lab: &Lab, name: &str) -> PathBuf {
    let folder = lab.path().with_file_name(name);
    fs::create_dir(&folder).unwrap();
    folder
}

/// Files as a person has them, some by names that the lab has too.
fn fill(folder: &Path) {
    fs::create_dir(folder.join("logs")).unwrap();
    for name in ["thesis.txt", "logs/mine.log", "lab.json", "kubeconfig"] {
        fs::write(folder.join(name), format!("{{\"mine\": \"{name}\"}}")).unwrap();
    }
}

/// What is below a folder, and when it was changed.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let of = |path: PathBuf| {
        let changed = fs::symlink_metadata(&path).unwrap().modified().unwrap();
        let content = fs::read(&path).unwrap_or_default();
        (path, (changed, content))
    };
    files(folder).into_iter().chain([folder.to_owned()]).map(of).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_of_ones_own_is_refused_before_anybody_is_asked_which_releases_there_are() {
    let lab = Lab::new();
    let own = made(&lab, "work");
    fill(&own);
    let mut command = lab.command(&words("--real matrix"));
    // Nobody is there.
    command.env("OIDC_LAB_DIR", &own).env("OIDC_LAB_GITHUB", "http://127.0.0.1:1/");
    let ended = Ended::of(&mut command);
    assert!(ended.status == 3 && ended.error().contains("lacks the lab's marker"), "{ended}");
}

#[test]
fn a_folder_of_ones_own_is_refused_and_left_as_it_is() {
    let lab = Lab::new();
    let own = made(&lab, "work");
    fill(&own);
    let (before, around) = (tree(&own), names(own.parent().unwrap()));
    let around = [around, vec!["home".to_owned()]].concat();
    for line in ALL {
        let ended = on(&lab, &own, line);
        assert_eq!(ended.status, 3, "{line}: {ended}");
        let error = ended.error();
        assert!(error.contains(&format!("{} ", own.display())), "{line}: {ended}");
        assert!(error.contains("marker") && error.contains("OIDC_LAB_DIR"), "{line}: {ended}");
        assert_eq!(tree(&own), before, "{line}");
        let mut now = names(own.parent().unwrap());
        now.retain(|name| !around.contains(name));
        assert_eq!(now, Vec::<String>::new(), "{line}: nothing is left beside it");
    }
}

#[test]
fn folders_beside_the_lab_are_ones_own_too() {
    let lab = Lab::new();
    let own =
        ["lab-faults", "lab-matrix", "lab-compare", "lab-kind", "lab.faults"].map(|name| made(&lab, name));
    for folder in &own {
        fill(folder);
    }
    let before = own.each_ref().map(|folder| tree(folder));
    for line in ["faults rotate", "matrix v3.3.6", "compare"] {
        let ended = lab.expect(3, &words(line));
        assert!(ended.error().contains("marker"), "{line}: {ended}");
    }
    lab.expect(0, &["working", "test"]);
    lab.expect(0, &["down"]);
    assert_eq!(own.each_ref().map(|folder| tree(folder)), before);
}

#[test]
fn a_link_in_the_labs_place_is_refused_and_links_further_up_are_fine() {
    let lab = Lab::new();
    let (empty, above) = (made(&lab, "empty"), made(&lab, "above"));
    for (name, target) in [("to-empty", &empty), ("to-nothing", &above.join("nothing")), ("up", &above)] {
        symlink(target, lab.path().with_file_name(name)).unwrap();
    }
    for name in ["to-empty", "to-nothing", "to-empty/", "to-empty/."] {
        for line in ALL {
            let ended = on(&lab, &lab.path().with_file_name(name), line);
            assert_eq!(ended.status, 3, "{line}: {ended}");
            assert!(ended.error().contains("symbolic link"), "{line}: {ended}");
        }
    }
    assert!(names(&empty).is_empty() && names(&above).is_empty());
    let below = lab.path().with_file_name("up").join("lab");
    assert_eq!(on(&lab, &below, "working test").status, 0);
    assert_eq!(on(&lab, &below, "down").status, 0);
    assert!(names(&above).is_empty());
}

#[test]
fn an_empty_folder_that_was_there_is_used_and_given_back_empty() {
    let lab = Lab::new();
    let own = made(&lab, "own");
    for _ in 0..2 {
        let ended = on(&lab, &own, "working test");
        assert_eq!(ended.status, 0, "{ended}");
        assert_eq!(on(&lab, &own, "down").stdout, "the lab is gone\n");
        assert!(names(&own).is_empty());
        assert_eq!(on(&lab, &own, "down").stdout, "there was no lab\n");
        assert!(names(&own).is_empty());
    }
    assert_eq!(names(own.parent().unwrap()), ["home", "own"], "no lock is left either");
}

#[test]
fn what_somebody_put_into_the_labs_folder_keeps_it() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    fs::write(lab.path().join("notes.txt"), "mine").unwrap();
    for goals in [&["down"][..], &["down"], &["working", "test"], &["down"]] {
        lab.expect(0, goals);
        assert_eq!(fs::read_to_string(lab.path().join("notes.txt")).unwrap(), "mine");
    }
    assert!(!lab.path().join("logs").exists());
    // In a folder that was theirs all along, what is left is theirs, and refused.
    let own = made(&lab, "own");
    assert_eq!(on(&lab, &own, "working").status, 0);
    fs::write(own.join("notes.txt"), "mine").unwrap();
    assert_eq!(on(&lab, &own, "down").status, 0);
    assert_eq!(names(&own), ["notes.txt"]);
    assert_eq!(on(&lab, &own, "working").status, 3);
    assert_eq!(names(&own), ["notes.txt"]);
}

#[test]
fn a_lab_of_an_older_program_is_taken_over() {
    let lab = Lab::new();
    let marker = || fs::remove_file(lab.path().join("oidc-lab.json")).unwrap();
    lab.expect(0, &["working"]);
    marker();
    lab.expect(0, &["status"]);
    lab.expect(0, &["working", "test"]);
    let _ = fs::remove_file(lab.path().join("oidc-lab.json"));
    lab.expect(0, &["down"]);
    assert!(!lab.path().exists());
    // As it leaves one that was killed.
    lab.expect(0, &["working"]);
    marker();
    let pid = lab.pid();
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    while !processes_of(&lab.path()).is_empty() {}
    lab.expect(3, &["status"]);
    lab.expect(0, &["working", "test"]);
    lab.expect(0, &["down"]);
    assert!(!lab.path().exists());
}

#[test]
fn labs_that_an_older_program_left_beside_go_with_the_next_down() {
    let lab = Lab::new();
    let left =
        ["lab.faults", "lab-matrix/0-v3.3.6", "lab-compare/real"].map(|it| lab.path().with_file_name(it));
    for folder in &left {
        assert_eq!(on(&lab, folder, "working").status, 0);
        fs::remove_file(folder.join("oidc-lab.json")).unwrap();
    }
    lab.expect(0, &["down"]);
    for folder in left {
        assert!(!folder.exists() && processes_of(&folder).is_empty(), "{}", folder.display());
    }
    assert_eq!(names(lab.path().parent().unwrap()), ["home"]);
}

#[test]
fn killed_at_any_line_the_folder_is_still_the_labs() {
    let lab = Lab::new();
    for lines in 0..8 {
        let mut working =
            lab.command(&["working"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(working.stderr.take().unwrap()).lines().take(lines).count();
        working.kill().unwrap();
        working.wait().unwrap();
        if lines % 2 == 0 {
            lab.expect(0, &["working", "test", "--logins", "1"]);
        }
        lab.expect(0, &["down"]);
        assert_eq!(names(lab.path().parent().unwrap()), ["home"], "after {said} lines");
    }
}

#[test]
fn the_lock_of_one_folder_is_no_other_folders() {
    let lab = Lab::new();
    let [one, other] = ["l.1", "l.2"].map(|name| lab.path().with_file_name(name));
    assert_eq!(on(&lab, &one, "working").status, 0);
    let mut busy = lab
        .command(&["test", "--logins", "500", "-v"])
        .env("OIDC_LAB_DIR", &one)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(busy.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("login ")).unwrap().unwrap();
    assert_eq!(on(&lab, &one, "down").status, 3);
    let ended = on(&lab, &other, "working down");
    assert_eq!(ended.status, 0, "{ended}");
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(on(&lab, &one, "down").status, 0);
    assert_eq!(names(lab.path().parent().unwrap()), ["home"]);
}

#[test]
fn a_lock_that_somebody_else_has_by_that_name_is_left_alone() {
    let lab = Lab::new();
    let theirs = lab.file("Cargo.lock", "version = 4\n");
    let ended = on(&lab, &lab.path().with_file_name("Cargo"), "working");
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("Cargo.lock is there and is not the lab's"), "{ended}");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "version = 4\n");
    assert!(!lab.path().with_file_name("Cargo").exists());
}

#[test]
fn a_lock_that_cannot_be_asked_is_an_error_and_ends_no_lab() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let (lock, kept) = (lab.path().join("alive.lock"), lab.path().join("kept"));
    fs::rename(&lock, &kept).unwrap();
    // Nobody can open it, whoever they are.
    symlink(&lock, &lock).unwrap();
    for line in ["status", "working", "test", "down", "doctor", ""] {
        let ended = lab.expect(3, &words(line));
        assert!(ended.error().contains("alive.lock cannot be locked"), "{line}: {ended}");
    }
    fs::rename(&kept, &lock).unwrap();
    lab.expect(0, &["test"]);
}
