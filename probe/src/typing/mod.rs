//! Help at the keyboard for all three programs: completions, for which a shell asks the program itself, and pages
//! for man.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Command, ValueEnum};
use clap_complete::engine;

/// The environment variable by which a shell asks: its name is in it, and the words typed so far are behind `--`.
const ASKED: &str = "OIDC_LAB_COMPLETE";

/// Who asks for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// The shell bash.
    Bash,
    /// The shell zsh.
    Zsh,
    /// The shell fish.
    Fish,
    /// kubectl, which completes its plugins whatever the shell is.
    Kubectl,
}

impl Shell {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Kubectl => "kubectl",
        }
    }
}

/// The shells, for a program that is no plugin of kubectl.
pub fn shells() -> impl TypedValueParser<Value = Shell> {
    one_of([Shell::Bash, Shell::Zsh, Shell::Fish], |shell| shell.name().into())
}

/// Some values, each by its word and what the help says of it.
pub fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    values: [T; N],
    said: fn(T) -> PossibleValue,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(values.map(said)).map(move |typed| {
        values.into_iter().find(|value| said(*value).get_name() == typed).unwrap_or(values[0])
    })
}

/// Answers whoever asks for completions of a command, and says whether somebody did.
pub fn answered(command: impl FnOnce() -> Command) -> bool {
    let asked = std::env::var(ASKED).ok().filter(|name| !name.is_empty());
    let Some(shell) = asked.and_then(|name| Shell::from_str(&name, false).ok()) else { return false };
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    // A shell that went away wants no more.
    let _ = io::stdout().write_all(candidates(command(), words, shell).as_bytes());
    true
}

/// What may stand in place of the last word, one a line: with a tab and what it is for, where a shell shows that.
fn candidates(mut command: Command, words: Vec<OsString>, shell: Shell) -> String {
    let Some(last) = words.last().map(|word| word.to_string_lossy().into_owned()) else {
        return String::new();
    };
    let (at, here) = (words.len() - 1, std::env::current_dir().ok());
    let mut found: Vec<(String, Option<String>)> = engine::complete(&mut command, words, at, here.as_deref())
        .unwrap_or_default()
        .iter()
        .filter(|it| !it.is_hide_set())
        .map(|it| (it.get_value().to_string_lossy().into_owned(), it.get_help().map(ToString::to_string)))
        .filter(|(value, _)| !value.contains(['\n', '\t']))
        .collect();
    // Options are many: they come where one is begun, or nothing else fits.
    if !last.starts_with('-') && found.iter().any(|(value, _)| !value.starts_with('-')) {
        found.retain(|(value, _)| !value.starts_with('-'));
    }
    let unfinished = found.len() == 1 && found[0].0.ends_with('/');
    let lines = found.into_iter().map(|(value, help)| match (shell, help) {
        (Shell::Bash, _) | (_, None) => value + "\n",
        (_, Some(help)) => {
            format!("{value}\t{}\n", help.lines().next().unwrap_or_default().trim_end_matches('.'))
        }
    });
    let mut text: String = lines.collect();
    if shell == Shell::Kubectl {
        // No files beside these, and no space behind a folder.
        text.push_str(if unfinished { ":6\n" } else { ":4\n" });
    }
    text
}

/// What a shell has to read for completions of a program, which is asked itself at each Tab; with `cargo`, also as
/// `cargo NAME`, where cargo's own completions stay. For kubectl it is the program that kubectl asks.
pub fn script(shell: Shell, name: &str, program: &Path, cargo: bool) -> String {
    let (script, hook) = match shell {
        Shell::Bash => (include_str!("bash.sh"), include_str!("cargo.bash")),
        Shell::Zsh => (include_str!("zsh.sh"), include_str!("cargo.zsh")),
        Shell::Fish => (include_str!("fish.fish"), include_str!("cargo.fish")),
        Shell::Kubectl => (include_str!("kubectl.sh"), ""),
    };
    let quote = if shell == Shell::Fish { "\\'" } else { "'\\''" };
    let program = format!("'{}'", program.display().to_string().replace('\'', quote));
    let script = if cargo { format!("{script}{hook}") } else { script.to_owned() };
    script.replace("@NAME@", name).replace("@ID@", &name.replace('-', "_")).replace("@PROGRAM@", &program)
}

/// This process' program, as a shell can call it from anywhere: by its name, where it was called so.
pub fn this_program() -> PathBuf {
    let typed = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let bare = typed.components().count() == 1;
    if bare { typed } else { std::env::current_exe().unwrap_or(typed) }
}

/// The page of a command for man.
pub fn page(command: Command) -> String {
    let mut page = vec![];
    // Memory takes whatever is written.
    let _ = clap_mangen::Man::new(command).render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

/// Writes the pages of a command and of all below it into a folder, which is made where it is not there.
///
/// # Errors
/// The folder cannot be made or written.
pub fn pages(command: Command, folder: &Path) -> base::Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command.disable_help_subcommand(true), folder))
        .map_err(|error| base::Error::unwritable(folder, error).hint("name another folder"))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn command() -> Command {
        let lab = Arg::new("lab").long("lab").help("Where it runs.\nMore.").value_parser(["kind", "local"]);
        let file = Arg::new("quiet").long("quiet").action(ArgAction::SetTrue);
        Command::new("x").arg(lab).arg(file).subcommand(Command::new("look").about("Looks."))
    }

    #[test]
    fn candidates_are_what_fits_the_last_word() {
        for (words, shell, found) in [
            (&["x", ""][..], Shell::Bash, "look\nhelp\n"),
            (&["x", "--l"], Shell::Fish, "--lab\tWhere it runs\n"),
            (&["x", "--lab", "k"], Shell::Zsh, "kind\n"),
            (&["x", "--lab=k"], Shell::Bash, "--lab=kind\n"),
            (&["x", "lo"], Shell::Kubectl, "look\tLooks\n:4\n"),
            (&["x", "nothing"], Shell::Kubectl, ":4\n"),
            (&[], Shell::Bash, ""),
        ] {
            let words = words.iter().map(OsString::from).collect();
            assert_eq!(candidates(command(), words, shell), found);
        }
    }

    #[test]
    fn a_program_is_quoted_for_each_shell() {
        for (shell, quoted) in [(Shell::Bash, r"'/it'\''s/x'"), (Shell::Fish, r"'/it\'s/x'")] {
            assert!(script(shell, "x", Path::new("/it's/x"), false).contains(quoted));
        }
    }
}
