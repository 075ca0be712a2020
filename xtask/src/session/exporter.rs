//! The program of `monitor`: on this machine the probe's own, built as cargo builds this one; on kind an image.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use xshell::{Shell, cmd};

use super::{Session, checkout};
use crate::lab::Lab;
use crate::programs::Program;
use base::{Error, Result, process};
use cluster::names::Workload;

/// The longest that a build may take.
const BUILD: Duration = Duration::from_secs(1800);

impl Session {
    /// The program that the exporter is to be.
    ///
    /// # Errors
    /// It cannot be built, or on kind no image is named and none is there.
    pub(super) async fn exporter(&self) -> Result<Program> {
        match &self.lab {
            Lab::Kind(_) => Ok(Program::of_image(&self.exporter_image().await?)),
            Lab::Local(_) => Program::of_binary(Workload::Exporter, &probe_program().await?).await,
        }
    }

    /// The image that the exporter is to be on kind: the named one, else the one that runs.
    ///
    /// # Errors
    /// There is none.
    pub async fn exporter_image(&self) -> Result<String> {
        if let Some(image) = &self.options.probe_image {
            return Ok(image.to_string());
        }
        let deployment = match self.lab.find().await? {
            Some(_) => self.cluster().await?.find_deployment(Workload::Exporter).await?,
            None => None,
        };
        let runs = deployment.and_then(|it| it.spec?.template.spec?.containers.into_iter().next()?.image);
        runs.ok_or_else(|| {
            Error::usage("`monitor` on kind runs the exporter from an image, and none is named")
                .hint("`.ci/image TAG` builds one, and `--probe-image TAG` names it")
        })
    }
}

/// The probe's program. Under cargo it is built first, with this one beside it, so that both are of the same
/// dependencies; a program run by hand looks beside itself.
async fn probe_program() -> Result<PathBuf> {
    let Some(cargo) = std::env::var_os("CARGO") else {
        let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("probe")));
        return beside.filter(|probe| probe.is_file()).ok_or_else(|| {
            Error::environment("the probe's program is not beside this one")
                .hint("`cargo build -p probe` makes it, and `cargo xtask monitor` does so by itself")
        });
    };
    let failed = |what: String| Error::environment(format!("the probe's program cannot be built: {what}"));
    let said =
        process::run(build(&cargo, &checkout())?, BUILD).await.map_err(|error| failed(error.to_string()))?;
    if !said.is_ok() {
        let line = said.stderr.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
        return Err(failed(line.to_owned()).hint("`cargo build -p xtask -p probe` says more"));
    }
    built(&said.stdout).ok_or_else(|| failed("cargo names no program".to_owned()))
}

/// What cargo tells the program that it runs. To a cargo that is run by it they are changes of the surroundings, for
/// which it would build half of everything anew.
const TOLD: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

fn build(cargo: &OsStr, checkout: &Path) -> Result<std::process::Command> {
    let shell = Shell::new().map_err(Error::from)?;
    shell.change_dir(checkout);
    let mut build: std::process::Command =
        cmd!(shell, "{cargo} build --quiet -p xtask -p probe --bin probe --message-format=json").into();
    let told =
        |name: &OsStr| name.to_str().is_some_and(|name| TOLD.iter().any(|told| name.starts_with(told)));
    for (name, _) in std::env::vars_os().filter(|(name, _)| told(name)) {
        build.env_remove(name);
    }
    Ok(build)
}

/// The program that cargo says it has built, or found built.
fn built(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == "probe")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_names_the_program_among_what_it_built() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"base"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"probe","kind":["lib"]},"executable":null}
{"reason":"compiler-artifact","target":{"name":"probe","kind":["bin"]},"executable":"/t/debug/probe"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(built(messages), Some("/t/debug/probe".into()));
        assert_eq!(built(""), None);
    }
}
