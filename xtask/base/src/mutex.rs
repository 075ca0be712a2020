//! What threads share, for one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nobody here leaves it half changed, so one who panicked is no reason to stop.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
