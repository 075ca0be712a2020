//! Edits of Dex's configuration, which stands in a Secret as the chart makes it.

use serde_json::{Value, json};

use super::edit::{Edit, MOVED, SECOND_HOST};
use crate::cluster::{ClientSecret, Cluster};
use crate::names::{ARGOCD_HOST, DEX_CONFIG, DEX_CONFIG_FILE};
use crate::session::Session;
use base::{Error, Result};

/// Makes a change.
pub async fn make(_session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    let hash = match edit {
        Edit::OtherPassword => Some(other_password()?),
        _ => None,
    };
    config(cluster, |config| change(config, edit, hash.as_deref())).await
}

/// The hash of a password that nobody knows. Dex takes none of a lower cost.
fn other_password() -> Result<String> {
    const COST: u32 = 10;
    let password = ClientSecret::random()?;
    bcrypt::hash(password.reveal(), COST).map_err(|error| Error::environment(format!("bcrypt: {error}")))
}

/// Groups by IDs of 36 characters, as large companies have them.
fn many_groups() -> impl Iterator<Item = Value> {
    (1..=100).map(|it| format!("5f0c1a9e-7d3b-4c68-9a2f-{it:012}").into())
}

/// Undoes a change.
pub async fn undo(session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    let original = session.sources.values("dex")?["config"].clone();
    config(cluster, |config| {
        let pointer = field(edit);
        let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        match (original.pointer(pointer), config.pointer_mut(parent)) {
            (Some(value), Some(Value::Object(parent))) => {
                parent.insert(name.to_owned(), value.clone());
            }
            (None, Some(Value::Object(parent))) => {
                parent.remove(name);
            }
            _ => {}
        }
    })
    .await
}

/// The field that an edit changes.
fn field(edit: Edit) -> &'static str {
    match edit {
        Edit::OtherRedirectUri | Edit::SecondRedirectUri => "/staticClients/0/redirectURIs",
        Edit::ShortTokens => "/expiry",
        Edit::OtherPassword => "/staticPasswords/0/hash",
        Edit::ManyGroups => "/staticPasswords/0/groups",
        _ => "/issuer",
    }
}

fn change(config: &mut Value, edit: Edit, hash: Option<&str>) {
    let callback = |scheme: &str, host: &str| format!("{scheme}://{host}/auth/callback");
    match edit {
        Edit::OtherRedirectUri => {
            config["staticClients"][0]["redirectURIs"] = json!([callback("https", ARGOCD_HOST)]);
        }
        Edit::SecondRedirectUri => {
            let uris = config["staticClients"][0]["redirectURIs"].as_array_mut();
            if let Some(uris) = uris {
                uris.push(callback("http", SECOND_HOST).into());
            }
        }
        Edit::ShortTokens => config["expiry"] = json!({"idTokens": "1ms"}),
        Edit::OtherPassword => config["staticPasswords"][0]["hash"] = json!(hash),
        Edit::ManyGroups => config["staticPasswords"][0]["groups"] = many_groups().collect(),
        _ => config["issuer"] = MOVED.into(),
    }
}

/// Edits the configuration as it is now.
async fn config(cluster: &Cluster, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let unreadable = || Error::environment("config.yaml in Secret dex/dex is not what Dex reads");
    let text = cluster.secret_key(DEX_CONFIG, DEX_CONFIG_FILE).await?.ok_or_else(unreadable)?;
    let mut config: Value = serde_yaml::from_slice(&text).map_err(|_| unreadable())?;
    if config["staticClients"][0]["id"].is_null() {
        return Err(unreadable());
    }
    edit(&mut config);
    // JSON is YAML, and keeps every string a string.
    cluster.set_secret_keys(DEX_CONFIG, &[(DEX_CONFIG_FILE, Some(config.to_string().as_bytes()))]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_is_changed() {
        let original = json!({"issuer": "http://dex.host", "staticPasswords": [{"hash": "x"}],
                              "staticClients": [{"id": "argo-cd", "redirectURIs": ["http://argocd.host/auth/callback"]}]});
        for (edit, pointer, expected) in [
            (Edit::OtherRedirectUri, "/staticClients/0/redirectURIs/0", "https://argocd.host/auth/callback"),
            (
                Edit::SecondRedirectUri,
                "/staticClients/0/redirectURIs/1",
                "http://login.argocd.host/auth/callback",
            ),
            (Edit::ShortTokens, "/expiry/idTokens", "1ms"),
            (Edit::OtherPassword, "/staticPasswords/0/hash", "hash"),
            (Edit::ManyGroups, "/staticPasswords/0/groups/99", "5f0c1a9e-7d3b-4c68-9a2f-000000000100"),
            (Edit::DexMoves, "/issuer", MOVED),
        ] {
            let mut config = original.clone();
            change(&mut config, edit, Some("hash"));
            assert_eq!(config.pointer(pointer).and_then(Value::as_str), Some(expected), "{edit:?}");
            assert!(config.pointer(field(edit)).is_some(), "{edit:?}");
        }
    }
}
