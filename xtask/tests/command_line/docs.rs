//! docs/ says what the program does: every cause, fault, field and variable has its place
//! there, and nothing has one that is not. The tables of what was measured are held where they
//! are written, in `xtask/src/commands`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use probe::{CauseId, Options, Password, Resolve};
use serde_json::Value;

use crate::support::{Lab, files};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between backticks, on one line or on two.
fn quoted(text: &str) -> Vec<String> {
    let words = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    text.split('`').skip(1).step_by(2).map(words).collect()
}

/// The sections of a page: heading and text.
fn sections(page: &str) -> Vec<(&str, &str)> {
    page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

#[test]
fn the_readme_is_short_and_each_page_answers_a_question() {
    let readme = page("README.md");
    assert!(readme.lines().count() <= 200, "README.md has {} lines", readme.lines().count());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|it| it == "md");
    for path in files(&root().join("docs")).into_iter().filter(is_page) {
        let name = format!("docs/{}", path.file_name().unwrap().to_str().unwrap());
        let text = page(&name);
        let question = text.split("\n\n").nth(1).unwrap();
        assert!(text.starts_with("# ") && question.ends_with('?'), "{name} begins: {question}");
        assert!(readme.contains(&format!("({name})")), "README.md does not lead to {name}");
    }
}

#[test]
fn every_cause_has_its_section_and_nothing_else_has() {
    let page = page("docs/causes.md");
    let sections = sections(&page);
    let ids: Vec<String> = sections.iter().map(|(heading, _)| heading.replace('`', "")).collect();
    assert_eq!(ids, CauseId::ALL.iter().map(|id| id.name().to_owned()).collect::<Vec<_>>());
    for (heading, text) in sections {
        let mut rest = text;
        for part in ["People see", "Why", "How to tell", "Fix", "Lasting fix"] {
            let found = rest.split_once(&format!("\n- **{part}** "));
            rest = found.unwrap_or_else(|| panic!("{heading} has no *{part}* where it belongs")).1;
        }
    }
}

#[test]
fn what_people_see_of_a_cause_is_what_was_seen_of_its_faults() {
    let page = page("docs/causes.md");
    let sections: BTreeMap<String, &str> =
        sections(&page).into_iter().map(|(heading, text)| (heading.replace('`', ""), text)).collect();
    let seen: BTreeMap<String, Value> = serde_json::from_str(&self::page("xtask/faults.json")).unwrap();
    assert!(!seen.is_empty());
    for (fault, row) in seen {
        let cause = row["answer"][0].as_str().unwrap();
        let people_see = sections[cause].split("- **").nth(1).unwrap();
        let symptom = row["symptom"].as_str().unwrap();
        let said = |words: &String| symptom.contains(words.as_str());
        assert!(quoted(people_see).iter().any(said), "{fault}: {cause} quotes nothing of {symptom}");
    }
}

#[test]
fn reports_are_of_causes_and_faults_that_there_are() {
    let page = page("docs/reports.md");
    let known = |names: &str| {
        let is = |name: &String| {
            CauseId::ALL.iter().any(|id| id.name() == name)
                || self::page("xtask/faults.json").contains(&format!("\"{name}"))
        };
        quoted(names).iter().all(is)
    };
    let rows = page.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| class") && !line.starts_with("| report")
    });
    let mut threads = 0;
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let thread = row.starts_with("| [");
        threads += usize::from(thread);
        let named = if thread { &cells[2..3] } else { &cells[1..3] };
        assert!(named.iter().all(|cell| known(cell)), "{row}");
        assert!(named[0].contains('`') || named[0] == "not ours", "{row}");
    }
    assert_eq!(threads, 51);
}

#[test]
fn every_fault_is_named() {
    let listed = Lab::new().json(0, &["break", "--fault", "list"]);
    let named = quoted(&page("docs/faults.md"));
    let faults = listed["goals"][0]["faults"].as_array().unwrap();
    let more = format!("broken in {} more ways", faults.len() - 1);
    assert!(page("README.md").contains(&more), "README.md does not say {more}");
    for fault in faults {
        let name = fault["name"].as_str().unwrap();
        assert!(named.iter().any(|it| it == name), "docs/faults.md does not name {name}");
    }
}

/// The fields that docs/json.md names, by section: whether each may be left out.
struct Fields(BTreeMap<String, BTreeMap<String, bool>>);

impl Fields {
    fn read() -> Self {
        let page = page("docs/json.md");
        let rows = |text: &str| -> BTreeMap<String, bool> {
            let cells = text.lines().filter_map(|line| {
                let (path, says) = line.strip_prefix("| `")?.split_once("` |")?;
                Some((path.to_owned(), says.trim().starts_with("if ") || says.trim().starts_with("with ")))
            });
            cells.collect()
        };
        Self(sections(&page).into_iter().map(|(name, text)| (name.replace('`', ""), rows(text))).collect())
    }

    /// Takes note of the paths of a document. Gives those that no section of these has.
    fn unnamed(&self, sections: &[&str], document: &Value, seen: &mut Seen) -> Vec<String> {
        let mut paths = BTreeSet::new();
        collect(document, "", &mut paths);
        let mut unnamed = vec![];
        for path in paths {
            let named = sections.iter().find_map(|section| {
                let known = self.0.get(*section)?.keys().find(|known| matches(known, &path))?;
                Some(((*section).to_owned(), known.clone()))
            });
            match named {
                Some(named) => {
                    seen.insert(named);
                }
                None => unnamed.push(path),
            }
        }
        unnamed
    }
}

/// Fields that were in some document, with their section.
type Seen = BTreeSet<(String, String)>;

fn collect(value: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                collect(value, &path, paths);
                paths.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{at}[]"), paths)),
        _ => {}
    }
}

fn matches(known: &str, path: &str) -> bool {
    let (known, path): (Vec<&str>, Vec<&str>) = (known.split('.').collect(), path.split('.').collect());
    let same = |(known, name): (&&str, &&str)| {
        known == name
            || known
                .strip_prefix('*')
                .is_some_and(|list| name.trim_end_matches("[]").to_owned() + list == **name)
    };
    known.len() == path.len() && known.iter().zip(&path).all(same)
}

/// What a login is in `probe --trace`.
fn traced(address: &str) -> Value {
    let url = "http://argocd.host/".parse().unwrap();
    let mut options = Options::new(url, "admin@example.com", Password::new("password"));
    options.resolve = vec![Resolve::new("*", 80, address.parse().unwrap())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    serde_json::to_value(runtime.block_on(probe::login(&options))).unwrap()
}

/// All documents but those of `compare`, which needs real programs, and of `load`, which needs a cluster.
#[test]
fn every_field_of_every_document_is_named_and_none_that_is_in_no_document() {
    let fields = Fields::read();
    let (mut seen, mut unnamed) = (Seen::new(), vec![]);
    let lab = Lab::new();
    let mut run = |line: &str| -> Value {
        let args: Vec<&str> = line.split(' ').collect();
        let ended = lab.run(&[&["--format", "json", "--logins", "2"], args.as_slice()].concat());
        let mut document: Value =
            serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{line}: {error}\n{ended}"));
        for entry in document["goals"].as_array().unwrap() {
            let watched = line.starts_with("--watch").then_some("probe watch, and test --watch");
            let sections = [watched.unwrap_or(entry["goal"].as_str().unwrap()), "Every entry"];
            unnamed.extend(
                fields.unnamed(&sections, entry, &mut seen).into_iter().map(|it| format!("{line}: {it}")),
            );
        }
        let whole = document.clone();
        document["goals"] = Value::Null;
        unnamed.extend(
            fields
                .unnamed(&["The whole"], &document, &mut seen)
                .into_iter()
                .map(|it| format!("{line}: {it}")),
        );
        whole
    };
    run("wroking");
    run("completions bash");
    run(&format!("man {}", lab.home().join("man").display()));
    run("break --fault list");
    run("render");
    run("tools");
    run("working test monitor");
    run("open");
    let status = run("status");
    let status = &status["goals"][0];
    let address = status["address"].as_str().unwrap();
    let passed = traced(address);
    run("--dry-run --timings working");
    run("--dry-run rotate");
    // Not more than a machine at work bears: that would count as failed logins.
    run("rotate --rate 1");
    run("break test");
    run("--watch --expect refused test");
    run("doctor --before-rotation");
    run("doctor --url http://127.0.0.1:1/");
    run("doctor --upgrade-to v3.5.1");
    run("doctor --watch --wait 1");
    run("doctor --print-role");
    run("explain http://argocd.host/auth/callback?error=invalid_scope");
    run("explain http://argocd.host/auth/callback?code=1");
    let failed = traced(address);
    run("fix reproduce");
    let saved = lab.file("saved.json", &run("test").to_string());
    run(&format!("report {} --into {}", saved.display(), lab.home().join("report").display()));
    run("faults scope");
    run("matrix --jobs 1 --bisect v3.3.6..v3.3.7 --story break");
    run("down");
    for login in [passed, failed] {
        unnamed.extend(fields.unnamed(&["probe --trace FILE"], &login, &mut seen));
    }
    assert!(unnamed.is_empty(), "docs/json.md names none of {unnamed:#?}");

    let others = ["compare", "probe", "load", "run.json of --report"];
    let mut only_there = vec![];
    for (section, paths) in fields.0.iter().filter(|(section, _)| !others.contains(&section.as_str())) {
        // What belongs to a field that may be left out may be left out with it.
        let optional = |path: &str| {
            paths.iter().any(|(known, optional)| {
                let below = path.strip_prefix(known.as_str());
                *optional && below.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        let missing = |path: &&String| !optional(path) && !seen.contains(&(section.clone(), (*path).clone()));
        only_there.extend(paths.keys().filter(missing).map(|path| format!("{section}: {path}")));
    }
    assert!(only_there.is_empty(), "no document has what docs/json.md names: {only_there:#?}");
}

/// The words of the sources that are made of capitals.
fn words_of_the_sources() -> BTreeSet<String> {
    let folders = ["probe", "xtask", ".github", ".ci"];
    let mut all = BTreeSet::new();
    for path in folders.iter().flat_map(|folder| files(&root().join(folder))) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        all.extend(words.filter(|word| word.len() > 1).map(str::to_owned));
    }
    all
}

#[test]
fn every_variable_is_in_the_table_and_none_that_nobody_reads() {
    let page = page("docs/variables.md");
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let named: BTreeSet<String> = first_cells.flat_map(|cell| quoted(&format!("`{cell}"))).collect();
    let words = words_of_the_sources();
    let ours = |word: &&String| {
        let stem = word.strip_prefix("OIDC_").unwrap_or(word);
        // The names of constants, and what names are made of, are no variables.
        (stem == "LAB" || stem.starts_with("LAB_"))
            && *word != "LAB"
            && *word != "LAB_GRACE"
            && !word.ends_with('_')
    };
    let unnamed: Vec<&String> = words.iter().filter(ours).filter(|word| !named.contains(*word)).collect();
    assert!(unnamed.is_empty(), "docs/variables.md names none of {unnamed:?}");
    let unread: Vec<&String> = named.iter().filter(|name| !words.contains(*name)).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}, which docs/variables.md names");
}
