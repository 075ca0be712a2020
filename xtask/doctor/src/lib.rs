//! Why a login into Argo CD fails and what to do about it, on any cluster. It looks ([`look`]),
//! keeps what it saw as plain data ([`evidence`]), decides by that alone ([`checks`]) and says
//! what it found ([`finding`], [`diagnosis`]). Files in the place of a cluster are looked at in
//! the same way ([`files`]), and what another release will do is told before it does it
//! ([`mod@upgrade`]). Looking is reading: the only door to a cluster can GET and nothing else,
//! and a secret that was read is never shown, only its length and a fingerprint that holds for
//! one run ([`hidden`]). It knows the probe and the releases, and nothing of labs, goals or
//! terminals.

mod advice;
mod checks;
mod could_not;
mod diagnosis;
mod evidence;
mod files;
mod finding;
#[cfg(test)]
mod fixtures;
mod hidden;
mod look;
mod mask;
mod shown;
mod upgrade;

pub use advice::reloads;
pub use diagnosis::Diagnosis;
pub use evidence::Evidence;
pub use files::Files;
pub use look::{Reader, Subject, User};
pub use upgrade::{Change, Step, Upgrade, upgrade};

use base::Result;

/// Looks at a subject and decides by what was seen.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is in the diagnosis.
pub async fn examine(subject: &Subject, before_rotation: bool) -> Result<Diagnosis> {
    Ok(judge(subject, &observe(subject).await?, before_rotation))
}

/// Looks at a subject.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is part of the evidence.
pub async fn observe(subject: &Subject) -> Result<Evidence> {
    look::look(subject).await
}

/// Decides by what was seen of a subject.
pub fn judge(subject: &Subject, evidence: &Evidence, before_rotation: bool) -> Diagnosis {
    let rights = subject.cluster.as_ref().map(Reader::rights).unwrap_or_default();
    let of = |optional: bool| could_not::roles(rights.asked.iter().filter(|it| it.optional == optional));
    let needed = rights.lacking.then(|| of(false));
    let optional = (rights.lacking || rights.lacking_optional)
        .then(|| format!("# Optional: what lies outside of that namespace.\n{}", of(true)));
    let roles: Vec<String> = needed.into_iter().chain(optional).collect();
    Diagnosis::of(evidence, roles.join("---\n"), before_rotation)
}
