//! The columns that `kubectl get` shows: the server fills them, the client prints them.

mod age;
mod row;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The columns of a built-in kind; those of custom kinds have no name here.
pub fn columns(kind: &str) -> Vec<Value> {
    let column = |(heading, _): (&str, Value)| {
        let (wide, name) = heading.strip_prefix('+').map_or((0, heading), |name| (1, name));
        let (number, name) = name.strip_suffix('#').map_or(("string", name), |name| ("integer", name));
        json!({
            "name": name, "type": number, "format": if name == "Name" { "name" } else { "" },
            "description": "", "priority": wide,
        })
    };
    row::row(kind, &Value::Null, Timestamp::UNIX_EPOCH).into_iter().map(column).collect()
}

/// The cells of one object.
pub fn cells(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    row::row(kind, object, now).into_iter().map(|(_, cell)| cell).collect()
}
