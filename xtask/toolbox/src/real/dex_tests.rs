//! Dex, against a registry on loopback. What its server does not simulate is said in
//! `download/testing.rs`; besides, it holds one image and gives its token to everybody.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::*;
use crate::download::testing::{Answer, Request, Server, file};
use crate::download::{Platform, Sha256};
use crate::testing::{Said, Served, downloads};
use base::Result;

const AMD64: Platform = Platform { os: "linux", arch: "amd64" };
const PROGRAM: &[u8] = b"the program of Dex";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn layer(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(GzEncoder::new(vec![], Compression::fast()));
    for (name, kind, bytes) in entries {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn a_file<'a>(name: &'a str, bytes: &'a [u8]) -> (&'a str, EntryType, &'a [u8]) {
    (name, EntryType::Regular, bytes)
}

/// What a registry holds: an image of layers, below an index or without one.
#[derive(Clone)]
struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    layers: Vec<String>,
}

impl Image {
    fn new(layers: &[Vec<u8>]) -> Self {
        let mut image = Self { blobs: BTreeMap::new(), manifests: BTreeMap::new(), layers: vec![] };
        let mut described = vec![];
        for layer in layers {
            let digest = image.blob(layer);
            image.layers.push(digest.clone());
            described.push(
                json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": layer.len()}),
            );
        }
        let config = json!({"os": "linux", "architecture": "amd64"}).to_string().into_bytes();
        let config = json!({"digest": image.blob(&config), "size": config.len()});
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described});
        let (digest, size) = image.manifest(&manifest);
        let entry = |os: &str, arch: &str, digest: &str| json!({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"os": os, "architecture": arch}});
        // The attestation beside it has the platform unknown/unknown, as buildx makes it.
        let other = format!("sha256:{}", Sha256::of(b"other"));
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            entry("unknown", "unknown", &other), entry("linux", "arm64", &other), entry("linux", "amd64", &digest),
        ]});
        image.tag(INDEX, &index);
        image
    }

    fn blob(&mut self, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", Sha256::of(bytes));
        self.blobs.insert(digest.clone(), bytes.to_vec());
        digest
    }

    fn manifest(&mut self, manifest: &Value) -> (String, usize) {
        let bytes = manifest.to_string().into_bytes();
        let digest = format!("sha256:{}", Sha256::of(&bytes));
        let size = bytes.len();
        self.manifests.insert(digest.clone(), (MANIFEST.to_owned(), bytes));
        (digest, size)
    }

    fn tag(&mut self, media_type: &str, body: &Value) {
        self.manifests.insert(DEX.to_owned(), (media_type.to_owned(), body.to_string().into_bytes()));
    }

    fn index_sha256(&self) -> Sha256 {
        Sha256::of(&self.manifests[DEX].1)
    }

    /// The answer to a request that has a token.
    fn answer(&self, request: &Request, prefix: &str) -> Answer {
        let Some(below) = request.path.strip_prefix(&format!("/v2/{prefix}dexidp/dex/")) else {
            return Answer::status(404);
        };
        match below.split_once('/').unwrap_or_default() {
            ("manifests", reference) => match self.manifests.get(reference) {
                Some((kind, body)) => Answer::ok(body.clone())
                    .header("content-type", kind)
                    .header("docker-content-digest", &format!("sha256:{}", Sha256::of(body))),
                None => Answer::status(404),
            },
            // As ghcr.io does: the bytes are elsewhere.
            ("blobs", digest) if self.blobs.contains_key(digest) => {
                Answer::redirect(&format!("/storage/{digest}?sig=s3cret"))
            }
            _ => Answer::status(404),
        }
    }

    fn storage(&self, request: &Request) -> Option<Answer> {
        let digest = request.path.strip_prefix("/storage/")?.split('?').next()?;
        Some(file(request, self.blobs.get(digest)?, "\"blob\""))
    }
}

/// A registry as ghcr.io is: nothing without a token, which everybody gets.
fn registry(image: &Image, change: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> Server {
    registry_below(image, "", change)
}

fn registry_below(
    image: &Image,
    prefix: &'static str,
    change: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static,
) -> Server {
    let image = image.clone();
    Server::start(move |request| {
        let host = request.header("host").unwrap_or_default();
        if let Some(answer) = image.storage(request) {
            return change(request, answer);
        }
        if request.path.starts_with("/token?") {
            assert_eq!(request.path, "/token?service=registry&scope=repository%3Adexidp%2Fdex%3Apull");
            return change(request, Answer::ok(r#"{"token":"t0ken"}"#));
        }
        if request.header("authorization") != Some("Bearer t0ken") {
            let challenge = format!(
                "Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"repository:dexidp/dex:pull\""
            );
            return Answer::status(401).header("www-authenticate", &challenge);
        }
        change(request, image.answer(request, prefix))
    })
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        layer(&[a_file("etc/os-release", b"alpine"), a_file("usr/local/bin/dex", b"an old one")]),
        layer(&[a_file("usr/local/bin/dex", PROGRAM)]),
        layer(&[a_file("usr/local/bin/docker-entrypoint", b"other")]),
        layer(&[a_file("srv/dex/web/index.html", b"<html>")]),
    ]
}

impl Served {
    async fn dex(&self) -> Result<PathBuf> {
        for_platform(&self.downloads, DEX, AMD64, &Said::default()).await
    }

    async fn refused(&self) -> String {
        let said = self.dex().await.unwrap_err().to_string();
        assert!(!said.contains("t0ken") && !said.contains("s3cret"), "{said}");
        // Nothing that was refused stays.
        let left = self.files();
        assert!(!left.contains(&format!("dex-{DEX}")), "{left:?}");
        said
    }

    fn files(&self) -> Vec<String> {
        let folder = self.downloads.settings.cache.join("linux-amd64");
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn blobs(&self) -> usize {
        self.server.asked().iter().filter(|asked| asked.contains("/storage/")).count()
    }
}

#[tokio::test]
async fn dex_comes_out_of_its_image() {
    let image = Image::new(&layers());
    let mut place = Served::by(registry(&image, |_, answer| answer));
    let said = Said::default();
    let path = for_platform(&place.downloads, DEX, AMD64, &said).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), PROGRAM);
    assert_eq!(path.file_name().unwrap(), "dex-v2.45.1");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(place.files(), [".dex-v2.45.1.lock", ".dex-v2.45.1.receipt", "dex-v2.45.1"]);
    assert_eq!(place.blobs(), 3, "the layer below is not needed");
    assert!(said.notes()[0].contains("Dex v2.45.1 for linux/amd64 is not in tools.lock"));
    place.downloads.settings.offline = true;
    let asked = place.server.asked().len();
    assert_eq!(place.dex().await.unwrap(), path);
    assert_eq!(place.server.asked().len(), asked);
}

#[tokio::test]
async fn the_storage_behind_a_registry_does_not_see_the_token() {
    let image = Image::new(&layers());
    let held = image.clone();
    let storage = Server::start(move |request| held.storage(request).unwrap());
    let at = storage.url();
    let place = Served::by(registry(&image, move |request, answer| match request.path.contains("/blobs/") {
        true => {
            Answer::redirect(&format!("{at}/storage/{}?sig=s3cret", request.path.rsplit('/').next().unwrap()))
        }
        false => answer,
    }));
    place.dex().await.unwrap();
    assert_eq!(storage.requests().len(), 3);
    assert!(storage.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn a_registry_without_tokens_and_a_mirror_below_a_path_work() {
    let image = Image::new(&layers());
    let held = image.clone();
    let open =
        Server::start(move |request| held.storage(request).unwrap_or_else(|| held.answer(request, "")));
    Served::by(open).dex().await.unwrap();
    let server = registry_below(&image, "ghcr/proxy/", |_, answer| answer);
    let mut place = Served::by(server);
    place.downloads =
        downloads(&place.downloads.settings.cache, &format!("{}/ghcr/proxy/", place.server.url()));
    place.dex().await.unwrap();
}

#[tokio::test]
async fn the_lock_holds_for_what_a_tag_names() {
    let image = Image::new(&layers());
    let mut place = Served::by(registry(&image, |_, answer| answer));
    assert_eq!(published(&place.downloads, DEX).await.unwrap(), image.index_sha256());
    place.downloads.lock.learn(&key(DEX), Sha256::of(b"another index"));
    let said = place.refused().await;
    assert!(said.contains("the SHA-256 of dex/v2.45.1/index is") && said.contains("refused"), "{said}");
    assert_eq!(place.blobs(), 0);
    let mut place = Served::by(registry(&image, |_, answer| answer));
    place.downloads.lock.learn(&key(DEX), image.index_sha256());
    let said = Said::default();
    for_platform(&place.downloads, DEX, AMD64, &said).await.unwrap();
    assert!(said.notes().is_empty(), "{:?}", said.notes());
    // What the cache holds is not used against the lock, online or off.
    place.downloads.lock = crate::download::Lockfile::default();
    place.downloads.lock.learn(&key(DEX), Sha256::of(b"another index"));
    place.downloads.settings.offline = true;
    let said = place.dex().await.unwrap_err().to_string();
    assert!(said.contains("in the cache: the SHA-256 of dex/v2.45.1/index"), "{said}");
}

#[tokio::test]
async fn what_is_not_its_digest_is_refused_at_every_step() {
    let image = Image::new(&layers());
    let amd64 = image.manifests.keys().find(|key| key.starts_with("sha256:")).unwrap().clone();
    let dex_layer = image.layers[1].clone();
    let change = |part: String| {
        move |request: &Request, mut answer: Answer| {
            if request.path.contains(&part) && answer.status == 200 {
                answer.body[0] ^= 1;
            }
            answer
        }
    };
    for part in [format!("/manifests/{DEX}"), format!("/manifests/{amd64}"), format!("/storage/{dex_layer}")]
    {
        let place = Served::by(registry(&image, change(part.clone())));
        let said = place.refused().await;
        assert!(said.contains("refused and removed"), "{part}: {said}");
    }
    // A layer that is longer than its descriptor says.
    let place = Served::by(registry(&image, move |request, mut answer| {
        if request.path.contains(&dex_layer) && request.path.starts_with("/storage") {
            answer.body.push(0);
        }
        answer
    }));
    let said = place.refused().await;
    assert!(said.contains("refused and removed"), "{said}");
}

#[tokio::test]
async fn layers_without_a_program_to_take_out_are_refused() {
    for (bad, words) in [
        (layer(&[("usr/local/bin/dex", EntryType::Symlink, b"")]), "is not a file in it"),
        (layer(&[("usr/local/bin/dex", EntryType::Link, b"")]), "is not a file in it"),
        (b"\x28\xb5\x2f\xfd zstd".to_vec(), "zstd"),
        (b"nothing".to_vec(), "damaged"),
    ] {
        let mut all = layers();
        all.push(bad);
        let place = Served::by(registry(&Image::new(&all), |_, answer| answer));
        let said = place.refused().await;
        assert!(said.contains(words), "{words}: {said}");
        assert_eq!(place.files(), [".dex-v2.45.1.lock"]);
    }
    let none = Image::new(&layers()[2..]);
    let said = Served::by(registry(&none, |_, answer| answer)).refused().await;
    assert!(said.contains("there is no /usr/local/bin/dex in the image"), "{said}");
}

#[tokio::test]
async fn broken_layers_are_resumed_by_the_next_run() {
    let image = Image::new(&layers());
    let (top, wanted) = (image.layers[3].clone(), image.layers[1].clone());
    let broken = Arc::new(Mutex::new(true));
    let state = broken.clone();
    let place = Served::by(registry(&image, move |request, answer| {
        match *state.lock().unwrap() && request.path.starts_with(&format!("/storage/{wanted}")) {
            true => answer.cut(if request.header("range").is_none() { 50 } else { 0 }),
            false => answer,
        }
    }));
    let said = place.dex().await.unwrap_err().to_string();
    assert!(said.contains("closed the connection after 50 bytes of"), "{said}");
    *broken.lock().unwrap() = false;
    let before = place.server.requests().len();
    place.dex().await.unwrap();
    let later = &place.server.requests()[before..];
    // The layers that had come whole are not asked for again, and the third goes on.
    assert!(!later.iter().any(|request| request.path.starts_with(&format!("/storage/{top}"))));
    let ranges: Vec<_> = later.iter().filter_map(|request| request.header("range")).collect();
    assert!(ranges.iter().all(|range| *range == "bytes=50-") && !ranges.is_empty(), "{ranges:?}");
    assert_eq!(place.files(), [".dex-v2.45.1.lock", ".dex-v2.45.1.receipt", "dex-v2.45.1"]);
}

#[tokio::test]
async fn a_token_that_runs_out_is_renewed() {
    let image = Image::new(&layers());
    let held = image.clone();
    let given = Mutex::new(0);
    let server = Server::start(move |request| {
        if let Some(answer) = held.storage(request) {
            return answer;
        }
        let mut given = given.lock().unwrap();
        if request.path.starts_with("/token") {
            *given += 1;
            return Answer::ok(format!("{{\"access_token\":\"t{given}\"}}"));
        }
        // The first token is good for the manifests only.
        let needed = if request.path.contains("/blobs/") { "Bearer t2" } else { "Bearer t1" };
        if request.header("authorization") != Some(needed) {
            let host = request.header("host").unwrap_or_default();
            return Answer::status(401)
                .header("www-authenticate", &format!("Bearer realm=\"http://{host}/token\""));
        }
        held.answer(request, "")
    });
    Served::by(server).dex().await.unwrap();
}

#[tokio::test]
async fn a_registry_that_refuses_is_named() {
    let image = Image::new(&layers());
    for (answer, words) in [
        (
            Answer::status(404),
            "there is no Dex v2.45.1 for linux/amd64 (hint: http://SERVER/v2/dexidp/dex/manifests/v2.45.1 answers 404",
        ),
        (Answer::status(429).header("retry-after", "30"), "takes no more requests from here until"),
        (Answer::status(403), "SERVER refuses it (status 403)"),
        (Answer::status(401), "SERVER refuses it (status 401)"),
        (
            Answer::status(401).header("www-authenticate", "Basic realm=\"x\""),
            "another login than the anonymous one",
        ),
        (
            Answer::status(401).header("www-authenticate", "Bearer realm=\"http://example.invalid/t\""),
            "no place to get a token",
        ),
        (Answer::ok("<html>").header("content-type", "text/html"), "a manifest of the type \"text/html\""),
        (Answer::ok("{}").header("content-type", INDEX), "an index that cannot be read"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let place = Served::by(server);
        let said = place.refused().await.replace(&place.server.address.to_string(), "SERVER");
        assert!(said.contains(words), "{words}: {said}");
        assert!(said.contains("(hint: "), "{said}");
    }
    let place = Served::by(registry(&image, |request, answer| match request.path.starts_with("/token") {
        true => Answer::ok(r#"{"token":"s3cret with spaces"}"#),
        false => answer,
    }));
    let said = place.refused().await;
    assert!(said.contains("a token that is none"), "{said}");
}

#[tokio::test]
async fn where_there_is_no_dex_it_is_said_before_anything_is_asked() {
    let place = Served::by(Server::start(|_| Answer::status(500)));
    let mac = Platform { os: "darwin", arch: "arm64" };
    let ask = async |version: &str, platform| {
        for_platform(&place.downloads, version, platform, &Said::default()).await.unwrap_err()
    };
    let said = ask(DEX, mac).await.to_string();
    assert!(said.contains("published for Linux only") && said.contains("--dex-bin"), "{said}");
    for version in ["2.45.1", "latest", "v2.45.1/../x", ""] {
        assert_eq!(ask(version, AMD64).await.exit.code(), 2, "{version}");
    }
    assert!(place.server.asked().is_empty());
}
