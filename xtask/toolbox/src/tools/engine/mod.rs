//! The container engine: which one is there, and whether it would really answer.
//!
//! That a `docker` is on PATH says little: its daemon may be dead, or somebody else's,
//! or on another machine, where a cluster's ports are of no use here. So each engine
//! is asked, for less than a second, and its own words are read.

mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use xshell::{Cmd, Shell, cmd};

use super::on_path;
use super::version::Version;
use base::process::{self, Said};
use base::{Error, Result};

/// The longest time in which an engine has to answer.
pub const LIMIT: Duration = Duration::from_millis(900);

/// kind's own variable for the engine that it takes.
pub const PROVIDER: &str = "KIND_EXPERIMENTAL_PROVIDER";

/// The engines that kind can use, in the order in which they are tried.
const NAMES: [&str; 3] = ["docker", "podman", "nerdctl"];

/// What is known of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// It is not on PATH.
    Absent,
    /// It answers.
    Answers(Version),
    /// It answers, but kind cannot use it; why, and what to do.
    Unfit(String, &'static str),
    /// Nothing answers at its socket.
    Dead(String),
    /// Its socket is there, for others.
    Denied(String),
    /// It is on another machine.
    Remote(String),
    /// It did not answer in time; where it was asked.
    Silent(String),
    /// The command of this name is podman's.
    IsPodman,
    /// Something else, in its own words.
    Unclear(String),
}

/// A container engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// `docker`, `podman`, `nerdctl`.
    pub name: &'static str,
    /// Where its command is.
    pub path: Option<PathBuf>,
    /// What is known of it.
    pub state: EngineState,
    /// Whether `image save` of it can be told which platform to save.
    pub saves_platforms: bool,
}

/// All engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines {
    /// Each of them, in the order in which they are tried.
    pub all: Vec<Engine>,
    /// The one that the user wants, by kind's own variable.
    pub wanted: Option<String>,
}

impl Engines {
    /// Asks those on PATH.
    ///
    /// # Errors
    /// This process has no folder that it works in.
    pub async fn of_this_machine() -> Result<Self> {
        Ok(Self::ask(&Shell::new()?, LIMIT).await)
    }

    /// Asks all engines at once; takes as long as the slowest, at most `limit`.
    pub async fn ask(shell: &Shell, limit: Duration) -> Self {
        let wanted = shell.var_os(PROVIDER).filter(|name| !name.is_empty());
        let all = join_all(NAMES.map(|name| async move {
            let path = on_path(shell, name);
            let (state, saves_platforms) = match &path {
                None => (EngineState::Absent, false),
                Some(path) => question(shell, name, path, limit).await,
            };
            Engine { name, path, state, saves_platforms }
        }))
        .await;
        Self { all, wanted: wanted.map(|name| name.to_string_lossy().into_owned()) }
    }

    /// The engine to use.
    ///
    /// # Errors
    /// None answers; the sentence is about the one that comes nearest.
    pub fn usable(&self) -> Result<&Engine> {
        if let Some(wanted) = &self.wanted {
            let engine = self.all.iter().find(|engine| engine.name == wanted).ok_or_else(|| {
                Error::environment(format!("{PROVIDER} is {wanted:?}, which is no engine"))
                    .hint(format!("kind knows {}", NAMES.join(", ")))
            })?;
            return if engine.answers() { Ok(engine) } else { Err(engine.error()) };
        }
        if let Some(engine) = self.all.iter().find(|engine| engine.answers()) {
            return Ok(engine);
        }
        let is_there = |it: &&Engine| !matches!(it.state, EngineState::Absent | EngineState::IsPodman);
        Err(self.all.iter().find(is_there).map_or_else(
            || {
                let names = NAMES.join(", ");
                Error::environment(format!("there is no container engine: none of {names} is on PATH"))
                    .hint("install one of them, or use `--lab local`, which needs none")
            },
            Engine::error,
        ))
    }
}

/// The longest time in which an engine has to say which containers it has.
const CONTAINERS: Duration = Duration::from_secs(1);

/// The engine on PATH that has a container with a label, running or not; one that does not
/// answer has none.
pub async fn engine_with(label: String) -> Option<&'static str> {
    let shell = Shell::new().ok()?;
    let ask = |name| {
        let command = on_path(&shell, name)
            .map(|path| Command::from(cmd!(shell, "{path} ps --all --quiet --filter label={label}")));
        async move { process::run(command?, CONTAINERS).await.ok() }
    };
    let answers = join_all(NAMES.map(ask)).await;
    let has =
        |said: &Option<Said>| said.as_ref().is_some_and(|it| it.is_ok() && !it.stdout.trim().is_empty());
    // The last: podman's command may be called docker as well.
    NAMES.into_iter().zip(answers).rfind(|(_, answer)| has(answer)).map(|(name, _)| name)
}

impl Engine {
    /// Whether it can be used.
    pub fn answers(&self) -> bool {
        matches!(self.state, EngineState::Answers(_))
    }

    /// A word for the state, for programs.
    pub fn word(&self) -> &'static str {
        self.told(false).0
    }

    /// What is the matter, and what to do about it; for an engine that answers, nothing is.
    pub fn error(&self) -> Error {
        let (_, what, hint) = self.told(cfg!(target_os = "macos"));
        Error::environment(what).hint(hint)
    }

    /// The state in a word and in a sentence, and what to do.
    fn told(&self, macos: bool) -> (&'static str, String, String) {
        let name = self.name;
        let start = match (name, macos) {
            ("podman", true) => "start it with `podman machine start`",
            (_, true) => "start Docker Desktop, Colima or whatever runs it here",
            ("podman", _) => "start it, as with `sudo systemctl start podman`",
            ("nerdctl", _) => "start it, as with `sudo systemctl start containerd`",
            _ => "start it, as with `sudo systemctl start docker`",
        };
        let see = format!("see what `{name} version` says");
        let hang = format!("it may be starting or hang: {see}");
        let docker = name == "docker";
        let (word, what, hint) = match &self.state {
            EngineState::Answers(version) => {
                return ("answers", format!("{name} {version} answers"), String::new());
            }
            EngineState::IsPodman => {
                let what = "docker is podman's command of that name";
                return ("is-podman", what.into(), "podman itself is used".into());
            }
            EngineState::Absent => ("absent", format!("{name} is not on PATH"), "install it"),
            EngineState::Unfit(why, hint) => ("unfit", why.clone(), *hint),
            EngineState::Dead(place) => {
                let dead = "is installed, but its daemon does not run: nothing answers at";
                ("dead", format!("{name} {dead} {place}"), start)
            }
            EngineState::Denied(place) => (
                "denied",
                format!("{name} is installed, but you may not use its socket ({place})"),
                match docker {
                    true => "join the group docker (`sudo usermod -aG docker $USER`, then log in anew)",
                    false => "run it rootless, or as the user that owns the socket",
                },
            ),
            EngineState::Remote(place) => (
                "remote",
                format!(
                    "{name} is on another machine ({place}): a cluster there cannot be reached on loopback here"
                ),
                match docker {
                    true => "unset DOCKER_HOST and DOCKER_CONTEXT, `docker context use default`",
                    false => "unset CONTAINER_HOST",
                },
            ),
            EngineState::Silent(place) => {
                let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
                let limit = LIMIT.as_millis();
                ("silent", format!("{name} did not answer within {limit} ms{at}"), hang.as_str())
            }
            EngineState::Unclear(words) => {
                ("unclear", format!("{name} cannot be used: {words}"), see.as_str())
            }
        };
        (word, what, format!("{hint}, or use `--lab local`, which needs no containers"))
    }
}

/// What is known of an engine on PATH, and whether it saves an image for one platform.
async fn question(shell: &Shell, name: &str, path: &Path, limit: Duration) -> (EngineState, bool) {
    let run = |command: Cmd<'_>| process::run(command.into(), limit);
    match name {
        "docker" => {
            let (version, endpoint) = tokio::join!(
                run(cmd!(shell, "{path} version --format '{{json .}}'")),
                run(cmd!(shell, "{path} context inspect --format '{{.Name}} {{.Endpoints.docker.Host}}'"))
            );
            let endpoint = endpoint.map(|said| said.stdout).unwrap_or_default();
            let saves_platforms = version.as_ref().is_ok_and(|said| words::saves_platforms(&said.stdout));
            (words::docker(version, &endpoint), saves_platforms)
        }
        "podman" => {
            let host = shell.var_os("CONTAINER_HOST").filter(|value| !value.is_empty());
            let host = host.map(|value| value.to_string_lossy().into_owned());
            (words::podman(run(cmd!(shell, "{path} info --format json")).await, host.as_deref()), false)
        }
        _ => (words::nerdctl(run(cmd!(shell, "{path} version --format '{{json .}}'")).await), true),
    }
}

#[cfg(test)]
mod tests;
