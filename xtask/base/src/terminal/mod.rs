//! What stdout and stderr can show, decided in one place for all programs: colours, lines that are drawn over, marks
//! outside ASCII, how wide a line may be, and whether GitHub reads along.

mod fit;
pub mod github;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::Exit;

pub use fit::{columns, wrap};

/// What one stream can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Colours are wanted.
    pub colours: bool,
    /// It is a terminal on which a line can be drawn anew.
    pub live: bool,
    /// Marks outside ASCII are understood.
    pub unicode: bool,
    /// The columns of a line, where they are limited.
    pub width: Option<usize>,
    /// GitHub reads it, and obeys lines that are commands.
    pub github: bool,
}

/// What is known of the surroundings, looked at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Where results go.
    pub stdout: Screen,
    /// Where everything else goes.
    pub stderr: Screen,
}

/// The narrowest screen that lines are fitted to.
const NARROWEST: usize = 20;

impl Surroundings {
    /// Those of this process.
    pub fn here() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self::of(&variable, size(&io::stdout()), size(&io::stderr()))
    }

    /// From an environment, and the columns of each stream that is a terminal; 0 columns are a terminal that does not
    /// say.
    fn of(variable: &dyn Fn(&str) -> Option<String>, stdout: Option<u16>, stderr: Option<u16>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let told = set("COLUMNS").and_then(|columns| columns.trim().parse::<usize>().ok());
        let screen = |terminal: Option<u16>| Screen {
            colours: match (set("NO_COLOR"), set("CLICOLOR_FORCE"), set("CLICOLOR")) {
                (Some(_), ..) => false,
                (None, Some(force), _) if force != "0" => true,
                (None, _, Some(no)) if no == "0" => false,
                _ => terminal.is_some() && !dumb,
            },
            live: terminal.is_some() && !dumb,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            width: terminal.and_then(|has| {
                told.or(Some(has.into())).filter(|width| *width > 0).map(|width| width.max(NARROWEST))
            }),
            github: set("GITHUB_ACTIONS").is_some_and(|it| it == "true"),
        };
        Self { stdout: screen(stdout), stderr: screen(stderr) }
    }
}

/// The columns of a stream that is a terminal.
fn size(stream: &(impl io::IsTerminal + AsFd)) -> Option<u16> {
    stream.is_terminal().then(|| rustix::termios::tcgetwinsize(stream).map_or(0, |size| size.ws_col))
}

/// The first reason why standard output could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes lines to standard output. What it did not take is told by [`ended`], but where a reader went away (`| head`),
/// who wants no more.
pub fn print(text: &str) {
    if let Err(error) = put(&mut io::stdout().lock(), text)
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error);
    }
}

/// Writes lines to standard error; where it does not take them, nobody can be told.
pub fn complain(text: &str) {
    let _ = put(&mut io::stderr().lock(), text);
}

fn put(stream: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(stream, "{}", text.trim_end_matches('\n'))?;
    stream.flush()
}

/// The status of a program that ends so, and another one, with a sentence, where its output is not whole.
pub fn ended(exit: Exit) -> ExitCode {
    let Some(error) = LOST.get() else { return exit.into() };
    complain(&format!("error: standard output cannot be written: {error} (hint: make room where it goes)"));
    Exit::Environment.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_what_is_shown() {
        // Of a terminal of 80 columns: colours, live, Unicode, width.
        for (set, expected) in [
            ("", (true, true, false, 80)),
            ("LANG=C.UTF-8", (true, true, true, 80)),
            ("LANG=de_DE.utf8", (true, true, true, 80)),
            ("LC_CTYPE=UTF-8", (true, true, true, 80)),
            ("LANG=de_DE", (true, true, false, 80)),
            ("LC_ALL=C LANG=C.UTF-8", (true, true, false, 80)),
            ("LC_ALL= LC_CTYPE=POSIX LANG=C.UTF-8", (true, true, false, 80)),
            ("LC_ALL= LANG=en_US.UTF-8", (true, true, true, 80)),
            ("NO_COLOR=1", (false, true, false, 80)),
            ("NO_COLOR=", (true, true, false, 80)),
            ("NO_COLOR=1 CLICOLOR_FORCE=1", (false, true, false, 80)),
            ("CLICOLOR=0", (false, true, false, 80)),
            ("CLICOLOR=0 CLICOLOR_FORCE=1", (true, true, false, 80)),
            ("TERM=dumb", (false, false, false, 80)),
            ("TERM=dumb CLICOLOR_FORCE=1", (true, false, false, 80)),
            ("TERM=dumb CLICOLOR_FORCE=0", (false, false, false, 80)),
            ("COLUMNS=60", (true, true, false, 60)),
            ("COLUMNS=wide", (true, true, false, 80)),
            ("COLUMNS=3", (true, true, false, NARROWEST)),
        ] {
            let screen = of(set, Some(80));
            let seen = (screen.colours, screen.live, screen.unicode, screen.width.unwrap());
            assert_eq!(seen, expected, "{set}");
        }
    }

    #[test]
    fn a_pipe_has_no_width_no_motion_and_colours_by_force_alone() {
        for (set, colours) in [("COLUMNS=60", false), ("CLICOLOR_FORCE=1", true), ("CLICOLOR=1", false)] {
            let screen = of(set, None);
            assert_eq!((screen.colours, screen.live, screen.width), (colours, false, None), "{set}");
        }
        assert_eq!(of("", Some(0)).width, None, "a terminal that does not say");
    }

    #[test]
    fn github_is_known_by_its_own_word() {
        for (set, github) in [("GITHUB_ACTIONS=true", true), ("GITHUB_ACTIONS=", false), ("", false)] {
            assert_eq!(of(set, None).github, github, "{set}");
        }
    }

    fn of(set: &str, stdout: Option<u16>) -> Screen {
        let variable = |name: &str| {
            let value = set.split(' ').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        Surroundings::of(&variable, stdout, None).stdout
    }
}
