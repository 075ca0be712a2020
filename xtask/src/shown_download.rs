//! A download in the line of a step that runs.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use toolbox::download::{Progress, part};

use crate::console::Running;

/// Shows a download in the line of a step that runs.
pub struct ShownDownload<'a> {
    running: &'a Running<'a>,
    drawn: Mutex<Option<Instant>>,
}

impl<'a> ShownDownload<'a> {
    /// In this step's line.
    pub fn new(running: &'a Running<'a>) -> Self {
        Self { running, drawn: Mutex::default() }
    }
}

impl Progress for ShownDownload<'_> {
    fn at(&self, what: &str, bytes: u64, total: Option<u64>) {
        // Text that changes at every few kilobytes cannot be read and costs time.
        let Ok(mut drawn) = self.drawn.lock() else { return };
        if drawn.is_none_or(|then| then.elapsed() > Duration::from_millis(50)) {
            *drawn = Some(Instant::now());
            self.running.doing(&format!("{what}: {}", part(bytes, total)));
        }
    }

    fn note(&self, text: &str) {
        self.running.note(text);
    }
}
