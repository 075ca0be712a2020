//! Dex, out of its released image: the project publishes no binaries.

use std::path::{Path, PathBuf};

use super::registry::{Descriptor, Repository};
use crate::download::{
    Claim, Downloads, Failure, Found, LOCK, Part, Platform, Progress, Sha256, Site, Slot, Trouble, Unpacked,
    mismatch, shown, unpack_aside,
};
use crate::tools::Version;
use base::{Error, Result};

/// The version that is downloaded unless told otherwise.
pub const DEX: &str = "v2.45.1";

/// The repository of its images.
const REPOSITORY: &str = "dexidp/dex";
/// Where the program is in an image.
const PROGRAM: &str = "usr/local/bin/dex";

/// The released `dex` of a version (`v2.45.1`) for this machine, from the cache or
/// downloaded now. The file is named `dex-vX.Y.Z`.
///
/// # Errors
/// This is no Linux; there is no such version or none for this machine; it cannot be
/// downloaded, or something is not what its digest says.
pub async fn dex(downloads: &Downloads, version: &str, progress: &dyn Progress) -> Result<PathBuf> {
    for_platform(downloads, version, Platform::here()?, progress).await
}

/// The `dex` of a version, if it is kept. Asks nothing of the network.
pub fn find(downloads: &Downloads, version: &str, platform: Platform) -> Option<PathBuf> {
    downloads.kept(&slot(downloads, version, platform), &key(version))
}

/// From where a version would be downloaded, for people.
pub fn url(downloads: &Downloads, version: &str) -> String {
    shown(&Repository::new(downloads, REPOSITORY).url(&format!("manifests/{version}")))
}

fn slot(downloads: &Downloads, version: &str, platform: Platform) -> Slot {
    downloads.slot(platform, &format!("dex-{version}"))
}

/// `tools.lock`'s name for a version: the digest of the index, below which all is
/// held against digests.
pub fn key(version: &str) -> String {
    format!("dex/{version}/index")
}

/// The digest of a version's index, as the registry tells it now.
///
/// # Errors
/// There is no such version, or the registry does not answer.
pub async fn published(downloads: &Downloads, version: &str) -> Result<Sha256> {
    let mut repository = Repository::new(downloads, REPOSITORY);
    let tagged = repository.tag(version).await;
    let url = repository.url(&format!("manifests/{version}"));
    let what = format!("the image of Dex {version}");
    let absent = format!("there is no Dex {version}");
    Ok(tagged.map_err(|failure| failure.about(downloads.about(&what, &url, Site::Registry, &absent)))?.sha256)
}

async fn for_platform(
    downloads: &Downloads,
    version: &str,
    platform: Platform,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    if Version::parse(version).is_none() || !version.starts_with('v') {
        return Err(
            Error::usage(format!("{version:?} is no version of Dex")).hint(format!("write it as {DEX}"))
        );
    }
    if platform.os != "linux" {
        return Err(Error::environment(format!(
            "Dex is published for Linux only, as an image: there is no program of it for {platform}"
        ))
        .hint("build it from its source (`make build`) and give it with --dex-bin, or use the stand-in"));
    }
    let making = Making { downloads, version, platform, progress };
    making.get().await
}

struct Making<'a> {
    downloads: &'a Downloads,
    version: &'a str,
    platform: Platform,
    progress: &'a dyn Progress,
}

impl Making<'_> {
    fn what(&self) -> String {
        format!("Dex {} for {}", self.version, self.platform)
    }

    async fn get(&self) -> Result<PathBuf> {
        let slot = slot(self.downloads, self.version, self.platform);
        let key = key(self.version);
        let fail = |failure| self.explain(&Repository::new(self.downloads, REPOSITORY), failure);
        self.downloads
            .make(&self.what(), &slot, &key, self.progress, fail, async |claim| {
                let mut repository = Repository::new(self.downloads, REPOSITORY);
                let tagged = repository.tag(self.version).await;
                let tagged = tagged.map_err(|failure| self.explain(&repository, failure))?;
                let index = tagged.sha256;
                match self.downloads.lock.get(&key) {
                    Some(locked) if locked != index => return Err(mismatch(&key, locked, index)),
                    Some(_) => {}
                    None => self.progress.note(&format!(
                        "{} is not in {LOCK}: what its tag names is taken as it is now (`cargo xtask tools --lock` \
                         records it)",
                        self.what()
                    )),
                }
                let made = async {
                    let layers = repository.layers(tagged, self.platform).await?;
                    let (to, dex, parts) = self.unpack(&mut repository, &layers, claim).await?;
                    claim.install(&to, index, dex.sha256)?;
                    parts.iter().try_for_each(Part::remove)?;
                    Ok(())
                };
                made.await.map_err(|failure: Failure| self.explain(&repository, failure))
            })
            .await
    }

    /// Downloads layers, the highest first, until one has the program; those below it
    /// are not needed.
    async fn unpack(
        &self,
        repository: &mut Repository<'_>,
        layers: &[Descriptor],
        claim: &Claim,
    ) -> Result<(PathBuf, Unpacked, Vec<Part>), Failure> {
        let to = claim.unpacked();
        let mut parts = vec![];
        for layer in layers.iter().rev() {
            let part = claim.part_of(layer.sha256().map_err(Trouble::Nonsense)?);
            repository.blob(&self.what(), layer, &part, self.progress).await?;
            let found = look_into(&part, &to).await?;
            parts.push(part);
            match found {
                Found::File(file) => return Ok((to, file, parts)),
                Found::Removed => break,
                Found::Nothing => {}
            }
        }
        parts.iter().try_for_each(Part::remove)?;
        Err(Trouble::Archive(format!("there is no /{PROGRAM} in the image")).into())
    }

    fn explain(&self, repository: &Repository<'_>, failure: Failure) -> Error {
        let url = repository.url(&format!("manifests/{}", self.version));
        let what = self.what();
        let absent = format!("there is no {what}");
        failure.about(self.downloads.about(&what, &url, Site::Registry, &absent))
    }
}

/// Takes the program out of a layer, which is removed if it is refused: it would be
/// refused again.
async fn look_into(part: &Part, to: &Path) -> Result<Found, Trouble> {
    unpack_aside(part.path(), PROGRAM, to).await.inspect_err(|_| drop(part.remove()))
}

#[cfg(test)]
#[path = "dex_tests.rs"]
mod tests;
