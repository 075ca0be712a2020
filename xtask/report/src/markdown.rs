//! A run in a few lines of Markdown, as GitHub shows them under a job.

use std::fmt::Write as _;

use crate::facts;
use crate::headline;
use crate::read::{Read as _, Run, goal};
use crate::text::{grouped, millis, words};

/// The most rows of a table.
const MOST: usize = 60;
/// The most characters of a text.
const WORDS: usize = 300;

/// The summary of a run.
pub fn of(run: &Run<'_>) -> String {
    let headline = headline::of(run, WORDS);
    let mark = match headline.tone {
        "good" => "✅ ",
        "bad" => "❌ ",
        "mixed" => "⚠️ ",
        _ => "",
    };
    let mut text = format!("### {mark}{}\n\n", escape(&headline.sentence));
    if let Some(subject) = facts::subject(run, WORDS) {
        let _ = writeln!(text, "{}\n", escape(&subject));
    }
    let _ = writeln!(text, "| goal | outcome | took |\n|---|---|---|");
    for entry in run.entries.iter().take(MOST) {
        let outcome = headline::of_entry(entry, WORDS).sentence;
        let took = millis(entry.number("ms"));
        let _ = writeln!(text, "| {} | {} | {took} |", escape(&words(goal(entry), 60)), escape(&outcome));
    }
    if run.entries.len() > MOST {
        let _ = writeln!(text, "\n{} more are in run.json.", grouped(run.entries.len() - MOST));
    }
    for command in facts::commands(run, WORDS) {
        let longest = command.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        let _ = writeln!(text, "\n{fence}sh\n{command}\n{fence}");
    }
    text
}

/// Words of others as words: no markup, no link, no mention.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '@' => escaped.push_str("&#64;"),
            '#' => escaped.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}
