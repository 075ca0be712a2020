//! The one writer of tables: rows of cells for a terminal and for a page. The first row has the
//! headings.

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
