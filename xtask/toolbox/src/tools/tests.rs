//! Tools found on a PATH that only the test's shell sees, in the cache, or nowhere.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::download::Sha256;
use crate::download::testing::{Answer, Server, file};
use crate::testing::{Said, downloads};

struct Place {
    folder: TempDir,
    shell: Shell,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        shell.set_var("PATH", &bin);
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", engine::PROVIDER] {
            shell.set_var(name, "");
        }
        Self { folder, shell }
    }

    /// A program that only says what it is told to. It does nothing that a real one
    /// does: no cluster, no chart, no container, and no check of what it is asked.
    fn fake(&self, name: &str, script: &str) -> PathBuf {
        let path = self.folder.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn downloads(&self, server: &str) -> Downloads {
        downloads(&self.folder.path().join("cache"), server)
    }
}

const LINUX: Platform = Platform::ALL[0];
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn tools_on_path_are_asked_for_their_versions() {
    let place = Place::new();
    let kind = place.fake("kind", r#"[ "$*" = version ] && echo "kind v0.33.0 go1.26.8 linux/amd64""#);
    let helm = place.fake("helm", r#"[ "$*" = "version --short" ] && echo v4.3.1+gabcdef0"#);
    let kubectl = place.fake(
        "kubectl",
        r#"[ "$*" = "version --client --output json" ] && echo '{"clientVersion":{"gitVersion":"v1.32.4-dispatcher"}}'"#,
    );
    let downloads = place.downloads(NOBODY);
    let found = Toolbox::new(&place.shell, &downloads, LINUX).find_all().await;
    let seen = found.map(|found| (found.source, found.path, found.version.to_string()));
    assert_eq!(seen[0], (Source::Path, kind, "v0.33.0".into()));
    assert_eq!(seen[1], (Source::Path, helm, "v4.3.1+gabcdef0".into()));
    assert_eq!(seen[2], (Source::Path, kubectl, "v1.32.4-dispatcher".into()));
}

#[tokio::test]
async fn what_is_not_there_or_will_not_do_would_be_downloaded() {
    let place = Place::new();
    place.fake("kind", "echo 'kind v0.11.1 go1.16.4 linux/amd64'");
    place.fake("helm", "echo 'Error: no' >&2; exit 1");
    let downloads = place.downloads(NOBODY);
    let [kind, helm, kubectl] = Toolbox::new(&place.shell, &downloads, LINUX).find_all().await;
    for found in [&kind, &helm, &kubectl] {
        assert_eq!(found.source, Source::Download);
        assert_eq!(found.version, found.tool.pinned());
    }
    let said = kind.passed_over.unwrap();
    assert!(said.contains("bin/kind is not used: kind v0.11.1 is too old"), "{said}");
    let said = helm.passed_over.unwrap();
    assert!(said.contains("does not say its version (exit status: 1): Error: no"), "{said}");
    assert_eq!(kubectl.passed_over, None);
}

#[tokio::test]
async fn only_programs_count() {
    let place = Place::new();
    let kind = place.fake("kind", "echo kind v0.33.0");
    std::fs::set_permissions(&kind, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::create_dir(place.folder.path().join("bin/helm")).unwrap();
    assert_eq!(on_path(&place.shell, "kind"), None);
    assert_eq!(on_path(&place.shell, "helm"), None);
    // A relative folder is where the shell is, and an earlier folder wins.
    let other = Place::new();
    let first = other.fake("kubectl", "");
    place.fake("kubectl", "");
    place.shell.change_dir(other.folder.path());
    place.shell.set_var("PATH", format!("bin:{}", place.folder.path().join("bin").display()));
    assert_eq!(on_path(&place.shell, "kubectl"), Some(first));
    // Something that the system cannot run is said to be that.
    let broken = place.folder.path().join("bin/kind");
    std::fs::write(&broken, "\u{7f}ELF").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let downloads = place.downloads(NOBODY);
    let said = Toolbox::new(&place.shell, &downloads, LINUX).find(Tool::Kind).await.passed_over.unwrap();
    assert!(said.contains("it cannot be run (") || said.contains("does not say its version"), "{said}");
}

/// All that the sites publish for one platform, made up.
fn sites() -> Server {
    let archive = |content: &[u8]| {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(vec![], flate2::Compression::fast()));
        for (name, bytes) in [("linux-amd64/LICENSE", &b"words"[..]), ("linux-amd64/helm", content)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    };
    let helm = archive(b"#!/bin/sh\necho v3.22.0+g1\n");
    Server::start(move |request| {
        let bytes = match request.path.rsplit('/').next().unwrap_or_default() {
            name if name.starts_with("helm-") => helm.clone(),
            name if name.starts_with("kind-") => b"#!/bin/sh\necho kind v0.33.0 go1\n".to_vec(),
            _ => format!("#!/bin/sh\n# {}\n", request.path.trim_end_matches(".sha256")).into_bytes(),
        };
        let name = request.path.rsplit('/').next().unwrap_or_default();
        match name.rsplit_once('.') {
            Some((name, "sha256sum")) => Answer::ok(format!("{}  {name}\n", Sha256::of(&bytes))),
            Some((_, "sha256")) => Answer::ok(Sha256::of(&bytes).to_string()),
            _ => file(request, &bytes, "\"1\""),
        }
    })
}

#[tokio::test]
async fn what_is_missing_is_downloaded_once_and_then_found() {
    let (place, sites) = (Place::new(), sites());
    let mut downloads = place.downloads(&sites.url());
    let toolbox = Toolbox::new(&place.shell, &downloads, LINUX);
    for tool in Tool::ALL {
        let got = toolbox.get(tool, &Said::default()).await.unwrap();
        assert_eq!(got.source, Source::Cache);
        let name = format!("{}-{}", tool.name(), tool.pinned());
        assert_eq!(got.path, downloads.settings.cache.join("linux-amd64").join(name));
        assert_eq!(got.path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }
    let asked = sites.asked().len();
    downloads.settings.offline = true;
    let toolbox = Toolbox::new(&place.shell, &downloads, LINUX);
    assert!(toolbox.find_all().await.iter().all(|found| found.source == Source::Cache));
    let helm = toolbox.get(Tool::Helm, &Said::default()).await.unwrap();
    assert_eq!(std::fs::read(helm.path).unwrap(), b"#!/bin/sh\necho v3.22.0+g1\n");
    assert_eq!(sites.asked().len(), asked);
}

#[tokio::test]
async fn the_lock_takes_what_is_published_and_changes_nothing() {
    let (place, sites) = (Place::new(), sites());
    let mut downloads = place.downloads(&sites.url());
    downloads.lock = crate::download::Lockfile::read(place.folder.path()).unwrap();
    let published = downloads.all_published(&artifacts()).await.unwrap();
    let new = downloads.lock.add(&published).unwrap();
    assert_eq!(new.len(), 12);
    assert!(sites.asked().iter().all(|asked| asked.contains(".sha256")), "no file is downloaded");
    let text = std::fs::read_to_string(place.folder.path().join("tools.lock")).unwrap();
    assert!(text.contains("  kubectl/v1.37.0/darwin/arm64/kubectl\n"), "{text}");
    // Again: nothing new. And with a line that differs: nothing is written.
    assert!(downloads.lock.add(&published).unwrap().is_empty());
    let line = text.lines().find(|line| line.contains("kind-linux-arm64")).unwrap();
    let changed = text.replace(line, &format!("{}  kind/v0.33.0/kind-linux-arm64", Sha256::of(b"other")));
    let changed = changed.lines().filter(|line| !line.contains("helm")).collect::<Vec<_>>().join("\n");
    std::fs::write(place.folder.path().join("tools.lock"), &changed).unwrap();
    downloads.lock = crate::download::Lockfile::read(place.folder.path()).unwrap();
    let error = downloads.lock.add(&published).unwrap_err().to_string();
    assert!(error.contains("kind/v0.33.0/kind-linux-arm64") && error.contains("refused"), "{error}");
    assert_eq!(std::fs::read_to_string(place.folder.path().join("tools.lock")).unwrap(), changed);
}

#[tokio::test]
async fn engines_are_asked_on_the_shells_path() {
    let place = Place::new();
    let state = async |place: &Place, name: &str| {
        let engines = Engines::ask(&place.shell, engine::LIMIT).await;
        engines.all.into_iter().find(|engine| engine.name == name).unwrap().state
    };
    assert_eq!(state(&place, "docker").await, EngineState::Absent);
    place.fake(
        "docker",
        r#"case "$1" in
version)
  [ "$3" = "{{json .}}" ] || exit 64
  echo '{"Client":{"Version":"28.2.2","ApiVersion":"1.50"},"Server":null}'
  echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2
  exit 1 ;;
context) echo "default unix:///var/run/docker.sock" ;;
esac"#,
    );
    assert_eq!(state(&place, "docker").await, EngineState::Dead("unix:///var/run/docker.sock".into()));
    place.fake("podman", r#"echo '{"host":{},"version":{"Version":"5.4.0"}}'"#);
    place.fake("nerdctl", "/bin/sleep 600 & /bin/sleep 600");
    let since = Instant::now();
    let engines = Engines::ask(&place.shell, engine::LIMIT).await;
    assert_eq!(engines.usable().unwrap().name, "podman");
    assert_eq!(engines.all[2].state, EngineState::Silent(String::new()));
    assert!(since.elapsed() < 10 * engine::LIMIT, "nobody waits for 600 s");
    place.shell.set_var(engine::PROVIDER, "docker");
    let error = Engines::ask(&place.shell, engine::LIMIT).await.usable().unwrap_err().to_string();
    assert!(error.starts_with("docker is installed, but its daemon does not run"), "{error}");
}
