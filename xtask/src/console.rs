//! The one owner of stdout, stderr and every progress bar.
//!
//! What a goal found goes to stdout, what happens meanwhile to stderr. With
//! `--format json` stdout carries one document and nothing else.

use std::io;
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use base::progress::{Listener, SLOW};
pub use base::terminal::Surroundings;
use base::terminal::{Screen, complain, github, print};
use base::{Error, duration};
use toolbox::download::{Progress, part};

/// How much is to be said, and to whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// One document on stdout; all else is for people, on stderr.
    pub json: bool,
    /// Only what a goal found.
    pub quiet: bool,
    /// 1: each exchange; 2: everything.
    pub verbose: u8,
}

/// Writes for a person or for a program.
pub struct Console {
    surroundings: Surroundings,
    wanted: Wanted,
    silent: bool,
    bars: MultiProgress,
    /// The document was written, or is being written.
    documented: AtomicBool,
    /// Lines are being written that GitHub folds.
    grouped: AtomicBool,
}

impl Console {
    /// A console as it is wanted.
    pub fn new(wanted: Wanted, surroundings: Surroundings) -> Self {
        let animated = surroundings.stderr.live && !wanted.quiet;
        let target = if animated { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            surroundings,
            wanted,
            silent: false,
            bars: MultiProgress::with_draw_target(target),
            documented: AtomicBool::new(false),
            grouped: AtomicBool::new(false),
        }
    }

    /// A console that says nothing, for labs whose outcome somebody else shows.
    pub fn silent() -> Self {
        let wanted = Wanted { quiet: true, ..Wanted::default() };
        Self { silent: true, ..Self::new(wanted, Surroundings::default()) }
    }

    /// Whether what happens is shown at this level: 1 each exchange, 2 everything.
    pub fn shows(&self, level: u8) -> bool {
        self.wanted.verbose >= level
    }

    /// Where results are read by a person.
    pub fn results(&self) -> Screen {
        if self.wanted.json { self.surroundings.stderr } else { self.surroundings.stdout }
    }

    /// Where everything else is.
    pub fn notes(&self) -> Screen {
        self.surroundings.stderr
    }

    /// Whether somebody sees what is drawn over.
    pub fn is_live(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// What a goal found, in the colour of what is as it should be or of what is not. Also with `--quiet`.
    pub fn judged(&self, good: bool, text: &str) {
        self.result(&paint(self.results().colours, good, text));
    }

    /// What begins; GitHub folds the lines from here to the next result.
    pub fn heading(&self, text: &str) {
        if self.wanted.quiet {
            return;
        }
        self.end_group();
        let screen = self.surroundings.stderr;
        if screen.github && !self.silent {
            self.grouped.store(true, Ordering::Release);
            return self.raw(&github::group(text));
        }
        self.err(&match screen.colours {
            true => format!("\u{1b}[1m{text}\u{1b}[0m"),
            false => text.to_owned(),
        });
    }

    /// What GitHub shows at the top of a run: lines that are commands to it.
    pub fn annotate(&self, commands: &str) {
        if self.surroundings.stderr.github && !self.silent && !commands.is_empty() {
            self.end_group();
            self.raw(commands);
        }
    }

    /// Whether GitHub runs this.
    pub fn is_githubs(&self) -> bool {
        self.surroundings.stderr.github
    }

    fn end_group(&self) {
        if self.grouped.swap(false, Ordering::AcqRel) {
            self.raw(github::END_GROUP);
        }
    }

    /// A line about what happens; not with `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.wanted.quiet {
            self.err(text);
        }
    }

    /// A line about details, shown with `-v` (level 1) or `-vv` (level 2).
    pub fn detail(&self, level: u8, text: &str) {
        if self.shows(level) {
            self.err(text);
        }
    }

    /// What a goal found. Also with `--quiet`.
    pub fn result(&self, text: &str) {
        self.end_group();
        if self.wanted.json || self.silent {
            self.err(text);
        } else {
            let text = self.surroundings.stdout.fit(text);
            self.bars.suspend(|| print(&text));
        }
    }

    /// A result that another program reads, and that stays as it is.
    pub fn verbatim(&self, text: &str) {
        self.end_group();
        match self.wanted.json || self.silent {
            true => self.err(text),
            false => self.bars.suspend(|| print(text)),
        }
    }

    /// More about what a goal found; not with `--quiet`.
    pub fn explain(&self, text: &str) {
        if !self.wanted.quiet {
            self.result(text);
        }
    }

    /// The one document of `--format json`: whoever comes first writes it.
    pub fn document(&self, document: &Value) {
        self.end_group();
        if self.wanted.json && !self.documented.swap(true, Ordering::AcqRel) {
            Self::write(document);
        }
    }

    /// Writes a document to stdout, also where the command line that asks for one is wrong.
    pub fn write(document: &Value) {
        print(&format!("{document:#}"));
    }

    /// Where the output of another program belongs: to that of results, as [`Console::result`] has it.
    pub fn results_of_others(&self) -> io::Result<Stdio> {
        if self.wanted.json {
            io::stderr().as_fd().try_clone_to_owned().map(Stdio::from)
        } else {
            Ok(Stdio::inherit())
        }
    }

    /// An error: one sentence.
    pub fn error(&self, error: &Error) {
        self.end_group();
        self.err(&format!("{} {error}", paint(self.surroundings.stderr.colours, false, "error:")));
        self.annotate(&github::error(None, "cargo xtask", &error.to_string()));
    }

    fn err(&self, text: &str) {
        self.raw(&self.surroundings.stderr.fit(text));
    }

    fn raw(&self, text: &str) {
        if !self.silent {
            self.bars.suspend(|| complain(text));
        }
    }

    /// Shows that a step runs, until [`Running::done`].
    pub fn step(&self, name: &str, doing: &str) -> Running<'_> {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if !self.bars.is_hidden() {
            let style = ProgressStyle::with_template("  {spinner} {prefix:<20} {elapsed:>4} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(match self.surroundings.stderr.unicode {
                true => style,
                false => style.tick_chars("|/-\\ "),
            });
            bar.set_prefix(name.to_owned());
            bar.set_message(self.drawn(doing, BEFORE));
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Running {
            console: self,
            bar,
            below: Mutex::default(),
            name: name.to_owned(),
            since: Instant::now(),
            waited_for: Mutex::default(),
        }
    }

    /// A text that is drawn over, behind so many columns: on one line whatever is in it.
    fn drawn(&self, text: &str, before: usize) -> String {
        let screen = self.surroundings.stderr;
        let width = screen.width.map(|width| width.saturating_sub(before).max(8));
        Screen { width, ..screen }.cut(text)
    }
}

/// The columns of a step's line before what it does.
const BEFORE: usize = 30;

/// A step that runs.
pub struct Running<'a> {
    console: &'a Console,
    bar: ProgressBar,
    below: Mutex<Vec<ProgressBar>>,
    name: String,
    since: Instant,
    waited_for: Mutex<WaitedFor>,
}

/// What a step was last said to wait for, and when.
#[derive(Debug, Default)]
struct WaitedFor {
    text: String,
    at: Option<Instant>,
}

/// The longest line about what is waited for.
const LINE: usize = 160;

impl WaitedFor {
    /// The line to say now, if there is something new, and the last one was long ago.
    fn line(&mut self, text: &str, now: Instant) -> Option<String> {
        if self.text == text || self.at.is_some_and(|at| now.duration_since(at) < SLOW) {
            return None;
        }
        text.clone_into(&mut self.text);
        self.at = Some(now);
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Some(match plain.chars().count() > LINE {
            true => plain.chars().take(LINE - 1).chain(['…']).collect(),
            false => plain,
        })
    }
}

impl Running<'_> {
    /// What the step is waiting for now.
    pub fn doing(&self, text: &str) {
        self.bar.set_message(self.console.drawn(text, BEFORE));
    }

    /// Lines below the step's own, which are drawn over until it ends.
    pub fn below(&self, lines: &[String]) {
        let Ok(mut bars) = self.below.lock() else { return };
        for (at, line) in lines.iter().enumerate() {
            if bars.len() == at {
                let after = bars.last().unwrap_or(&self.bar);
                let bar = self.console.bars.insert_after(after, ProgressBar::new_spinner());
                bar.set_style(
                    ProgressStyle::with_template("  {msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner()),
                );
                bars.push(bar);
            }
            bars[at].set_message(self.console.drawn(line, 2));
        }
    }

    fn clear(&self) {
        for bar in self.below.lock().iter_mut().flat_map(|bars| bars.drain(..)) {
            bar.finish_and_clear();
        }
        self.bar.finish_and_clear();
    }

    /// What a step that takes long waits for now: in its bar, and where there is none, as
    /// in CI, on a line of its own when it changes, and not often.
    pub fn waiting(&self, text: &str) {
        self.doing(text);
        let slow = self.since.elapsed() >= SLOW;
        let Ok(mut waited_for) = self.waited_for.lock() else { return };
        if slow
            && self.console.bars.is_hidden()
            && let Some(text) = waited_for.line(text, Instant::now())
        {
            self.console.note(&format!(
                "  {:<20} {:>8}  waiting: {text}",
                self.name,
                duration(self.since.elapsed())
            ));
        }
    }

    /// The step has ended.
    pub fn done(self, outcome: &str) {
        let time = duration(self.since.elapsed());
        self.clear();
        self.console.note(&format!("  {:<20} {time:>8}  {outcome}", self.name));
    }
}

/// A download in the line of its step.
impl Progress for Running<'_> {
    fn at(&self, what: &str, bytes: u64, total: Option<u64>) {
        self.doing(&format!("{what}: {}", part(bytes, total)));
    }

    fn note(&self, text: &str) {
        self.console.note(text);
    }
}

impl Listener for Running<'_> {
    fn doing(&self, text: &str) {
        self.doing(text);
    }

    fn waiting(&self, text: &str) {
        self.waiting(text);
    }

    fn note(&self, text: &str) {
        self.console.note(text);
    }

    fn detail(&self, text: &str) {
        self.console.detail(2, text);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

fn paint(colours: bool, good: bool, text: &str) -> String {
    if !colours {
        return text.to_owned();
    }
    let code = if good { "32" } else { "31" };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_says_what_is_new_seldom_and_shortly() {
        let (mut waited, start) = (WaitedFor::default(), Instant::now());
        let mut at = |seconds, text: &str| waited.line(text, start + Duration::from_secs(seconds));
        assert_eq!(at(0, "a"), Some("a".into()));
        assert_eq!(at(60, "a"), None, "nothing is new");
        assert_eq!(at(61, "b"), Some("b".into()));
        assert_eq!(at(65, "c"), None, "too soon");
        assert_eq!(at(71, "c"), Some("c".into()));
        let long = at(90, &format!("x\n{}", "y".repeat(700))).unwrap();
        assert_eq!(long.chars().count(), LINE);
        assert!(long.starts_with("x y") && long.ends_with('…'), "{long}");
    }

    #[test]
    fn colours_only_where_asked_for() {
        assert_eq!(paint(false, false, "x"), "x");
        assert_eq!(paint(true, false, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
