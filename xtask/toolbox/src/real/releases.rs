//! Which releases of Argo CD there are: the tags of its repository.
//!
//! They are asked for by git's own protocol (version 2 over HTTP). GitHub's API would
//! tell the same, in pages, sixty requests an hour.

use jiff::Timestamp;
use releases::Release;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use serde::{Deserialize, Serialize};

use super::pktline::{DELIMITER, FLUSH, line, packets};
use crate::download::{Ask, Downloads, Failure, Progress, Site, Trouble};
use base::Result;
use base::files::{make_private_folder, write_private};

/// The repository.
const REPOSITORY: &str = "/argoproj/argo-cd.git";
/// The file in the cache that keeps the last answer.
const FILE: &str = "argocd-releases.json";
/// The most bytes of an answer. A server without version 2 lists every pull request too.
const LIMIT: u64 = 32 << 20;

/// The releases that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// All of them, oldest first, with their candidates (`-rc1`).
    pub releases: Vec<Release>,
    /// When they were asked for, in seconds since 1970.
    pub at: i64,
    /// Whether they are from the cache and not from just now.
    pub cached: bool,
}

impl Released {
    /// All but the candidates, oldest first.
    pub fn finals(&self) -> impl DoubleEndedIterator<Item = &Release> {
        self.releases.iter().filter(|release| !release.to_string().contains('-'))
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    at: i64,
    tags: Vec<String>,
}

/// Lists the releases. Offline, or if the repository does not answer, the last answer
/// is used, and `progress` is told.
///
/// # Errors
/// The repository does not answer, and it never did.
pub async fn released(downloads: &Downloads, progress: &dyn Progress) -> Result<Released> {
    let path = downloads.settings.cache.join(FILE);
    let what = "the list of Argo CD's releases";
    let url = downloads.settings.url(Site::Github, REPOSITORY);
    let about = downloads.about(what, &url, Site::Github, "there is no such repository");
    match ask(downloads).await {
        Ok(tags) => {
            let kept = Kept { at: Timestamp::now().as_second(), tags };
            // A list that cannot be kept is a list all the same.
            let _ = keep(&path, &kept);
            Ok(released_of(kept, false))
        }
        Err(failure) => {
            let kept: Option<Kept> =
                std::fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let Some(kept) = kept else { return Err(failure.about(about)) };
            if failure.trouble != Trouble::Offline {
                progress.note(&failure.about(about).to_string());
            }
            let at = Timestamp::from_second(kept.at).map(|at| at.to_string()).unwrap_or_default();
            progress.note(&format!("{what} is from the cache, as of {at}"));
            Ok(released_of(kept, true))
        }
    }
}

fn keep(path: &std::path::Path, kept: &Kept) -> std::io::Result<()> {
    make_private_folder(path.parent().unwrap_or(path))?;
    write_private(path, &serde_json::to_vec(kept)?)
}

fn released_of(kept: Kept, cached: bool) -> Released {
    let mut releases: Vec<Release> = kept
        .tags
        .iter()
        .filter_map(|tag| Release::parse(tag).ok().filter(|release| release.to_string() == *tag))
        .collect();
    releases.sort();
    Released { releases, at: kept.at, cached }
}

/// The names of all tags that start with `v`.
async fn ask(downloads: &Downloads) -> Result<Vec<String>, Failure> {
    let version = HeaderName::from_static("git-protocol");
    let mut url = downloads.settings.url(Site::Github, &format!("{REPOSITORY}/info/refs"));
    url.set_query(Some("service=git-upload-pack"));
    let greeting = Ask::get(url.clone()).header(version.clone(), "version=2");
    let greeting = downloads.read(&greeting, LIMIT).await?.body;
    let nonsense = |at: usize| Trouble::Nonsense(format!("no git packet at byte {at}")).at(&url);
    let lines = packets(&greeting).map_err(nonsense)?;
    if !lines.contains(&Some(&b"version 2"[..])) {
        // An older server has listed everything already.
        return tags(&lines).ok_or_else(|| nonsense(0));
    }
    let url = downloads.settings.url(Site::Github, &format!("{REPOSITORY}/git-upload-pack"));
    let body = [&line("command=ls-refs"), DELIMITER, &line("ref-prefix refs/tags/v"), FLUSH].concat();
    let list = Ask::post(url.clone(), body.into_bytes())
        .header(version, "version=2")
        .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
        .header(ACCEPT, "application/x-git-upload-pack-result");
    let list = downloads.read(&list, LIMIT).await?.body;
    let nonsense = |at: usize| Trouble::Nonsense(format!("no git packet at byte {at}")).at(&url);
    let lines = packets(&list).map_err(nonsense)?;
    // A list that does not end was cut off on the way.
    if lines.last() != Some(&None) {
        return Err(nonsense(list.len()));
    }
    tags(&lines).ok_or_else(|| nonsense(0))
}

/// The tags in lines of `<object> refs/tags/<name>`; nothing if there are none at all.
fn tags(lines: &[Option<&[u8]>]) -> Option<Vec<String>> {
    let tag = |line: &&[u8]| {
        let line = String::from_utf8_lossy(line);
        // Old servers put what they can do behind the first name.
        let name = line.split_once(' ')?.1.split(['\0', ' ']).next()?;
        // `v1.0.0^{}` is the commit of a tag that is listed itself.
        let tag = name.strip_prefix("refs/tags/").filter(|tag| !tag.ends_with("^{}"))?;
        tag.starts_with('v').then(|| tag.to_owned())
    };
    let tags: Vec<String> = lines.iter().flatten().filter_map(tag).collect();
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
#[path = "releases_tests.rs"]
mod tests;
