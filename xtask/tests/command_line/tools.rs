//! `cargo xtask tools`, as a person runs it: against a server on loopback, with a PATH
//! that only the program sees.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::support::{Ended, Lab, files};
use crate::testing::{Answer, Gate, Request, Server, file};

/// A PATH with these programs on it; each only says what it is told to, and does
/// nothing that a real one does.
fn path(lab: &Lab, programs: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = lab.home().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, script) in programs {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn tools(lab: &Lab, server: &str, args: &[&str]) -> Command {
    with_cache(lab, server, &[&["tools"], args].concat())
}

fn with_cache(lab: &Lab, server: &str, args: &[&str]) -> Command {
    let mut command = lab.command(args);
    command.env("PATH", path(lab, &[])).env("OIDC_LAB_CACHE", lab.home().join("cache"));
    for name in ["GITHUB", "REGISTRY", "GET_HELM", "DL_K8S"] {
        command.env(format!("OIDC_LAB_{name}"), server);
    }
    for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "KIND_EXPERIMENTAL_PROVIDER"] {
        command.env_remove(name);
    }
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the sites publish: made-up programs that say a version.
fn published(request: &Request) -> Answer {
    let name = request.path.rsplit('/').next().unwrap_or_default();
    let (of, kind) = name.rsplit_once(".sha256").map_or((name, None), |(of, rest)| (of, Some(rest)));
    let bytes = match of {
        of if of.starts_with("helm-") => archive(),
        of => format!("#!/bin/sh\necho made-up {of}\n").into_bytes(),
    };
    match kind {
        None => file(request, &bytes, "\"1\""),
        Some("sum") => Answer::ok(format!("{}  {of}\n", sha256(&bytes))),
        Some(_) => Answer::ok(sha256(&bytes)),
    }
}

fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(vec![], flate2::Compression::fast()));
    for folder in ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"] {
        let bytes = b"#!/bin/sh\necho v3.22.0\n";
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("{folder}/helm"), &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

const DOCKER: &str = r#"[ "$1" = context ] && echo "default unix:///var/run/docker.sock" && exit
echo '{"Client":{"ApiVersion":"1.50"},"Server":{"Version":"28.2.2"}}'"#;
const DEAD: &str = r#"[ "$1" = context ] && echo "default unix:///var/run/docker.sock" && exit
echo '{"Client":{"ApiVersion":"1.50"},"Server":null}'
echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
exit 1"#;

#[test]
fn nothing_there_is_said_without_asking_the_network() {
    let (lab, server) = (Lab::new(), Server::start(|_| Answer::status(500)));
    for offline in [false, true] {
        let args: &[&str] = if offline { &["--offline"] } else { &[] };
        let ended = Ended::of(&mut tools(&lab, &server.url(), args));
        assert_eq!(ended.status, 3, "{ended}");
        for part in [
            "kind     v0.33.0  missing  would be downloaded from http://127.0.0.1:",
            "helm     v3.22.0 ",
            "kubectl  v1.37.0 ",
            "none of docker, podman, nerdctl is on PATH",
        ] {
            assert!(ended.stdout.contains(part), "{part}: {ended}");
        }
        assert_eq!(ended.stdout.contains("--offline: the network is not asked"), offline, "{ended}");
        assert!(ended.error().contains("not there: kind, helm, kubectl, and no container engine"), "{ended}");
    }
    assert!(server.asked().is_empty());
    assert!(!lab.home().join("cache").exists());
}

#[test]
fn what_is_missing_is_downloaded_once_and_then_works_offline() {
    let (lab, server) = (Lab::new(), Server::start(published));
    path(&lab, &[("docker", DOCKER)]);
    let ended = Ended::of(&mut tools(&lab, &server.url(), &["--download"]));
    assert_eq!(ended.status, 0, "{ended}");
    assert_eq!(ended.stderr.matches("is not in tools.lock").count(), 3, "{ended}");
    let asked = server.asked().len();
    assert_eq!(asked, 6, "three files and their checksums");
    let ended = Ended::of(&mut tools(&lab, &server.url(), &["--offline", "--format", "json"]));
    assert_eq!(ended.status, 0, "{ended}");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let goal = &document["goals"][0];
    assert_eq!(
        (&goal["goal"], &goal["offline"], &goal["engine"]),
        (&"tools".into(), &true.into(), &"docker".into())
    );
    for tool in goal["tools"].as_array().unwrap() {
        assert_eq!((&tool["source"], &tool["there"]), (&"cache".into(), &true.into()), "{tool}");
        let program = PathBuf::from(tool["path"].as_str().unwrap());
        assert!(Command::new(program).stdout(Stdio::null()).status().unwrap().success());
    }
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn kubectl_is_taken_from_the_cache_where_path_has_none() {
    let server = Server::start(|request| {
        let script = b"#!/bin/sh\necho made-up: \"$@\"\nexit 7\n";
        match request.path.ends_with(".sha256") {
            true => Answer::ok(sha256(script)),
            false => file(request, script, "\"1\""),
        }
    });
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let kubectl = |before: &[&str]| {
        let args = [before, &["kubectl", "--", "get", "pods"]].concat();
        Ended::of(&mut with_cache(&lab, &server.url(), &args))
    };
    let ended = kubectl(&["--offline"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (3, ""), "{ended}");
    assert!(ended.error().contains("kubectl v1.37.0") && ended.error().contains("--offline"), "{ended}");
    let shown = kubectl(&["--dry-run"]);
    assert_eq!(shown.status, 0, "{shown}");
    assert!(server.asked().is_empty());
    let ended = kubectl(&[]);
    assert_eq!(ended.status, 7, "its own status: {ended}");
    assert!(
        ended.stdout.starts_with("made-up: --kubeconfig ") && ended.stdout.ends_with("get pods\n"),
        "{ended}"
    );
    assert_eq!(server.asked().len(), 2, "the file and its checksum");
    assert_eq!(kubectl(&["--offline"]).status, 7);
    // What is on PATH is the user's own, and asked nothing before.
    path(&lab, &[("kubectl", "echo own")]);
    assert_eq!(kubectl(&[]).stdout, "own\n");
}

#[test]
fn an_engine_that_does_not_answer_is_named() {
    let (lab, server) = (Lab::new(), Server::start(published));
    path(
        &lab,
        &[
            ("docker", DEAD),
            ("kind", "echo kind v0.33.0 go1.26.8 linux/amd64"),
            ("helm", "echo v4.3.1+g1234567"),
            ("kubectl", r#"echo '{"clientVersion":{"gitVersion":"v1.32.4-dispatcher"}}'"#),
        ],
    );
    let ended = Ended::of(&mut tools(&lab, &server.url(), &[]));
    assert_eq!(ended.status, 3, "{ended}");
    assert!(
        ended.error().starts_with(
            "error: docker is installed, but its daemon does not run: nothing answers at unix:///var/run/docker.sock"
        ),
        "{ended}"
    );
    for part in ["kind     v0.33.0             PATH ", "helm     v4.3.1+g1234567     PATH "] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
}

#[test]
fn two_processes_at_once_download_once() {
    let (lab, gate) = (Lab::new(), Gate::default());
    path(&lab, &[("docker", DOCKER)]);
    let held = gate.clone();
    let server = Server::start(move |request| match request.path.ends_with("sum") {
        true => published(request).behind(&held),
        false => published(request),
    });
    let spawn = || {
        let mut command = tools(&lab, &server.url(), &["--download"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        (child, lines)
    };
    let (mut first, first_said) = spawn();
    // It is at work once it has asked.
    while server.asked().is_empty() {
        std::thread::yield_now();
    }
    let (mut second, mut second_said) = spawn();
    second_said
        .find(|line| line.as_ref().unwrap().starts_with("another process is downloading kind v0.33.0"))
        .unwrap()
        .unwrap();
    gate.open();
    let rest = first_said.count() + second_said.count();
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success(), "{rest} more lines");
    let mut asked = server.asked();
    asked.sort();
    let all = asked.len();
    asked.dedup();
    assert_eq!((all, asked.len()), (6, 6), "{asked:?}");
}

#[test]
fn a_killed_download_is_resumed_by_the_next_run() {
    let lab = Lab::new();
    path(&lab, &[("docker", DOCKER)]);
    let big = vec![7; 5_000_000];
    let server = Server::start(move |request| match request.path.rsplit('/').next().unwrap_or_default() {
        "kubectl.sha256" => Answer::ok(sha256(&big)),
        "kubectl" => {
            let answer = file(request, &big, "\"1\"");
            if request.header("range").is_none() { answer.stall(4_000_000) } else { answer }
        }
        _ => published(request),
    });
    let mut killed = tools(&lab, &server.url(), &["--download"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = || {
        let all = files(&lab.home().join("cache"));
        let part = all.into_iter().find(|path| path.to_string_lossy().ends_with(".kubectl-v1.37.0.part"));
        part.map_or(0, |path| path.metadata().unwrap().len())
    };
    // It writes in pieces: the first of them is there.
    while part() < 1_000_000 {
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let ended = Ended::of(&mut tools(&lab, &server.url(), &["--download"]));
    assert_eq!(ended.status, 0, "{ended}");
    let last = server.requests().into_iter().rfind(|request| request.path.ends_with("/kubectl")).unwrap();
    let from: u64 = last.header("range").unwrap()["bytes=".len()..].trim_end_matches('-').parse().unwrap();
    assert!((1_000_000..=4_000_000).contains(&from), "{from}");
}

#[test]
fn the_lock_learns_what_is_published_and_is_never_changed() {
    let lab = Lab::new();
    path(&lab, &[("docker", DOCKER)]);
    let list: String = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"]
        .map(|platform| format!("{}  argocd-{platform}\n", sha256(platform.as_bytes())))
        .concat();
    let index = r#"{"manifests":[]}"#;
    let server = Server::start(move |request| match request.path.as_str() {
        "/argoproj/argo-cd/releases/download/v3.5.1/cli_checksums.txt" => Answer::ok(list.clone()),
        "/v2/dexidp/dex/manifests/v2.45.1" => {
            Answer::ok(index).header("content-type", "application/vnd.oci.image.index.v1+json")
        }
        path if path.contains(".sha256") => published(request),
        _ => Answer::status(404),
    });
    // A checkout of its own: what is there counts, not what the program was built from.
    let checkout = lab.home().join("checkout");
    std::fs::create_dir_all(checkout.join("xtask")).unwrap();
    let locked = || std::fs::read_to_string(checkout.join("tools.lock")).unwrap();
    let lock = || {
        let mut command = tools(&lab, &server.url(), &["--argocd", "v3.5.1", "--lock", "--format", "json"]);
        Ended::of(command.env("CARGO_MANIFEST_DIR", checkout.join("xtask")))
    };
    let ended = lock();
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["goals"][0]["locked"].as_array().unwrap().len(), 17, "{ended}");
    assert!(ended.stderr.contains("17 new lines; look at them before you commit"), "{ended}");
    let text = locked();
    for line in [
        format!("{}  argocd/v3.5.1/argocd-darwin-arm64\n", sha256(b"darwin-arm64")),
        format!("{}  dex/v2.45.1/index\n", sha256(index.as_bytes())),
        format!("{}  helm/v3.22.0/helm-v3.22.0-linux-arm64.tar.gz\n", sha256(&archive())),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    let ended = lock();
    assert!(ended.stderr.contains("all known"), "{ended}");
    assert_eq!(locked(), text);
    // Somebody publishes another file under the same name.
    let changed = text.replace(&sha256(&archive()), &sha256(b"as it was reviewed"));
    std::fs::write(checkout.join("tools.lock"), &changed).unwrap();
    let ended = lock();
    assert_eq!(ended.status, 3, "{ended}");
    assert!(
        ended.error().contains("the SHA-256 of helm/v3.22.0/") && ended.error().contains("refused"),
        "{ended}"
    );
    assert_eq!(locked(), changed);
}

#[test]
fn a_mirror_that_cannot_be_used_is_named_without_its_password() {
    let lab = Lab::new();
    let ended = Ended::of(&mut tools(&lab, "http://user:pa55@mirror.example", &["--download"]));
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("OIDC_LAB_GITHUB is neither https nor on loopback"), "{ended}");
    assert!(!ended.both().contains("pa55"), "{ended}");
}
