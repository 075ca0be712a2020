//! `open`: a browser on the lab. It has a profile in the lab's folder and finds the lab's names
//! by its command line, so that neither the machine nor anybody's own profile is touched.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use xshell::Shell;

use super::dry_run;
use crate::cli::OpenArgs;
use crate::lab::browser::write_firefox_profile;
use crate::programs::{Kind, Program};
use crate::record::Entry;
use crate::session::Session;
use base::browser::Profile;
use base::files::make_private_folder;
use base::shown::{quoted, shown};
use base::{Error, Exit, Result};
use cluster::Access;
use cluster::names::{ARGOCD_HOST, PASSWORD, Place, USER, Workload};
use toolbox::tools::on_path;

/// What is looked for, in this order: what maps names comes before what needs a proxy.
const NAMES: [&str; 9] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "brave-browser",
    "microsoft-edge",
    "vivaldi",
    "firefox",
    "firefox-esr",
];
/// Where macOS has them, below a folder of applications.
const APPLICATIONS: [&str; 5] = ["Google Chrome", "Chromium", "Brave Browser", "Microsoft Edge", "Firefox"];
/// How long a browser may take to open its profile.
const START: Duration = Duration::from_secs(20);
/// Between two looks at whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// Says how a browser is opened on the lab, and with `--launch` opens one.
///
/// # Errors
/// No lab is up, no browser is there, or it does not start.
pub async fn open(session: &Session, args: &OpenArgs, record: &mut Entry<'_>) -> Result<Exit> {
    let argocd = session.program(Workload::Argocd).await?;
    let dex = session.program(session.dex()).await?;
    (record.report.argocd, record.report.dex) = (argocd.clone(), dex);
    let (console, options) = (&session.console, &session.options);
    let access = session.access().await?;
    let url = format!("{}/", session.scheme().url(ARGOCD_HOST));
    let found = find(args.browser.as_deref())?;
    let browser = found.clone().unwrap_or_else(|| NAMES[0].into());
    let command = Command::new(session, &access, &browser, &url)?;
    if options.dry_run && args.launch {
        return Ok(dry_run::show(console, [("browser", command.line())], record));
    }
    record
        .say(json!({"url": url, "user": USER, "password": PASSWORD, "found": found, "command": command.argv,
        "launched": false}));
    if args.launch {
        if found.is_none() {
            return Err(Error::environment(
                "no browser is found: no Chromium, Chrome, Brave, Edge, Vivaldi or Firefox",
            )
            .hint(
                "install chromium, or name one that is elsewhere: `cargo xtask open --launch --browser PATH`",
            ));
        }
        command.write_profile(&access)?;
        command.launch().await?;
        record.more.insert("launched".into(), true.into());
    } else if found.is_some() && command.is_firefox && !options.dry_run {
        // What is shown is to be of use.
        command.write_profile(&access)?;
    }
    let kind = argocd.as_ref().map_or_else(|| "not installed".to_owned(), Program::described);
    let stand_in = argocd.as_ref().is_some_and(|program| program.kind == Kind::StandIn);
    let page = if stand_in { "; `--real working` shows Argo CD's own page" } else { "" };
    let mut text = format!("page      {url}  (argocd {kind}{page})\nlogin     {USER} / {PASSWORD}\n");
    if args.launch {
        text += &format!(
            "browser   {} is open; it and its profile go with the lab, at `cargo xtask down`\n",
            browser.display()
        );
    } else {
        let next = match &found {
            Some(_) => "cargo xtask open --launch   starts it".to_owned(),
            None => "no browser is found here; any Chromium takes these options".to_owned(),
        };
        text += &format!("browser   {}\n          {next}\n", command.line());
    }
    if command.is_firefox && session.scheme().is_https() {
        text += "          It will warn of the lab's own authority: take the risk, in this profile alone.\n";
    }
    console.result(&text);
    Ok(Exit::Done)
}

/// The browser that was named, or the first that is there.
fn find(named: Option<&Path>) -> Result<Option<PathBuf>> {
    let shell = Shell::new()?;
    if let Some(named) = named {
        let is_name = named.components().count() == 1;
        let path = named.to_str().filter(|_| is_name).and_then(|name| on_path(&shell, name));
        return match path.or_else(|| named.is_file().then(|| named.to_owned())) {
            Some(path) => Ok(Some(path)),
            None => Err(Error::environment(format!("{} is no program, here or on PATH", named.display()))
                .hint("--browser takes a path, or a name that is on PATH")),
        };
    }
    let application = |name: &str| {
        let folders = [Some(PathBuf::from("/")), std::env::home_dir()];
        let path = |folder: PathBuf| folder.join(format!("Applications/{name}.app/Contents/MacOS/{name}"));
        folders.into_iter().flatten().map(path).find(|path| path.is_file())
    };
    let of_macos =
        || cfg!(target_os = "macos").then(|| APPLICATIONS.iter().find_map(|name| application(name)));
    Ok(NAMES.iter().find_map(|name| on_path(&shell, name)).or_else(|| of_macos().flatten()))
}

/// A browser's command line.
struct Command {
    argv: Vec<String>,
    is_firefox: bool,
    profile: Profile,
}

impl Command {
    fn new(session: &Session, access: &Access, browser: &Path, url: &str) -> Result<Self> {
        let name = browser.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let profile = Profile::of(session.lab.folder());
        let is_firefox = name.contains("firefox") || name.contains("librewolf");
        let mut argv = vec![browser.display().to_string()];
        if is_firefox {
            if session.lab.place() == Place::Kind {
                return Err(Error::environment(
                    "Firefox cannot be told where the names of a lab on kind are",
                )
                .hint(
                    "install chromium, or name one with --browser; `cargo xtask status` shows curl's way",
                ));
            }
            argv.extend(["--no-remote", "--profile"].map(str::to_owned));
            argv.push(profile.path().display().to_string());
        } else {
            argv.extend(session.browser_options(access)?);
            argv.extend(QUIET.map(str::to_owned));
            if rustix::process::geteuid().is_root() {
                // It refuses to start otherwise; it is shown the lab's pages only.
                argv.push("--no-sandbox".into());
            }
        }
        argv.push(url.to_owned());
        Ok(Self { argv, is_firefox, profile })
    }

    /// As a person would type it.
    fn line(&self) -> String {
        self.argv.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ")
    }

    fn write_profile(&self, access: &Access) -> Result<()> {
        let written = match self.is_firefox {
            true => write_firefox_profile(&self.profile, access),
            false => make_private_folder(self.profile.path()),
        };
        written.map_err(|error| self.cannot(&format!("its profile cannot be written: {error}")))
    }

    /// Starts it, and leaves it once it has taken its profile.
    async fn launch(&self) -> Result<()> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
            return Err(Error::environment(
                "there is no screen here: neither DISPLAY nor WAYLAND_DISPLAY is set",
            )
            .hint("run it in a desktop's terminal; `cargo xtask open` prints what a browser is told"));
        }
        let log = self.profile.path().join("open.log");
        let cannot = |error: std::io::Error| self.cannot(&error.to_string());
        // One that is open already writes into it too.
        let said = File::options().create(true).append(true).open(&log).map_err(cannot)?;
        let before = self.profile.holder();
        let handle = duct::cmd(&self.argv[0], &self.argv[1..])
            .stdin_null()
            .stdout_file(said.try_clone().map_err(cannot)?)
            .stderr_file(said)
            // Ctrl-C in the terminal is not for a window that outlives this command.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .unchecked()
            .start()
            .map_err(cannot)?;
        let until = Instant::now() + START;
        loop {
            let ended = handle.try_wait().map_err(cannot)?.map(|output| output.status);
            match ended {
                // It handed the address to the one that has the profile.
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let said = fs::read_to_string(&log).unwrap_or_default();
                    let last = said.lines().rev().find(|line| !line.trim().is_empty());
                    let last =
                        last.map_or_else(String::new, |line| format!(", and said last: {}", shown(line)));
                    return Err(self.cannot(&format!("it ended with {status}{last}")));
                }
                None if ![None, before].contains(&self.profile.holder()) && self.has_window() => {
                    return Ok(());
                }
                None if Instant::now() > until => {
                    let _ended = handle.kill();
                    return Err(self.cannot(&format!("it opened no window within {} s", START.as_secs())));
                }
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Whether it has come past looking for a screen, after which Chromium makes this folder.
    fn has_window(&self) -> bool {
        self.is_firefox || self.profile.path().join("Default").is_dir()
    }

    fn cannot(&self, why: &str) -> Error {
        Error::environment(format!("{} did not start: {why}", self.argv[0]))
            .hint("`cargo xtask open` prints the whole command, to be typed; --browser names another")
    }
}

/// What keeps Chromium from asking a new profile's questions, and others than the lab.
const QUIET: [&str; 5] = [
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--password-store=basic",
    "--use-mock-keychain",
];
