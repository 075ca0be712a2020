//! Work in the background that the lab cannot do without.
//!
//! A task that panics ends without a word, and what it did is done by nobody from then
//! on: the lab would stand still and look alive. So all of them are started here, and
//! the first panic is kept for whoever runs the lab.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The tasks of one lab. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Tasks {
    failed: watch::Sender<Option<String>>,
}

impl Tasks {
    /// Starts `work`, known as `name`. Call it inside a Tokio runtime.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let (failed, name) = (self.failed.clone(), name.into());
        tokio::spawn(async move {
            // What was left half done is looked at by nobody: the lab ends.
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                let said = format!("{name} panicked: {}", words(&*panic));
                failed.send_if_modified(|first| first.is_none() && first.replace(said).is_none());
            }
        })
    }

    /// Waits until one has panicked: which, and with what words.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.subscribe();
        match failed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(said)) => said.clone(),
            // The sender is this one's own, and what was waited for is there.
            _ => std::future::pending().await,
        }
    }
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_panic_is_kept_and_an_end_is_none() {
        let tasks = Tasks::default();
        tasks.spawn("well", async {}).await.unwrap();
        let number = std::hint::black_box(7);
        tasks.spawn("first", async move { assert_eq!(number, 8, "not {number}") }).await.unwrap();
        tasks.spawn("second", async { panic!("later") }).await.unwrap();
        let said = tasks.failed().await;
        assert!(said.starts_with("first panicked: ") && said.contains("not 7"), "{said}");
    }
}
