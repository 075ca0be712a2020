//! `probe watch`: a line that rolls on a terminal, a line for each change, and one document at the end.

use std::io::{self, Write};

use base::terminal::{Surroundings, print};
use base::{Exit, duration};
use jiff::Timestamp;
use probe::Options;
use probe::watch::{self, End, Seen, Watched, moment};
use serde::Serialize;

use crate::cli::{Format, Watch};
use crate::screen::complain;

/// Watches until it ends; gives the exit code.
pub(crate) async fn run(args: &Watch, options: &Options, interrupt: impl Future<Output = ()>) -> Exit {
    let mut screen = Screen {
        json: args.format == Format::Json,
        quiet: args.quiet,
        rolls: !args.quiet && Surroundings::here().stderr.live,
    };
    let watch = watch::Watch { interval: args.interval, until: args.until, limit: args.for_ };
    let watched = watch::watch(options, &watch, &mut |seen| screen.show(&seen), interrupt).await;
    let exit = match watched.end {
        End::Reached => Exit::Done,
        End::Interrupted => Exit::Interrupted,
        End::Limit if watch.until.is_none() && watched.logins.all_passed() => Exit::Done,
        End::Limit | End::PasswordRefused => Exit::Verdict,
    };
    screen.conclude(&watched, args, exit.code());
    exit
}

struct Screen {
    json: bool,
    quiet: bool,
    /// Whether standard error is a terminal whose last line can be written over.
    rolls: bool,
}

impl Screen {
    fn show(&mut self, seen: &Seen<'_>) {
        if self.quiet {
            return;
        }
        if let Some(change) = seen.change {
            self.clear();
            self.say(&format!("{} {}", moment(change.at), change.words));
        }
        if let Some(pause) = seen.pause {
            self.clear();
            self.say(&format!(
                "{} no login for {}, as that answer asks",
                moment(Timestamp::now()),
                duration(pause)
            ));
        }
        if self.rolls {
            let line = format!("{} {} logins, the last one ", moment(Timestamp::now()), seen.count);
            let outcome = probe::Outcome::of(seen.login);
            let took = seen.login.time.as_secs_f64() * 1000.0;
            // Nothing is lost if the terminal is gone.
            let _ = write!(io::stderr(), "\r\u{1b}[K{line}{outcome} ({took:.0} ms)");
        }
    }

    fn clear(&self) {
        if self.rolls {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }

    fn conclude(&self, watched: &Watched, args: &Watch, code: u8) {
        self.clear();
        let last = watched.outcome.map_or("none ended", |outcome| outcome.name());
        let (ok, total) = (watched.logins.ok, watched.logins.total);
        let counts = format!("{ok} of {total} {} passed", if total == 1 { "login" } else { "logins" });
        if !(self.json && self.quiet) {
            self.say(&format!("{}: {counts}, the last one: {last}", sentence(watched.end, args)));
        }
        if self.json {
            #[derive(Serialize)]
            struct Document<'a> {
                #[serde(flatten)]
                watched: &'a Watched,
                until: Option<&'static str>,
                exit: u8,
            }
            let until = args.until.map(probe::Outcome::name);
            if let Ok(document) = serde_json::to_string_pretty(&Document { watched, until, exit: code }) {
                print(&document);
            }
        }
    }

    /// For people: on standard output, or beside the document.
    fn say(&self, text: &str) {
        match self.json {
            true => complain(text),
            false => print(&Surroundings::here().stdout.fit(text)),
        }
    }
}

fn sentence(end: End, args: &Watch) -> String {
    let limit = args.for_.map_or_else(String::new, duration);
    match (end, args.until) {
        (End::Reached, _) => "it came".to_owned(),
        (End::Interrupted, _) => "interrupted".to_owned(),
        (End::Limit, Some(until)) => format!("not {until} within {limit}"),
        (End::Limit, None) => format!("watched for {limit}"),
        (End::PasswordRefused, _) => {
            "the provider refuses user name and password, or has locked the account: none is sent again, so that \
             nobody's account is locked by it; correct them and begin anew"
                .to_owned()
        }
    }
}
