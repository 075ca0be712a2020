//! Downloads against a server on loopback that behaves, and misbehaves, as real sites do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::testing::{Answer, Gate, Request, Server, file};
use super::*;
use crate::testing::{Said, downloads};
use base::{Error, Result};

const ETAG: &str = "\"one\"";

/// A cache of its own, and a program that is published as `tool-linux-amd64`.
struct Place {
    _folder: TempDir,
    server: Server,
    downloads: Downloads,
    artifact: Artifact,
}

impl Place {
    fn new(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let server = Server::start(handler);
        let folder = tempfile::tempdir().unwrap();
        let downloads = downloads(&folder.path().join("cache"), &server.url());
        let artifact = Artifact {
            name: "tool v1.2.3".into(),
            platform: Platform::ALL[0],
            site: Site::Github,
            path: "/o/r/releases/download/v1.2.3/tool-linux-amd64".into(),
            key: "tool/v1.2.3/tool-linux-amd64".into(),
            published: vec!["/o/r/releases/download/v1.2.3/tool-linux-amd64.sha256sum".into()],
            inside: None,
            file: "tool-v1.2.3".into(),
            limit: 10_000_000,
        };
        Self { _folder: folder, server, downloads, artifact }
    }

    /// With a server that publishes `bytes`, and answers for the file itself as `answer` says.
    fn publishing(bytes: &[u8], answer: impl Fn(&Request, &[u8]) -> Answer + Send + Sync + 'static) -> Self {
        let bytes = bytes.to_vec();
        let sums = format!("{}  tool-linux-amd64\n", Sha256::of(&bytes));
        Self::new(move |request| match request.path.ends_with(".sha256sum") {
            true => Answer::ok(sums.clone()),
            false => answer(request, &bytes),
        })
    }

    async fn get(&self) -> Result<PathBuf> {
        self.downloads.get(&self.artifact, &Said::default()).await
    }

    async fn refused(&self) -> String {
        let error: Error = self.get().await.unwrap_err();
        assert_eq!(error.exit.code(), 3);
        error.to_string().replace(&self.server.address.to_string(), "SERVER")
    }

    /// Requests for the file itself.
    fn asked(&self) -> Vec<Request> {
        self.server.requests().into_iter().filter(|request| !request.path.ends_with("sum")).collect()
    }

    fn files(&self) -> Vec<String> {
        let folder = self.downloads.settings.cache.join("linux-amd64");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn part(&self) -> PathBuf {
        self.downloads.settings.cache.join("linux-amd64/.tool-v1.2.3.part")
    }
}

fn program() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n / 3 % 251) as u8).collect()
}

#[tokio::test]
async fn a_program_is_downloaded_verified_and_kept() {
    let place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    let said = Said::default();
    let path = place.downloads.get(&place.artifact, &said).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), program());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    let folder = path.parent().unwrap();
    for folder in [folder, folder.parent().unwrap()] {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(place.files(), [".tool-v1.2.3.lock", ".tool-v1.2.3.receipt", "tool-v1.2.3"]);
    assert_eq!(said.notes().len(), 1);
    assert!(
        said.notes()[0].contains("tool v1.2.3 for linux/amd64 is not in tools.lock"),
        "{said:?}",
        said = said.notes()
    );
    // The second time nothing is asked.
    let asked = place.server.asked().len();
    assert_eq!(place.get().await.unwrap(), path);
    assert_eq!(place.server.asked().len(), asked);
}

#[tokio::test]
async fn redirects_are_followed_and_what_they_sign_is_not_shown() {
    let place = Place::publishing(&program(), |request, bytes| match request.path.as_str() {
        path if path.starts_with("/storage") => file(request, bytes, ETAG),
        _ => Answer::redirect("/storage/1?sig=s3cret"),
    });
    place.get().await.unwrap();
    let place = Place::publishing(&program(), |request, _| match request.path.as_str() {
        path if path.starts_with("/storage") => Answer::status(500),
        _ => Answer::redirect("/storage/1?sig=s3cret"),
    });
    let error = place.refused().await;
    assert!(error.contains("answers status 500") && !error.contains("s3cret"), "{error}");
    // Each attempt starts at the front, which may send it elsewhere.
    assert_eq!(place.asked().iter().filter(|request| request.path.starts_with("/storage")).count(), 3);
}

#[tokio::test]
async fn redirects_to_plain_http_and_without_end_are_not_followed() {
    for (to, part) in
        [("http://example.invalid/tool", "redirects to plain http"), ("/again", "redirects too often")]
    {
        let place = Place::publishing(b"x", move |_, _| Answer::redirect(to));
        let error = place.refused().await;
        assert!(error.contains(part), "{error}");
        assert!(place.asked().len() <= 12);
    }
}

#[tokio::test]
async fn an_interrupted_download_goes_on_where_it_stopped() {
    let place = Place::publishing(&program(), |request, bytes| {
        let answer = file(request, bytes, ETAG);
        match request.header("range") {
            None => answer.cut(1_500_000),
            Some("bytes=1500000-") => answer.cut(500_000),
            Some(_) => answer,
        }
    });
    let path = place.get().await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), program());
    let ranges: Vec<_> =
        place.asked().iter().map(|request| request.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=1500000-".into()), Some("bytes=2000000-".into())]);
}

#[tokio::test]
async fn the_next_run_goes_on_with_what_the_last_one_left() {
    let broken = Arc::new(Mutex::new(true));
    let state = broken.clone();
    let place = Place::publishing(&program(), move |request, bytes| {
        match (*state.lock().unwrap(), request.header("range")) {
            (true, Some(_)) => Answer::status(503),
            (true, None) => file(request, bytes, ETAG).cut(2_000_000),
            (false, _) => file(request, bytes, ETAG),
        }
    });
    let error = place.refused().await;
    assert!(error.contains("answers status 503"), "{error}");
    assert_eq!(std::fs::metadata(place.part()).unwrap().len(), 2_000_000);
    *broken.lock().unwrap() = false;
    let path = place.get().await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), program());
    assert_eq!(place.asked().last().unwrap().header("range"), Some("bytes=2000000-"));
    assert!(!place.part().exists());
}

#[tokio::test]
async fn a_part_of_another_state_of_the_file_is_not_mixed_in() {
    // The server has another ETag by now and so sends all of it …
    let place = Place::publishing(&program(), |request, bytes| match request.header("range") {
        None => file(request, bytes, ETAG).cut(1_000_000),
        Some(_) => file(request, bytes, "\"two\""),
    });
    assert_eq!(std::fs::read(place.get().await.unwrap()).unwrap(), program());
    // … and a part with wrong bytes in it is found out at the end and made anew.
    let place = Place::publishing(&program(), |request, bytes| match request.header("range") {
        None => {
            let served = place_asked(request);
            let answer = file(request, bytes, ETAG);
            if served { answer } else { Answer { body: vec![9; bytes.len()], ..answer }.cut(1_000_000) }
        }
        Some(_) => file(request, bytes, ETAG),
    });
    assert_eq!(std::fs::read(place.get().await.unwrap()).unwrap(), program());
    let ranges: Vec<_> = place.asked().iter().map(|request| request.header("range").is_some()).collect();
    assert_eq!(ranges, [false, true, false]);
}

/// Whether a request of this kind came before; per process, for the one test that asks.
fn place_asked(_: &Request) -> bool {
    static ASKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    ASKED.swap(true, std::sync::atomic::Ordering::SeqCst)
}

#[tokio::test]
async fn a_part_that_is_whole_is_only_checked() {
    let place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    place.get().await.unwrap();
    let path = place.downloads.find(&place.artifact).unwrap();
    // As if the run had ended between the last byte and the check.
    std::fs::rename(&path, place.part()).unwrap();
    assert_eq!(std::fs::read(place.get().await.unwrap()).unwrap(), program());
    assert_eq!(place.asked().last().unwrap().header("range"), Some("bytes=3000000-"));
}

#[tokio::test]
async fn what_has_another_checksum_is_refused_and_removed() {
    let corrupted = |mut bytes: Vec<u8>| {
        bytes[77] ^= 1;
        bytes
    };
    let place =
        Place::publishing(&program(), move |request, bytes| file(request, &corrupted(bytes.to_vec()), ETAG));
    let error = place.refused().await;
    let expected = Sha256::of(&program());
    assert!(error.contains(&format!("should have {expected}: refused and removed")), "{error}");
    assert_eq!(place.files(), [".tool-v1.2.3.lock"]);
    assert_eq!(place.asked().len(), 1);
}

#[tokio::test]
async fn a_web_page_instead_of_the_file_is_called_one() {
    let place = Place::publishing(b"x", |_, _| {
        Answer::ok("<html>log in</html>").header("content-type", "text/html; charset=utf-8")
    });
    assert!(place.refused().await.contains("(hint: what came is a web page"));
}

#[tokio::test]
async fn a_stalled_server_is_given_up_and_what_came_is_kept() {
    let place = Place::publishing(&program(), |request, bytes| match request.header("range") {
        None => file(request, bytes, ETAG).stall(1_000_000),
        Some(_) => file(request, bytes, ETAG).stall(0),
    });
    let error = place.refused().await;
    assert!(error.contains("SERVER sent nothing for 300 ms after 1.0 MB of 3.0 MB"), "{error}");
    assert!(error.contains("goes on where it stopped"), "{error}");
    assert_eq!(std::fs::metadata(place.part()).unwrap().len(), 1_000_000);
}

#[tokio::test]
async fn a_server_that_closes_again_and_again_is_given_up() {
    let place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG).cut(0));
    let error = place.refused().await;
    assert!(error.contains("SERVER closed the connection after 0 bytes of 3.0 MB"), "{error}");
    assert_eq!(place.asked().len(), 3);
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let reset = (jiff::Timestamp::now().as_second() + 725).to_string();
    let limited =
        Answer::status(403).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", &reset);
    for (answer, requests, parts) in [
        (Answer::status(404), 1, &["there is no tool v1.2.3 for linux/amd64 (hint: http://SERVER/o/r/"][..]),
        (Answer::status(403), 1, &["SERVER refuses it (status 403)", "OIDC_LAB_GITHUB"]),
        (limited, 1, &["takes no more requests from here until 20", "(in 12 min ", "status 403"]),
        (Answer::status(429).header("retry-after", "60"), 1, &["takes no more requests", "(in "]),
        (Answer::status(503), 3, &["answers status 503", "try again later"]),
        (Answer::status(407), 1, &["the proxy asks for a password"]),
    ] {
        let place = Place::publishing(b"x", move |_, _| answer.clone());
        let error = place.refused().await;
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(place.asked().len(), requests, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_recovers_is_asked_again() {
    let times = Mutex::new(0);
    let place = Place::publishing(&program(), move |request, bytes| {
        let mut times = times.lock().unwrap();
        *times += 1;
        if *times < 3 { Answer::status(502) } else { file(request, bytes, ETAG) }
    });
    place.get().await.unwrap();
}

#[tokio::test]
async fn sizes_have_limits() {
    let mut place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    place.artifact.limit = 1_000_000;
    let error = place.refused().await;
    assert!(error.contains("is larger than 1.0 MB, which no such file is"), "{error}");
    // Also where the server does not say how much will come.
    let mut place = Place::publishing(&program(), |_, bytes| {
        let body = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n0\r\n\r\n"].concat();
        Answer::ok(body).header("transfer-encoding", "chunked")
    });
    place.artifact.limit = 1_000_000;
    let error = place.refused().await;
    assert!(error.contains("is larger than 1.0 MB"), "{error}");
    assert_eq!(place.files(), [".tool-v1.2.3.lock"]);
}

#[tokio::test]
async fn nobody_there_is_said_with_what_to_do() {
    // Kept taken, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = socket.local_addr().unwrap();
    let place = Place::new(|_| Answer::status(404));
    let downloads = downloads(&place.downloads.settings.cache, &format!("http://{gone}"));
    let error = downloads.get(&place.artifact, &Said::default()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("{gone} refuses the connection (hint: check the network;")), "{error}");
    assert!(error.contains("OIDC_LAB_GITHUB"), "{error}");
}

#[tokio::test]
async fn offline_only_the_cache_is_asked() {
    let mut place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    place.downloads.settings.offline = true;
    let error = place.refused().await;
    assert!(error.starts_with("tool v1.2.3 for linux/amd64 is not in the cache, and --offline"), "{error}");
    assert!(place.server.asked().is_empty());
    assert!(!place.downloads.settings.cache.exists());
    place.downloads.settings.offline = false;
    let path = place.get().await.unwrap();
    place.downloads.settings.offline = true;
    assert_eq!(place.get().await.unwrap(), path);
    // What tools.lock says holds offline too.
    place.downloads.lock.learn(&place.artifact.key, Sha256::of(b"other"));
    let error = place.refused().await;
    assert!(error.contains("in the cache: the SHA-256 of tool/v1.2.3"), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_locked_checksum_wins_over_the_published_one() {
    let mut place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    place.downloads.lock.learn(&place.artifact.key, Sha256::of(b"other"));
    let error = place.refused().await;
    assert!(error.contains("and tools.lock says") && error.contains("refused"), "{error}");
    assert!(place.asked().is_empty(), "nothing is downloaded that cannot be right");
    // Known and published agree: nothing is to be said.
    let mut place = Place::publishing(&program(), |request, bytes| file(request, bytes, ETAG));
    place.downloads.lock.learn(&place.artifact.key, Sha256::of(&program()));
    let said = Said::default();
    place.downloads.get(&place.artifact, &said).await.unwrap();
    assert!(said.notes().is_empty());
}

#[tokio::test]
async fn without_any_checksum_nothing_is_downloaded() {
    let serve = |request: &Request| match request.path.ends_with("sum") {
        true => Answer::status(404),
        false => file(request, b"program", ETAG),
    };
    let mut place = Place::new(serve);
    let error = place.refused().await;
    assert!(error.starts_with("no checksum is published for tool v1.2.3"), "{error}");
    assert!(!place.part().exists());
    // A reviewed one will do.
    place.downloads.lock.learn(&place.artifact.key, Sha256::of(b"program"));
    place.get().await.unwrap();
    let place = Place::new(|_| Answer::ok("<html>welcome</html>"));
    let error = place.refused().await;
    assert!(error.contains("has no SHA-256 for tool-linux-amd64"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_download_once() {
    let gate = Gate::default();
    let held = gate.clone();
    let place = Place::publishing(&program(), move |request, bytes| file(request, bytes, ETAG).behind(&held));
    // The file comes only once the second has said that it waits.
    let said = [Said::opening(&gate), Said::opening(&gate)];
    let mut known = place.downloads.clone();
    known.lock.learn(&place.artifact.key, Sha256::of(&program()));
    let (first, second) =
        tokio::join!(known.get(&place.artifact, &said[0]), known.get(&place.artifact, &said[1]));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(place.asked().len(), 1);
    let notes = [said[0].notes(), said[1].notes()].concat();
    assert_eq!(notes, ["another process is downloading tool v1.2.3 for linux/amd64; waiting for it"]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_named() {
    let place = Place::publishing(b"x", |request, bytes| file(request, bytes, ETAG));
    // A file stands where the folder should be: not even root writes below it.
    std::fs::write(&place.downloads.settings.cache, "").unwrap();
    let error = place.refused().await;
    assert!(error.contains("OIDC_LAB_CACHE"), "{error}");
    assert!(error.contains("cache/linux-amd64"), "{error}");
}
