//! Why a login into Argo CD fails and what to do about it, on any cluster. It looks ([`collect`]),
//! keeps what it saw as plain data ([`evidence`]), decides by that alone ([`checks`]) and says
//! what it found ([`finding`], [`diagnosis`]). Looking is reading: the only door to a cluster can
//! GET and nothing else, and a secret that was read is never shown, only its length and a
//! fingerprint that holds for one run ([`hidden`]).
//!
//! Files in the place of a cluster are looked at in the same way ([`files`]); what was seen can be
//! written down for somebody else to decide by ([`travel`]); what another release will do is told
//! before it does it ([`mod@upgrade`]); and a pasted error is explained without any of that (crate [`explain`]).
//! [`command`] is all of it by the arguments of a command line. It knows the probe and the
//! releases, and nothing of labs, goals or terminals.

mod access_gaps;
mod advice;
mod checks;
mod collect;
pub mod command;
mod diagnosis;
mod evidence;
mod files;
mod finding;
#[cfg(test)]
mod fixtures;
mod hidden;
mod mask;
mod shown;
mod token;
mod travel;
mod upgrade;
mod watch;

pub use advice::reloads;
pub use collect::{Access, Reader, Subject, User, UserCluster, words as cluster_words};
pub use diagnosis::Diagnosis;
pub use evidence::Evidence;
pub use files::Files;
pub use upgrade::{Change, Step, Upgrade, upgrade};

use base::{Error, Result};

/// Looks at a subject and decides by what was seen.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is in the diagnosis.
pub async fn examine(subject: &Subject, before_rotation: bool) -> Result<Diagnosis> {
    Ok(Diagnosis::of(&collect::collect(subject).await?, before_rotation))
}

/// An address of the web: with its scheme and a host.
fn web_address(text: &str) -> Option<url::Url> {
    text.parse::<url::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The Roles that the doctor needs for a subject, as manifests: what it will ask of the cluster, found out by
/// asking for the objects that name others.
///
/// # Errors
/// There is no cluster, or the system gives no random numbers.
pub async fn role(subject: &Subject) -> Result<String> {
    let reader = subject.cluster.as_ref().ok_or_else(|| {
        Error::usage("--print-role is for a cluster").hint("name one with --context, or leave --url out")
    })?;
    collect::rights(subject, reader).await?;
    let who = "--user=NAME, --group=NAME or --serviceaccount=NAMESPACE:NAME";
    Ok(format!(
        "# For `kubectl apply -f -`; then bind each one: {who}\n{}",
        reader.rights().roles(true, true)
    ))
}
