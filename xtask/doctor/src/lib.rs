//! Why a login into Argo CD fails and what to do about it, on any cluster. It looks ([`look`]),
//! keeps what it saw as plain data ([`evidence`]), decides by that alone ([`checks`]) and says
//! what it found ([`finding`], [`diagnosis`]). Looking is reading: the only door to a cluster can
//! GET and nothing else, and a secret that was read is never shown, only its length and a
//! fingerprint that holds for one run ([`hidden`]). What was seen can be written down for somebody
//! else to decide by ([`travel`]). It knows the probe and the releases, and
//! nothing of labs, goals or terminals.

mod advice;
mod checks;
mod could_not;
mod diagnosis;
mod evidence;
mod finding;
#[cfg(test)]
mod fixtures;
mod hidden;
mod look;
mod mask;
mod shown;
mod travel;

pub use advice::reloads;
pub use diagnosis::Diagnosis;
pub use look::{Reader, Subject, User};

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use base::{Error, Result};

/// What was looked at: here, or by somebody who wrote it down.
#[derive(Debug)]
pub struct Examination {
    evidence: evidence::Evidence,
    /// The rights that would have sufficed, as manifests; empty if none was missing.
    roles: String,
}

impl Examination {
    /// Looks at a subject.
    ///
    /// # Errors
    /// The system gives no random numbers. What could not be looked at is part of what was seen.
    pub async fn of(subject: &Subject) -> Result<Self> {
        let evidence = look::look(subject).await?;
        let rights = subject.cluster.as_ref().map(Reader::rights).unwrap_or_default();
        let of = |optional: bool| could_not::roles(rights.asked.iter().filter(|it| it.optional == optional));
        let needed = rights.lacking.then(|| of(false));
        let optional = (rights.lacking || rights.lacking_optional)
            .then(|| format!("# Optional: what lies outside of that namespace.\n{}", of(true)));
        let roles: Vec<String> = needed.into_iter().chain(optional).collect();
        Ok(Self { evidence, roles: roles.join("---\n") })
    }

    /// Decides by what was seen.
    pub fn diagnosis(&self, before_rotation: bool) -> Diagnosis {
        Diagnosis::of(&self.evidence, self.roles.clone(), before_rotation)
    }

    /// Writes what was seen into a new file for its owner, without secrets; with the names of users, groups and hosts
    /// or with pseudonyms in their place.
    ///
    /// # Errors
    /// There is such a file, or it cannot be written.
    pub fn write(&self, path: &Path, names: bool) -> Result<()> {
        let text = travel::write(&self.evidence, &self.roles, names)?;
        base::files::write_new_private(path, text.as_bytes()).map_err(|error| {
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
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |why: String| Error::environment(format!("{} cannot be read: {why}", path.display()));
        let mut text = String::new();
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let most = u64::try_from(travel::LONGEST).unwrap_or(u64::MAX).saturating_add(1);
        file.take(most).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
        let (evidence, roles) = travel::read(&text).map_err(|error| failed(error.message().to_owned()))?;
        Ok(Self { evidence, roles })
    }
}

/// Looks at a subject and decides by what was seen.
///
/// # Errors
/// The system gives no random numbers. What could not be looked at is in the diagnosis.
pub async fn examine(subject: &Subject, before_rotation: bool) -> Result<Diagnosis> {
    Ok(Examination::of(subject).await?.diagnosis(before_rotation))
}
