//! Dex, out of its released image: the project publishes no binaries.

use std::path::PathBuf;

use super::registry::{Repository, Tagged};
use crate::download::{
    Downloads, Failure, Platform, Progress, Sha256, Site, Slot, Trouble, remove, shown, unpack,
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
    let tagged = Repository::new(downloads, REPOSITORY).tag(version).await;
    Ok(tagged.map_err(|failure| explain(downloads, version, &format!("Dex {version}"), &failure))?.sha256)
}

fn explain(downloads: &Downloads, version: &str, what: &str, failure: &Failure) -> Error {
    let url = Repository::new(downloads, REPOSITORY).url(&format!("manifests/{version}"));
    failure.about(what, &url, Site::Registry, &downloads.settings)
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
    let what = format!("Dex {version} for {platform}");
    let (slot, key) = (slot(downloads, version, platform), key(version));
    let fail = |failure: Failure| explain(downloads, version, &what, &failure);
    downloads
        .make(&what, &slot, &key, progress, fail, async || {
            let mut repository = Repository::new(downloads, REPOSITORY);
            let tagged = repository.tag(version).await.map_err(fail)?;
            downloads.check(&what, &key, tagged.sha256, progress)?;
            take_out(&mut repository, &tagged, platform, &slot, &what, progress).await.map_err(fail)
        })
        .await
}

/// Downloads the layers of an image, the highest first, until one has the program: those
/// below it are not needed. They are kept until the program is there.
async fn take_out(
    repository: &mut Repository<'_>,
    tagged: &Tagged,
    platform: Platform,
    slot: &Slot,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let to = slot.beside("unpacked");
    let mut parts = vec![];
    let mut found = false;
    for layer in repository.layers(tagged, platform).await?.iter().rev() {
        let part = slot.part_of(layer.sha256().map_err(Trouble::nonsense)?);
        repository.blob(what, layer, &part, progress).await?;
        // One that is refused would be refused again.
        found = unpack(&part, PROGRAM, &to).await.inspect_err(|_| drop(remove(&part)))?;
        parts.push(part);
        if found {
            slot.install(&to, tagged.sha256)?;
            break;
        }
    }
    parts.iter().try_for_each(|part| remove(part))?;
    match found {
        true => Ok(()),
        false => Err(Trouble::Archive(format!("there is no /{PROGRAM} in the image")).into()),
    }
}

#[cfg(test)]
#[path = "dex_tests.rs"]
mod tests;
