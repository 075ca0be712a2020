//! `tools --lock`: takes the checksums that projects publish into `tools.lock`.

use futures::future::try_join_all;

use super::Tool;
use crate::download::{Artifact, Downloads, Lockfile, Platform, Sha256, no_checksum};
use base::Result;

/// What is published of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The file's name in `tools.lock`.
    pub key: String,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// The artifacts of all tools on all platforms.
pub fn artifacts() -> Vec<Artifact> {
    Tool::ALL
        .into_iter()
        .flat_map(|tool| Platform::ALL.into_iter().map(move |platform| tool.artifact(platform)))
        .collect()
}

/// Asks the sites for the checksums of these files. The files themselves are not
/// downloaded, so other platforms than this machine's can be locked too.
///
/// # Errors
/// A site does not answer, or publishes none.
pub async fn published(downloads: &Downloads, artifacts: &[Artifact]) -> Result<Vec<Published>> {
    try_join_all(artifacts.iter().map(async |artifact| {
        let sha256 = downloads.published(artifact).await?;
        let sha256 = sha256.ok_or_else(|| no_checksum(artifact))?;
        Ok(Published { key: artifact.key.clone(), sha256 })
    }))
    .await
}

/// Writes what is published into the lock; says which keys are new. Nothing is written
/// if anything differs from what is locked.
///
/// # Errors
/// Something differs, or the file cannot be written.
pub fn lock(lock: &mut Lockfile, published: &[Published]) -> Result<Vec<String>> {
    let mut learned = lock.clone();
    let mut new = vec![];
    for Published { key, sha256 } in published {
        if learned.learn(key, *sha256)? {
            new.push(key.clone());
        }
    }
    if !new.is_empty() {
        learned.write()?;
    }
    *lock = learned;
    Ok(new)
}
