//! A running container's health: when which probe is asked, and what follows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::probe::{Doors, Probe};

/// What a container learns about itself.
pub(super) trait Patient {
    /// The readiness probe changed its mind.
    fn ready(&self, ready: bool);
    /// A probe failed, in the kubelet's words.
    fn unhealthy(&self, message: String);
}

/// The liveness probe says that the container has to be started again.
#[derive(Debug)]
pub(super) struct Sick {
    /// How long it has to stop, if the probe says.
    pub(super) grace: Option<Duration>,
}

/// Watches over a container that has just started, until a probe gives it up. Ends
/// only then.
pub(super) async fn watch(
    container: &Value,
    listening: &BTreeMap<u16, SocketAddr>,
    patient: &impl Patient,
) -> Sick {
    let probe = |field| Probe::read(container, field);
    let doors = Doors { container, listening };
    let (readiness, liveness) = (probe("readinessProbe"), probe("livenessProbe"));
    let ready = async {
        if let Some(readiness) = readiness {
            keep_ready(&readiness, &doors, patient).await;
        }
        std::future::pending::<Sick>().await
    };
    let alive = async {
        match liveness {
            Some(liveness) => keep_alive(&liveness, &doors, patient).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        sick = ready => sick,
        sick = alive => sick,
    }
}

async fn keep_ready(probe: &Probe, doors: &Doors<'_>, patient: &impl Patient) {
    let mut rhythm = Rhythm::start(probe).await;
    let (mut ready, mut passed) = (false, 0);
    loop {
        match probe.ask(doors).await {
            Ok(()) => {
                passed += 1;
                rhythm.failures = 0;
                if !ready && passed >= probe.successes {
                    (ready, rhythm.was_ready) = (true, true);
                    patient.ready(true);
                }
                rhythm.beat().await;
            }
            Err(message) => {
                passed = 0;
                if rhythm.failed(&message, "Readiness", patient) && ready {
                    ready = false;
                    patient.ready(false);
                }
                // From the start on, an unready container is asked again as soon as
                // it could have become ready; one that was ready has its period.
                if rhythm.was_ready { rhythm.beat().await } else { rhythm.soon().await }
            }
        }
    }
}

async fn keep_alive(probe: &Probe, doors: &Doors<'_>, patient: &impl Patient) -> Sick {
    let mut rhythm = Rhythm::start(probe).await;
    loop {
        match probe.ask(doors).await {
            Ok(()) => rhythm.failures = 0,
            Err(message) => {
                if rhythm.failed(&message, "Liveness", patient) {
                    return Sick { grace: probe.grace };
                }
            }
        }
        rhythm.beat().await;
    }
}

/// The beat of one probe.
///
/// A kubelet asks at the container's start and then once a period, so a container
/// that is ready a moment after the first question stays unready for a whole period.
/// Here, questions in between come after a twentieth of the time waited so far: a
/// server that takes a second to start is found ready within 50 ms. They do not count
/// as failures: those come once a period, as a kubelet's.
struct Rhythm<'a> {
    probe: &'a Probe,
    start: Instant,
    /// When the next question is due whose failure counts.
    due: Instant,
    failures: u32,
    was_ready: bool,
}

/// The shortest pause between two questions.
const SOONEST: Duration = Duration::from_millis(2);

impl<'a> Rhythm<'a> {
    async fn start(probe: &'a Probe) -> Self {
        if !probe.initial_delay.is_zero() {
            tokio::time::sleep(probe.initial_delay).await;
        }
        let start = Instant::now();
        Self { probe, start, due: start, failures: 0, was_ready: false }
    }

    /// Counts a failure if it is due. `true` if there were enough in a row.
    fn failed(&mut self, message: &str, name: &str, patient: &impl Patient) -> bool {
        let now = Instant::now();
        if now < self.due {
            return false;
        }
        self.due = now + self.probe.period;
        // The question at the very start meets a program that could not have answered
        // yet: it counts, as a kubelet's would, but it is no news.
        if self.failures > 0 || now.duration_since(self.start) >= self.probe.timeout || self.was_ready {
            patient.unhealthy(format!("{name} probe failed: {message}"));
        }
        self.failures += 1;
        self.failures >= self.probe.failures
    }

    /// Waits a period.
    async fn beat(&mut self) {
        self.due = Instant::now();
        tokio::time::sleep(self.probe.period).await;
    }

    /// Waits for the next moment at which the container could have become ready.
    async fn soon(&mut self) {
        let waited = self.start.elapsed();
        tokio::time::sleep((waited / 20).clamp(SOONEST, self.probe.period)).await;
    }
}
