//! `$secret:key` and `$key`: how settings name what stands in Secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::details::Details;
use super::log::Log;

/// What can be named: keys of argocd-secret by themselves, keys of other Secrets
/// behind the Secret's name and a colon. It holds secrets, so it cannot be printed.
#[derive(Clone, Default)]
pub(super) struct Secrets(pub(super) BTreeMap<String, String>);

impl Secrets {
    /// What a string stands for: itself, unless it begins with `$`. Spaces and
    /// newlines around a secret are not part of it. A name that leads nowhere
    /// stands for itself, and is how `$…` comes to reach an identity provider.
    pub(super) fn resolve(&self, text: &str, details: &Details, log: &Log) -> String {
        let Some(name) = text.strip_prefix('$') else { return text.to_owned() };
        match self.0.get(name) {
            Some(secret) => secret.trim().to_owned(),
            None => {
                if details.names_missing_keys {
                    log.warn(format!("config referenced '{text}', but key does not exist in secret"));
                } else {
                    log.warn("secret key does not exist in secret");
                }
                text.to_owned()
            }
        }
    }

    /// Resolves every string in a document.
    pub(super) fn resolve_all(&self, value: &mut Value, details: &Details, log: &Log) {
        match value {
            Value::String(text) => *text = self.resolve(text, details, log),
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.resolve_all(item, details, log));
            }
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.resolve_all(field, details, log));
            }
            _ => {}
        }
    }
}
