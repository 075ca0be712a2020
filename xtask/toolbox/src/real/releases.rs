//! Which releases of Argo CD there are: the tags of its repository.
//!
//! They are asked for as git asks, in its oldest way: one answer of a few megabytes names every
//! branch, tag and pull request. GitHub's API would tell the tags in pages, sixty requests an hour.

use jiff::Timestamp;
use releases::Release;
use serde::{Deserialize, Serialize};

use crate::download::{Ask, Downloads, Failure, Progress, Site, Trouble};
use base::Result;
use base::files::{make_private_folder, write_private};

/// The repository.
const REPOSITORY: &str = "/argoproj/argo-cd.git";
/// The file in the cache that keeps the last answer.
const FILE: &str = "argocd-releases.json";
/// The most bytes of an answer.
const LIMIT: u64 = 32 << 20;

/// The releases that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// All of them but their candidates (`-rc1`), oldest first.
    pub releases: Vec<Release>,
    /// Whether they are from the cache and not from just now.
    pub cached: bool,
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
    let what = "list of Argo CD's releases";
    let url = downloads.settings.url(Site::Github, REPOSITORY);
    let explain = |failure: &Failure| failure.about(what, &url, Site::Github, &downloads.settings);
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
            let Some(kept) = kept else { return Err(explain(&failure)) };
            if failure.trouble != Trouble::Offline {
                progress.note(&explain(&failure).to_string());
            }
            let at = Timestamp::from_second(kept.at).map(|at| at.to_string()).unwrap_or_default();
            progress.note(&format!("the {what} is from the cache, as of {at}"));
            Ok(released_of(kept, true))
        }
    }
}

fn keep(path: &std::path::Path, kept: &Kept) -> std::io::Result<()> {
    make_private_folder(path.parent().unwrap_or(path))?;
    write_private(path, &serde_json::to_vec(kept)?)
}

fn released_of(kept: Kept, cached: bool) -> Released {
    let tags = kept.tags.iter().filter(|tag| !tag.contains('-'));
    let mut releases: Vec<Release> = tags
        .filter_map(|tag| Release::parse(tag).ok().filter(|release| release.to_string() == *tag))
        .collect();
    releases.sort();
    Released { releases, cached }
}

/// The names of all tags that start with `v`.
async fn ask(downloads: &Downloads) -> Result<Vec<String>, Failure> {
    let mut url = downloads.settings.url(Site::Github, &format!("{REPOSITORY}/info/refs"));
    url.set_query(Some("service=git-upload-pack"));
    let answer = downloads.read(&Ask::get(url.clone()), LIMIT).await?.body;
    tags(&String::from_utf8_lossy(&answer)).ok_or_else(|| Trouble::nonsense("no list of tags").at(&url))
}

/// The tags in lines of `<length><object> refs/tags/<name>`; nothing if there are none at all, or
/// what ends such a list is wanting: it was cut off on the way.
fn tags(text: &str) -> Option<Vec<String>> {
    let names = text.strip_suffix("0000")?.lines().filter_map(|line| line.split_once(" refs/tags/"));
    // `v1.0.0^{}` is the commit of a tag that is listed itself.
    let names = names.map(|(_, name)| name).filter(|name| name.starts_with('v') && !name.ends_with("^{}"));
    let tags: Vec<String> = names.map(str::to_owned).collect();
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
#[path = "releases_tests.rs"]
mod tests;
