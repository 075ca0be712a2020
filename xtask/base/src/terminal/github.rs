//! The commands by which a step of a workflow talks to GitHub: lines on its standard error, which GitHub reads as it
//! reads standard output, and a file for its summary.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

/// An error that GitHub shows at the top of a run, or beside a line of a file where `place` names one.
pub fn error(place: Option<(&str, usize)>, title: &str, message: &str) -> String {
    let place =
        place.map_or_else(String::new, |(file, line)| format!("file={},line={line},", property(file)));
    format!("::error {place}title={}::{}", property(title), escaped(message))
}

/// The beginning of lines that GitHub folds, until [`END_GROUP`].
pub fn group(title: &str) -> String {
    format!("::group::{}", escaped(title))
}

/// The end of a group.
pub const END_GROUP: &str = "::endgroup::";

/// Appends Markdown to the summary of the step, where this is one of GitHub's.
///
/// # Errors
/// The file that GitHub names cannot be written.
pub fn summarise(markdown: &str) -> io::Result<()> {
    match std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        Some(path) => writeln!(OpenOptions::new().append(true).create(true).open(path)?, "{markdown}"),
        None => Ok(()),
    }
}

/// A line of somebody else's words that GitHub would obey, made one that it shows.
pub(super) fn disarmed(line: &str) -> String {
    let line = line.replace("##[", "## [");
    let start = line.len() - line.trim_start().len();
    match line[start..].strip_prefix("::") {
        Some(rest) => format!("{}: :{rest}", &line[..start]),
        None => line,
    }
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text inside of a command.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_is_in_it() {
        for (place, title, said, line) in [
            (None, "test", "refused", "::error title=test::refused"),
            (Some(("a,b:c.yaml", 3)), "x", "y", "::error file=a%2Cb%3Ac.yaml,line=3,title=x::y"),
            (None, "a: b", "100 %: a,\r\nb", "::error title=a%3A b::100 %25: a,%0D%0Ab"),
        ] {
            assert_eq!(error(place, title, said), line);
        }
        assert_eq!(group("a\n::error::b"), "::group::a%0A::error::b");
    }

    #[test]
    fn words_of_others_are_no_commands() {
        for (line, shown) in [
            ("  ::add-mask::x", "  : :add-mask::x"),
            ("\t::error::", "\t: :error::"),
            ("a ##[error]b", "a ## [error]b"),
            ("fe80::1", "fe80::1"),
            ("", ""),
        ] {
            assert_eq!(disarmed(line), shown);
        }
    }
}
