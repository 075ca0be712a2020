//! `--dry-run` of commands: their parts by name, for people and as `plan`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::console::Console;
use crate::record::GoalRecord;
use base::Exit;

/// Shows what a command would do, whose record this is.
pub fn show(
    console: &Console,
    parts: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    record: &mut GoalRecord,
) -> Exit {
    let mut text = format!("{}\n", record.goal);
    let mut plan: Vec<Value> = vec![];
    for (name, does) in parts {
        let (name, does) = (name.as_ref(), does.as_ref());
        let _ = writeln!(text, "  {name:<20} {does}");
        plan.push(json!({"name": name, "after": [], "does": does, "commands": []}));
    }
    console.result(&text);
    record.more.insert("plan".into(), plan.into());
    Exit::Done
}
