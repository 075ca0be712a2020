//! The outside programs of a run: found or downloaded once, when the first step needs
//! one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::mutex::lock;
use xshell::{Shell, cmd};

use super::KindLab;
use super::commands::{Commands, Program, Typed};
use super::messages;
use super::mirrors::Mirrors;
use super::parts::Part;
use base::children::Children;
use base::files::make_private_folder;
use base::process::Said;
use base::progress::Listener;
use base::{Error, Result};
use toolbox::download::{Downloads, Lockfile, Platform, Progress, Settings};
use toolbox::tools::{Engine, Engines, Found, PROVIDER, Toolbox};

/// Outside programs that answer.
pub struct Kit {
    commands: Commands,
    /// Where each [`Program`] is, in their order.
    programs: [PathBuf; 4],
    /// What was found, in a line.
    pub described: String,
    parts: Mutex<BTreeMap<Part, Needs>>,
    children: Children,
}

/// Images by name, with the ids that the engine knows them by.
pub type Ids = BTreeMap<String, String>;

/// Images of a part.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// What its chart names.
    pub images: BTreeSet<String>,
    /// Those that are on this machine.
    pub here: Ids,
    /// Those that were saved for the node, or why they were not.
    pub saved: Option<Saved>,
}

/// Images that were saved, or what the program said that failed at it.
pub type Saved = Result<BTreeSet<String>, Said>;

impl Kit {
    /// Finds everything, and downloads what is missing. The engine is asked first: it is
    /// what most machines that cannot carry this lab are without.
    ///
    /// # Errors
    /// No engine answers, or something cannot be downloaded.
    pub async fn find(
        lab: &KindLab,
        root: &Path,
        offline: bool,
        wait: Duration,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let mut engines = Engines::of_this_machine().await?;
        if let Some(engine) = lab.engine {
            engines.wanted = Some(engine.to_owned());
        }
        let engine = engines.usable()?;
        let (downloads, mirrors) = from_environment(root, offline, offline)?;
        let shell = Shell::new()?;
        let toolbox = Toolbox::new(&shell, &downloads, Platform::here()?);
        let mut tools = toolbox.find_all().await;
        for tool in &mut tools {
            *tool = toolbox.make_there(tool.clone(), progress).await?;
        }
        lab.own_folder().claim()?;
        let described = tools.each_ref().map(|tool| format!("{} {}", tool.tool.name(), tool.version));
        let commands = commands(lab, root, Some(engine), mirrors, &tools, wait)?;
        let [kind, helm, kubectl] = tools.map(|tool| tool.path);
        let of_engine = engine.path.clone().unwrap_or_else(|| engine.name.into());
        Ok(Self {
            commands,
            described: format!("{}, {}", described.join(", "), engine.name),
            parts: Mutex::default(),
            programs: [kind, helm, kubectl, of_engine],
            children: Children::new(lab.children()),
        })
    }

    /// The commands by what is here now, for a dry run: nothing is downloaded, and no engine has
    /// to answer.
    ///
    /// # Errors
    /// An environment variable names nothing that could be used.
    pub async fn outlook(lab: &KindLab, root: &Path, offline: bool, wait: Duration) -> Result<Commands> {
        let engines = Engines::of_this_machine().await.ok();
        let engine = engines.as_ref().and_then(|engines| engines.usable().ok());
        let (downloads, mirrors) = from_environment(root, true, offline)?;
        let shell = Shell::new()?;
        let tools = Toolbox::new(&shell, &downloads, Platform::here()?).find_all().await;
        commands(lab, root, engine, mirrors, &tools, wait)
    }

    /// Looks at the images of a part, or keeps in mind what came of them.
    pub fn part<T>(&self, part: Part, act: impl FnOnce(&mut Needs) -> T) -> T {
        let mut parts = lock(&self.parts);
        act(parts.entry(part).or_default())
    }

    fn command(&self, typed: &Typed) -> Result<Command> {
        let shell = Shell::new()?;
        let program = &self.programs[typed.program as usize];
        let args = &typed.args;
        let mut command = Command::from(cmd!(shell, "{program} {args...}"));
        // The user's own kubeconfig is out of the way even of a plugin that looks for it.
        let folder = self.commands.lab.folder();
        command.env("KUBECONFIG", self.commands.lab.kubeconfig());
        // What clients keep of an API's answers belongs to the lab, and goes with it.
        command.env("KUBECACHEDIR", folder.join("kube-cache"));
        if self.commands.engine != "docker" {
            command.env(PROVIDER, self.commands.engine);
        }
        if typed.program == Program::Helm {
            let empty = self.commands.empty();
            make_private_folder(&empty)
                .map_err(|error| Error::environment(format!("{}: {error}", empty.display())))?;
            command.current_dir(empty);
            // Helm's repositories, plugins and caches of the user stay as they are.
            for (variable, name) in [
                ("HELM_CACHE_HOME", "helm/cache"),
                ("HELM_CONFIG_HOME", "helm/config"),
                ("HELM_DATA_HOME", "helm/data"),
            ] {
                command.env(variable, folder.join(name));
            }
        }
        Ok(command)
    }
}

/// What a step types commands with.
pub struct Tools<'a> {
    /// The programs.
    pub kit: Arc<Kit>,
    /// Who hears of it.
    pub heard: &'a dyn Listener,
}

impl Tools<'_> {
    /// The commands.
    pub fn commands(&self) -> &Commands {
        &self.kit.commands
    }

    /// The lab.
    pub fn lab(&self) -> &KindLab {
        &self.commands().lab
    }

    /// A line about what happens, which stays.
    pub fn note(&self, text: &str) {
        self.heard.note(text);
    }

    /// Applies documents, as a person would: by kubectl, which reads them from stdin.
    ///
    /// # Errors
    /// kubectl fails.
    pub async fn apply(&self, name: &str, documents: String) -> Result<()> {
        let apply = self.commands().apply(name, documents);
        self.must(&apply, &format!("apply {name}")).await.map(drop)
    }

    /// Runs a command to its end, shows what it says, and gives that.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time. A command that fails is none.
    pub async fn run(&self, typed: &Typed) -> Result<Said> {
        let Self { kit, heard } = self;
        heard.detail(&format!("$ {}", kit.commands.shown(typed)));
        heard.doing(&kit.commands.in_short(typed));
        let hear = |line: &str| {
            heard.doing(line);
            heard.detail(&format!("  {line}"));
        };
        let command = kit.command(typed)?;
        let said = kit.children.run(command, &typed.label, &typed.stdin, typed.limit, hear).await?;
        if !said.is_ok() {
            heard.detail(&said.status.map_or_else(String::new, |status| format!("  {status}")));
        }
        Ok(said)
    }

    /// Runs a command that has to end well.
    ///
    /// # Errors
    /// It fails: `what` in words that end a sentence.
    pub async fn must(&self, typed: &Typed, what: &str) -> Result<Said> {
        let said = self.run(typed).await?;
        if said.is_ok() { Ok(said) } else { Err(self.error(what, &said)) }
    }

    /// The error for a command that failed.
    pub fn error(&self, what: &str, said: &Said) -> Error {
        messages::error(what, self.lab().name(), (0, false), said)
    }
}

/// The commands of a lab, by these programs. Where no engine answers, they are shown for docker.
fn commands(
    lab: &KindLab,
    root: &Path,
    engine: Option<&Engine>,
    mirrors: Mirrors,
    [kind, helm, _]: &[Found; 3],
    wait: Duration,
) -> Result<Commands> {
    let here = Platform::here()?;
    Ok(Commands {
        lab: lab.clone(),
        root: root.to_owned(),
        engine: engine.map_or("docker", |engine| engine.name),
        helm: helm.version.numbers().0,
        platform: engine.is_some_and(|engine| engine.saves_platforms).then(|| format!("linux/{}", here.arch)),
        mirrors,
        kind: kind.path.clone(),
        wait,
    })
}

/// Downloads and mirrors as the environment says; each of them may be told to ask nothing of the
/// network.
fn from_environment(root: &Path, no_downloads: bool, offline: bool) -> Result<(Downloads, Mirrors)> {
    let var = |name: &str| std::env::var_os(name);
    let settings = Settings::from_environment(var, no_downloads)?;
    let mirrors = Mirrors::from_environment(var, &settings.cache, offline)?;
    Ok((Downloads::new(settings, Lockfile::read(root)?), mirrors))
}

/// How long Helm and the waits of this lab have unless told otherwise: images may
/// have to come over a slow line.
pub const WAIT: Duration = Duration::from_secs(600);
