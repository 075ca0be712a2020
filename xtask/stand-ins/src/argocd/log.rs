//! Log lines as argocd-server writes them: logrus, as text or as JSON.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::go_http::quote;
use local_cluster::logs::LogWriter;

/// Writes lines; cheap to clone.
#[derive(Clone)]
pub(super) struct Log {
    writer: LogWriter,
    json: bool,
}

impl Log {
    pub(super) fn new(writer: LogWriter, json: bool) -> Self {
        Self { writer, json }
    }

    pub(super) fn info(&self, message: impl AsRef<str>) {
        self.line("info", message.as_ref(), &[]);
    }

    pub(super) fn warn(&self, message: impl AsRef<str>) {
        self.line("warning", message.as_ref(), &[]);
    }

    pub(super) fn error(&self, message: impl AsRef<str>) {
        self.line("error", message.as_ref(), &[]);
    }

    pub(super) fn fatal(&self, message: impl AsRef<str>) {
        self.line("fatal", message.as_ref(), &[]);
    }

    /// A line with fields of its own, which must be sorted by name.
    pub(super) fn line(&self, level: &str, message: &str, fields: &[(&str, &str)]) {
        self.writer.line(line(self.json, level, message, fields, Timestamp::now()));
    }
}

fn line(json: bool, level: &str, message: &str, fields: &[(&str, &str)], now: Timestamp) -> String {
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    if json {
        let mut object: Map<String, Value> =
            fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        for (key, value) in [("level", level), ("msg", message), ("time", &time)] {
            object.insert(key.into(), value.into());
        }
        return Value::Object(object).to_string();
    }
    let mut line = format!("time={} level={level} msg={}", quote(&time), value(message));
    for (key, field) in fields {
        line.push_str(&format!(" {key}={}", value(field)));
    }
    line
}

/// A value, in quotes if it needs them.
fn value(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_logrus() {
        let now = Timestamp::from_second(1_630_541_753).unwrap();
        assert_eq!(
            line(false, "info", "a \"b\"", &[("key", "v"), ("other", "x y")], now),
            r#"time="2021-09-02T00:15:53Z" level=info msg="a \"b\"" key=v other="x y""#
        );
        assert_eq!(
            line(false, "warning", "word", &[], now),
            r#"time="2021-09-02T00:15:53Z" level=warning msg=word"#
        );
        assert_eq!(
            line(true, "info", "a \"b\"", &[("key", "v")], now),
            r#"{"key":"v","level":"info","msg":"a \"b\"","time":"2021-09-02T00:15:53Z"}"#
        );
    }
}
