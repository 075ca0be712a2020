//! The columns that `kubectl get` shows: the server fills them, the client prints them.

mod cells;
mod jsonpath;

use jiff::Timestamp;
use serde_json::{Value, json};

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// `string`, `integer`, `date` …
    pub kind: String,
    /// `name` for the one that holds the object's name.
    pub format: String,
    /// 0 is always shown, 1 only with `-o wide`.
    pub priority: i64,
    /// What it says.
    pub description: String,
    /// Where a custom kind has the value.
    path: Option<String>,
}

impl Column {
    /// As a table has it.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }

    fn new(name: &str, kind: &str, priority: i64) -> Self {
        let format = if name == "Name" { "name" } else { "" };
        Self {
            name: name.into(),
            kind: kind.into(),
            format: format.into(),
            priority,
            description: String::new(),
            path: None,
        }
    }
}

/// The columns of a kind; `custom` is the version of a CRD.
pub fn columns(kind: &str, custom: Option<&Value>) -> Vec<Column> {
    if let Some(version) = custom {
        return custom_columns(version);
    }
    let (shown, wide): (&[&str], &[&str]) = match kind {
        "Pod" => (
            &["Name", "Ready", "Status", "Restarts", "Age"],
            &["IP", "Node", "Nominated Node", "Readiness Gates"],
        ),
        "Deployment" => {
            (&["Name", "Ready", "Up-to-date", "Available", "Age"], &["Containers", "Images", "Selector"])
        }
        "ReplicaSet" => {
            (&["Name", "Desired#", "Current#", "Ready#", "Age"], &["Containers", "Images", "Selector"])
        }
        "Service" => (&["Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"], &["Selector"]),
        "Ingress" => (&["Name", "Class", "Hosts", "Address", "Ports", "Age"], &[]),
        "Endpoints" => (&["Name", "Endpoints", "Age"], &[]),
        "ConfigMap" => (&["Name", "Data", "Age"], &[]),
        "Secret" => (&["Name", "Type", "Data", "Age"], &[]),
        "ServiceAccount" => (&["Name", "Secrets", "Age"], &[]),
        "Namespace" => (&["Name", "Status", "Age"], &[]),
        "Node" => (
            &["Name", "Status", "Roles", "Age", "Version"],
            &["Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"],
        ),
        "Event" => (
            &["Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message"],
            &["First Seen", "Count", "Name"],
        ),
        _ => (&["Name", "Created At"], &[]),
    };
    let column = |name: &str, priority: i64| {
        let (name, priority) = name.strip_prefix('+').map_or((name, priority), |name| (name, 1));
        match name.strip_suffix('#') {
            Some(name) => Column::new(name, "integer", priority),
            None => Column::new(name, "string", priority),
        }
    };
    shown.iter().map(|name| column(name, 0)).chain(wide.iter().map(|name| column(name, 1))).collect()
}

fn custom_columns(version: &Value) -> Vec<Column> {
    let mut all = vec![Column::new("Name", "string", 0)];
    let own = version["additionalPrinterColumns"].as_array().filter(|own| !own.is_empty());
    let Some(own) = own else {
        let path = Some(".metadata.creationTimestamp".into());
        all.push(Column { path, ..Column::new("Age", "date", 0) });
        return all;
    };
    for column in own {
        let text = |name: &str| column[name].as_str().unwrap_or_default().to_owned();
        all.push(Column {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            priority: column["priority"].as_i64().unwrap_or_default(),
            description: match text("description") {
                none if none.is_empty() => {
                    format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath"))
                }
                description => description,
            },
            path: Some(text("jsonPath")),
        });
    }
    all
}

/// The cells of one object.
pub fn cells(kind: &str, columns: &[Column], custom: bool, object: &Value, now: Timestamp) -> Vec<Value> {
    if !custom {
        return cells::cells(kind, object, now);
    }
    let name = || object["metadata"]["name"].clone();
    columns
        .iter()
        .map(|column| column.path.as_ref().map_or_else(name, |path| cell(object, path, column, now)))
        .collect()
}

fn cell(object: &Value, path: &str, column: &Column, now: Timestamp) -> Value {
    let Some(value) = jsonpath::find(object, path) else { return Value::Null };
    match column.kind.as_str() {
        "date" => value.as_str().map_or(Value::Null, |time| age(time, now).into()),
        "integer" | "number" | "boolean" => value,
        _ => match value {
            Value::String(_) => value,
            other => other.to_string().into(),
        },
    }
}

/// How long ago a time was, in two figures at most: `45s`, `3m5s`, `2d4h`.
pub fn age(time: &str, now: Timestamp) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => human(now.as_second() - time.as_second()),
        Err(_) => "<unknown>".into(),
    }
}

fn human(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |big: i64, big_name: &str, small: i64, small_name: &str| match seconds % big / small {
        0 => format!("{}{big_name}", seconds / big),
        rest => format!("{}{big_name}{rest}{small_name}", seconds / big),
    };
    match seconds {
        // A clock that is a second behind is no mistake.
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => two(MINUTE, "m", 1, "s"),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => two(HOUR, "h", MINUTE, "m"),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => two(DAY, "d", HOUR, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3600, "60m"),
            (4 * 3600 + 60, "4h1m"),
            (47 * 3600, "47h"),
            (3 * 86400 + 7200, "3d2h"),
            (400 * 86400, "400d"),
            (3 * 365 * 86400 + 86400, "3y1d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }

    #[test]
    fn a_custom_kind_shows_what_its_crd_says() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Sync", "type": "string", "jsonPath": ".status.sync.status"},
            {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]});
        let columns = columns("Application", Some(&version));
        let object = json!({
            "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"sync": {"status": "Synced"}, "conditions": [{"type": "X"}, {"type": "Ready", "status": "True"}]},
        });
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(
            cells("Application", &columns, true, &object, now),
            [json!("a"), json!("Synced"), json!("True"), json!("60s")]
        );
    }

    #[test]
    fn every_built_in_kind_fills_its_columns() {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        for kind in [
            "Pod",
            "Deployment",
            "ReplicaSet",
            "Service",
            "Ingress",
            "Endpoints",
            "ConfigMap",
            "Secret",
            "ServiceAccount",
            "Namespace",
            "Node",
            "Event",
            "CustomResourceDefinition",
        ] {
            let columns = columns(kind, None);
            let cells = cells(kind, &columns, false, &json!({"metadata": {"name": "x"}}), now);
            assert_eq!(columns.len(), cells.len(), "{kind}");
        }
    }
}
