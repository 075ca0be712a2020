//! What the handlers of a Dex share.

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::config::Config;
use super::keys::PendingKey;
use super::log::Log;
use super::storage::{AuthCode, AuthRequest};
use crate::expiring::Expiring;
use crate::incoming::Incoming;
use local_cluster::serve::Limits;

/// Everything that requests share.
pub(super) struct Dex {
    pub(super) config: Config,
    /// Memory storage: until they are used, expire, or the process ends.
    pub(super) requests: Expiring<AuthRequest>,
    pub(super) codes: Expiring<AuthCode>,
    pub(super) key: PendingKey,
    pub(super) log: Log,
    /// As many bcrypts at once as there are cores: more would only make each of
    /// them slower.
    pub(super) bcrypts: Semaphore,
    pub(super) limits: Limits,
}

impl Dex {
    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        Timestamp::now().as_second()
    }

    /// Writes an error about a request, whose id stands behind the fields.
    pub(super) fn error(&self, request: &Incoming, message: &str, fields: &[(&str, &str)]) {
        self.log.error(message, &[fields, &[("request_id", &request.id)]].concat());
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
