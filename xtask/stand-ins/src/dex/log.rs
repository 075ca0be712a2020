//! Log lines as Dex writes them: Go's `slog` in its text form.

use jiff::Timestamp;

use crate::go_http::quote;
use local_cluster::logs::LogWriter;

/// Writes lines; cheap to clone.
#[derive(Clone)]
pub(super) struct Log {
    writer: LogWriter,
    /// `debug`, `info`, `warn`, `error`: lines below are left out.
    level: Level,
}

/// The weight of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Log {
    pub(super) fn new(writer: LogWriter, level: Level) -> Self {
        Self { writer, level }
    }

    pub(super) fn info(&self, message: &str, fields: &[(&str, &str)]) {
        self.line(Level::Info, message, fields);
    }

    pub(super) fn error(&self, message: &str, fields: &[(&str, &str)]) {
        self.line(Level::Error, message, fields);
    }

    /// What Dex prints outside of its log before it exits.
    pub(super) fn plain(&self, message: &str) {
        self.writer.line(message);
    }

    fn line(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        if level < self.level {
            return;
        }
        let name = format!("{level:?}").to_uppercase();
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let mut line = format!("time={time} level={name} msg={}", value(message));
        for (key, field) in fields {
            line.push_str(&format!(" {key}={}", value(field)));
        }
        self.writer.line(line);
    }
}

/// A value, in quotes if it needs them.
fn value(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=');
    if plain { text.to_owned() } else { quote(text) }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_are_quoted_only_where_needed() {
        assert_eq!(value("argo-cd"), "argo-cd");
        assert_eq!(value(""), "\"\"");
        assert_eq!(value("a b"), "\"a b\"");
        assert_eq!(value("k=v"), "\"k=v\"");
    }
}
