//! How long a container that keeps ending waits before its next start.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait. The very first restart has none.
const FIRST: Duration = Duration::from_secs(10);
/// Waits double up to this one.
const LONGEST: Duration = Duration::from_secs(300);
/// A container that ran this long starts over.
const FORGIVEN: Duration = Duration::from_secs(600);

/// The back-off of one container: 0, 10, 20, 40 … 300 s, from 0 again once it has
/// run for ten minutes.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    wait: Option<(Duration, Instant)>,
}

impl Backoff {
    /// The container ended at `finished`: how long from then to its next start.
    pub(super) fn wait(&self, finished: Instant) -> Option<Duration> {
        self.current(finished).map(|(wait, _)| wait)
    }

    /// The container that ended at `finished` is started again at `now`.
    pub(super) fn restarted(&mut self, finished: Instant, now: Instant) {
        let next = match self.current(finished) {
            Some((wait, _)) => (wait * 2).min(LONGEST),
            None => FIRST,
        };
        self.wait = Some((next, now));
    }

    fn current(&self, finished: Instant) -> Option<(Duration, Instant)> {
        self.wait.filter(|(_, since)| finished.saturating_duration_since(*since) <= FORGIVEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_a_long_run_is_forgiven() {
        let mut backoff = Backoff::default();
        let mut now = Instant::now();
        let mut waits = vec![];
        for _ in 0..8 {
            let wait = backoff.wait(now).unwrap_or_default();
            waits.push(wait.as_secs());
            let finished = now;
            now += wait;
            backoff.restarted(finished, now);
            now += Duration::from_secs(1);
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
        now += FORGIVEN;
        assert_eq!(backoff.wait(now), None);
        backoff.restarted(now, now);
        assert_eq!(backoff.wait(now + Duration::from_secs(1)), Some(FIRST));
    }
}
