//! What the controllers' looks at objects need.

use super::events::Recorder;
use crate::store::Store;

/// The store that they read and write, and whom they tell.
pub(super) struct Context {
    pub(super) store: Store,
    pub(super) recorder: Recorder,
}
