//! What a real `argocd-dex rundex` needs of this machine.
//!
//! It writes Dex's configuration, client secret and all, to one place for everybody,
//! `/tmp/dex.yaml`, and starts the first `dex` on its PATH with it, which listens on fixed
//! ports of all addresses. So one lab of a machine has one at a time, and that `dex` is a
//! few lines of shell: they take the file away, and start the real one on loopback, on the
//! ports that were chosen for its container (nobody asks for its gRPC).

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::files::make_private_folder;
use base::locks::{self, Mode};
use local_cluster::program::{Exit, Launch, Program, Running};

/// In a container's environment: the `dex` that `argocd-dex` is to run.
pub const VARIABLE: &str = "DEX_PROGRAM";

/// What is said where another lab has it.
pub const TAKEN: &str = "another lab on this machine has a real Dex inside Argo CD, and there is one place for its configuration, /tmp/dex.yaml";
/// What to do about that.
pub const HINT: &str = "`cargo xtask down` there";

/// Held by the lab that has one, whoever's it is.
const LOCK: &str = "/tmp/oidc-lab-argocd-dex.lock";

/// How long it is waited for: who only asks has it for a moment, and a program that is
/// just being started until it runs.
const ASKED: Duration = Duration::from_millis(200);

/// Started as `dex serve /tmp/dex.yaml`.
const DEX: &str = r#"#!/bin/sh
mv "$2" "$TMPDIR/dex.yaml" && cd "$TMPDIR" && exec "$DEX_PROGRAM" serve \
    --web-http-addr "127.0.0.1:$PORT_5556" \
    --grpc-addr "127.0.0.1:0" \
    --telemetry-addr "127.0.0.1:$PORT_5558" \
    dex.yaml
"#;

/// Programs of this machine, among them `argocd-dex`.
pub(crate) struct WithDex<P> {
    /// What runs them.
    pub(crate) programs: P,
    /// Where its `dex` is put.
    pub(crate) folder: PathBuf,
}

impl<P: Program> Program for WithDex<P> {
    fn run(&self, mut launch: Launch) -> Running {
        if !launch.env.contains_key(VARIABLE) {
            return self.programs.run(launch);
        }
        let lock = match prepare(&self.folder, Path::new(LOCK), &mut launch.env) {
            Ok(lock) => lock,
            Err(message) => {
                launch.log.line(&message);
                return Box::pin(async { Exit::failure(message) });
            }
        };
        let running = self.programs.run(launch);
        Box::pin(async move {
            let exit = running.await;
            drop(lock);
            exit
        })
    }

    fn variables(&self, ports: &BTreeMap<u16, SocketAddr>) -> BTreeMap<String, String> {
        self.programs.variables(ports)
    }
}

/// Whether a lab on this machine has one. One that cannot be asked says so when it starts.
pub fn is_taken() -> bool {
    matches!(locks::take(Path::new(LOCK), Mode::Exclusive, ASKED), Ok(None))
}

/// Takes the machine's place, and puts a `dex` on the program's PATH.
fn prepare(folder: &Path, lock: &Path, env: &mut BTreeMap<String, String>) -> Result<File, String> {
    let failed = |error: io::Error| format!("the Dex inside Argo CD has no place to run: {error}");
    let taken = || format!("{TAKEN} (hint: {HINT})");
    let held = locks::take(lock, Mode::Exclusive, ASKED).map_err(failed)?.ok_or_else(taken)?;
    make_private_folder(folder).map_err(failed)?;
    let dex = folder.join("dex");
    fs::write(&dex, DEX).map_err(failed)?;
    fs::set_permissions(&dex, Permissions::from_mode(0o700)).map_err(failed)?;
    let rest = env.get("PATH").cloned().or_else(|| std::env::var("PATH").ok()).unwrap_or_default();
    env.insert("PATH".into(), format!("{}:{rest}", folder.display()));
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lab_at_a_time_has_it_and_its_dex_comes_first() {
        let place = tempfile::tempdir().unwrap();
        let (folder, lock) = (place.path().join("bin"), place.path().join("lock"));
        let mut env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        let held = prepare(&folder, &lock, &mut env).unwrap();
        assert_eq!(env["PATH"], format!("{}:/usr/bin:/bin", folder.display()));
        let refused = prepare(&folder, &lock, &mut env).unwrap_err();
        assert!(refused.starts_with("another lab on this machine has a real Dex"), "{refused}");
        drop(held);
        assert!(prepare(&folder, &lock, &mut env).is_ok());
    }

    #[test]
    fn the_file_is_taken_away_and_the_real_one_listens_on_loopback() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        prepare(&path("bin"), &path("lock"), &mut BTreeMap::new()).unwrap();
        fs::write(path("dex.yaml"), "secret").unwrap();
        fs::create_dir(path("tmp")).unwrap();
        let ports = ["5556", "5558"].map(|port| (format!("PORT_{port}"), format!("1{port}")));
        let told = std::process::Command::new(path("bin/dex"))
            .arg("serve")
            .arg(path("dex.yaml"))
            .env(VARIABLE, "/bin/echo")
            .env("TMPDIR", path("tmp"))
            .envs(ports)
            .output()
            .unwrap();
        let expected =
            "serve --web-http-addr 127.0.0.1:15556 --grpc-addr 127.0.0.1:0 --telemetry-addr 127.0.0.1:15558";
        assert!(String::from_utf8_lossy(&told.stdout).starts_with(expected), "{told:?}");
        assert!(!path("dex.yaml").exists());
        assert_eq!(fs::read_to_string(path("tmp/dex.yaml")).unwrap(), "secret");
    }
}
