//! What tests of downloads share.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use crate::download::testing::{Gate, Server};
use crate::download::{Downloads, Lockfile, Progress, Settings};

/// Keeps what a download says.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<String>>>, Option<Gate>);

impl Said {
    /// One that opens a gate at its first note.
    pub fn opening(gate: &Gate) -> Self {
        Self(Arc::default(), Some(gate.clone()))
    }

    /// All notes so far.
    pub fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Said {
    fn at(&self, _: &str, bytes: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| bytes <= total), "{bytes} of {total:?}");
    }

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
        if let Some(gate) = &self.1 {
            gate.open();
        }
    }
}

/// Downloads into a folder, with all sites on one server and no patience.
pub fn downloads(cache: &Path, server: &str) -> Downloads {
    let cache = cache.as_os_str().to_owned();
    let server = server.to_owned();
    let var = move |name: &str| match name {
        "OIDC_LAB_CACHE" => Some(cache.clone()),
        name if name.starts_with("OIDC_LAB_") => Some(server.clone().into()),
        _ => None,
    };
    let mut settings = Settings::from_environment(var, false).unwrap();
    settings.stall = Duration::from_millis(300);
    settings.connect = Duration::from_secs(2);
    settings.pauses = vec![Duration::ZERO; 2];
    Downloads::new(settings, Lockfile::default())
}

/// Downloads into a folder of their own, from a server of their own.
pub struct Served {
    _folder: TempDir,
    pub server: Server,
    pub downloads: Downloads,
}

impl Served {
    pub fn by(server: Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let downloads = downloads(&folder.path().join("cache"), &server.url());
        Self { _folder: folder, server, downloads }
    }
}
