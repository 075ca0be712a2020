//! What is known of a lab on kind between two runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use base::files::write_private;
use base::folder::{Contents, failed};
use base::mutex::lock;
use serde::{Deserialize, Serialize};

use super::KindLab;
use super::parts::Ingress;
use base::browser::Profile;
use base::{Error, Result};
use cluster::names::{Provider, Scheme};

/// Goes up when an older binary could not work with what stands in the folder.
const FORMAT: u32 = 1;

/// What tells the folder of a lab on kind.
pub const CONTENTS: Contents = Contents { known: is_known, older: is_older };

/// What this program, kind and Helm put into it.
const ENTRIES: &str = "argocd-tls.yaml browser ca.crt ca.key charts children empty helm kind-config.yaml \
                       kube-cache kubeconfig kubeconfig.lock lab.json timings.json";

/// Steps run side by side, and each adds what it did.
static WRITING: Mutex<()> = Mutex::new(());

/// How far a lab has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// kind was told to make the cluster. What there is of it is of no use.
    #[default]
    Creating,
    /// The cluster stands.
    Up,
}

/// What stands in `lab.json`. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The file's format.
    format: u32,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// kind's name for the cluster, for people who look here.
    cluster: String,
    /// The port of the ingress on loopback.
    pub(crate) port: u16,
    /// The port on loopback where it ends TLS, if it does.
    #[serde(default)]
    pub(crate) tls_port: Option<u16>,
    /// The ingress that was installed.
    pub ingress: Option<Ingress>,
    /// The release whose chart was installed.
    pub argocd: Option<String>,
    /// The image of somebody's own build that runs as Argo CD.
    pub argocd_image: Option<String>,
    /// Who checks the user.
    #[serde(default)]
    pub provider: Provider,
    /// Images on the node by name, with the ids that the engine knew them by.
    pub loaded: BTreeMap<String, String>,
}

impl State {
    /// A lab that is about to be made.
    pub(crate) fn creating(lab: &KindLab, port: u16, tls_port: Option<u16>, provider: Provider) -> Self {
        let cluster = lab.name().to_owned();
        Self { format: FORMAT, cluster, port, tls_port, provider, ..Self::default() }
    }

    /// What is known of a lab; nothing where there is none, or one of another format.
    pub fn read(lab: &KindLab) -> Option<Self> {
        let text = fs::read(file(lab)).ok()?;
        let state: Self = serde_json::from_slice(&text).ok()?;
        (state.format == FORMAT).then_some(state)
    }

    /// What the lab is spoken to by.
    pub fn scheme(&self) -> Scheme {
        Scheme::of(self.tls_port.is_some())
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn write(&self, lab: &KindLab) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other);
        lab.own_folder().claim()?;
        text.and_then(|text| write_private(&file(lab), &text))
            .map_err(|error| failed(lab.folder(), "written", error))
    }

    /// Changes what is known of a lab that is there.
    ///
    /// # Errors
    /// There is none, or the folder cannot be written.
    pub(crate) fn update(lab: &KindLab, change: impl FnOnce(&mut Self)) -> Result<()> {
        let _writing = lock(&WRITING);
        let mut state = Self::read(lab).ok_or_else(|| {
            Error::environment(format!("{} is gone", file(lab).display()))
                .hint("`cargo xtask working` brings the lab up again")
        })?;
        change(&mut state);
        state.write(lab)
    }
}

fn is_known(name: &str) -> bool {
    let name = name.strip_suffix(".part").unwrap_or(name);
    // An engine that is killed leaves an archive under a name of its own.
    let archive = name.ends_with("-images.tar")
        || name.starts_with(".docker_temp_")
        || name.starts_with(".tmp-") && name.contains("-images.tar");
    archive || ENTRIES.split(' ').any(|entry| entry == name)
}

/// Whether a program that knew no markers has a lab in a folder.
fn is_older(folder: &Path) -> bool {
    let text = fs::read(folder.join("lab.json")).unwrap_or_default();
    serde_json::from_slice::<State>(&text).is_ok()
}

fn file(lab: &KindLab) -> PathBuf {
    lab.folder().join("lab.json")
}

/// Forgets a cluster that is not there, or not the lab's. What other steps do in the
/// lab's folder meanwhile stays.
///
/// # Errors
/// Something cannot be removed.
pub fn forget(lab: &KindLab) -> Result<()> {
    for path in [file(lab), lab.kubeconfig()] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(lab.folder(), "written", error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Closes the browser on a lab, and removes everything that the lab left in its folder.
///
/// # Errors
/// The folder is somebody's own, or something cannot be removed.
pub fn clear(lab: &KindLab) -> Result<()> {
    let folder = lab.own_folder();
    if folder.is_ours()? {
        Profile::of(folder.path()).remove()?;
    }
    folder.remove()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nobody_elses_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let lab = KindLab::beside(&folder.path().join("lab"), Path::new("/usual"));
        assert_eq!(State::read(&lab), None);
        assert!(State::update(&lab, |_| {}).unwrap_err().to_string().contains("is gone"));
        State::creating(&lab, 8080, None, Provider::Dex).write(&lab).unwrap();
        State::update(&lab, |state| state.stage = Stage::Up).unwrap();
        let state = State::read(&lab).unwrap();
        assert_eq!((state.stage, state.port), (Stage::Up, 8080));
        let mode = fs::metadata(file(&lab)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        clear(&lab).unwrap();
        assert!(!lab.folder().exists());
        clear(&lab).unwrap();
    }

    #[tokio::test]
    async fn what_is_not_the_labs_stays_and_what_an_older_program_left_is_known() {
        let root = tempfile::tempdir().unwrap();
        let lab = KindLab::beside(&root.path().join("lab"), Path::new("/usual"));
        fs::create_dir(lab.folder()).unwrap();
        fs::write(file(&lab), "{}").unwrap();
        for error in [
            lab.find().await.map(drop),
            State::creating(&lab, 1, None, Provider::Dex).write(&lab),
            clear(&lab),
        ] {
            assert!(error.unwrap_err().to_string().contains("lacks the lab's marker"));
        }
        assert!(!lab.is_there());
        assert_eq!(fs::read_to_string(file(&lab)).unwrap(), "{}");
        // As v0.1.0 wrote it.
        let text = r#"{"format":1,"stage":"up","cluster":"oidc-lab","port":1,"ingress":"nginx","argocd":"v3.3.6",
                       "argocd_image":null,"loaded":{}}"#;
        fs::write(file(&lab), text).unwrap();
        fs::create_dir(lab.folder().join("charts")).unwrap();
        let tar = [".tmp-dex-images.tar123", "dex-images.tar", ".docker_temp_1", "kind-config.yaml.part"];
        for name in tar {
            fs::write(lab.folder().join(name), "").unwrap();
        }
        assert!(lab.is_there() && lab.find().await.unwrap().is_none());
        fs::write(lab.folder().join("notes"), "").unwrap();
        clear(&lab).unwrap();
        assert!(!lab.is_there() && lab.folder().join("notes").exists());
        fs::remove_file(lab.folder().join("notes")).unwrap();
        clear(&lab).unwrap();
        assert!(!lab.folder().exists());
    }

    #[test]
    fn a_state_of_another_format_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let lab = KindLab::beside(&folder.path().join("lab"), Path::new("/usual"));
        State { format: 99, ..State::creating(&lab, 1, None, Provider::Dex) }.write(&lab).unwrap();
        assert_eq!(State::read(&lab), None);
    }
}
