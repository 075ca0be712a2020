//! A record of requests: who asked for what, and the answer's status. Never a
//! body, never a token.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

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

    /// Adds an entry with the status of the answer. A full disk stops no request.
    pub(super) fn record(&self, mut entry: Value, code: u16) {
        let Some(record) = &self.0 else { return };
        entry["code"] = code.into();
        entry["time"] = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into();
        let line = format!("{entry}\n");
        let mut record = lock(record);
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

/// One request, as far as it is recorded. Not its query: a selector may hold anything.
pub(super) fn entry(request: &Request, route: &Route, query: &Query) -> Value {
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    let agent = request.headers().get("User-Agent").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let mut entry = json!({"userAgent": cut(agent)});
    let Route::Objects(target) = route else {
        entry["verb"] = verb(request.method(), None, query).into();
        entry["path"] = cut(request.uri().path()).into();
        return entry;
    };
    entry["verb"] = verb(request.method(), Some(target), query).into();
    entry["resource"] = cut(&target.with_subresource(&target.id())).into();
    for (field, text) in [("namespace", &target.namespace), ("name", &target.name)] {
        if let Some(text) = text {
            entry[field] = cut(text).into();
        }
    }
    entry
}

/// The longest path or user agent that is recorded.
const LONGEST: usize = 512;

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
