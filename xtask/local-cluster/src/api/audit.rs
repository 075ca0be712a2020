//! A record of requests: who asked for what, and the answer's status. Never a
//! body, never a token.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use jiff::Timestamp;
use serde_json::json;

use crate::serve::Request;

use super::path::{Route, Target};
use super::query::Query;

/// Beyond this size the record starts anew; the one before is kept beside it.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Where requests are recorded: a file that only its owner reads, one JSON object a line.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Mutex<Record>>>);

struct Record {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Audit {
    /// Records nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Appends to a file. When it has grown to 8 MiB it becomes `FILE.1` and a new
    /// one begins.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Some(Arc::new(Mutex::new(Record { path: path.to_owned(), file, bytes })))))
    }

    /// Adds an entry. A full disk stops no request.
    pub(super) fn record(&self, entry: &Entry, code: u16) {
        let Some(record) = &self.0 else { return };
        let line = format!("{}\n", entry.line(code));
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.bytes >= MAX_BYTES {
            let mut old = record.path.clone().into_os_string();
            old.push(".1");
            if std::fs::rename(&record.path, old).is_ok()
                && let Ok(file) = open(&record.path)
            {
                record.file = file;
                record.bytes = 0;
            }
        }
        if record.file.write_all(line.as_bytes()).is_ok() {
            record.bytes += line.len() as u64;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// One request, as far as it is recorded.
pub(super) struct Entry {
    verb: String,
    path: String,
    user_agent: String,
    target: Option<Target>,
}

/// The longest path or user agent that is recorded.
const LONGEST: usize = 512;

impl Entry {
    pub(super) fn new(request: &Request, route: &Route, query: &Query) -> Self {
        let agent = request.headers().get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
        let target = match route {
            Route::Objects(target) => Some(target.clone()),
            _ => None,
        };
        let verb = verb(request.method(), target.as_ref(), query);
        // Not the query: a selector may hold anything.
        let path = cut(request.uri().path());
        Self { verb, path, user_agent: cut(agent), target }
    }

    fn line(&self, code: u16) -> String {
        let mut line = json!({
            "time": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "verb": self.verb,
            "userAgent": self.user_agent,
            "code": code,
        });
        let Some(target) = &self.target else {
            line["path"] = self.path.clone().into();
            return line.to_string();
        };
        let dot = if target.group.is_empty() { "" } else { "." };
        let below = target.subresource.as_ref().map_or_else(String::new, |it| format!("/{it}"));
        let resource = format!("{}{dot}{}{below}", target.plural, target.group);
        let named = [("namespace", &target.namespace), ("name", &target.name)];
        for (field, text) in named.into_iter().chain([("resource", &Some(resource))]) {
            if let Some(text) = text {
                line[field] = cut(text).into();
            }
        }
        line.to_string()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The verb as Kubernetes names it, in rules and in its own audit.
pub(super) fn verb(method: &Method, target: Option<&Target>, query: &Query) -> String {
    let named = target.map(|it| it.name.is_some());
    let verb = match (method.as_str(), named) {
        ("POST", Some(_)) => "create",
        ("PUT", Some(_)) => "update",
        ("DELETE", Some(false)) => "deletecollection",
        ("GET" | "HEAD", Some(true)) => "get",
        ("GET" | "HEAD", Some(false)) if query.flag("watch") => "watch",
        ("GET" | "HEAD", Some(false)) => "list",
        (method, _) => return method.to_lowercase(),
    };
    verb.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::path::route;

    #[test]
    fn verbs_are_those_of_kubernetes() {
        for (method, path, query, wanted) in [
            ("GET", "/api/v1/pods", "", "list"),
            ("GET", "/api/v1/pods", "watch=true", "watch"),
            ("GET", "/api/v1/namespaces/a/pods/p", "", "get"),
            ("POST", "/api/v1/namespaces/a/pods/p/proxy/x", "", "create"),
            ("DELETE", "/api/v1/namespaces/a/pods", "", "deletecollection"),
            ("DELETE", "/api/v1/namespaces/a/pods/p", "", "delete"),
            ("GET", "/version", "", "get"),
            ("POST", "/version", "", "post"),
        ] {
            let Route::Objects(target) = route(path) else {
                assert_eq!(verb(&method.parse().unwrap(), None, &Query::default()), wanted);
                continue;
            };
            let query = Query::parse(Some(query));
            assert_eq!(verb(&method.parse().unwrap(), Some(&target), &query), wanted, "{method} {path}");
        }
    }
}
