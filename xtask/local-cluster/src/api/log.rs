//! `pods/NAME/log`.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::logs::{LogKey, LogReader};
use crate::serve::Response;

use super::Call;
use super::query::Query;
use super::reply;
use super::status::{Cause, Refusal};

/// How much is read from a log at a time.
const PIECE: usize = 64 * 1024;

/// What a reader of logs asks for.
struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    tail: Option<usize>,
    limit: Option<usize>,
}

impl Options {
    fn parse(query: &Query, pod: &str) -> Result<Self, Refusal> {
        let mut causes = vec![];
        let mut least = |name: &str, number: Option<i64>, least: i64, why: &str| -> Option<usize> {
            let number = number?;
            if number < least {
                causes.push(Cause {
                    reason: "FieldValueInvalid",
                    field: name.into(),
                    message: format!("Invalid value: {number}: {why}"),
                });
            }
            usize::try_from(number).ok()
        };
        let tail = least("tailLines", query.number("tailLines")?, 0, "must be greater than or equal to 0");
        let limit = least("limitBytes", query.number("limitBytes")?, 1, "must be greater than 0");
        let seconds = query.number("sinceSeconds")?;
        least("sinceSeconds", seconds, 1, "must be greater than 0");
        let time = match query.text("sinceTime") {
            "" => None,
            text => Some(text.parse::<Timestamp>().map_err(|_| {
                Refusal::bad_request(format!(
                    "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""
                ))
            })?),
        };
        if seconds.is_some() && time.is_some() {
            causes.push(Cause {
                reason: "FieldValueForbidden",
                field: "[]".into(),
                message: "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified".into(),
            });
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid("", "PodLogOptions", pod, &causes));
        }
        let ago = |seconds: i64| {
            let seconds = seconds.min(100 * 366 * 24 * 3600);
            Timestamp::now().checked_sub(seconds.seconds()).unwrap_or(Timestamp::MIN)
        };
        Ok(Self {
            follow: query.flag("follow").unwrap_or_default(),
            previous: query.flag("previous").unwrap_or_default(),
            timestamps: query.flag("timestamps").unwrap_or_default(),
            since: time.or(seconds.map(ago)),
            tail,
            limit,
        })
    }
}

/// GET of a log.
pub async fn read(call: &Call<'_>) -> Result<Response, Refusal> {
    let namespace = call.target.namespace.as_deref().unwrap_or_default();
    let name = call.target.name.as_deref().unwrap_or_default();
    let options = Options::parse(&call.query, name)?;
    let pod = call
        .api
        .store
        .get(&call.kind.key(Some(namespace), name))
        .ok_or_else(|| Refusal::not_found(&call.kind.resource, name))?;
    let container = container(&pod, name, call.query.text("container"))?;
    let status = pod["status"]["containerStatuses"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == container.as_str()));
    let restarts = status.and_then(|it| it["restartCount"].as_u64()).unwrap_or_default();
    let missing = || {
        Refusal::bad_request(format!("previous terminated container {container:?} in pod {name:?} not found"))
    };
    let previous = options.previous;
    let run = if previous { restarts.checked_sub(1).ok_or_else(missing)? } else { restarts };
    let key = LogKey {
        namespace: namespace.into(),
        pod: name.into(),
        container: container.clone(),
        restart: u32::try_from(run).unwrap_or(u32::MAX),
    };
    let logs = call.api.logs.clone();
    let opened = aside(move || {
        let reader = logs.open(&key)?;
        let mut tailing = Tailing { reader, options, pending: VecDeque::new() };
        tailing.skip_to_tail();
        Some(tailing)
    });
    let Some(tailing) = opened.await.flatten() else {
        if previous {
            return Err(missing());
        }
        let waiting = status.and_then(|it| it["state"]["waiting"]["reason"].as_str());
        return Err(Refusal::bad_request(format!(
            "container {container:?} in pod {name:?} is waiting to start: {}",
            waiting.unwrap_or("ContainerCreating")
        )));
    };
    let pieces = stream::unfold(tailing, Tailing::next);
    Ok(reply::respond(StatusCode::OK, "text/plain", reply::stream(pieces)))
}

/// Works on files away from the runtime, whose threads are for those who wait for
/// nothing. `None` if that panics.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// The container that is asked for, or the only one.
fn container(pod: &Value, name: &str, asked: &str) -> Result<String, Refusal> {
    let names = |list: &str| -> Vec<String> {
        let all = pod["spec"][list].as_array().into_iter().flatten();
        all.filter_map(|it| it["name"].as_str().map(Into::into)).collect()
    };
    let (own, init) = (names("containers"), names("initContainers"));
    if asked.is_empty() {
        return match own.as_slice() {
            [only] if init.is_empty() => Ok(only.clone()),
            _ => {
                let mut choice = format!("choose one of: [{}]", own.join(" "));
                if !init.is_empty() {
                    choice += &format!(" or one of the init containers: [{}]", init.join(" "));
                }
                Err(Refusal::bad_request(format!(
                    "a container name must be specified for pod {name}, {choice}"
                )))
            }
        };
    }
    if own.iter().chain(&init).any(|it| it == asked) {
        return Ok(asked.to_owned());
    }
    Err(Refusal::bad_request(format!("container {asked} is not valid for pod {name}")))
}

/// A log being read.
struct Tailing {
    reader: LogReader,
    options: Options,
    pending: VecDeque<String>,
}

impl Tailing {
    /// The next line that is wanted, if it is written already.
    fn line(&mut self) -> Option<String> {
        loop {
            let line = self.reader.line()?;
            let (time, text) = line.split_once(' ').unwrap_or((&line, ""));
            if let Some(since) = self.options.since
                && time.parse::<Timestamp>().is_ok_and(|time| time < since)
            {
                continue;
            }
            let mut line = if self.options.timestamps { line } else { text.to_owned() };
            line.push('\n');
            return Some(line);
        }
    }

    fn skip_to_tail(&mut self) {
        let Some(tail) = self.options.tail else { return };
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
        if self.options.limit == Some(0) {
            return None;
        }
        let mut ended = !self.options.follow;
        loop {
            let piece;
            (piece, self) = aside(move || (self.piece(), self)).await?;
            if !piece.is_empty() {
                let mut piece = Bytes::from(piece);
                if let Some(left) = self.options.limit {
                    piece.truncate(left);
                    self.options.limit = Some(left - piece.len());
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
