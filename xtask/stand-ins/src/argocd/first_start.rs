//! What a server does on its first start: it fills argocd-secret with what it needs
//! and nobody has put there.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::entry::CommitError;
use kube::api::{Api, PostParams};

use super::flags::parse_bool;
use super::informer::words;
use super::manager::{CONFIG_MAP, Manager, SECRET};
use super::settings::{Settings, data};
use crate::go_http::{random, random_text};

/// Where the generated password of `admin` is left for people to read.
const INITIAL_PASSWORD: &str = "argocd-initial-admin-secret";
const PASSWORD_LENGTH: usize = 16;
/// bcrypt's cost, as Argo CD uses it.
const COST: u32 = 10;
/// How often a write that lost a race is tried in all.
const TRIES: usize = 4;

/// Makes sure that the settings are complete and returns them, as they were read
/// before anything that was missing was filled in: what could not be read then is
/// not in them, however complete the objects are now.
///
/// # Errors
/// The line that argocd-server prints before it exits.
pub(super) async fn initialize(manager: &Arc<Manager>) -> Result<Settings, String> {
    initialize_admin(manager).await?;
    let mut settings = manager.settings()?;
    if settings.server_signature.is_some() {
        return Ok(settings);
    }
    let signature: [u8; 32] = random().ok_or("error setting JWT signature: no random numbers")?;
    let signature = STANDARD.encode(signature).into_bytes();
    manager.log.info("Initialized server signature");
    settings.server_signature = Some(signature.clone());
    let saved = update_secret(manager, |secret| {
        fields(secret).insert("server.secretkey".into(), ByteString(signature.clone()));
    });
    match saved.await {
        Ok(()) => Ok(settings),
        Err(error) if is_conflict(&error) => {
            manager.log.warn("conflict when initializing settings. assuming updated by another replica");
            manager.complete_settings()
        }
        // Argo CD does not look at other errors of this write either.
        Err(_) => Ok(settings),
    }
}

async fn initialize_admin(manager: &Arc<Manager>) -> Result<(), String> {
    for attempt in 1.. {
        let config_map = manager.config_map(CONFIG_MAP)?;
        let enabled = config_map.data.as_ref().and_then(|data| data.get("admin.enabled"));
        if !enabled.and_then(|text| parse_bool(text)).unwrap_or(true) {
            manager.log.info("admin disabled");
            return Ok(());
        }
        let secret = manager.secret(SECRET)?;
        let has = |key: &str| data(&secret).get(key).is_some_and(|value| !value.0.is_empty());
        let mut missing = vec![];
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        if !has("admin.password") {
            let password = password().ok_or("no random numbers")?;
            leave_password(manager, &password).await?;
            missing.push(("admin.password", hash(password).await?));
            missing.push(("admin.passwordMtime", now));
            manager.log.info("Initialized admin password");
        } else if !has("admin.passwordMtime") {
            missing.push(("admin.passwordMtime", now));
            manager.log.info("Initialized admin mtime");
        }
        if missing.is_empty() {
            return Ok(());
        }
        let saved = update_secret(manager, |secret| {
            for (key, value) in &missing {
                fields(secret).insert((*key).into(), ByteString(value.clone().into_bytes()));
            }
        });
        match saved.await {
            Err(error) if is_conflict(&error) && attempt < TRIES => manager.resync().await,
            Err(error) => return Err(words(error)),
            Ok(()) => return Ok(()),
        }
    }
    Ok(())
}

fn fields(secret: &mut Secret) -> &mut std::collections::BTreeMap<String, ByteString> {
    secret.data.get_or_insert_default()
}

/// Changes argocd-secret and reads everything anew.
async fn update_secret(manager: &Arc<Manager>, change: impl FnOnce(&mut Secret)) -> kube::Result<()> {
    let api: Api<Secret> = manager.api();
    let mut secret = match manager.secret(SECRET) {
        Ok(secret) => (*secret).clone(),
        Err(_) => api.get(SECRET).await?,
    };
    change(&mut secret);
    api.replace(SECRET, &PostParams::default(), &secret).await?;
    manager.resync().await;
    Ok(())
}

/// Writes the password where people look for it.
async fn leave_password(manager: &Arc<Manager>, password: &str) -> Result<(), String> {
    let api: Api<Secret> = manager.api();
    let opaque = || Secret { type_: Some("Opaque".into()), ..Default::default() };
    let mut secret = api.entry(INITIAL_PASSWORD).await.map_err(words)?.or_insert(opaque);
    fields(secret.get_mut()).insert("password".into(), ByteString(password.as_bytes().to_vec()));
    secret.commit(&PostParams::default()).await.map_err(|error| match error {
        CommitError::Save(error) => words(error),
        other => other.to_string(),
    })
}

async fn hash(password: String) -> Result<String, String> {
    tokio::task::spawn_blocking(move || bcrypt::hash(password, COST))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

/// Letters, digits and dashes.
fn password() -> Option<String> {
    let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";
    random_text(letters, PASSWORD_LENGTH)
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_are_letters_digits_and_dashes() {
        let password = super::password().unwrap();
        assert_eq!(password.len(), 16);
        assert!(password.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{password}");
        assert_ne!(password, super::password().unwrap());
    }
}
