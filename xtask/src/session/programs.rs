//! Which program runs, or is to run, as a component.

use std::path::PathBuf;

use releases::Release;

use super::{Session, checkout};
use crate::lab::Lab;
use crate::programs::Program;
use base::{Error, Result};
use cluster::names::Workload;
use toolbox::download::{Downloads, Lockfile, Settings};
use toolbox::real;

impl Session {
    /// The program to install as a component: the one that an option names, else the
    /// one that is there, else the stand-in for the default release.
    ///
    /// # Errors
    /// The cluster does not answer, or a named binary cannot be run.
    pub async fn chosen(&self, workload: Workload) -> Result<Program> {
        if let Some(program) = self.named(workload).await? {
            return Ok(program);
        }
        Ok(match (self.installed(workload).await?, &self.lab, workload) {
            (Some(installed), ..) => installed,
            (None, Lab::Kind(lab), Workload::Argocd) => {
                Program::released(&self.choice(lab).argocd.to_string())
            }
            (None, Lab::Kind(_), Workload::Dex) => {
                let values = self.sources.values("dex")?;
                Program::released(values["image"]["tag"].as_str().unwrap_or("unknown"))
            }
            (None, Lab::Kind(_), Workload::DexServer) => {
                let values = self.sources.values("argocd")?;
                Program::released(values["dex"]["image"]["tag"].as_str().unwrap_or("unknown"))
            }
            // It comes with the chart.
            (None, Lab::Kind(_), Workload::Redis) => Program::released("unknown"),
            (None, _, Workload::Exporter) => self.exporter().await?,
            (None, Lab::Local(_), Workload::Argocd) => Program::stand_in_argocd(&Release::default()),
            (None, Lab::Local(_), Workload::Dex | Workload::DexServer) => Program::stand_in_dex(),
            (None, Lab::Local(_), Workload::Redis) => Program::redis().await,
        })
    }

    /// The program to install as Dex. A real one inside Argo CD is run by a real Argo CD.
    ///
    /// # Errors
    /// As [`Session::chosen`], and where a real one is named and Argo CD is a stand-in.
    pub async fn chosen_dex(&self) -> Result<Program> {
        let dex = self.chosen(self.dex()).await?;
        if dex.path.is_none() || self.dex() == Workload::Dex {
            return Ok(dex);
        }
        if self.chosen(Workload::Argocd).await?.path.is_some() {
            return Ok(dex);
        }
        match self.options.dex_bin {
            None => Ok(Program::stand_in_dex()),
            Some(_) => {
                Err(Error::usage("the Dex inside Argo CD is run by Argo CD, and this one is a stand-in")
                    .hint("name a real one too, by --argocd-bin PATH, or leave --dex-bin out"))
            }
        }
    }

    /// The program that the options name, if they do. A binary is asked for its version once.
    async fn named(&self, workload: Workload) -> Result<Option<Program>> {
        let (binary, place) = match workload {
            Workload::Argocd => (&self.options.argocd_bin, 0),
            Workload::Dex | Workload::DexServer => (&self.options.dex_bin, 1),
            Workload::Redis => return Ok(None),
            Workload::Exporter => return self.exporter().await.map(Some),
        };
        if matches!(self.lab, Lab::Kind(_)) {
            let argocd = workload == Workload::Argocd;
            let image = self.options.argocd_image.as_ref().filter(|_| argocd);
            let release = self.options.argocd.as_ref().filter(|_| argocd);
            let named = image.map(|image| image.tag.clone()).or_else(|| release.map(ToString::to_string));
            return Ok(named.map(|version| Program::released(&version)));
        }
        let mut asked = self.binaries.lock().await;
        if let Some(program) = &asked[place] {
            return Ok(Some(program.clone()));
        }
        let release = self.options.argocd.as_ref().filter(|_| workload == Workload::Argocd);
        let path = match binary {
            Some(path) => path.clone(),
            None if self.options.real => self.downloaded(workload).await?,
            None => return Ok(release.map(Program::stand_in_argocd)),
        };
        let mut program = Program::of_binary(workload, &path).await?;
        if let Some(release) = release {
            program = program.judged_as(release)?;
        }
        asked[place] = Some(program.clone());
        Ok(Some(program))
    }

    /// The cache of what was downloaded, and what may be put there.
    ///
    /// # Errors
    /// An environment variable names no folder or address, or `tools.lock` is broken.
    pub fn downloads(&self) -> Result<Downloads> {
        let settings = Settings::from_environment(|name| std::env::var_os(name), self.options.offline)?;
        Ok(Downloads::new(settings, Lockfile::read(&checkout())?))
    }

    /// The released program of a component, from the cache or downloaded now.
    async fn downloaded(&self, workload: Workload) -> Result<PathBuf> {
        let downloads = self.downloads()?;
        let running = self.console.step(workload.program(), "looking for the released program");
        let progress = &running;
        let (path, version) = match workload {
            Workload::Argocd => {
                let release = match &self.options.argocd {
                    Some(release) => release.clone(),
                    None => self.installed(workload).await?.and_then(|it| it.release()).unwrap_or_default(),
                };
                (real::argocd(&downloads, &release, progress).await?, release.to_string())
            }
            Workload::Dex | Workload::DexServer | Workload::Redis | Workload::Exporter => {
                (real::dex(&downloads, real::DEX, progress).await?, real::DEX.to_owned())
            }
        };
        running.done(&format!("{version} is in the cache"));
        Ok(path)
    }

    /// What runs as a component, if a lab is up and it is installed there.
    async fn installed(&self, workload: Workload) -> Result<Option<Program>> {
        match self.lab.find().await? {
            Some(_) => self.program(workload).await,
            None => Ok(None),
        }
    }

    /// What runs as a component of the lab, if it is installed.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn program(&self, workload: Workload) -> Result<Option<Program>> {
        let cluster = self.cluster().await?;
        let deployment = cluster.find_deployment(workload).await?;
        Ok(deployment.as_ref().and_then(Program::of_deployment))
    }
}
