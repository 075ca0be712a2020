//! What something that takes a while says meanwhile. Whoever does it only reports; whoever owns
//! the terminal decides what is drawn, what stays, and what nobody sees.

use std::time::Duration;

/// From here on something that waits says what for, also where nothing is drawn over.
pub const SLOW: Duration = Duration::from_secs(10);
