//! What is said of a series of logins: to people while it goes on and at its end, and in the one document.

use probe::table::Style;
use probe::{Event, Point, Report, Verdict, summary, table};
use serde::Serialize;

use crate::baseline::Baseline;
use crate::cli::{Format, Series};
use crate::live::Live;
use base::terminal::{self, Surroundings, print};

/// What there is to say beside the report.
#[derive(Serialize)]
pub(crate) struct Outcome {
    #[serde(rename = "exit")]
    pub(crate) code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<Baseline>,
    #[serde(skip)]
    pub(crate) held: Option<String>,
    /// What could not be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The document of `--format json`.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    expected: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Vec<Point>>,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl Outcome {
    pub(crate) fn document<'a>(&'a self, report: &'a Report, cli: &Series) -> Document<'a> {
        let series = cli.series.then(|| report.series());
        Document { report, expected: cli.expect, series, outcome: self }
    }
}

/// Everything that is said to people: on standard output for text, beside the document for JSON.
pub(crate) struct Screen {
    json: bool,
    quiet: bool,
    verbose: bool,
    answers: bool,
    style: Style,
    pub(crate) results: terminal::Screen,
    /// Where standard error is a terminal that can be drawn over.
    pub(crate) live: Option<Live>,
}

impl Screen {
    pub(crate) fn new(cli: &Series) -> Self {
        let json = cli.format == Format::Json;
        let Surroundings { stdout, stderr } = Surroundings::here();
        let results = if json { stderr } else { stdout };
        Self {
            json,
            quiet: cli.quiet,
            verbose: cli.verbose > 0,
            answers: cli.verbose > 1,
            style: results.into(),
            results,
            live: (stderr.live && !cli.quiet).then(|| Live::new(stderr, cli.logins)),
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        self.say_of(event);
        if let Some(live) = &mut self.live {
            live.hear(event);
        }
    }

    fn say_of(&mut self, event: &Event) {
        match event {
            Event::Waiting { step, reason, limit, .. } if !self.quiet => {
                self.clear();
                let limit = limit.as_secs_f64();
                let who = if step.is_argocds() { "Argo CD" } else { "the provider" };
                complain(&format!("{who} is not answering ({step}: {reason}); waiting up to {limit} s"));
            }
            Event::Answering { waited } if !self.quiet => {
                self.clear();
                complain(&format!("it answers again after {:.1} s", waited.as_secs_f64()));
            }
            Event::Finished(login) if self.verbose => {
                self.clear();
                self.say(&format!("login {}\n{}", login.number, table::render(login, self.style)));
                self.say("");
                if self.answers {
                    self.say(table::answers(login).trim_end());
                }
            }
            _ => {}
        }
    }

    fn clear(&mut self) {
        if let Some(live) = &mut self.live {
            live.clear();
        }
    }

    pub(crate) fn conclude(&mut self, report: &Report, cli: &Series, outcome: &Outcome) {
        self.clear();
        if self.quiet {
            if !self.json {
                self.say(&summary::headline(report));
            }
        } else {
            if let (false, Some(login)) = (self.verbose, report.example()) {
                self.say(&table::render(login, self.style));
                self.say("");
            }
            self.say(summary::render(report, self.style).trim_end());
            if let Some(line) = &outcome.held {
                self.say(line);
            }
            if let Some(sign) = outcome.stopped {
                self.say(&format!("  stopped: another login could lock the account after {sign}"));
            }
            if cli.expect != report.verdict && cli.expect != Verdict::LoggedIn {
                self.say(&format!("  expected {}", cli.expect));
            }
        }
        if self.json {
            match serde_json::to_string_pretty(&outcome.document(report, cli)) {
                Ok(document) => print(&document),
                Err(error) => complain(&format!("error: the report could not be written: {error}")),
            }
        }
    }

    fn say(&self, text: &str) {
        match self.json {
            true => complain(text),
            false => print(&self.results.fit(text)),
        }
    }
}

/// Says something to a person, on standard error.
pub(crate) fn complain(text: &str) {
    terminal::complain(&Surroundings::here().stderr.fit(text));
}
