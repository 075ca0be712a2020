//! Wrong usage, as a program wants to hear it: a command line that cannot be read still says whether its answer
//! has to be a document.

use std::ffi::OsString;

/// Says what is wrong with this process' command line, and gives the sentence where a document is wanted too.
/// `--help` and `--version` are errors to clap, but not to anybody else: they end the process.
pub fn refuse(error: &clap::Error) -> Option<String> {
    if !error.use_stderr() {
        error.exit();
    }
    // Nothing is lost if nobody reads it.
    let _ = error.print();
    wants_json(std::env::args_os().skip(1)).then(|| sentence(&error.render().to_string()))
}

/// How much of a mistyped word is looked at.
const LONGEST: usize = 64;

/// The name that a mistyped one most likely stands for, if it is near one at all.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: String = typed.chars().take(LONGEST).collect();
    let names = names.into_iter().map(|name| (strsim::levenshtein(&typed, name), name));
    let (distance, name) = names.min()?;
    (distance <= (name.len() + 2) / 4).then_some(name)
}

/// Whether arguments ask for `--format json`, whatever is wrong with the rest of them.
fn wants_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut json = false;
    let mut value_follows = false;
    for argument in arguments.into_iter().take_while(|argument| argument != "--") {
        let value = argument.to_str().and_then(|text| text.strip_prefix("--format="));
        if value_follows || value.is_some() {
            json = value.map_or(argument == "json", |value| value == "json");
        }
        value_follows = argument == "--format";
    }
    json
}

/// What is wrong, on one line: a message as clap renders it, without its repetition of the usage.
fn sentence(rendered: &str) -> String {
    let said =
        |paragraph: &&str| !["Usage:", "For more information"].iter().any(|it| paragraph.starts_with(it));
    let in_line = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    text.split("\n\n").map(str::trim).filter(said).map(in_line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_for_a_document_is_seen_anywhere_before_the_arguments_of_others() {
        for (line, json) in [
            ("--format json wroking", true),
            ("wroking --format=json", true),
            ("--format json --format text", false),
            ("--format", false),
            ("--format --format json", true),
            ("json", false),
            ("kubectl -- --format json", false),
        ] {
            assert_eq!(wants_json(line.split(' ').map(OsString::from)), json, "{line}");
        }
    }

    #[test]
    fn the_usage_is_no_part_of_the_sentence() {
        let rendered = "error: invalid value 'wroking' for '[GOAL]...'\n  [possible values: working, broken]\n\n  \
                        tip: a similar value exists: 'working'\n\nUsage: cargo xtask\n       cargo xtask <COMMAND>\n\n\
                        For more information, try '--help'.\n";
        assert_eq!(
            sentence(rendered),
            "invalid value 'wroking' for '[GOAL]...' [possible values: working, broken]; tip: a similar value \
             exists: 'working'"
        );
    }
}
