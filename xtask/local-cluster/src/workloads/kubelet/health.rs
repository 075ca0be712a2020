//! A running container's health: when which probe is asked, and what follows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::pod::Container;
use super::probe::Probe;

/// Asks a running container's probes, and writes what they say into its status. Ends when
/// its liveness probe gives it up.
pub(super) async fn given_up(container: &Container<'_>, listening: &BTreeMap<u16, SocketAddr>) {
    let probe = |field| Probe::read(container.spec, field, listening);
    tokio::select! {
        () = keep_ready(probe("readinessProbe"), container) => {}
        () = until_dead(probe("livenessProbe"), container) => {}
    }
}

async fn keep_ready(probe: Option<Probe<'_>>, container: &Container<'_>) {
    let Some(probe) = &probe else { return std::future::pending().await };
    let mut schedule = Schedule::start(probe).await;
    let (mut ready, mut passed) = (false, 0);
    loop {
        match probe.ask().await {
            Ok(()) => {
                passed += 1;
                schedule.failures = 0;
                if !ready && passed >= probe.successes {
                    (ready, schedule.was_ready) = (true, true);
                    container.change(|it| it.said["ready"] = true.into());
                }
                schedule.period().await;
            }
            Err(message) => {
                passed = 0;
                if schedule.failed(&message, "Readiness", container) && ready {
                    ready = false;
                    container.change(|it| it.said["ready"] = false.into());
                }
                // From the start on, an unready container is asked again as soon as
                // it could have become ready; one that was ready has its period.
                if schedule.was_ready { schedule.period().await } else { schedule.soon().await }
            }
        }
    }
}

async fn until_dead(probe: Option<Probe<'_>>, container: &Container<'_>) {
    let Some(probe) = &probe else { return std::future::pending().await };
    let mut schedule = Schedule::start(probe).await;
    loop {
        match probe.ask().await {
            Ok(()) => schedule.failures = 0,
            Err(message) => {
                if schedule.failed(&message, "Liveness", container) {
                    return;
                }
            }
        }
        schedule.period().await;
    }
}

/// When one probe is asked.
///
/// A kubelet asks at the container's start and then once a period, so a container
/// that is ready a moment after the first question stays unready for a whole period.
/// Here, questions in between come after a twentieth of the time waited so far: a
/// server that takes a second to start is found ready within 50 ms. They do not count
/// as failures: those come once a period, as a kubelet's.
struct Schedule<'a> {
    probe: &'a Probe<'a>,
    start: Instant,
    /// When the next question is due whose failure counts.
    due: Instant,
    failures: u64,
    was_ready: bool,
}

/// The shortest pause between two questions.
const SOONEST: Duration = Duration::from_millis(2);

impl<'a> Schedule<'a> {
    async fn start(probe: &'a Probe<'a>) -> Self {
        if !probe.initial_delay.is_zero() {
            tokio::time::sleep(probe.initial_delay).await;
        }
        let start = Instant::now();
        Self { probe, start, due: start, failures: 0, was_ready: false }
    }

    /// Counts a failure if it is due. `true` if there were enough in a row.
    fn failed(&mut self, message: &str, name: &str, container: &Container<'_>) -> bool {
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        self.due = now + self.probe.period;
        // The question at the very start meets a program that could not have answered
        // yet: it counts, as a kubelet's would, but it is no news.
        if self.failures > 0 || now.duration_since(self.start) >= self.probe.timeout || self.was_ready {
            container.warning("Unhealthy", format!("{name} probe failed: {message}"));
        }
        self.failures += 1;
        self.failures >= self.probe.failures
    }

    /// Waits a period.
    async fn period(&mut self) {
        self.due = Instant::now();
        tokio::time::sleep(self.probe.period).await;
    }

    /// Waits for the next moment at which the container could have become ready.
    async fn soon(&mut self) {
        let waited = self.start.elapsed();
        tokio::time::sleep((waited / 20).clamp(SOONEST, self.probe.period)).await;
    }
}
