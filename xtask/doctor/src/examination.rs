//! What was looked at, here or by somebody else: with the rights that were lacking, it can be decided by, written
//! down and read.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use crate::evidence::Evidence;
use crate::look::{Reader, Subject, look};
use crate::{Diagnosis, travel};
use base::{Error, Result};

/// What was looked at: here, or by somebody who wrote it down.
#[derive(Debug)]
pub struct Examination {
    evidence: Evidence,
    /// The rights that would have sufficed, as manifests; empty if none was missing.
    roles: String,
}

impl Examination {
    /// Looks at a subject.
    ///
    /// # Errors
    /// The system gives no random numbers. What could not be looked at is part of what was seen.
    pub async fn of(subject: &Subject) -> Result<Self> {
        Ok(Self::new(subject, look(subject).await?))
    }

    /// What was seen of a subject, and the rights that were lacking.
    pub fn new(subject: &Subject, evidence: Evidence) -> Self {
        let rights = subject.cluster.as_ref().map(Reader::rights).unwrap_or_default();
        let roles = rights.roles(rights.lacking, rights.lacking || rights.lacking_optional);
        Self { evidence, roles }
    }

    /// What was seen.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
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
