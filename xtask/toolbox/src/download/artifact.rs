//! A released program: looked up in the cache, else downloaded, verified and kept.

use std::path::{Path, PathBuf};

use futures::future::try_join_all;

use super::cache::{Claim, Slot, remove};
use super::checksums;
use super::client::{Ask, Client};
use super::fetch::Wanted;
use super::lockfile::{Lockfile, NAME, mismatch};
use super::platform::Platform;
use super::progress::Progress;
use super::settings::{Settings, Site, shown};
use super::sha256::Sha256;
use super::trouble::{About, Failure, Trouble};
use super::unpack::{Found, unpack};
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

    /// The place of a platform's programs in the cache.
    pub fn folder(platform: Platform) -> String {
        format!("{}-{}", platform.os, platform.arch)
    }
}

/// The one way in for whatever comes from outside.
#[derive(Clone)]
pub struct Downloads {
    /// Where from, where to, how long.
    pub settings: Settings,
    /// What is known of outside files.
    pub lock: Lockfile,
    pub(super) client: Client,
}

impl Downloads {
    /// With these settings and known checksums.
    pub fn new(settings: Settings, lock: Lockfile) -> Self {
        Self { settings, lock, client: Client::default() }
    }

    /// The place of a file in the cache.
    pub fn slot(&self, platform: Platform, file: &str) -> Slot {
        Slot::new(&self.settings.cache, &Artifact::folder(platform), file)
    }

    /// A file that the cache has and `tools.lock` does not refuse. Asks nothing of the network.
    pub fn kept(&self, slot: &Slot, key: &str) -> Option<PathBuf> {
        let receipt = slot.find()?;
        let allowed = self.lock.get(key).is_none_or(|locked| locked == receipt.downloaded);
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
        make: impl AsyncFnOnce(&Claim) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(path) = self.kept(slot, key) {
            return Ok(path);
        }
        if self.settings.offline {
            // A file that `tools.lock` refuses is another matter than none.
            return Err(match (slot.find(), self.lock.get(key)) {
                (Some(receipt), Some(locked)) => mismatch(key, locked, receipt.downloaded)
                    .context(format!("{} in the cache", slot.path().display())),
                _ => fail(Trouble::Offline.into()),
            });
        }
        let claim = slot.claim(what, progress).await.map_err(|trouble| fail(trouble.into()))?;
        // Whoever was waited for may have made it.
        if self.kept(slot, key).is_none() {
            make(&claim).await?;
        }
        Ok(slot.path().to_owned())
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
        let slot = self.slot(artifact.platform, &artifact.file);
        let what = artifact.what();
        let fail = |failure: Failure| self.explain(artifact, &failure);
        self.make(&what, &slot, &artifact.key, progress, fail, async |claim| {
            let (sha256, locked) = self.expected(artifact).await?;
            if !locked {
                progress.note(&format!(
                    "{what} is not in {NAME}: it is held against the checksum published beside it only \
                     (`cargo xtask tools --lock` records it)"
                ));
            }
            self.install(artifact, sha256, claim, progress).await.map_err(fail)
        })
        .await
    }

    async fn install(
        &self,
        artifact: &Artifact,
        sha256: Sha256,
        claim: &Claim,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let url = self.settings.url(artifact.site, &artifact.path);
        let what = artifact.what();
        let wanted =
            Wanted { what: &what, url: &url, sha256, size: None, limit: artifact.limit, bearer: None };
        let part = claim.part();
        self.fetch(&wanted, &part, progress).await?;
        let Some(inside) = &artifact.inside else { return Ok(claim.install(part.path(), sha256, sha256)?) };
        let to = claim.unpacked();
        let unpacked = unpack_aside(part.path(), inside, &to).await;
        // Unpacking it again would end the same way.
        let file = unpacked.inspect_err(|_| drop(part.remove()))?.file(inside)?;
        claim.install(&to, sha256, file.sha256)?;
        Ok(part.remove()?)
    }

    /// What a program has to be, by `tools.lock` and by what the project publishes; and whether
    /// the former says so.
    async fn expected(&self, artifact: &Artifact) -> Result<(Sha256, bool)> {
        let locked = self.lock.get(&artifact.key);
        match (locked, self.published(artifact).await?) {
            (Some(locked), Some(published)) if locked != published => {
                Err(mismatch(&artifact.key, locked, published))
            }
            (Some(sha256), _) => Ok((sha256, true)),
            (None, Some(sha256)) => Ok((sha256, false)),
            (None, None) => {
                self.is_there(artifact).await?;
                Err(no_checksum(artifact))
            }
        }
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

    /// Whether the site has the file at all.
    async fn is_there(&self, artifact: &Artifact) -> Result<()> {
        let ask = Ask::get(self.settings.url(artifact.site, &artifact.path));
        // The answer's body is not read.
        let opened = self.open(&ask).await;
        opened.map(drop).map_err(|failure| self.explain(artifact, &failure))
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
            let about = self.about(&what, &url, artifact.site, "");
            let answer = match self.read(&Ask::get(url.clone()), CHECKSUMS).await {
                Err(Failure { trouble: Trouble::Status(status), .. }) if status.code == 404 => continue,
                answer => answer.map_err(|failure| failure.about(about))?,
            };
            let found = checksums::find(&String::from_utf8_lossy(&answer.body), file);
            return match found {
                Some(sha256) => Ok(Some(sha256)),
                None => {
                    let words = format!("{} has no SHA-256 for {file}", shown(&url));
                    Err(Failure::from(Trouble::Nonsense(words)).about(about))
                }
            };
        }
        Ok(None)
    }

    /// What a failure is about.
    pub fn about<'a>(&self, what: &'a str, url: &'a reqwest::Url, site: Site, absent: &'a str) -> About<'a> {
        About { what, url, site, absent, proxy: self.settings.proxy }
    }

    fn explain(&self, artifact: &Artifact, failure: &Failure) -> Error {
        let absent = format!("there is no {}", artifact.what());
        let url = self.settings.url(artifact.site, &artifact.path);
        failure.about(self.about(&artifact.what(), &url, artifact.site, &absent))
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

/// [`unpack`] where blocking is allowed. What a failure leaves is removed.
///
/// # Errors
/// As [`unpack`].
pub async fn unpack_aside(archive: &Path, wanted: &str, to: &Path) -> Result<Found, Trouble> {
    let (archive, wanted, to) = (archive.to_owned(), wanted.to_owned(), to.to_owned());
    let aside = to.clone();
    let unpacked = tokio::task::spawn_blocking(move || {
        let found = unpack(&archive, &wanted, &to);
        if !matches!(found, Ok(Found::File(_))) {
            remove(&to)?;
        }
        found
    });
    unpacked.await.map_err(|error| Trouble::disk(&aside, &std::io::Error::other(error)))?
}
