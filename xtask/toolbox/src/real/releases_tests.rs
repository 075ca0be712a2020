//! The list of releases, against a server on loopback that speaks as git does.

use super::*;
use crate::download::support::{Said, Served, downloads};
use crate::download::testing::{Answer, Server};

/// The lines that `git http-backend` (git 2.39) sends, with made-up objects.
fn git(tags: &[&str], version_2: bool) -> Server {
    let refs: Vec<String> =
        tags.iter().map(|tag| format!("{} refs/tags/{tag}", "0123456789".repeat(4))).collect();
    Server::start(move |request| {
        let body = match request.path.as_str() {
            "/argoproj/argo-cd.git/info/refs?service=git-upload-pack" if version_2 => {
                assert_eq!(request.header("git-protocol"), Some("version=2"));
                ["000eversion 2\n", "0015agent=git/2.39.5\n", "0013ls-refs=unborn\n", "0000"].concat()
            }
            "/argoproj/argo-cd.git/info/refs?service=git-upload-pack" => {
                let head = format!("{} HEAD\0multi_ack thin-pack agent=git/1.8", "0123456789".repeat(4));
                let lines: String = refs.iter().map(|name| line(name)).collect();
                format!("001e# service=git-upload-pack\n0000{}{lines}0000", line(&head))
            }
            "/argoproj/argo-cd.git/git-upload-pack" => {
                assert_eq!(request.body, b"0014command=ls-refs\n0001001bref-prefix refs/tags/v\n0000");
                format!("{}0000", refs.iter().map(|name| line(name)).collect::<String>())
            }
            _ => return Answer::status(404),
        };
        Answer::ok(body)
    })
}

#[tokio::test]
async fn releases_are_the_tags_of_the_repository() {
    let tags = ["v3.4.0-rc2", "v3.3.10", "v3.3.9", "v3.4.0-rc10", "v3.3.9^{}", "vendor", "v3", "v03.1.0"];
    for version_2 in [true, false] {
        let mut place = Served::by(git(&tags, version_2));
        let said = Said::default();
        let found = released(&place.downloads, &said).await.unwrap();
        let names: Vec<String> = found.releases.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["v3.3.9", "v3.3.10", "v3.4.0-rc2", "v3.4.0-rc10"]);
        assert_eq!(found.finals().next_back().unwrap().to_string(), "v3.3.10");
        assert!(!found.cached && said.notes().is_empty());
        // Offline: the last answer, and that is said.
        place.downloads.settings.offline = true;
        let offline = released(&place.downloads, &said).await.unwrap();
        assert_eq!((offline.releases, offline.cached, offline.at), (found.releases, true, found.at));
        assert!(said.notes()[0].starts_with("the list of Argo CD's releases is from the cache, as of 20"));
    }
}

#[tokio::test]
async fn a_repository_that_does_not_answer_is_replaced_by_the_last_answer() {
    let mut place = Served::by(git(&["v3.3.9"], true));
    released(&place.downloads, &Said::default()).await.unwrap();
    place.server = Server::start(|_| Answer::status(404));
    place.downloads = downloads(&place.downloads.settings.cache, &place.server.url());
    let said = Said::default();
    assert!(released(&place.downloads, &said).await.unwrap().cached);
    assert!(said.notes()[0].contains("there is no such repository"), "{:?}", said.notes());
    for (body, words) in [
        ("<html>", "no git packet at byte 0"),
        ("000eversion 2\n0000", "no git packet at byte"),
        ("001e# service=git-upload-pack\n00000000", "no git packet at byte 0"),
    ] {
        let place = Served::by(Server::start(move |_| Answer::ok(body)));
        let said = released(&place.downloads, &Said::default()).await.unwrap_err().to_string();
        assert!(said.contains(words) && said.contains("(hint: "), "{said}");
    }
}
