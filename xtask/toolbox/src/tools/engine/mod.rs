//! The container engine: which one is there, and whether it would really answer.
//!
//! That a `docker` is on PATH says little: its daemon may be dead, or somebody else's,
//! or on another machine, where a cluster's ports are of no use here. So each engine
//! is asked, for less than a second, and its own words are read.

mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xshell::{Shell, cmd};

use super::on_path;
use super::version::Version;
use base::limited;
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
    /// As [`Engines::ask`], without keeping anybody else waiting.
    ///
    /// # Errors
    /// This process has no folder that it works in.
    pub async fn of_this_machine() -> Result<Self> {
        let ask = || Shell::new().map(|shell| Self::ask(&shell, LIMIT));
        let asked = tokio::task::spawn_blocking(ask).await;
        Ok(asked.map_err(|error| Error::environment(format!("asking the container engines: {error}")))??)
    }

    /// Asks all engines at once; takes as long as the slowest, at most `limit`. Blocks.
    pub fn ask(shell: &Shell, limit: Duration) -> Self {
        let wanted = shell.var_os(PROVIDER).filter(|name| !name.is_empty());
        let elsewhere = Elsewhere::of(shell);
        // The shell is for one thread; what it would run is not.
        let questions = NAMES.map(|name| {
            let path = on_path(shell, name);
            let commands = path.as_ref().map(|path| questions(shell, name, path));
            (name, path, commands)
        });
        let all = std::thread::scope(|scope| {
            let elsewhere = &elsewhere;
            let asked = questions.map(|(name, path, commands)| {
                let answer = scope.spawn(move || match commands {
                    None => (EngineState::Absent, false),
                    Some(commands) => ask(name, commands, elsewhere, limit),
                });
                (name, path, answer)
            });
            let joined = asked.map(|(name, path, answer)| {
                let unasked = |_| (EngineState::Unclear("it was not asked".into()), false);
                let (state, saves_platforms) = answer.join().unwrap_or_else(unasked);
                Engine { name, path, state, saves_platforms }
            });
            joined.into()
        });
        Self { all, wanted: wanted.map(|name| name.to_string_lossy().into_owned()) }
    }

    /// The engine to use.
    ///
    /// # Errors
    /// None answers; the sentence is about the one that comes nearest.
    pub fn usable(&self) -> Result<&Engine> {
        if let Some(wanted) = &self.wanted {
            let Some(engine) = self.all.iter().find(|engine| engine.name == wanted) else {
                return Err(Error::environment(format!("{PROVIDER} is {wanted:?}, which is no engine"))
                    .hint(format!("kind knows {}", NAMES.join(", "))));
            };
            return match engine.answers() {
                true => Ok(engine),
                false => Err(engine.error()),
            };
        }
        if let Some(engine) = self.all.iter().find(|engine| engine.answers()) {
            return Ok(engine);
        }
        let nearest = self
            .all
            .iter()
            .find(|engine| !matches!(engine.state, EngineState::Absent | EngineState::IsPodman));
        Err(nearest.map_or_else(
            || {
                Error::environment(format!(
                    "there is no container engine: none of {} is on PATH",
                    NAMES.join(", ")
                ))
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
    let ask = move || {
        let shell = Shell::new().ok()?;
        let questions = NAMES.map(|name| {
            let path = on_path(&shell, name)?;
            Some(Command::from(cmd!(shell, "{path} ps --all --quiet --filter label={label}")))
        });
        let answers = std::thread::scope(|scope| {
            let asked = questions.map(|command| scope.spawn(|| limited::run(command?, CONTAINERS).ok()));
            asked.map(|asked| asked.join().ok().flatten())
        });
        let has = |ended: &Option<limited::Ended>| {
            ended.as_ref().is_some_and(|ended| {
                ended.status.is_some_and(|status| status.success()) && !ended.stdout.trim().is_empty()
            })
        };
        // The last: podman's command may be called docker as well.
        NAMES.into_iter().zip(answers).rfind(|(_, answer)| has(answer)).map(|(name, _)| name)
    };
    tokio::task::spawn_blocking(ask).await.ok().flatten()
}

impl Engine {
    /// Whether it can be used.
    pub fn answers(&self) -> bool {
        matches!(self.state, EngineState::Answers(_))
    }

    /// A word for the state, for programs.
    pub fn word(&self) -> &'static str {
        match self.state {
            EngineState::Absent => "absent",
            EngineState::Answers(_) => "answers",
            EngineState::Unfit(..) => "unfit",
            EngineState::Dead(_) => "dead",
            EngineState::Denied(_) => "denied",
            EngineState::Remote(_) => "remote",
            EngineState::Silent(_) => "silent",
            EngineState::IsPodman => "is-podman",
            EngineState::Unclear(_) => "unclear",
        }
    }

    /// What is the matter, and what to do about it; for an engine that answers, nothing is.
    pub fn error(&self) -> Error {
        let (what, hint) = self.trouble(cfg!(target_os = "macos"));
        Error::environment(what).hint(hint)
    }

    fn trouble(&self, macos: bool) -> (String, String) {
        const LOCAL: &str = "or use `--lab local`, which needs no containers";
        let name = self.name;
        let service = if name == "nerdctl" { "containerd" } else { name };
        match &self.state {
            EngineState::Absent => (format!("{name} is not on PATH"), format!("install it, {LOCAL}")),
            EngineState::Answers(version) => (format!("{name} {version} answers"), String::new()),
            EngineState::Unfit(why, hint) => (why.clone(), format!("{hint}, {LOCAL}")),
            EngineState::Dead(place) => {
                let start = match (name, macos) {
                    ("podman", true) => "start it with `podman machine start`".to_owned(),
                    (_, true) => "start Docker Desktop, Colima or whatever runs it here".to_owned(),
                    (_, false) => format!("start it, as with `sudo systemctl start {service}`"),
                };
                (
                    format!("{name} is installed, but its daemon does not run: nothing answers at {place}"),
                    format!("{start}, {LOCAL}"),
                )
            }
            EngineState::Denied(place) => {
                let join = match name {
                    "docker" => "join the group docker (`sudo usermod -aG docker $USER`, then log in anew)",
                    _ => "run it rootless, or as the user that owns the socket",
                };
                (
                    format!("{name} is installed, but you may not use its socket ({place})"),
                    format!("{join}, {LOCAL}"),
                )
            }
            EngineState::Remote(place) => (
                format!(
                    "{name} is on another machine ({place}): a cluster there cannot be reached on loopback here"
                ),
                match name {
                    "docker" => {
                        format!("unset DOCKER_HOST and DOCKER_CONTEXT, `docker context use default`, {LOCAL}")
                    }
                    _ => format!("unset CONTAINER_HOST, {LOCAL}"),
                },
            ),
            EngineState::Silent(place) => (
                format!("{name} did not answer within {} ms{}", LIMIT.as_millis(), at(place)),
                format!("it may be starting or hang: see what `{name} version` says, {LOCAL}"),
            ),
            EngineState::IsPodman => {
                ("docker is podman's command of that name".to_owned(), "podman itself is used".to_owned())
            }
            EngineState::Unclear(words) => (
                format!("{name} cannot be used: {words}"),
                format!("see what `{name} version` says, {LOCAL}"),
            ),
        }
    }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!(" at {place}") }
}

/// Where the environment sends an engine's commands.
struct Elsewhere {
    container_host: Option<String>,
}

impl Elsewhere {
    fn of(shell: &Shell) -> Self {
        let var = |name: &str| shell.var_os(name).filter(|value| !value.is_empty());
        Self { container_host: var("CONTAINER_HOST").map(|value| value.to_string_lossy().into_owned()) }
    }
}

/// What an engine is asked.
struct Questions {
    version: Command,
    endpoint: Option<Command>,
}

fn questions(shell: &Shell, name: &str, path: &Path) -> Questions {
    let (version, endpoint) = match name {
        "docker" => (
            cmd!(shell, "{path} version --format '{{json .}}'"),
            Some(cmd!(shell, "{path} context inspect --format '{{.Name}} {{.Endpoints.docker.Host}}'")),
        ),
        "podman" => (cmd!(shell, "{path} info --format json"), None),
        _ => (cmd!(shell, "{path} version --format '{{json .}}'"), None),
    };
    Questions { version: version.into(), endpoint: endpoint.map(Into::into) }
}

fn ask(name: &str, questions: Questions, elsewhere: &Elsewhere, limit: Duration) -> (EngineState, bool) {
    let (version, endpoint) = std::thread::scope(|scope| {
        let endpoint = questions.endpoint.map(|command| scope.spawn(move || limited::run(command, limit)));
        let version = limited::run(questions.version, limit);
        (version, endpoint.and_then(|endpoint| endpoint.join().ok()))
    });
    let endpoint = endpoint.and_then(Result::ok).map(|ended| ended.stdout).unwrap_or_default();
    match name {
        "docker" => {
            let saves_platforms = version.as_ref().is_ok_and(|ended| words::saves_platforms(&ended.stdout));
            (words::docker(version, &endpoint), saves_platforms)
        }
        "podman" => (words::podman(version, elsewhere.container_host.as_deref()), false),
        _ => (words::nerdctl(version), true),
    }
}

#[cfg(test)]
mod tests;
