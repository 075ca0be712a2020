//! What the handlers of a Dex share, and a request as they get it.

use http::{HeaderMap, Method};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::config::Config;
use super::keys::PendingKey;
use super::log::Log;
use super::storage::Storage;
use crate::go_http::Values;
use local_cluster::serve::Limits;

/// Everything that requests share.
pub(super) struct Dex {
    pub(super) config: Config,
    pub(super) storage: Storage,
    pub(super) key: PendingKey,
    pub(super) log: Log,
    /// As many bcrypts at once as there are cores: more would only make each of
    /// them slower.
    pub(super) bcrypts: Semaphore,
    pub(super) limits: Limits,
}

/// A request that was read whole.
pub(super) struct Incoming {
    pub(super) method: Method,
    /// Path and query as they were sent.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    /// The query.
    pub(super) query: Values,
    /// The form in the body.
    pub(super) form: Values,
    /// Query and form could be read whole.
    pub(super) whole: bool,
    /// In every log line about this request.
    pub(super) id: String,
}

impl Incoming {
    /// As Go's `FormValue`: the body's value if there is one, else the query's.
    pub(super) fn value(&self, key: &str) -> &str {
        let value = self.form.get(key);
        if value.is_empty() { self.query.get(key) } else { value }
    }

    /// Body and query together.
    pub(super) fn values(&self) -> Values {
        let mut values = self.form.clone();
        values.extend(self.query.clone());
        values
    }
}

impl Dex {
    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        Timestamp::now().as_second()
    }

    /// The id of the one connector.
    pub(super) fn connector(&self) -> &str {
        &self.config.connector.id
    }

    /// The path of a page of this Dex.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.config.prefix)
    }

    /// The URL of a page of this Dex.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.issuer.trim_end_matches('/'))
    }
}
