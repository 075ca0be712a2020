//! A released program: looked up in the cache, else downloaded, verified and kept.

use std::path::PathBuf;

use futures::future::try_join_all;

use super::cache::{Slot, remove};
use super::checksums;
use super::client::Downloads;
use super::fetch::Wanted;
use super::lockfile::{NAME, mismatch};
use super::platform::Platform;
use super::progress::Progress;
use super::settings::{Site, shown};
use super::sha256::Sha256;
use super::trouble::{Failure, Status, Trouble};
use super::unpack::unpack;
use base::{Error, Result};

/// The most bytes of a file with checksums.
const CHECKSUMS: u64 = 1 << 20;

/// A released program for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// `kind v0.33.0`.
    pub name: String,
    /// For which machine.
    pub platform: Platform,
    /// From where …
    pub site: Site,
    /// … and which path there.
    pub path: String,
    /// Its name in `tools.lock`.
    pub key: String,
    /// Where its checksum is published: paths of the same site, the first that is there
    /// counts. Empty if it is known that none is.
    pub published: Vec<String>,
    /// The program's path in the archive, if what is downloaded is one.
    pub inside: Option<String>,
    /// The file's name in the cache: `kind-v0.33.0`.
    pub file: String,
    /// How many bytes such a download has at most.
    pub limit: u64,
}

impl Artifact {
    /// `kind v0.33.0 for linux/amd64`.
    pub fn what(&self) -> String {
        format!("{} for {}", self.name, self.platform)
    }
}

impl Downloads {
    /// The place of a file in the cache.
    pub fn slot(&self, platform: Platform, file: &str) -> Slot {
        Slot::new(&self.settings.cache, &format!("{}-{}", platform.os, platform.arch), file)
    }

    /// A file that the cache has and `tools.lock` does not refuse. Asks nothing of the network.
    pub fn kept(&self, slot: &Slot, key: &str) -> Option<PathBuf> {
        let downloaded = slot.find()?;
        let allowed = self.lock.get(key).is_none_or(|locked| locked == downloaded);
        allowed.then(|| slot.path().to_owned())
    }

    /// The program, if it is kept. Asks nothing of the network.
    pub fn find(&self, artifact: &Artifact) -> Option<PathBuf> {
        self.kept(&self.slot(artifact.platform, &artifact.file), &artifact.key)
    }

    /// A file from the cache, or made now by whoever comes first.
    ///
    /// # Errors
    /// It is not there and nothing may be asked, or it cannot be made.
    pub async fn make(
        &self,
        what: &str,
        slot: &Slot,
        key: &str,
        progress: &dyn Progress,
        fail: impl Fn(Failure) -> Error,
        make: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(path) = self.kept(slot, key) {
            return Ok(path);
        }
        if self.settings.offline {
            // A file that `tools.lock` refuses is another matter than none.
            return Err(match (slot.find(), self.lock.get(key)) {
                (Some(downloaded), Some(locked)) => mismatch(key, locked, downloaded)
                    .context(format!("{} in the cache", slot.path().display())),
                _ => fail(Trouble::Offline.into()),
            });
        }
        let _claim = slot.claim(what, progress).await.map_err(|trouble| fail(trouble.into()))?;
        // Whoever was waited for may have made it.
        if self.kept(slot, key).is_none() {
            make().await?;
        }
        Ok(slot.path().to_owned())
    }

    /// Holds what is published of a file against `tools.lock`; where that says nothing, that is
    /// noted.
    ///
    /// # Errors
    /// The two differ.
    pub fn check(&self, what: &str, key: &str, published: Sha256, progress: &dyn Progress) -> Result<()> {
        match self.lock.get(key) {
            Some(locked) if locked != published => return Err(mismatch(key, locked, published)),
            Some(_) => {}
            None => progress.note(&format!(
                "{what} is not in {NAME}: it is held against what is published of it only \
                 (`cargo xtask tools --lock` records it)"
            )),
        }
        Ok(())
    }

    /// From where a program would be downloaded, for people.
    pub fn url_of(&self, artifact: &Artifact) -> String {
        shown(&self.settings.url(artifact.site, &artifact.path))
    }

    /// The program, from the cache or downloaded now.
    ///
    /// # Errors
    /// It cannot be had, or it is not what it should be.
    pub async fn get(&self, artifact: &Artifact, progress: &dyn Progress) -> Result<PathBuf> {
        let (slot, what) = (self.slot(artifact.platform, &artifact.file), artifact.what());
        let url = self.settings.url(artifact.site, &artifact.path);
        let fail = |failure: Failure| failure.about(&what, &url, artifact.site, &self.settings);
        self.make(&what, &slot, &artifact.key, progress, fail, async || {
            let sha256 = match (self.lock.get(&artifact.key), self.published(artifact).await?) {
                (_, Some(published)) => {
                    self.check(&what, &artifact.key, published, progress)?;
                    published
                }
                (Some(locked), None) => locked,
                (None, None) => {
                    // Whether there is such a file at all. The answer's body is not read.
                    self.open(&url, &[]).await.map_err(fail)?;
                    return Err(no_checksum(artifact));
                }
            };
            let (what, url, limit) = (what.as_str(), &url, artifact.limit);
            let wanted = Wanted { what, url, sha256, limit, bearer: None, progress };
            self.install(&wanted, artifact.inside.as_deref(), &slot).await.map_err(fail)
        })
        .await
    }

    async fn install(&self, wanted: &Wanted<'_>, inside: Option<&str>, slot: &Slot) -> Result<(), Failure> {
        let (part, sha256) = (slot.beside("part"), wanted.sha256);
        self.fetch(wanted, &part).await?;
        let Some(inside) = inside else { return Ok(slot.install(&part, sha256)?) };
        let to = slot.beside("unpacked");
        let unpacked = unpack(&part, inside, &to).await;
        // Unpacking it again would end the same way.
        remove(&part)?;
        if !unpacked? {
            return Err(Trouble::Archive(format!("there is no /{inside} in it")).into());
        }
        Ok(slot.install(&to, sha256)?)
    }

    /// The checksums that are published of these files, by their names in `tools.lock`. The
    /// files themselves are not downloaded, so other platforms than this machine's can be asked
    /// for too.
    ///
    /// # Errors
    /// A site does not answer, or publishes none.
    pub async fn all_published(&self, artifacts: &[Artifact]) -> Result<Vec<(String, Sha256)>> {
        try_join_all(artifacts.iter().map(async |artifact| {
            let sha256 = self.published(artifact).await?.ok_or_else(|| no_checksum(artifact))?;
            Ok((artifact.key.clone(), sha256))
        }))
        .await
    }

    /// The checksum that the project publishes; none if it publishes none.
    ///
    /// # Errors
    /// The site does not answer, or what it publishes has no checksum for this file.
    async fn published(&self, artifact: &Artifact) -> Result<Option<Sha256>> {
        let file = artifact.path.rsplit('/').next().unwrap_or_default();
        for path in &artifact.published {
            let url = self.settings.url(artifact.site, path);
            let what = format!("the checksum of {}", artifact.what());
            let fail = |failure: Failure| failure.about(&what, &url, artifact.site, &self.settings);
            let answer = match self.read(&url, &[], CHECKSUMS).await {
                Err(Failure { trouble: Trouble::Status(Status { code: 404, .. }), .. }) => continue,
                answer => answer.map_err(fail)?,
            };
            let found = checksums::find(&String::from_utf8_lossy(&answer.body), file);
            let none =
                || fail(Trouble::nonsense(format!("{} has no SHA-256 for {file}", shown(&url))).into());
            return found.map(Some).ok_or_else(none);
        }
        Ok(None)
    }
}

/// Nothing says what a file has to be.
fn no_checksum(artifact: &Artifact) -> Error {
    Error::environment(format!(
        "no checksum is published for {}, and {NAME} has none: it is not downloaded",
        artifact.what()
    ))
    .hint(format!("get it by a way that you trust, and put its SHA-256 into {NAME} as {}", artifact.key))
}
