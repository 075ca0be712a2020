//! The little of JSONPath that printer columns use: fields, indexes and one
//! comparison.

use serde_json::Value;

/// The first value at a path such as `.status.conditions[?(@.type=="Ready")].status`.
pub fn find(object: &Value, path: &str) -> Option<Value> {
    let mut value = object;
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = field_end(after);
            if end > 0 {
                value = value.get(after[..end].replace("\\.", "."))?;
            }
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            value = step(value, inside)?;
            rest = after;
        }
    }
    Some(value.clone()).filter(|it| !it.is_null())
}

/// Where a field's name ends: a dot may be part of it behind a backslash.
fn field_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if !escaped && matches!(character, '.' | '[') {
            return at;
        }
        escaped = character == '\\';
    }
    text.len()
}

fn step<'v>(value: &'v Value, inside: &str) -> Option<&'v Value> {
    if let Some(test) = inside.strip_prefix("?(@.").and_then(|it| it.strip_suffix(')')) {
        let (field, wanted) = test.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        return value.as_array()?.iter().find(|item| match item.get(field.trim()) {
            Some(Value::String(text)) => text == wanted,
            Some(other) => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *other),
            None => false,
        });
    }
    match inside.trim_matches(['"', '\'']) {
        "*" => value.as_array()?.first(),
        name => match name.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(name),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let object = json!({"a": {"b.c": 1, "list": [{"k": "x", "v": 2}]}});
        for (path, found) in [
            (".a.b\\.c", Some(json!(1))),
            (".a.list[0].v", Some(json!(2))),
            (".a.list[?(@.k=='x')].v", Some(json!(2))),
            (".a['b.c']", Some(json!(1))),
            (".a.list[?(@.k=='y')].v", None),
            (".a.none", None),
            ("a", None),
            (".a[", None),
        ] {
            assert_eq!(find(&object, path), found, "{path}");
        }
    }
}
