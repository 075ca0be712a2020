//! The real programs of this machine, given by the environment: `LAB_ARGOCD_BINS`, a
//! folder of `argocd-vX.Y.Z`, and `LAB_DEX_BIN`, a Dex.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use releases::{Era, Release};

use super::{Ended, Lab};

/// What is shown as ignored where there are no programs: a release of each era.
pub const EACH_ERA: [&str; 6] = ["v2.2.16", "v2.4.2", "v2.12.1", "v3.2.12", "v3.3.6", "v3.5.1"];

/// The real programs of this machine.
#[derive(Clone)]
pub struct Real {
    pub folder: PathBuf,
    pub dex: PathBuf,
}

impl Real {
    pub fn of_environment() -> Option<Self> {
        let path = |name: &str| std::env::var_os(name).filter(|it: &OsString| !it.is_empty());
        Some(Self { folder: path("LAB_ARGOCD_BINS")?.into(), dex: path("LAB_DEX_BIN")?.into() })
    }

    pub fn releases(&self) -> Vec<Release> {
        let names = std::fs::read_dir(&self.folder).unwrap().flatten();
        let mut releases: Vec<Release> = names
            .filter_map(|entry| Release::parse(entry.file_name().to_str()?.strip_prefix("argocd-")?).ok())
            .collect();
        releases.sort();
        assert!(!releases.is_empty(), "{} holds no argocd-vX.Y.Z", self.folder.display());
        releases
    }

    pub fn argocd(&self, release: &Release) -> PathBuf {
        self.folder.join(format!("argocd-{release}"))
    }

    /// The same under names that no other lab runs.
    pub fn linked(&self, lab: &Lab, release: &Release) -> Self {
        let folder = lab.home().join("programs");
        std::fs::create_dir(&folder).unwrap();
        let linked = Self { dex: folder.join("dex"), folder };
        symlink(&self.dex, &linked.dex).unwrap();
        symlink(self.argocd(release), linked.argocd(release)).unwrap();
        linked
    }

    /// Runs with both.
    pub fn run(&self, lab: &Lab, release: &Release, args: &[&str]) -> Ended {
        let mut command = lab.command(&[]);
        command.arg("--argocd-bin").arg(self.argocd(release)).arg("--dex-bin").arg(&self.dex).args(args);
        Ended::of(&mut command)
    }

    #[track_caller]
    pub fn expect(&self, status: i32, lab: &Lab, release: &Release, args: &[&str]) -> Ended {
        let ended = self.run(lab, release, args);
        assert_eq!(ended.status, status, "{release}: {}\n{ended}", args.join(" "));
        ended
    }
}

/// What a release does after `break` and after `broken`; nothing, if that is by chance.
pub fn measured(era: Era) -> Option<&'static str> {
    match era {
        Era::ComparesText | Era::KeepsClientApp => Some("refused"),
        Era::BothAnswer => Some("mixed"),
        Era::Reloads | Era::ReloadsAgain => Some("logged-in"),
        Era::NoReferences | Era::ReloadsInLoop => None,
    }
}
