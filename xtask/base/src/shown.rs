//! Texts of others, made fit for a terminal.

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 240;

/// A text on one line, without control characters, cut where it is long. A terminal
/// does what it is told by escape sequences, and names in a cluster are anybody's.
pub fn shown(text: &str) -> String {
    cut(&clean(text))
}

/// A text on one line, without control characters.
pub fn clean(text: &str) -> String {
    let plain = |c: char| if is_obeyed(c) { '\u{fffd}' } else { c };
    text.trim_end().chars().map(plain).collect()
}

/// A text, cut where it is long.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text as one word of a shell's command line.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Whether a terminal or a page obeys it rather than shows it: controls, marks that change the
/// direction of a line or end it, and others that nobody sees.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(shown("a\u{1b}[31mb\r\n"), "a\u{fffd}[31mb");
        assert_eq!(shown("ab\u{202e}cd"), "ab\u{fffd}cd");
        assert_eq!(shown("a\u{61c}b\u{2028}c"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), LONGEST + 1);
    }
}
