//! Evidence that travels: all that was seen, as one document for somebody who has no access to the installation. No
//! secret is in it, only what can be said of each ([`secrets`]); and unless that is asked for, no name of a person,
//! of a group or of a host ([`names`]). Whoever reads it comes to the same findings.

mod names;
mod pseudonyms;
mod secrets;
#[cfg(test)]
pub mod tests;

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence::{DeploymentSeen, EnvSeen, Evidence, Reference, SERVER_KEY, Term};
use super::hidden::Hidden;
use super::mask::Mask;
use super::shown::clean;
use base::{Error, Result};
use names::{Names, is_proxys, without_users};
use secrets::{Describing, Description};

/// The form of the document. It changes where what is read today could be read wrongly.
pub const SCHEMA: u64 = 1;
/// What stands for a value of which nothing is known but that it is there.
const NOT_READ: &str = "(not read)";
/// The longest document that is read, in bytes.
const LONGEST: usize = 8 << 20;

/// The document.
#[derive(Deserialize, Serialize)]
struct Document {
    /// [`SCHEMA`].
    schema: u64,
    /// What wrote it.
    doctor: String,
    /// Whether names are the real ones.
    names: bool,
    /// What was seen.
    evidence: Value,
    /// What can be said of the secrets in it.
    secrets: Vec<Description>,
    /// The rights that would have sufficed, as manifests.
    roles: String,
}

/// Writes what was seen into a new file for its owner, without secrets; with the names of users, groups and hosts or
/// with pseudonyms in their place.
///
/// # Errors
/// There is such a file, or it cannot be written.
pub fn save(evidence: &Evidence, path: &Path, names: bool) -> Result<()> {
    base::files::write_new_private(path, write(evidence, names)?.as_bytes()).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "is there, and is not written over".to_owned(),
            _ => format!("cannot be written: {error}"),
        };
        Error::environment(format!("{} {why}", path.display()))
    })
}

/// Reads what somebody saw.
///
/// # Errors
/// There is no such file, or it is no evidence that this program reads.
pub fn load(path: &Path) -> Result<Evidence> {
    let failed = |why: String| Error::environment(format!("{} cannot be read: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    read(&text).map_err(|error| failed(error.message().to_owned()))
}

/// The document of what was seen, with real names or without.
///
/// # Errors
/// It could not be read again.
fn write(evidence: &Evidence, names: bool) -> Result<String> {
    let secrets: Vec<Hidden> = evidence.secrets().into_iter().cloned().collect();
    let mask = || Mask::new(&secrets);
    let mut seen = evidence.clone();
    reduce(&mut seen);
    let describing = Describing::new(seen.fingerprints.clone(), mask(), secrets.clone(), open(&seen));
    let (written, described) = describing.of(|| serde_json::to_value(&seen));
    let failed = |_| Error::environment("what was seen cannot be written as JSON");
    let mut evidence = written.map_err(failed)?;
    let mut roles = Value::from(seen.roles.as_str());
    let mut names_of = Names::new(mask(), names, &seen);
    names_of.learn(&evidence);
    names_of.apply(&mut evidence);
    names_of.apply(&mut roles);
    let document = Document {
        schema: SCHEMA,
        doctor: env!("CARGO_PKG_VERSION").to_owned(),
        names,
        evidence,
        secrets: described,
        roles: roles.as_str().unwrap_or_default().to_owned(),
    };
    let text = serde_json::to_string_pretty(&document).map_err(failed)? + "\n";
    // A word that the form needs may be a secret, and was taken out.
    let unread = |why: &str| format!("what was seen cannot be written so that it can be read again: {why}");
    read(&text).map_err(|error| Error::environment(unread(error.message())))?;
    Ok(text)
}

/// What was seen by whoever wrote a document.
///
/// # Errors
/// It is no such document, or one of another schema.
fn read(text: &str) -> Result<Evidence> {
    if text.len() > LONGEST {
        return Err(Error::environment(format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    let no_json = |error: serde_json::Error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Error::environment(match error.is_eof() {
            true => format!("it ends too early, at {place}"),
            false => format!("it is no JSON that can be read, at {place}"),
        })
    };
    let value: Value = serde_json::from_str(text).map_err(no_json)?;
    let it = |what: &str| Error::environment(format!("it is no file of the doctor's evidence: {what}"));
    let schema = value.get("schema").ok_or_else(|| it("it has no `schema`"))?.as_u64();
    if schema != Some(SCHEMA) {
        let schema = schema.map_or_else(|| "no number".to_owned(), |schema| schema.to_string());
        return Err(Error::environment(format!("its schema is {schema}, and this doctor reads {SCHEMA}")));
    }
    // What the parser says quotes what it met.
    let wrong = |error: serde_json::Error| it(&super::shown::shown(&error.to_string()));
    let document = Document::deserialize(value).map_err(wrong)?;
    let (evidence, fingerprints) =
        secrets::reading(&document.secrets, || Evidence::deserialize(document.evidence)).map_err(it)?;
    let roles = document.roles.lines().map(|line| clean(line) + "\n").collect();
    let mut evidence = Evidence { fingerprints, roles, ..evidence.map_err(wrong)? };
    // These are printed as they are.
    if !is_command(&evidence.kubectl) {
        evidence.kubectl = "kubectl".to_owned();
    }
    for could_not in &mut evidence.could_not {
        for text in [&mut could_not.what, &mut could_not.because].into_iter().chain(&mut could_not.right) {
            *text = clean(text);
        }
    }
    Ok(evidence)
}

/// Whether a command begins with kubectl and does nothing else: commands are there to be typed.
fn is_command(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " -_./:@=+~,".contains(c);
    // What a shell would read is between quotes.
    let mut parts = text.split('\'').enumerate();
    let is_safe = text.matches('\'').count().is_multiple_of(2)
        && parts.all(|(at, part)| {
            part.chars().all(|c| if at.is_multiple_of(2) { plain(c) } else { !c.is_control() })
        });
    let named = ["kubectl", "cargo xtask kubectl --"];
    let begins =
        |named: &&str| text.strip_prefix(*named).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    named.iter().any(begins) && is_safe
}

/// Leaves out what no check looks at and may hold anything: annotations, variables, headers.
fn reduce(seen: &mut Evidence) {
    const FRONT: [&str; 6] = [
        "proxy-buffer-size",
        "proxy-buffers-number",
        "large-client-header-buffers",
        "backend-protocol",
        "ssl-redirect",
        "force-ssl-redirect",
    ];
    let of_front = |key: &str| FRONT.contains(&key.rsplit('/').next().unwrap_or(key));
    for (_, annotations) in seen.ingresses.iter_mut().chain(&mut seen.controller) {
        annotations.retain(|key, _| of_front(key));
    }
    for deployment in deployments(seen) {
        deployment.annotations.retain(|key, _| key.contains("reloader.stakater.com/"));
        deployment.env.retain(|name, value| match value {
            EnvSeen::Text(value) => {
                // The scheme may be left out.
                let text = value.text();
                let whole = if text.contains("://") { text } else { format!("://{text}") };
                *value = Hidden::new(without_users(&whole).trim_start_matches("://"));
                is_proxys(name)
            }
            EnvSeen::Secret { .. } => true,
            EnvSeen::Other => is_proxys(name),
        });
    }
    seen.bundled.secrets.clear();
    if let Some(secret) = seen.argocd_secret.there_mut()
        && let Some(key) = secret.keys.get_mut(SERVER_KEY).filter(|key| !key.value.is_empty())
    {
        key.value = Hidden::new(NOT_READ);
    }
    if let Some(settings) = seen.settings.there_mut() {
        if let super::evidence::DexSettings::Config(config) = &mut settings.dex {
            config.secrets.clear();
        }
        if let super::evidence::Oidc::Config(config) = &mut settings.oidc {
            config.root_ca = about_certificate(&config.root_ca);
        }
    }
    for exchange in seen.outside.iter_mut().flat_map(|it| &mut it.rehearsals).flat_map(|it| &mut it.exchanges)
    {
        exchange.headers.clear();
        for address in [&mut exchange.url].into_iter().chain(&mut exchange.location) {
            address.truncate(address.find(['?', '#']).unwrap_or(address.len()));
        }
        (exchange.place, exchange.note) = (String::new(), String::new());
    }
}

fn deployments(seen: &mut Evidence) -> Vec<&mut DeploymentSeen> {
    let dex = seen.provider.dex.there_mut().map(|dex| &mut dex.deployment);
    let redis = seen.redis.there_mut().into_iter().flatten();
    redis.chain(seen.server.there_mut()).chain(seen.bundled.deployment.there_mut()).chain(dex).collect()
}

/// What matters of a certificate: whether it is one.
fn about_certificate(pem: &str) -> String {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    match (pem.is_empty(), pem.contains(BEGIN)) {
        (true, _) => String::new(),
        (false, true) => format!("{BEGIN} and so on"),
        (false, false) => "no certificate in PEM".to_owned(),
    }
}

/// The values that are no secrets although they stand where some might.
fn open(seen: &Evidence) -> Vec<Hidden> {
    let exists = |key: &str| seen.argocd_secret.there().is_some_and(|secret| secret.keys.contains_key(key));
    let is_name = |reference: &Reference| match reference {
        Reference::Of { .. } => reference.is_name(),
        Reference::Own(key) => reference.is_name() && exists(key),
    };
    let mut open = vec![Hidden::new(NOT_READ)];
    if let Some(config) = seen.oidc() {
        let public = [&config.issuer, &config.client_id, &config.cli_client_id];
        open.extend(public.into_iter().filter_map(Term::plain).cloned());
        let references = public.into_iter().chain([&config.client_secret]).filter_map(Term::reference);
        open.extend(references.filter(|it| is_name(it)).map(|it| it.clone().into()));
    }
    open.extend(
        seen.dex_settings()
            .into_iter()
            .flat_map(|config| &config.references)
            .map(|(_, it)| it.clone().into()),
    );
    open.extend(seen.deployments().flat_map(|it| it.env.values()).filter_map(|value| match value {
        EnvSeen::Text(value) => Some(value.clone()),
        EnvSeen::Secret { .. } | EnvSeen::Other => None,
    }));
    open
}
