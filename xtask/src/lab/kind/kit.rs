//! The outside programs of a run: found or downloaded once, when the first step needs
//! one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xshell::{Shell, cmd};

use super::commands::{Place, Program, Typed};
use super::images::Ids;
use super::parts::Part;
use super::runner::{Children, Said};
use super::{KindLab, state};
use crate::console::{Console, Running};
use crate::download::{Downloads, Lockfile, Platform, Settings, Shown};
use crate::error::{Error, Result};
use crate::tools::{self, Engine, EngineState, Engines, PROVIDER, Tool, Toolbox, Version};

/// From this version on docker has to be told which platform to save; before it, it
/// cannot be told.
const SAVES_BY_PLATFORM: u32 = 28;

/// Outside programs that answer.
pub struct Kit {
    kind: PathBuf,
    helm: PathBuf,
    kubectl: PathBuf,
    engine_path: PathBuf,
    /// The engine's name.
    pub engine: &'static str,
    engine_version: Option<Version>,
    /// Helm's first number.
    pub helm_major: u32,
    described: String,
    parts: Mutex<BTreeMap<Part, Needs>>,
    children: Children,
    kubeconfig: PathBuf,
    folder: PathBuf,
    empty: PathBuf,
    console: Arc<Console>,
}

/// Images of a part.
#[derive(Clone, Debug, Default)]
struct Needs {
    /// What its chart names.
    images: BTreeSet<String>,
    /// Those that are on this machine.
    here: Ids,
}

fn version_of(engine: &Engine) -> Option<&Version> {
    match &engine.state {
        EngineState::Answers(version) => Some(version),
        _ => None,
    }
}

fn platform(engine: &str, version: Option<&Version>) -> Option<String> {
    let told = match engine {
        "docker" => version.is_some_and(|version| version.major() >= SAVES_BY_PLATFORM),
        "nerdctl" => true,
        _ => false,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    told.then(|| format!("linux/{arch}"))
}

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
        console: &Arc<Console>,
        running: &Running<'_>,
    ) -> Result<Self> {
        let mut engines = Engines::of_this_machine().await?;
        if let Some(engine) = lab.engine {
            engines.wanted = Some(engine.to_owned());
        }
        let engine = engines.usable()?;
        let settings = Settings::from_environment(|name| std::env::var_os(name), offline)?;
        let downloads = Downloads::new(settings, Lockfile::read(root)?);
        let shell = Shell::new()?;
        let toolbox = Toolbox::new(&shell, &downloads, Platform::here()?);
        let progress = Shown::new(running);
        let mut paths = vec![];
        let mut described = vec![];
        let mut helm_major = 3;
        for found in tools::find_all(&downloads).await? {
            let tool = found.tool;
            let got = toolbox.make_there(found, &progress).await?;
            if tool == Tool::Helm {
                helm_major = got.version.major();
            }
            described.push(format!("{} {}", tool.name(), got.version));
            paths.push(got.path);
        }
        let [kind, helm, kubectl] = <[PathBuf; 3]>::try_from(paths)
            .map_err(|_| Error::environment("a tool was neither found nor downloaded"))?;
        let folder = lab.folder().to_owned();
        described.push(engine.name.to_owned());
        Ok(Self {
            described: described.join(", "),
            parts: Mutex::default(),
            kind,
            helm,
            kubectl,
            engine_path: engine.path.clone().unwrap_or_else(|| engine.name.into()),
            engine: engine.name,
            engine_version: version_of(engine).cloned(),
            helm_major,
            children: Children::new(lab.children()),
            kubeconfig: lab.kubeconfig(),
            empty: folder.join("empty"),
            folder,
            console: console.clone(),
        })
    }

    /// How commands would be typed with what is here now, for `--dry-run`: nothing is
    /// downloaded, and no engine has to answer.
    pub async fn outlook(lab: &KindLab, root: &Path, wait: Duration) -> Place {
        let engines = Engines::of_this_machine().await.ok();
        let engine = engines.as_ref().and_then(|engines| engines.usable().ok());
        let found = async || {
            let settings = Settings::from_environment(|name| std::env::var_os(name), true).ok()?;
            let downloads = Downloads::new(settings, Lockfile::read(root).ok()?);
            let found = tools::find_all(&downloads).await.ok()?;
            found.into_iter().find(|found| found.tool == Tool::Helm).map(|found| found.version)
        };
        let helm = found().await.unwrap_or_else(|| Tool::Helm.pinned());
        let name = engine.map_or("docker", |engine| engine.name);
        let version = engine.and_then(version_of);
        Place {
            lab: lab.clone(),
            root: root.to_owned(),
            engine: name,
            helm: helm.major(),
            platform: platform(name, version),
            wait,
        }
    }

    /// What was found, in a line.
    pub fn described(&self) -> String {
        self.described.clone()
    }

    fn part<T>(&self, part: Part, act: impl FnOnce(&mut Needs) -> T) -> T {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        act(parts.entry(part).or_default())
    }

    /// Keeps in mind which images a part needs.
    pub fn needs(&self, part: Part, images: BTreeSet<String>) {
        self.part(part, |needs| needs.images = images);
    }

    /// The images that a part needs.
    pub fn needed(&self, part: Part) -> BTreeSet<String> {
        self.part(part, |needs| needs.images.clone())
    }

    /// Keeps in mind which images of a part are on this machine.
    pub fn has(&self, part: Part, ids: Ids) {
        self.part(part, |needs| needs.here = ids);
    }

    /// The images of a part that are on this machine.
    pub fn here(&self, part: Part) -> Ids {
        self.part(part, |needs| needs.here.clone())
    }

    /// What the engine has to be told to save an image for this machine alone.
    pub fn platform(&self) -> Option<String> {
        platform(self.engine, self.engine_version.as_ref())
    }

    fn command(&self, typed: &Typed) -> Result<Command> {
        let shell = Shell::new()?;
        let program = match typed.program {
            Program::Kind => &self.kind,
            Program::Helm => &self.helm,
            Program::Kubectl => &self.kubectl,
            Program::Engine => &self.engine_path,
        };
        let args = &typed.args;
        let mut command = Command::from(cmd!(shell, "{program} {args...}"));
        // The user's own kubeconfig is out of the way even of a plugin that looks for it.
        command.env("KUBECONFIG", &self.kubeconfig);
        if self.engine != "docker" {
            command.env(PROVIDER, self.engine);
        }
        if typed.program == Program::Helm {
            state::make_folder(&self.empty)
                .map_err(|error| Error::environment(format!("{}: {error}", self.empty.display())))?;
            command.current_dir(&self.empty);
            // Helm's repositories, plugins and caches of the user stay as they are.
            for (variable, name) in [
                ("HELM_CACHE_HOME", "helm/cache"),
                ("HELM_CONFIG_HOME", "helm/config"),
                ("HELM_DATA_HOME", "helm/data"),
            ] {
                command.env(variable, self.folder.join(name));
            }
        }
        Ok(command)
    }

    /// Runs a command to its end, shows what it says, and gives that.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time. A command that fails is none.
    pub async fn run(&self, place: &Place, typed: &Typed, running: &Running<'_>) -> Result<Said> {
        let console = &self.console;
        console.detail(2, &format!("$ {}", place.shown(typed)));
        running.doing(&place.in_short(typed));
        let hear = |line: &str| {
            running.doing(line);
            console.detail(2, &format!("  {line}"));
        };
        let command = self.command(typed)?;
        let said = self.children.run(command, &typed.label, &typed.stdin, typed.limit, hear).await?;
        if !said.is_ok() {
            console.detail(2, &format!("  exit {:?}", said.code));
        }
        Ok(said)
    }
}

/// How long Helm and the waits of this lab have unless told otherwise: images may
/// have to come over a slow line.
pub const WAIT: Duration = Duration::from_secs(600);
