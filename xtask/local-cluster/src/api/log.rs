//! `pods/NAME/log`.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::logs::{LogKey, LogReader};
use crate::serve::Response;
use crate::store::object::{self, items, text};

use super::call::Call;
use super::query::{Query, unreadable};
use super::reply;
use super::status::Refusal;

/// How much is read from a log at a time.
const PIECE: usize = 64 * 1024;

/// GET of a log.
pub async fn read(call: &Call<'_>) -> Result<Response, Refusal> {
    let (name, query) = (call.name(), &call.query);
    let (follow, previous, timestamps) =
        (query.flag("follow"), query.flag("previous"), query.flag("timestamps"));
    let (since, tail, limit) = (since(query)?, query.number("tailLines")?, query.number("limitBytes")?);
    let pod = call.found()?;
    let container = container(&pod, name, query.text("container"))?;
    let status = items(&pod["status"]["containerStatuses"]).find(|it| it["name"] == container.as_str());
    let status = status.unwrap_or(&Value::Null);
    let restarts = status["restartCount"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
    let key = restarts.checked_sub(previous.into()).map(|restart| LogKey {
        namespace: object::namespace(&pod).into(),
        pod: name.into(),
        container: container.clone(),
        restart,
    });
    let logs = call.api.logs.clone();
    let opened = aside(move || {
        let (reader, pending) = (logs.open(&key?)?, VecDeque::new());
        let mut tailing = Tailing { reader, follow, timestamps, since, limit, pending };
        if let Some(tail) = tail {
            tailing.skip_to(tail);
        }
        Some(tailing)
    });
    if let Some(tailing) = opened.await.flatten() {
        let pieces = stream::unfold(tailing, Tailing::next);
        return Ok(reply::respond(StatusCode::OK, "text/plain", reply::stream(pieces)));
    }
    let waiting = status["state"]["waiting"]["reason"].as_str().unwrap_or("ContainerCreating");
    Err(Refusal::bad_request(match previous {
        true => format!("previous terminated container {container:?} in pod {name:?} not found"),
        false => format!("container {container:?} in pod {name:?} is waiting to start: {waiting}"),
    }))
}

/// The time from which on lines are wanted.
fn since(query: &Query) -> Result<Option<Timestamp>, Refusal> {
    match query.text("sinceTime") {
        "" => {
            let ago = |seconds: u32| Timestamp::now().checked_sub(i64::from(seconds).seconds());
            Ok(query.number("sinceSeconds")?.and_then(|seconds| ago(seconds).ok()))
        }
        text => text.parse().map(Some).map_err(|_| unreadable("sinceTime", text)),
    }
}

/// Works on files away from the runtime, whose threads are for those who wait for
/// nothing. `None` if that panics.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// The container that is asked for, or the only one.
fn container(pod: &Value, name: &str, asked: &str) -> Result<String, Refusal> {
    let names: Vec<&str> = items(&pod["spec"]["containers"]).map(|it| text(&it["name"])).collect();
    match (asked, names.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", _) => Err(Refusal::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
        _ if names.contains(&asked) => Ok(asked.to_owned()),
        _ => Err(Refusal::bad_request(format!("container {asked} is not valid for pod {name}"))),
    }
}

/// A log being read.
struct Tailing {
    reader: LogReader,
    follow: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    /// How many bytes are still wanted, if not all.
    limit: Option<usize>,
    pending: VecDeque<String>,
}

impl Tailing {
    /// The next line that is wanted, if it is written already.
    fn line(&mut self) -> Option<String> {
        loop {
            let line = self.reader.line()?;
            let (time, text) = line.split_once(' ').unwrap_or((&line, ""));
            if let Some(since) = self.since
                && time.parse::<Timestamp>().is_ok_and(|time| time < since)
            {
                continue;
            }
            let mut line = if self.timestamps { line } else { text.to_owned() };
            line.push('\n');
            return Some(line);
        }
    }

    fn skip_to(&mut self, tail: usize) {
        while let Some(line) = self.line() {
            self.pending.push_back(line);
            if self.pending.len() > tail {
                self.pending.pop_front();
            }
        }
    }

    /// What is written by now and wanted; empty if there is nothing.
    fn piece(&mut self) -> String {
        let mut piece = String::new();
        while piece.len() < PIECE
            && let Some(line) = self.pending.pop_front().or_else(|| self.line())
        {
            piece.push_str(&line);
        }
        piece
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.limit == Some(0) {
            return None;
        }
        let mut ended = !self.follow;
        loop {
            let piece;
            (piece, self) = aside(move || (self.piece(), self)).await?;
            if !piece.is_empty() {
                let mut piece = Bytes::from(piece);
                if let Some(left) = self.limit {
                    piece.truncate(left);
                    self.limit = Some(left - piece.len());
                }
                return Some((piece, self));
            }
            if ended {
                return None;
            }
            // What was written before the end is still to be read.
            ended = !self.reader.more().await;
        }
    }
}
