//! The one writer of tables: rows of cells for a terminal and for a page. The first row has the
//! headings, where there are any.

use std::fmt::Write as _;

use base::terminal::{columns, wrap};

/// The least room for the last column beside the others.
const LAST: usize = 20;

/// For a terminal: columns side by side, each as wide as its widest cell. On a narrow one the last column goes on
/// below itself, and where it has no room beside the others, below them.
pub fn text(rows: &[Vec<String>], width: Option<usize>) -> String {
    let widths = widths(rows);
    let last = widths.len().saturating_sub(1);
    let before: usize = widths[..last].iter().map(|width| width + 2).sum();
    let all = width.unwrap_or(usize::MAX);
    let room = all.saturating_sub(before);
    let beside = room >= LAST.min(widths.last().copied().unwrap_or(0));
    let hang = if beside { before } else { 4 };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths[..last]) {
            let _ = write!(line, "{cell}{}", " ".repeat((width + 2).saturating_sub(columns(cell))));
        }
        for (number, part) in
            wrap(row.get(last).map_or("", String::as_str), all.saturating_sub(hang)).iter().enumerate()
        {
            if !part.is_empty() && (number > 0 || !beside) {
                line.truncate(line.trim_end().len());
                let _ = write!(line, "\n{}", " ".repeat(hang));
            }
            line.push_str(part);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// For a terminal, where the first row has the headings: as [`text`], and where that is too wide, a line a cell with
/// its heading.
pub fn headed(rows: &[Vec<String>], width: Option<usize>) -> String {
    let all: usize = widths(rows).iter().map(|width| width + 2).sum();
    match (rows.split_first(), width) {
        (Some((headings, rows)), Some(width)) if all > width + 2 => {
            let cells = rows.iter().flat_map(|row| {
                let named = headings.iter().zip(row).skip(1);
                let own = row.first().map(|first| vec![first.clone()]);
                own.into_iter().chain(named.map(|(name, cell)| vec![format!("  {name}"), cell.clone()]))
            });
            text(&cells.collect::<Vec<_>>(), Some(width))
        }
        _ => text(rows, width),
    }
}

/// The width of each column. A cell that stands alone in its row has none of its own.
fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cells = |column: usize| {
        rows.iter().filter(move |row| row.len() > 1 || count == 1).filter_map(move |row| row.get(column))
    };
    (0..count).map(|column| cells(column).map(|cell| columns(cell)).max().unwrap_or(0)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn the_last_column_goes_on_where_there_is_room_for_it() {
        let rows =
            rows(&[&["kind", "v1", "found in the cache of this machine"], &["helm", "v22", "missing"]]);
        assert_eq!(text(&rows, None), "kind  v1   found in the cache of this machine\nhelm  v22  missing\n");
        assert_eq!(
            text(&rows, Some(35)),
            "kind  v1   found in the cache of\n           this machine\nhelm  v22  missing\n"
        );
        assert_eq!(
            text(&rows, Some(28)),
            "kind  v1\n    found in the cache of\n    this machine\nhelm  v22\n    missing\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_a_line_a_cell() {
        let rows = rows(&[&["release", "working", "as known"], &["v3.3.6", "logged-in 1/1", "yes"]]);
        assert_eq!(
            headed(&rows, Some(33)),
            "release  working        as known\nv3.3.6   logged-in 1/1  yes\n"
        );
        assert_eq!(headed(&rows, Some(30)), "v3.3.6\n  working   logged-in 1/1\n  as known  yes\n");
        assert_eq!(text(&[], Some(20)), "");
    }
}
