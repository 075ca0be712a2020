//! The list of releases, against a server on loopback that speaks as git does.

use super::*;
use crate::download::testing::{Answer, Server};
use crate::testing::Served;

/// A line as git frames it.
fn line(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

/// The lines that `git http-backend` (git 2.39) sends to whoever names no version, with made-up
/// objects.
fn git(tags: &[&str]) -> Server {
    let refs: Vec<String> =
        tags.iter().map(|tag| format!("{} refs/tags/{tag}", "0123456789".repeat(4))).collect();
    Server::start(move |request| {
        if request.path != "/argoproj/argo-cd.git/info/refs?service=git-upload-pack" {
            return Answer::status(404);
        }
        let head = format!("{} HEAD\0multi_ack thin-pack agent=git/2.39.5", "0123456789".repeat(4));
        let lines: String = refs.iter().map(|name| line(name)).collect();
        Answer::ok(format!("001e# service=git-upload-pack\n0000{}{lines}0000", line(&head)))
    })
}

#[tokio::test]
async fn releases_are_the_tags_of_the_repository() {
    let tags = ["v3.4.0-rc2", "v3.3.10", "v3.3.9", "v3.4.0-rc10", "v3.3.9^{}", "vendor", "v3", "v03.1.0"];
    let place = Served::by(git(&tags));
    let names: Vec<String> =
        released(&place.downloads).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["v3.3.9", "v3.3.10"]);
}

#[tokio::test]
async fn a_repository_that_does_not_answer_or_not_with_tags_is_named() {
    let place = Served::by(Server::start(|_| Answer::status(404)));
    let said = released(&place.downloads).await.unwrap_err().to_string();
    assert!(said.contains("there is no list of Argo CD's releases"), "{said}");
    for body in [
        "<html>",
        "001e# service=git-upload-pack\n0000003e0123456789012345678901234567890123456789 refs/tags/v1",
        "001e# service=git-upload-pack\n00000000",
    ] {
        let place = Served::by(Server::start(move |_| Answer::ok(body)));
        let said = released(&place.downloads).await.unwrap_err().to_string();
        assert!(said.contains("no list of tags") && said.contains("(hint: "), "{said}");
    }
}
