//! A local lab of a command's own, which is gone when the command is done with it.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::Options;
use crate::console::Console;
use crate::session::Session;

/// A lab that is taken down when it is let go of, however that comes about.
pub struct OwnLab(Session);

impl OwnLab {
    /// The lab of a folder, which says nothing by itself.
    pub fn new(folder: PathBuf, options: Options) -> Self {
        let options = Options { port: None, ..options };
        Self(Session::at(folder, options, Arc::new(Console::silent())))
    }

    /// Works in the lab of a folder, and takes it down whatever comes of that.
    pub async fn within<T>(folder: PathBuf, options: Options, work: impl AsyncFnOnce(&Session) -> T) -> T {
        let lab = Self::new(folder, options);
        let outcome = work(&lab).await;
        lab.done().await;
        outcome
    }

    /// Takes it down, without keeping anybody else waiting.
    pub async fn done(self) {
        // It is taken down either way; only a runtime that ends does not wait for it.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Deref for OwnLab {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Drop for OwnLab {
    fn drop(&mut self) {
        // A lab that could not be stopped is found, and said, by whoever comes next.
        let _ = self.0.abandon();
    }
}
