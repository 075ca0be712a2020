//! `test --watch`: one login after another into the lab, by the probe's own engine. What is done to the lab meanwhile, by
//! another run, shows as changes.

use std::time::Duration;

use probe::watch::{self, End, Seen, Watch, moment};
use probe::{Outcome, Verdict};
use serde_json::json;

use crate::login;
use crate::record::GoalRecord;
use crate::session::Session;
use base::{Error, Exit, Result, duration};

/// From one login to the next. Nobody's account is locked by it: the lab's own user has none of a company's rules.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches until what is expected comes, or `--wait` is over.
///
/// # Errors
/// No lab is up.
pub async fn run(session: &Session, record: &mut GoalRecord) -> Result<Exit> {
    let until = match session.options.expect {
        None => None,
        Some(Verdict::LoggedIn) => Some(Outcome::LoggedIn),
        Some(Verdict::Refused) => Some(Outcome::Refused),
        Some(Verdict::Mixed | Verdict::Unreachable) => {
            return Err(Error::usage(
                "one login after another is never mixed: --watch has no --expect mixed",
            ));
        }
    };
    let mut options = login::options(session).await?;
    // A restart is what is watched for.
    options.startup_grace = Duration::ZERO;
    let limit = session.options.wait;
    let console = &session.console;
    let running = console.step("logins", "watches");
    let mut traces = vec![];
    let mut observer = |seen: Seen<'_>| {
        if let Some(change) = seen.change {
            if session.options.report.is_some() && traces.len() < probe::MOST_SHOWN {
                traces.push(json!(seen.login));
            }
            console.result(&format!("{} {}", moment(change.at), change.words));
        }
        running.doing(&format!("{} logins, the last one {}", seen.count, Outcome::of(seen.login)));
    };
    let watch = Watch { interval: INTERVAL, until, limit };
    let watched = watch::watch(&options, &watch, &mut observer, std::future::pending()).await;
    record.shown.extend((!traces.is_empty()).then(|| ("traces".to_owned(), traces.into())));
    let logins = watched.logins;
    running.done(&format!("{} of {} logins passed", logins.ok, logins.total));
    record.say(&watched);
    let time = limit.map_or_else(String::new, duration);
    match (watched.end, until) {
        (End::Reached, _) => return Ok(Exit::Done),
        (End::PasswordRefused, _) => {
            console.result("the lab's provider refuses its own user, and is not asked again")
        }
        (_, Some(until)) => console.result(&format!("not {until} within {time}")),
        (_, None) if logins.all_passed() => return Ok(Exit::Done),
        (_, None) => {
            console.result(&format!("{} of {} logins failed in {time}", logins.failed, logins.total))
        }
    }
    Ok(Exit::Verdict)
}
