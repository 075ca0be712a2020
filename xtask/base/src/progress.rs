//! What something that takes a while says meanwhile. Whoever does it only reports; whoever owns
//! the terminal decides what is drawn, what stays, and what nobody sees.

use std::time::Duration;

/// From here on something that waits says what for, also where nothing is drawn over.
pub const SLOW: Duration = Duration::from_secs(10);

/// Hears of something that takes a while.
pub trait Listener: Sync {
    /// What it does now.
    fn doing(&self, text: &str);

    /// What it waits for now; where nothing is drawn over, that is a line of its own after [`SLOW`].
    fn waiting(&self, text: &str);

    /// A line about what happens, which stays.
    fn note(&self, text: &str);

    /// A line for whoever wants to see everything: a command, and what it says.
    fn detail(&self, text: &str);
}
