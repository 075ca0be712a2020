//! The one writer of tables: rows of cells for a terminal and for a page, cases for CI. The
//! first row has the headings.

use std::fmt::Write as _;

/// For a terminal: columns side by side, each as wide as its widest cell.
pub fn text(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.chars().count());
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, cell)| format!("{cell:<0$}", width(column).max().unwrap_or(0)));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// As a Markdown table.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().map(|cell| cell.replace('|', "\\|").replace('<', "&lt;")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if place == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text
}

/// What ran together.
pub struct Suite {
    /// Its name.
    pub name: String,
    /// What its cases are of.
    pub class: String,
    /// How long all of them took.
    pub seconds: f64,
    /// Each by its name, and how it ended.
    pub cases: Vec<(String, Ended)>,
}

/// How a case ended.
pub enum Ended {
    /// As it should.
    Well,
    /// Otherwise: how, and in whose words.
    Otherwise(String, String),
    /// It could not be looked at; why.
    Error(String),
}

/// As JUnit XML.
pub fn junit(name: &str, suites: &[Suite]) -> String {
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\">\n");
    for Suite { name, class, seconds, cases } in suites {
        let count = |of: fn(&Ended) -> bool| cases.iter().filter(|(_, ended)| of(ended)).count();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\">",
            escape(name),
            cases.len(),
            count(|ended| matches!(ended, Ended::Otherwise(..))),
            count(|ended| matches!(ended, Ended::Error(_))),
        );
        for (name, ended) in cases {
            let case = format!("    <testcase classname=\"{}\" name=\"{}\"", escape(class), escape(name));
            let _ = match ended {
                Ended::Well => writeln!(xml, "{case}/>"),
                Ended::Otherwise(how, words) => writeln!(
                    xml,
                    "{case}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                    escape(how),
                    escape(words)
                ),
                Ended::Error(why) => {
                    writeln!(xml, "{case}>\n      <error message=\"{}\"/>\n    </testcase>", escape(why))
                }
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text as XML holds it; what no XML may hold is left out.
fn escape(text: &str) -> String {
    let kept =
        |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || matches!(c, '\u{fffe}'..='\u{ffff}'));
    let text: String = text.chars().filter(kept).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
