//! The one owner of stdout, stderr and every progress bar.
//!
//! What a goal found goes to stdout, what happens meanwhile to stderr. With
//! `--format json` stdout carries one document and nothing else.

use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use base::{Error, duration};
use toolbox::download::{Progress, part};

/// From here on a step that waits says what for, also where there are no bars.
pub const SLOW: Duration = Duration::from_secs(10);

/// What is known of the surroundings, looked at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// stdout is a terminal.
    pub stdout_terminal: bool,
    /// stderr is a terminal.
    pub stderr_terminal: bool,
    /// `NO_COLOR` is set and not empty, or `TERM=dumb`.
    pub no_color: bool,
}

impl Surroundings {
    /// Those of this process.
    pub fn here() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            no_color: set("NO_COLOR") || std::env::var("TERM").is_ok_and(|term| term == "dumb"),
        }
    }
}

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
}

/// What a line is about; on a terminal with colours it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// A heading.
    Strong,
}

impl Console {
    /// A console as it is wanted.
    pub fn new(wanted: Wanted, surroundings: Surroundings) -> Self {
        let animated = surroundings.stderr_terminal && !wanted.quiet;
        let target = if animated { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            surroundings,
            wanted,
            silent: false,
            bars: MultiProgress::with_draw_target(target),
            documented: AtomicBool::new(false),
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

    /// Text with a tone, where the stream of results has colours.
    pub fn toned(&self, tone: Tone, text: &str) -> String {
        let terminal = if self.wanted.json {
            self.surroundings.stderr_terminal
        } else {
            self.surroundings.stdout_terminal
        };
        paint(terminal && !self.surroundings.no_color, tone, text)
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
        if self.wanted.json || self.silent {
            self.err(text);
        } else {
            self.bars.suspend(|| put(&mut io::stdout().lock(), text));
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
        if self.wanted.json && !self.documented.swap(true, Ordering::AcqRel) {
            Self::write(document);
        }
    }

    /// Writes a document to stdout, also where the command line that asks for one is wrong.
    pub fn write(document: &Value) {
        put(&mut io::stdout().lock(), &format!("{document:#}"));
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
        let colours = self.surroundings.stderr_terminal && !self.surroundings.no_color;
        self.err(&format!("{} {error}", paint(colours, Tone::Bad, "error:")));
    }

    fn err(&self, text: &str) {
        if self.silent {
            return;
        }
        self.bars.suspend(|| put(&mut io::stderr().lock(), text));
    }

    /// Shows that a step runs, until [`Running::done`].
    pub fn step(&self, name: &str, doing: &str) -> Running<'_> {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if !self.bars.is_hidden() {
            let style = ProgressStyle::with_template("  {spinner} {prefix:<20} {elapsed:>4} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(name.to_owned());
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Running {
            console: self,
            bar,
            name: name.to_owned(),
            since: Instant::now(),
            waited_for: Mutex::default(),
        }
    }
}

/// A step that runs.
pub struct Running<'a> {
    console: &'a Console,
    bar: ProgressBar,
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
        self.bar.set_message(text.to_owned());
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
        self.bar.finish_and_clear();
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

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn paint(colours: bool, tone: Tone, text: &str) -> String {
    if !colours {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn put(stream: &mut dyn io::Write, text: &str) {
    // A reader that went away (`| head`) wants no more; that is no error of ours.
    let _ = writeln!(stream, "{}", text.trim_end_matches('\n'));
    let _ = stream.flush();
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
        assert_eq!(paint(false, Tone::Bad, "x"), "x");
        assert_eq!(paint(true, Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
