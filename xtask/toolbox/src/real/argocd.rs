//! Argo CD's released command-line binary, which is the server too.

use std::path::PathBuf;

use releases::Release;

use crate::download::{Artifact, Downloads, Platform, Progress, Site};
use base::{Error, Result};

/// The largest such binary, in bytes: they have 60 to 230 MB.
const LIMIT: u64 = 500_000_000;

/// The released `argocd` of a release for this machine, from the cache or downloaded
/// now. The file is named `argocd-vX.Y.Z`.
///
/// # Errors
/// There is no such release or none for this machine, or it cannot be downloaded, or
/// it is not what it should be.
pub async fn argocd(downloads: &Downloads, release: &Release, progress: &dyn Progress) -> Result<PathBuf> {
    downloads.get(&artifact(release, Platform::here()?)?, progress).await
}

/// What is downloaded for a release and a platform.
///
/// # Errors
/// There is none.
pub fn artifact(release: &Release, platform: Platform) -> Result<Artifact> {
    let version = release.to_string();
    if version.contains('+') {
        return Err(Error::usage(format!("Argo CD {version} is a build of somebody's own, not a release"))
            .hint("give the program itself with --argocd-bin"));
    }
    let Platform { os, arch } = platform;
    if arch == "arm64" && !release.is_at_least(2, 3, 0) {
        return Err(Error::environment(format!(
            "Argo CD {version} has no program for {platform}: releases before v2.3.0 came for amd64 only"
        ))
        .hint("build it from its source and give it with --argocd-bin"));
    }
    let file = format!("argocd-{os}-{arch}");
    let below = format!("/argoproj/argo-cd/releases/download/{version}");
    Ok(Artifact {
        name: format!("Argo CD {version}"),
        platform,
        site: Site::Github,
        path: format!("{below}/{file}"),
        key: format!("argocd/{version}/{file}"),
        published: checksums(release, &file).into_iter().map(|name| format!("{below}/{name}")).collect(),
        inside: None,
        file: format!("argocd-{version}"),
        limit: LIMIT,
    })
}

/// The files in which a release publishes the checksum of `file`, the likeliest first.
///
/// By the release workflow and the Makefile at each tag: nothing before v2.2.15 and
/// in v2.3.0 – v2.3.9, a digest per file in v2.3.10 and v2.4.0 – v2.4.14, one list with
/// the version in its name (without `v`) up to v2.6, `cli_checksums.txt` since v2.7.0.
/// The others are tried as well: a release may have been published by hand.
fn checksums(release: &Release, file: &str) -> Vec<String> {
    let version = release.to_string();
    let list = format!("argocd-{}-checksums.txt", version.trim_start_matches('v'));
    let single = format!("{file}.sha256");
    let since_v2_7 = "cli_checksums.txt".to_owned();
    match release.numbers() {
        (2, 3, 10) | (2, 4, 0..=14) => vec![single, list, since_v2_7],
        (2, 2..=6, _) => vec![list, single, since_v2_7],
        _ => vec![since_v2_7, list, single],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::download::Sha256;
    use crate::download::testing::{Answer, Server, file};
    use crate::testing::{Said, downloads};

    const AMD64: Platform = Platform { os: "linux", arch: "amd64" };
    const MAC: Platform = Platform { os: "darwin", arch: "arm64" };

    fn release(text: &str) -> Release {
        Release::parse(text).unwrap()
    }

    #[test]
    fn each_era_publishes_its_checksums_in_its_own_way() {
        for (version, first) in [
            ("v2.1.0", "cli_checksums.txt"),
            ("v2.2.16", "argocd-2.2.16-checksums.txt"),
            ("v2.3.10", "argocd-linux-amd64.sha256"),
            ("v2.3.17", "argocd-2.3.17-checksums.txt"),
            ("v2.4.2", "argocd-linux-amd64.sha256"),
            ("v2.4.15", "argocd-2.4.15-checksums.txt"),
            ("v2.6.15", "argocd-2.6.15-checksums.txt"),
            ("v2.7.0", "cli_checksums.txt"),
            ("v3.5.1", "cli_checksums.txt"),
            ("v3.6.0-rc1", "cli_checksums.txt"),
        ] {
            let artifact = artifact(&release(version), AMD64).unwrap();
            let below = format!("/argoproj/argo-cd/releases/download/{version}");
            assert_eq!(artifact.published[0], format!("{below}/{first}"));
            assert_eq!(artifact.published.len(), 3);
            assert_eq!(artifact.path, format!("{below}/argocd-linux-amd64"));
            assert_eq!(artifact.file, format!("argocd-{version}"));
        }
    }

    #[tokio::test]
    async fn argocd_is_the_file_of_its_release() {
        let program = b"the program of Argo CD".to_vec();
        let sums = format!(
            "{}  argocd-linux-arm64\n{}  argocd-linux-amd64\n",
            Sha256::of(b"x"),
            Sha256::of(&program)
        );
        let served = program.clone();
        let server = Server::start(move |request| {
            let below = "/argoproj/argo-cd/releases/download";
            match request.path.strip_prefix(below) {
                Some("/v3.3.6/argocd-linux-amd64") => Answer::redirect("/assets/1?sig=s3cret"),
                Some("/v3.3.6/cli_checksums.txt") => Answer::ok(sums.clone()),
                Some("/v2.1.0/argocd-linux-amd64" | "/v2.4.2/argocd-linux-amd64") => {
                    file(request, &served, "\"1\"")
                }
                Some("/v2.4.2/argocd-linux-amd64.sha256") => Answer::ok(format!("{}\n", Sha256::of(&served))),
                _ if request.path.starts_with("/assets/") => file(request, &served, "\"1\""),
                _ => Answer::status(404),
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let downloads = downloads(&folder.path().join("cache"), &server.url());
        let get = async |version: &str| {
            let artifact = artifact(&release(version), AMD64)?;
            downloads.get(&artifact, &Said::default()).await
        };
        for version in ["v3.3.6", "v2.4.2"] {
            let path = get(version).await.unwrap();
            assert_eq!(path.file_name().unwrap().to_str().unwrap(), format!("argocd-{version}"));
            assert_eq!(std::fs::read(path).unwrap(), program);
        }
        // A release that is not there, and one of those that publish no checksum.
        for (version, words) in [
            ("v9.9.9", "there is no Argo CD v9.9.9 for linux/amd64"),
            (
                "v2.1.0",
                "no checksum is published for Argo CD v2.1.0 for linux/amd64, and tools.lock has none",
            ),
        ] {
            let said = get(version).await.unwrap_err().to_string();
            assert!(said.starts_with(words), "{said}");
        }
    }

    #[test]
    fn what_was_never_published_is_said_at_once() {
        let said = artifact(&release("v2.2.16"), MAC).unwrap_err().to_string();
        assert!(said.contains("no program for darwin/arm64: releases before v2.3.0"), "{said}");
        assert!(artifact(&release("v2.3.0"), MAC).unwrap().path.ends_with("/argocd-darwin-arm64"));
        let said = artifact(&release("v3.3.6+mine"), AMD64).unwrap_err();
        assert_eq!(said.exit.code(), 2);
        assert!(said.to_string().contains("--argocd-bin"), "{said}");
    }
}
