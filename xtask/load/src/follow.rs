//! Follows the workers: which have begun, how they ended, and what they reported in their logs.

use std::time::Duration;

use futures::{AsyncReadExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::api::{Api, LogParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::job::CONTAINER;
use super::jobs::{Jobs, is_refusal, refusal};
use super::merge::{Document, Worker};
use base::progress::Listener;
use base::shown::shown;
use base::{Result, duration, innermost};
use cluster::pod_state;

/// Where Kubernetes writes which worker a pod is.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The most that is read of a log.
const LOG: u64 = 16 * 1024 * 1024;
/// How long workers of a suspended Job may take to say what they did.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// What a container waits for that will not come.
const HOPELESS: [&str; 5] = [
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
];

/// What came of all workers.
pub struct Followed {
    /// All of them.
    pub workers: Vec<Worker>,
    /// Why the Job was suspended, if it was.
    pub suspended: Option<String>,
}

/// A worker, as far as it has come.
#[derive(Default)]
struct Seat {
    /// What was last seen of its pod.
    seen: Option<String>,
    begun: bool,
    /// How its pod ended.
    ended: Option<String>,
    log: Log,
    /// Its report, or why there will be none.
    said: Option<Result<Document, String>>,
}

#[derive(Clone, Default, PartialEq)]
enum Log {
    #[default]
    Untouched,
    /// It is being read, while the pod runs.
    Followed,
    /// It came to its end, and held no report.
    Wanting(String),
    /// It is being read a second time, as the pod has ended; what was wanting before.
    ReadAgain(String),
}

/// A log that came to its end.
struct Read {
    index: u32,
    pod: String,
    text: kube::Result<String>,
}

/// Follows the workers until all have reported or will not.
///
/// # Errors
/// A right is missing, or the Job cannot be suspended.
pub async fn follow(jobs: &Jobs<'_>, heard: &dyn Listener) -> Result<Followed> {
    let plan = jobs.plan();
    let mut seats: Vec<Seat> = (0..plan.workers).map(|_| Seat::default()).collect();
    let mut suspended = None;
    let (sender, mut logs) = mpsc::unbounded_channel();
    let patience = Duration::from_secs(plan.patience);
    let begin_by = Instant::now() + patience;
    let mut end_by = Instant::now() + Duration::from_secs(plan.deadline()) + LAST_WORDS;
    let config = watcher::Config::default().labels(&plan.selector());
    let mut changes = std::pin::pin!(watcher(jobs.pods(), config).default_backoff());
    while seats.iter().any(|seat| seat.said.is_none()) {
        let all_begun = seats.iter().all(|seat| seat.begun || seat.said.is_some());
        tokio::select! {
            Some(change) = changes.next() => match change {
                Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                    if let Some((index, seat)) = seat_of(&mut seats, &pod) {
                        seat.look(&pod);
                        seat.read(jobs.pods(), index, &pod, &sender);
                    }
                }
                Ok(watcher::Event::Delete(pod)) => {
                    if let Some((_, seat)) = seat_of(&mut seats, &pod) {
                        seat.look(&pod);
                        seat.is_gone();
                    }
                }
                Ok(watcher::Event::Init | watcher::Event::InitDone) => {}
                Err(error) => match refusal(&error) {
                    Some(error) => return Err(jobs.failed("list and watch", "", "pods", error)),
                    None => heard.waiting(&shown(&innermost(&error))),
                },
            },
            Some(Read { index, pod, text }) = logs.recv() => {
                if let Err(error) = &text && is_refusal(error) {
                    return Err(jobs.failed("get", "", "pods/log", error));
                }
                let seat = &mut seats[index as usize];
                let text = text.map_err(|error| format!("its log could not be read: {}", shown(&innermost(&error))));
                seat.hear(text, plan.share(index));
                seat.read_again(jobs.pods(), index, &pod, &sender);
                if let Some(Ok(Document { stopped: Some(sign), .. })) = &seat.said
                    && suspended.is_none()
                {
                    let why = format!("worker {index} met {}", shown(sign));
                    jobs.suspend(true).await?;
                    heard.note(&format!("  suspended: {why}; no further login is begun"));
                    suspended = Some(why);
                    end_by = end_by.min(Instant::now() + LAST_WORDS);
                    for seat in seats.iter_mut().filter(|seat| !seat.begun) {
                        seat.gives_up("it was not begun before the Job was suspended");
                    }
                }
            }
            () = sleep_until(begin_by), if !all_begun => {
                for seat in seats.iter_mut().filter(|seat| !seat.begun) {
                    let seen = seat.seen.take().unwrap_or_else(|| "no pod was made for it".to_owned());
                    seat.gives_up(&format!("it did not begin within {}: {seen}", duration(patience)));
                }
            }
            () = sleep_until(end_by) => {
                for seat in &mut seats {
                    let how = seat.ended.take().unwrap_or_else(|| "it had not ended in time".to_owned());
                    seat.gives_up(&how);
                }
            }
        }
        let begun = seats.iter().filter(|seat| seat.begun).count();
        let told = seats.iter().filter(|seat| matches!(seat.said, Some(Ok(_)))).count();
        let count = format!("{begun} of {} workers have begun, {told} reported", plan.workers);
        match seats.iter().find(|seat| !seat.begun && seat.said.is_none()).and_then(|seat| seat.seen.as_ref())
        {
            Some(seen) => heard.waiting(&format!("{count}; {seen}")),
            None => heard.doing(&count),
        }
    }
    let worker = |(index, seat): (usize, Seat)| Worker {
        index: index as u32,
        said: seat.said.unwrap_or_else(|| Err("nothing is known of it".to_owned())),
    };
    Ok(Followed { workers: seats.into_iter().enumerate().map(worker).collect(), suspended })
}

fn seat_of<'a>(seats: &'a mut [Seat], pod: &Pod) -> Option<(u32, &'a mut Seat)> {
    let of =
        |map: &Option<std::collections::BTreeMap<String, String>>| map.as_ref()?.get(INDEX)?.parse().ok();
    let index: u32 = of(&pod.metadata.labels).or_else(|| of(&pod.metadata.annotations))?;
    seats.get_mut(index as usize).map(|seat| (index, seat))
}

impl Seat {
    /// Takes in what a pod's status says.
    fn look(&mut self, pod: &Pod) {
        self.seen = Some(shown(&pod_state(pod)));
        let Some(status) = &pod.status else { return };
        let container = status.container_statuses.iter().flatten().find(|it| it.name == CONTAINER);
        let state = container.and_then(|it| it.state.as_ref());
        if let Some(ended) = state.and_then(|it| it.terminated.as_ref()) {
            self.begun = true;
            self.ended = Some(how(ended));
        } else if state.is_some_and(|it| it.running.is_some()) {
            self.begun = true;
        } else if status.phase.as_deref() == Some("Failed") {
            let reason = status.reason.as_deref().unwrap_or("Failed");
            let words =
                status.message.as_deref().map_or(String::new(), |words| format!(": {}", shown(words)));
            self.gives_up(&format!("its pod ended as {}{words}", shown(reason)));
        }
        let waiting = state.and_then(|it| it.waiting.as_ref()?.reason.as_deref());
        if waiting.is_some_and(|reason| HOPELESS.contains(&reason)) {
            let seen = self.seen.clone().unwrap_or_default();
            self.gives_up(&format!("it cannot begin: {seen}"));
        }
    }

    /// Nothing more is to be expected of it.
    fn gives_up(&mut self, why: &str) {
        let log = match &self.log {
            Log::Wanting(log) => format!("; {log}"),
            _ => String::new(),
        };
        self.said.get_or_insert_with(|| Err(format!("{why}{log}")));
    }

    /// Its pod is no more.
    fn is_gone(&mut self) {
        self.ended.get_or_insert_with(|| "its pod was removed".to_owned());
        // What is on its way from its log is still to come.
        if !matches!(self.log, Log::Followed | Log::ReadAgain(_)) {
            let how = self.ended.clone().unwrap_or_default();
            self.gives_up(&how);
        }
    }

    /// Begins to read its log, once there is one.
    fn read(&mut self, pods: Api<Pod>, index: u32, pod: &Pod, sender: &mpsc::UnboundedSender<Read>) {
        let Some(name) = pod.metadata.name.clone().filter(|_| self.begun && self.said.is_none()) else {
            return;
        };
        match self.log {
            Log::Untouched => {
                self.log = Log::Followed;
                tokio::spawn(read(pods, index, name, true, sender.clone()));
            }
            Log::Wanting(_) => self.read_again(pods, index, &name, sender),
            Log::Followed | Log::ReadAgain(_) => {}
        }
    }

    /// Reads it once more when its pod has ended: a connection may have been cut off, and not the log.
    fn read_again(&mut self, pods: Api<Pod>, index: u32, name: &str, sender: &mpsc::UnboundedSender<Read>) {
        if let (None, Some(_), Log::Wanting(why)) = (&self.said, &self.ended, &self.log) {
            self.log = Log::ReadAgain(why.clone());
            tokio::spawn(read(pods, index, name.to_owned(), false, sender.clone()));
        }
    }

    /// Takes in a log, if it could be read.
    fn hear(&mut self, text: Result<String, String>, share: u32) {
        let unread = text.is_err();
        match (text.and_then(|text| Document::of(&text, share)), std::mem::take(&mut self.log)) {
            (Ok(document), _) => self.said = Some(Ok(document)),
            (Err(why), Log::ReadAgain(before)) => {
                // What the first reading found of a log says more than that it is gone by now.
                self.log = Log::Wanting(if unread { before } else { why });
                let how = self.ended.clone().unwrap_or_default();
                self.gives_up(&how);
            }
            (Err(why), _) => self.log = Log::Wanting(why),
        }
    }
}

/// How a container ended.
fn how(ended: &ContainerStateTerminated) -> String {
    let code = ended.exit_code;
    match ended.reason.as_deref() {
        Some("OOMKilled") => "it was killed for want of memory (OOMKilled)".to_owned(),
        _ if code > 128 => format!("it was killed (exit {code})"),
        Some(reason @ ("StartError" | "ContainerCannotRun")) => {
            let words = ended.message.as_deref().map_or(String::new(), |words| format!(": {}", shown(words)));
            format!("it could not be started ({reason}){words}")
        }
        _ => format!("it ended with exit {code}"),
    }
}

/// Reads a log to its end.
async fn read(pods: Api<Pod>, index: u32, pod: String, follow: bool, sender: mpsc::UnboundedSender<Read>) {
    let parameters = LogParams { container: Some(CONTAINER.to_owned()), follow, ..LogParams::default() };
    let text = match pods.log_stream(&pod, &parameters).await {
        Ok(stream) => {
            let mut bytes = vec![];
            // Of a log that is cut off, what came.
            let _ = Box::pin(stream).take(LOG).read_to_end(&mut bytes).await;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        Err(error) => Err(error),
    };
    // Nobody waits for it any more.
    drop(sender.send(Read { index, pod, text }));
}
