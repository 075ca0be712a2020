//! Which releases of Argo CD there are: the tags of its repository.
//!
//! They are asked for as git asks, in its oldest way: one answer of a few megabytes names every
//! branch, tag and pull request. GitHub's API would tell the tags in pages, sixty requests an hour.

use releases::Release;

use crate::download::{Downloads, Failure, Site, Trouble};
use base::Result;

/// The repository.
const REPOSITORY: &str = "/argoproj/argo-cd.git";
/// The most bytes of an answer.
const LIMIT: u64 = 32 << 20;

/// All releases that there are but their candidates (`-rc1`), oldest first.
///
/// # Errors
/// The repository does not answer.
pub async fn released(downloads: &Downloads) -> Result<Vec<Release>> {
    let settings = &downloads.settings;
    let mut url = settings.url(Site::Github, &format!("{REPOSITORY}/info/refs"));
    url.set_query(Some("service=git-upload-pack"));
    let fail = |failure: Failure| failure.about("list of Argo CD's releases", &url, Site::Github, settings);
    let answer = downloads.read(&url, &[], LIMIT).await.map_err(fail)?.body;
    let tags = tags(&String::from_utf8_lossy(&answer));
    let tags = tags.ok_or_else(|| fail(Trouble::nonsense("no list of tags").at(&url)))?;
    let plain = tags.iter().filter(|tag| !tag.contains('-'));
    let mut releases: Vec<Release> = plain
        .filter_map(|tag| Release::parse(tag).ok().filter(|release| release.to_string() == *tag))
        .collect();
    releases.sort();
    Ok(releases)
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
