//! The outside programs of a run: found or downloaded once, when the first step needs
//! one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xshell::{Shell, cmd};

use super::KindLab;
use super::commands::{Place, Program, Typed};
use super::mirrors::{self, Mirrors};
use super::parts::Part;
use super::runner::Children;
use crate::console::{Console, Running};
use crate::shown_download::ShownDownload;
use base::files::make_private_folder;
use base::process::Said;
use base::{Error, Result};
use toolbox::download::{Downloads, Lockfile, Platform, Settings};
use toolbox::tools::{Engine, Engines, PROVIDER, Tool, Toolbox};

/// Outside programs that answer.
pub struct Kit {
    kind: PathBuf,
    helm: PathBuf,
    kubectl: PathBuf,
    engine_path: PathBuf,
    engine: &'static str,
    platform: Option<String>,
    mirrors: Mirrors,
    node_image: Option<String>,
    helm_major: u32,
    described: String,
    parts: Mutex<BTreeMap<Part, Needs>>,
    children: Children,
    kubeconfig: PathBuf,
    folder: PathBuf,
    empty: PathBuf,
    console: Arc<Console>,
}

/// Images by name, with the ids that the engine knows them by.
pub type Ids = BTreeMap<String, String>;

/// Images of a part.
#[derive(Clone, Debug, Default)]
struct Needs {
    /// What its chart names.
    images: BTreeSet<String>,
    /// Those that are on this machine.
    here: Ids,
    /// Those that were saved for the node, or why they were not.
    saved: Option<Result<BTreeSet<String>, Said>>,
}

fn platform(engine: Option<&Engine>) -> Option<String> {
    let here = Platform::here().ok()?;
    engine.is_some_and(|engine| engine.saves_platforms).then(|| format!("linux/{}", here.arch))
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
        let mirrors = Mirrors::from_environment(|name| std::env::var_os(name), &settings.cache, offline)?;
        let downloads = Downloads::new(settings, Lockfile::read(root)?);
        let shell = Shell::new()?;
        let toolbox = Toolbox::new(&shell, &downloads, Platform::here()?);
        let progress = ShownDownload::new(running);
        let mut paths = vec![];
        let mut described = vec![];
        let mut helm_major = 3;
        for found in toolbox.find_all().await {
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
        lab.own_folder().claim()?;
        let program = kind.clone();
        let node_image = tokio::task::spawn_blocking(move || mirrors::node_image(&program)).await;
        let node_image = node_image.ok().flatten();
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
            platform: platform(Some(engine)),
            mirrors,
            node_image,
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
    ///
    /// # Errors
    /// An environment variable names nothing that could be used.
    pub async fn outlook(lab: &KindLab, root: &Path, offline: bool, wait: Duration) -> Result<Place> {
        let engines = Engines::of_this_machine().await.ok();
        let engine = engines.as_ref().and_then(|engines| engines.usable().ok());
        let settings = Settings::from_environment(|name| std::env::var_os(name), true)?;
        let mirrors = Mirrors::from_environment(|name| std::env::var_os(name), &settings.cache, offline)?;
        let downloads = Downloads::new(settings, Lockfile::read(root)?);
        let shell = Shell::new()?;
        let [kind, helm, _] = Toolbox::new(&shell, &downloads, Platform::here()?).find_all().await;
        let node_image = tokio::task::spawn_blocking(move || mirrors::node_image(&kind.path)).await;
        let name = engine.map_or("docker", |engine| engine.name);
        Ok(Place {
            lab: lab.clone(),
            root: root.to_owned(),
            engine: name,
            helm: helm.version.major(),
            platform: platform(engine),
            mirrors,
            node_image: node_image.ok().flatten(),
            wait,
        })
    }

    /// Where commands of this run are typed.
    pub fn place(&self, lab: &KindLab, root: &Path, wait: Duration) -> Place {
        Place {
            lab: lab.clone(),
            root: root.to_owned(),
            engine: self.engine,
            helm: self.helm_major,
            platform: self.platform.clone(),
            mirrors: self.mirrors.clone(),
            node_image: self.node_image.clone(),
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

    /// Keeps in mind what came of saving a part's images.
    pub fn saved(&self, part: Part, saved: Result<BTreeSet<String>, Said>) {
        self.part(part, |needs| needs.saved = Some(saved));
    }

    /// What came of saving a part's images, once.
    pub fn take_saved(&self, part: Part) -> Option<Result<BTreeSet<String>, Said>> {
        self.part(part, |needs| needs.saved.take())
    }

    /// The images of a part that are on this machine.
    pub fn here(&self, part: Part) -> Ids {
        self.part(part, |needs| needs.here.clone())
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
        // What clients keep of an API's answers belongs to the lab, and goes with it.
        command.env("KUBECACHEDIR", self.folder.join("kube-cache"));
        if self.engine != "docker" {
            command.env(PROVIDER, self.engine);
        }
        if typed.program == Program::Helm {
            make_private_folder(&self.empty)
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
            console.detail(2, &said.status.map_or_else(String::new, |status| format!("  {status}")));
        }
        Ok(said)
    }
}

/// How long Helm and the waits of this lab have unless told otherwise: images may
/// have to come over a slow line.
pub const WAIT: Duration = Duration::from_secs(600);
