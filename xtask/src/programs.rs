//! What runs as Argo CD and as Dex: a stand-in, or a real program.
//!
//! The Deployment says it, by its container's image and command. So a lab that is up
//! is asked, and remembers across runs what it was given.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use local_lab::real_dex::VARIABLE as DEX_PROGRAM;
use probe::usage::nearest;
use releases::Release;
use serde::Serialize;
use xshell::{Shell, cmd};

use base::process;
use base::{Error, Result};
use cluster::names::{
    HOST_PROCESS, STAND_IN_ARGOCD, STAND_IN_ARGOCD_DEX, STAND_IN_DEX, STAND_IN_REDIS, Workload,
};

/// How long a program may take to say its version. A big one takes a quarter of a second.
const VERSION_LIMIT: Duration = Duration::from_secs(20);

/// What argocd says that was built without a version.
const UNVERSIONED: (u64, u64, u64) = (99, 99, 99);
const UNVERSIONED_BUILD: &str = "unversioned";

/// A program that a lab runs, or is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its version: `v3.3.6`.
    pub version: String,
    /// Whether it is the real one.
    pub kind: Kind,
    /// The file on this machine that is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// What is to be thought of a program's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The program itself.
    Real,
    /// One of ours that answers like it.
    StandIn,
}

impl Kind {
    /// The word in JSON and in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::StandIn => "stand-in",
        }
    }
}

impl Program {
    /// The stand-in for argocd-server of a release.
    pub fn stand_in_argocd(release: &Release) -> Self {
        Self { version: release.to_string(), kind: Kind::StandIn, path: None }
    }

    /// The stand-in for Dex.
    pub fn stand_in_dex() -> Self {
        Self::of_image(STAND_IN_DEX)
    }

    /// A published program of a version.
    pub fn released(version: &str) -> Self {
        Self { version: version.to_owned(), kind: Kind::Real, path: None }
    }

    /// The Redis for a real argocd-server: a real one if there is one on PATH, else the
    /// stand-in. A real one is asked for its version.
    pub async fn redis() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = std::env::split_paths(&path)
            .flat_map(|folder| ["redis-server", "valkey-server"].map(|name| folder.join(name)));
        for path in candidates.filter(|path| path.is_file()) {
            // One that cannot be run is as good as none: the login does not depend on which it is.
            if let Ok(real) = Self::of_binary(Workload::Redis, &path).await {
                return real;
            }
        }
        Self::of_image(STAND_IN_REDIS)
    }

    /// A real program of this machine, asked for its version.
    ///
    /// # Errors
    /// The file is not there, cannot be run here, or is another program.
    pub async fn of_binary(workload: Workload, path: &Path) -> Result<Self> {
        // Who names it, what it is asked, and what is before its version in the answer.
        let (option, question, mark): (&str, &[&str], &str) = match workload {
            Workload::Argocd => ("--argocd-bin", &["version", "--client", "--short"], "argocd: "),
            Workload::Dex | Workload::DexServer => ("--dex-bin", &["version"], "Dex Version: "),
            Workload::Redis => ("redis-server", &["--version"], "v="),
            Workload::Exporter => ("probe", &["--version"], "probe "),
        };
        let shown = path.display();
        let fail = |what: String| Error::environment(format!("{option} {shown} {what}"));
        // Not the file behind a link: a program of several names goes by the one it is called.
        let path = std::path::absolute(path).map_err(|error| fail(format!("is no path: {error}")))?;
        if path.to_str().is_none() {
            return Err(fail("has a name that is no text, which no Deployment can hold".into()));
        }
        let said = ask_version(question, &path).await.map_err(|error| fail(cannot_run(&error)))?;
        let mut parts = said.lines().flat_map(|line| std::iter::once(line).chain(line.split_whitespace()));
        let version = parts.find_map(|part| part.strip_prefix(mark));
        let version = version.map(str::trim).filter(|version| !version.is_empty());
        let version = version.ok_or_else(|| {
            let program = workload.program();
            fail(format!("is no {program}: asked for its version it said {:?}", first_line(&said)))
        })?;
        Ok(Self { version: plain_version(version), kind: Kind::Real, path: Some(path) })
    }

    /// The same program, for an unversioned build under the release that it is to be
    /// judged by.
    ///
    /// # Errors
    /// It names another release by itself (wrong usage).
    pub fn judged_as(self, release: &Release) -> Result<Self> {
        match self.release() {
            Some(own) if own.numbers() == UNVERSIONED => {
                let version = format!("{release}+{}", UNVERSIONED_BUILD);
                Ok(Self { version, ..self })
            }
            Some(own) if own.numbers() == release.numbers() => Ok(self),
            _ => Err(Error::usage(format!(
                "--argocd says {release} and the program of --argocd-bin is {}",
                self.version
            ))
            .hint("leave --argocd out: the program says itself which release it is")),
        }
    }

    /// What a Deployment runs, by its first container.
    pub fn of_deployment(deployment: &Deployment) -> Option<Self> {
        let container = deployment.spec.as_ref()?.template.spec.as_ref()?.containers.first()?;
        let mut program = Self::of_image(container.image.as_deref()?);
        if container.image.as_deref().is_some_and(|image| image.starts_with(HOST_PROCESS)) {
            let variables = container.env.as_ref().into_iter().flatten();
            // The Dex inside Argo CD is run by a program of Argo CD's.
            let inside = variables.filter(|it| it.name == DEX_PROGRAM).find_map(|it| it.value.as_ref());
            let started = || container.command.as_ref().and_then(|command| command.first());
            program.path = inside.or_else(started).map(PathBuf::from);
        }
        Some(program)
    }

    /// What an image reference says.
    pub fn of_image(image: &str) -> Self {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "unknown"));
        if name == STAND_IN_ARGOCD_DEX {
            return Self::stand_in_dex();
        }
        let others = [STAND_IN_DEX, STAND_IN_REDIS];
        let stand_in = name == STAND_IN_ARGOCD || others.iter().any(|it| it.split(':').next() == Some(name));
        let kind = if stand_in { Kind::StandIn } else { Kind::Real };
        // A tag has no `+`; an underscore stands for it, as in charts' tags.
        Self { version: tag.replacen('_', "+", 1), kind, path: None }
    }

    /// The image of its container in the local lab.
    pub fn image(&self, workload: Workload) -> String {
        let tag = self.version.replace('+', "_");
        match (self.kind, workload) {
            (Kind::Real, _) | (_, Workload::Exporter) => format!("{HOST_PROCESS}:{tag}"),
            (Kind::StandIn, Workload::Argocd) => format!("{STAND_IN_ARGOCD}:{tag}"),
            (Kind::StandIn, Workload::Dex | Workload::DexServer) => STAND_IN_DEX.to_owned(),
            (Kind::StandIn, Workload::Redis) => STAND_IN_REDIS.to_owned(),
        }
    }

    /// The same of the Dex inside an Argo CD: the stand-in goes by the release of that.
    pub fn image_inside(&self, argocd: &Self) -> String {
        match self.kind {
            Kind::Real => self.image(Workload::Dex),
            Kind::StandIn => {
                let release = argocd.release().unwrap_or_default().to_string();
                format!("{STAND_IN_ARGOCD_DEX}:{}", release.replace('+', "_"))
            }
        }
    }

    /// The executable of this machine, for its container.
    pub fn executable(&self) -> Option<&str> {
        self.path.as_deref().and_then(Path::to_str)
    }

    /// Names the build of an executable of this machine by its file's size and time: a
    /// pod that runs another build has to be started anew. Nothing for a stand-in.
    ///
    /// # Errors
    /// The file is gone.
    pub fn build(&self) -> Result<Option<String>> {
        let Some(path) = &self.path else { return Ok(None) };
        let read = || -> io::Result<String> {
            let file = std::fs::metadata(path)?;
            let time = file.modified()?.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?;
            Ok(format!("{}-{}", file.len(), time.as_nanos()))
        };
        read().map(Some).map_err(|error| {
            Error::environment(format!(
                "the program {} that the lab runs cannot be read: {error}",
                path.display()
            ))
            .hint("name another by --argocd-bin or --dex-bin, or --argocd vX.Y.Z for the stand-in")
        })
    }

    /// The era of its release, for a person: what nobody could look at is said to be assumed.
    pub fn era(&self) -> String {
        match self.release() {
            None => "unknown".to_owned(),
            Some(release) if release.is_published() => release.era().name().to_owned(),
            Some(release) => {
                let published = Release::published().map(|it| it.to_string()).collect::<Vec<_>>();
                let nearest = nearest(&release.to_string(), published.iter().map(String::as_str));
                let nearest = nearest.filter(|_| !release.may_be_newer());
                let meant = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
                format!(
                    "{} (assumed: {release} is no release that this program knows{meant})",
                    release.era().name()
                )
            }
        }
    }

    /// `v3.3.6 (stand-in)`.
    pub fn described(&self) -> String {
        format!("{} ({})", self.version, self.kind.name())
    }

    /// The Argo CD release that its version names.
    pub fn release(&self) -> Option<Release> {
        Release::parse(&self.version).ok()
    }
}

async fn ask_version(arguments: &[&str], path: &Path) -> io::Result<String> {
    // A program of many names, which looks at this one first. It writes below HOME, if it can.
    let shell = Shell::new().map_err(io::Error::other)?;
    let command =
        cmd!(shell, "{path} {arguments...}").env("ARGOCD_BINARY_NAME", "argocd").env("HOME", "/nonexistent");
    let said = process::run(command.into(), VERSION_LIMIT).await?;
    match said.status {
        Some(_) => Ok(said.stdout + &said.stderr),
        None => {
            let limit = VERSION_LIMIT.as_secs();
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("did not say its version within {limit} s")))
        }
    }
}

fn cannot_run(error: &io::Error) -> String {
    // ENOEXEC, which std has no kind for.
    const NOT_A_PROGRAM: i32 = 8;
    match error.kind() {
        io::ErrorKind::TimedOut => error.to_string(),
        io::ErrorKind::NotFound => "is not there".into(),
        io::ErrorKind::PermissionDenied => "is not executable (hint: chmod +x)".into(),
        _ if error.raw_os_error() == Some(NOT_A_PROGRAM) => {
            format!("is no program for this machine ({})", std::env::consts::ARCH)
        }
        _ => format!("cannot be run: {error}"),
    }
}

fn first_line(said: &str) -> String {
    said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(80).collect()
}

/// A version without the commit that a released build puts behind it. What tells a
/// build of one's own apart (`+998fb59.dirty`) stays.
fn plain_version(version: &str) -> String {
    match version.split_once('+') {
        Some((plain, build)) if build == "unknown" || build.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            plain.to_owned()
        }
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_image_says_what_runs() {
        for (image, version, kind) in [
            ("oidc-lab/stand-in-argocd:v3.3.6", "v3.3.6", Kind::StandIn),
            ("oidc-lab/stand-in-dex:v2.45.1", "v2.45.1", Kind::StandIn),
            ("quay.io/argoproj/argocd:v3.3.6", "v3.3.6", Kind::Real),
            ("oidc-lab/host-process:v3.4.0_abc.dirty", "v3.4.0+abc.dirty", Kind::Real),
            ("x", "unknown", Kind::Real),
        ] {
            assert_eq!(Program::of_image(image), Program { version: version.into(), kind, path: None });
        }
    }

    #[test]
    fn an_image_is_read_back_as_what_was_written() {
        let release = Release::parse("v3.3.6+mine.1").unwrap();
        let program = Program::stand_in_argocd(&release);
        assert_eq!(Program::of_image(&program.image(Workload::Argocd)), program);
        let program = Program::stand_in_dex();
        assert_eq!(Program::of_image(&program.image(Workload::Dex)), program);
    }

    #[test]
    fn a_released_build_is_named_without_its_commit() {
        for (said, version) in [
            ("v3.3.6+998fb59", "v3.3.6"),
            ("v3.3.6+unknown", "v3.3.6"),
            ("v3.4.0+998fb59.dirty", "v3.4.0+998fb59.dirty"),
            ("v2.45.1", "v2.45.1"),
        ] {
            assert_eq!(plain_version(said), version);
        }
    }

    #[test]
    fn only_an_unversioned_build_takes_a_release_from_the_command_line() {
        let build = |version: &str| Program { version: version.into(), kind: Kind::Real, path: None };
        let release = Release::default();
        assert_eq!(build("v99.99.99").judged_as(&release).unwrap().version, "v3.3.6+unversioned");
        assert_eq!(build("v3.3.6").judged_as(&release).unwrap().version, "v3.3.6");
        let error = build("v3.3.7").judged_as(&release).unwrap_err();
        assert_eq!(error.exit.code(), 2);
        assert!(error.to_string().starts_with("--argocd says v3.3.6 and"), "{error}");
    }

    fn script(folder: &Path, text: &str, mode: u32) -> PathBuf {
        let path = folder.join("program");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_binary_is_asked_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "#!/bin/sh\necho argocd: v3.5.1+0a1b2c3\n", 0o755);
        let program = Program::of_binary(Workload::Argocd, &path).await.unwrap();
        assert_eq!((program.version.as_str(), program.kind), ("v3.5.1", Kind::Real));
        assert!(program.path.unwrap().is_absolute());
    }

    #[tokio::test]
    async fn a_file_that_was_built_anew_is_another_build() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "#!/bin/sh\necho argocd: v3.5.1+unknown\n", 0o755);
        let program = Program::of_binary(Workload::Argocd, &path).await.unwrap();
        let build = program.build().unwrap();
        assert!(build.is_some());
        assert_eq!(program.build().unwrap(), build);
        script(folder.path(), "#!/bin/sh\necho argocd: v3.5.1+unknown; # changed\n", 0o755);
        assert_ne!(program.build().unwrap(), build);
        std::fs::remove_file(&path).unwrap();
        assert!(program.build().unwrap_err().to_string().contains("cannot be read"));
        assert_eq!(Program::stand_in_dex().build().unwrap(), None);
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_said_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let error = async |text: &str, mode| {
            let path = script(folder.path(), text, mode);
            let error = Program::of_binary(Workload::Argocd, &path).await.unwrap_err().to_string();
            error.replace(&path.display().to_string(), "PATH")
        };
        assert_eq!(
            error("#!/bin/sh\necho hello\n", 0o755).await,
            "--argocd-bin PATH is no argocd: asked for its version it said \"hello\""
        );
        assert_eq!(error("", 0o644).await, "--argocd-bin PATH is not executable (hint: chmod +x)");
        assert!(error("\u{7f}ELF", 0o755).await.contains("is no program for this machine"));
        let missing = Program::of_binary(Workload::Dex, &folder.path().join("none")).await.unwrap_err();
        assert!(missing.to_string().ends_with("none is not there"), "{missing}");
    }
}
