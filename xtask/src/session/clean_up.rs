//! What a run has to clean up when it fails or is interrupted: a lab that it has begun to
//! make and not completed, and the programs that still work for it.

use std::sync::{Arc, Mutex, MutexGuard};

use super::Session;
use crate::lab::Lab;
use base::mutex::lock;
use base::{Result, interrupt};

/// Whether this run has begun a lab that is not complete.
#[derive(Clone, Debug, Default)]
pub struct Unfinished(Arc<Mutex<bool>>);

impl Unfinished {
    /// Held while a lab is being started or stopped, so that an interrupted run can wait
    /// for that to end before it cleans up and leaves. True: this run is about to make a lab.
    pub fn changing(&self) -> MutexGuard<'_, bool> {
        lock(&self.0)
    }

    /// The lab that this run started has all its parts: from now on an interrupt
    /// leaves it up.
    pub fn complete(&self) {
        *self.changing() = false;
    }
}

impl Session {
    /// Ends what still works for this run, and takes down a lab that it started and did
    /// not complete. Says whether it took one down.
    pub async fn clean_up(&self) -> bool {
        let console = &self.console;
        if interrupt::heard() && matches!(self.lab, Lab::Kind(_)) {
            console
                .note("interrupted: cleaning up; Ctrl-C again kills what runs, a third time leaves at once");
        }
        if let Lab::Kind(lab) = &self.lab
            && let Err(error) = lab.end_children().await
        {
            // Without the lab's folder nobody would know of it any more.
            console.note(&format!("nothing was cleaned up: {error}"));
            return false;
        }
        // A local lab that is being started or stopped is so by then.
        if !*self.unfinished.changing() {
            if let Lab::Kind(lab) = &self.lab
                && !lab.is_there()
            {
                // Charts for a lab that did not come about.
                let _ = kind_lab::clear(lab);
            }
            return false;
        }
        if self.options.keep {
            console.note("the half-made lab was kept; `cargo xtask down` removes it");
            return false;
        }
        let outcome = match &self.lab {
            Lab::Local(_) => self.abandon(),
            Lab::Kind(_) => self.abandon_kind().await,
        };
        match &outcome {
            Ok(()) => console.note("the half-made lab was taken down"),
            Err(error) => console.note(&format!(
                "the half-made lab was not taken down: {}; `cargo xtask down` removes what is left",
                error.message()
            )),
        }
        outcome.is_ok()
    }

    /// Shows what stands in the cluster of a lab on kind.
    pub async fn show_diagnosis(&self) {
        let Some(found) = kind_lab::diagnosis(self.cluster()).await else { return };
        self.console.heading("what was in the cluster");
        found.iter().for_each(|text| self.console.note(text));
    }

    async fn abandon_kind(&self) -> Result<()> {
        // Where nothing was run there is nothing to take down.
        let Some(kit) = self.kit.get() else { return Ok(()) };
        self.console.note("taking the half-made lab down");
        let running = self.console.step("down", "taking the half-made lab down");
        kind_lab::Tools { kit: kit.clone(), heard: &running }.abandon().await
    }

    /// Takes a local lab down, whatever there is of it, without a plan. Blocks.
    ///
    /// # Errors
    /// It cannot be stopped, or what is left cannot be removed.
    pub fn abandon(&self) -> Result<()> {
        match &self.lab {
            Lab::Local(lab) => lab.stop().map(drop),
            Lab::Kind(_) => Ok(()),
        }
    }
}
