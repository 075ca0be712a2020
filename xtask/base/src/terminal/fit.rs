//! Text for people, made fit for one screen: no line is wider than it, no mark is one that it does not know.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Screen, github};

/// The marks of ours that are outside ASCII, and what stands for each. The words of others stay as they are.
const MARKS: [(char, &str); 10] = [
    ('…', "..."),
    ('→', "->"),
    ('–', "-"),
    ('×', "x"),
    ('✗', "x"),
    ('‘', "'"),
    ('’', "'"),
    ('“', "\""),
    ('”', "\""),
    ('\u{fffd}', "?"),
];

/// The least room for a column's text that goes on below.
const ROOM: usize = 24;

/// What a line of a command begins with: it is left to the terminal to break, which copies it whole.
const COMMANDS: [&str; 10] = [
    "chromium ",
    "or kubectl ",
    "$ ",
    "> ",
    "kubectl ",
    "cargo xtask ",
    "curl ",
    "argocd login ",
    "probe http",
    "http",
];

impl Screen {
    /// A text as it can be shown here: wrapped at words, below the last column of its line.
    #[must_use]
    pub fn fit(&self, text: &str) -> String {
        let plain = self.in_charset(text);
        let lines = plain.lines().map(|line| {
            let line = if self.github { github::disarmed(line) } else { line.to_owned() };
            match self.width {
                Some(width) => wrapped(&line, width),
                None => line,
            }
        });
        let end = if text.ends_with('\n') { "\n" } else { "" };
        lines.collect::<Vec<_>>().join("\n") + end
    }

    /// A text in the marks that are known here.
    #[must_use]
    pub fn in_charset(&self, text: &str) -> String {
        if self.unicode || text.is_ascii() {
            return text.to_owned();
        }
        let known = |c: char| MARKS.iter().find(|(mark, _)| *mark == c).map(|(_, ascii)| *ascii);
        text.chars().map(|c| known(c).map_or_else(|| c.to_string(), str::to_owned)).collect()
    }

    /// A line that stays one: cut where it is too wide, for what is drawn over.
    #[must_use]
    pub fn cut(&self, line: &str) -> String {
        let line = self.in_charset(line);
        let Some(width) = self.width.filter(|width| line.width() >= *width) else { return line };
        let more = if self.unicode { "…" } else { "..." };
        // The last column stays free: some terminals go on to the next line there.
        let (mut cut, mut room) = (String::new(), width - 1 - more.width());
        for c in line.chars() {
            match room.checked_sub(c.width().unwrap_or(0)) {
                Some(left) => room = left,
                None => break,
            }
            cut.push(c);
        }
        cut + more
    }
}

/// The columns of a text; colours have none.
pub fn columns(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().width();
    first + parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).width()).sum::<usize>()
}

/// A line on several, none wider than `width` where its words allow it.
fn wrapped(line: &str, width: usize) -> String {
    let line = line.trim_end();
    if columns(line) <= width {
        return line.to_owned();
    }
    let (start, hang) = last_column(line, width);
    let text = &line[start..];
    if COMMANDS.iter().any(|command| text.starts_with(command)) {
        return line.to_owned();
    }
    let before = &line[..start];
    let broken = broken(text, width.saturating_sub(columns(before)), width.saturating_sub(hang));
    format!("{before}{}", broken.join(&format!("\n{}", " ".repeat(hang))))
}

/// A text in lines that are no wider than `width` where its words allow it.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    broken(text, width, width)
}

/// A text in lines, the first no wider than `first`, the others no wider than `width`.
fn broken(text: &str, first: usize, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut room) = (vec![], String::new(), first);
    for word in words(text, width) {
        if !line.is_empty() && columns(&line) + columns(word.trim_end()) > room {
            lines.push(line.trim_end().to_owned());
            line.clear();
            room = width;
        }
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Where the text of a line begins that may be wrapped, and the column below which it goes on: the last one that two
/// spaces set apart and that leaves enough room, else a little to the right of the line's own beginning.
fn last_column(line: &str, width: usize) -> (usize, usize) {
    let indent = line.len() - line.trim_start().len();
    let furthest = width.saturating_sub(ROOM).max(width / 2);
    let mut found = None;
    for (at, _) in line.match_indices("  ") {
        let start = at + (line[at..].len() - line[at..].trim_start().len());
        if start > indent && columns(&line[..start]) <= furthest {
            found = Some(start);
        }
    }
    match found {
        Some(start) => (start, columns(&line[..start])),
        None => (indent, indent + if indent == 0 { 2 } else { 0 }),
    }
}

/// The words of a text, each with the spaces behind it. What stands in backticks is one, where it fits a line.
fn words(text: &str, room: usize) -> Vec<&str> {
    let (mut words, mut start, mut quoted) = (vec![], 0, None);
    let mut spaces = false;
    for (at, c) in text.char_indices() {
        if c != ' ' && spaces {
            let whole = quoted.is_some_and(|from: usize| {
                let end = text[from..].find('`').map_or(usize::MAX, |it| from + it);
                end < text.len() && columns(&text[from..end]) + 2 <= room
            });
            if !whole {
                words.push(&text[start..at]);
                start = at;
            }
        }
        if c == '`' {
            quoted = if quoted.is_some() { None } else { Some(at + 1) };
        }
        spaces = c == ' ';
    }
    words.push(&text[start..]);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize, unicode: bool) -> Screen {
        Screen { width: Some(width), unicode, ..Screen::default() }
    }

    #[test]
    fn long_lines_go_on_below_their_last_column() {
        for (line, shown) in [
            ("short", "short"),
            ("one two three four five six", "one two three four\n  five six"),
            ("  - a list of some words more", "  - a list of some\n  words more"),
            ("   why  as it has been for long", "   why  as it has\n        been for\n        long"),
            ("a-word-that-is-longer-than-all and", "a-word-that-is-longer-than-all\n  and"),
            ("   fix  kubectl -n argocd get pods", "   fix  kubectl -n argocd get pods"),
            ("type `cargo x` then `cargo y z` next", "type `cargo x` then\n  `cargo y z` next"),
            ("and `what never fits one line whole`", "and `what never fits\n  one line whole`"),
            ("\u{1b}[31mone two three four\u{1b}[0m", "\u{1b}[31mone two three four\u{1b}[0m"),
            ("漢字漢字漢字 漢字漢字漢字", "漢字漢字漢字\n  漢字漢字漢字"),
        ] {
            assert_eq!(screen(20, true).fit(line), shown);
        }
    }

    #[test]
    fn a_pipe_gets_lines_as_they_are() {
        let long = "word ".repeat(100) + "end";
        for text in [&long, "a\n\nb\n", ""] {
            assert_eq!(Screen { unicode: true, ..Screen::default() }.fit(text), text);
        }
    }

    #[test]
    fn our_marks_have_ascii_for_them_and_names_stay() {
        assert_eq!(screen(80, false).fit("✗ a → b × 2 … “André”"), "x a -> b x 2 ... \"André\"");
        assert_eq!(screen(80, true).fit("✗ a → b"), "✗ a → b");
    }

    #[test]
    fn a_line_that_is_drawn_over_leaves_the_last_column_free() {
        for (text, shown) in [
            ("abcdefghij", "abcdefghij"),
            ("abcdefghijklmnopqrst", "abcdefghijklmnopqr…"),
            ("漢字漢字漢字漢字漢字漢字", "漢字漢字漢字漢字漢…"),
        ] {
            assert_eq!(screen(20, true).cut(text), shown);
        }
        assert_eq!(screen(20, false).cut("abcdefghijklmnopqrstuvw"), "abcdefghijklmnop...");
    }
}
