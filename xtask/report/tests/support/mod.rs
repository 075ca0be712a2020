//! What the suites share: runs that were made in earnest, their reports, and a schema's reader.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Runs that were made in earnest.
pub const FIXTURES: [&str; 8] =
    ["broken-test", "working-test", "mixed", "probe", "doctor", "matrix", "faults", "reproduce"];

/// The file of one.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"))
}

/// Its document.
pub fn document(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// The files of a report.
pub struct Files {
    /// `run.json`
    pub run: String,
    /// `report.html`
    pub page: String,
    /// `junit.xml`
    pub junit: String,
    /// `trace.har`
    pub har: String,
}

/// Reads the files of a report.
pub fn files(dir: &Path) -> Files {
    let read = |name| fs::read_to_string(dir.join(name)).unwrap();
    Files {
        run: read("run.json"),
        page: read("report.html"),
        junit: read("junit.xml"),
        har: read("trace.har"),
    }
}

/// The report of a run.
pub fn written(run: &Value) -> Files {
    let folder = tempfile::tempdir().unwrap();
    report::write(folder.path(), run).unwrap();
    files(folder.path())
}

/// The pictures of a run, by the names of their files.
pub fn pictures(run: &Value) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let pictures = report::pictures(folder.path(), run).unwrap();
    pictures.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Fails where a HAR is not one of version 1.2.
#[track_caller]
pub fn is_har(har: &str) {
    let schema = serde_json::from_str(include_str!("../har-1.2.json")).unwrap();
    let mut wrong = vec![];
    differs(&serde_json::from_str(har).unwrap(), &schema, &schema, "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The words of JSON Schema that the schema of HAR uses.
fn differs(value: &Value, schema: &Value, all: &Value, at: &str, wrong: &mut Vec<String>) {
    for (word, says) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$ref" => {
                let pointer = says.as_str().unwrap().trim_start_matches('#');
                differs(value, all.pointer(pointer).unwrap(), all, at, wrong);
                true
            }
            "type" => match says.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "number" => value.is_number(),
                "integer" => value.is_i64(),
                "boolean" => value.is_boolean(),
                other => panic!("{other} is no type"),
            },
            "required" => {
                says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match says.get(name) {
                        Some(schema) => differs(inner, schema, all, &format!("{at}/{name}"), wrong),
                        None => wrong.push(format!("{at}/{name} is no field of a HAR")),
                    }
                }
                true
            }
            "items" => {
                for (place, inner) in value.as_array().into_iter().flatten().enumerate() {
                    differs(inner, says, all, &format!("{at}/{place}"), wrong);
                }
                true
            }
            "enum" => says.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "pattern" => fits(value.as_str().unwrap_or_default(), says.as_str().unwrap()),
            "additionalProperties" | "definitions" | "title" | "$schema" => true,
            other => panic!("{other} is a word that is not read here"),
        };
        if !fits {
            wrong.push(format!("{at}: {word} {says}, and it is {value}"));
        }
    }
}

/// The two patterns of the schema: an address of printable ASCII, and a time.
fn fits(text: &str, pattern: &str) -> bool {
    match pattern {
        "^[!-~]*$" => text.bytes().all(|byte| byte.is_ascii_graphic()),
        _ => {
            text.len() >= 20
                && text.as_bytes()[10] == b'T'
                && text.ends_with('Z')
                && text[..4].parse::<u16>().is_ok()
        }
    }
}

/// Some names.
type Names = &'static [&'static str];

/// The elements of JUnit's XML: the attributes that each must have, those it may have, and what
/// stands in it.
const ELEMENTS: [(&str, Names, Names, Names); 6] = [
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"], &["testsuite"]),
    (
        "testsuite",
        &["name", "tests"],
        &["failures", "errors", "skipped", "time", "timestamp", "hostname"],
        &["testcase"],
    ),
    ("testcase", &["name", "classname"], &["time"], &["failure", "error", "skipped"]),
    ("failure", &[], &["message", "type"], &[]),
    ("error", &[], &["message", "type"], &[]),
    ("skipped", &[], &["message"], &[]),
];

/// Fails where a text is not JUnit's XML as Jenkins and Ant take it.
#[track_caller]
pub fn is_junit(xml: &str) {
    let document = roxmltree::Document::parse(xml).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "testsuites");
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        let name = element.tag_name().name();
        let Some((_, must, may, children)) = ELEMENTS.iter().find(|(it, ..)| *it == name) else {
            panic!("{name} is no element of JUnit");
        };
        for attribute in *must {
            assert!(element.has_attribute(*attribute), "{name} without {attribute}");
        }
        for attribute in element.attributes() {
            let known = must.contains(&attribute.name()) || may.contains(&attribute.name());
            assert!(known, "{name} has no {}", attribute.name());
        }
        for child in element.children().filter(roxmltree::Node::is_element) {
            assert!(children.contains(&child.tag_name().name()), "{} in {name}", child.tag_name().name());
        }
        if name == "testsuite" {
            let cases: Vec<_> = element.children().filter(roxmltree::Node::is_element).collect();
            let with = |kind: &str| {
                cases
                    .iter()
                    .filter(|case| case.children().any(|child| child.has_tag_name(kind)))
                    .count()
                    .to_string()
            };
            assert_eq!(element.attribute("tests").unwrap(), cases.len().to_string());
            assert_eq!(element.attribute("failures").unwrap(), with("failure"));
            assert_eq!(element.attribute("errors").unwrap(), with("error"));
            assert_eq!(element.attribute("skipped").unwrap_or("0"), with("skipped"));
        }
    }
}
