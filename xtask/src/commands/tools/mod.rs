//! `tools`: which outside programs are there, and which would be downloaded.

mod shown;

use std::path::PathBuf;

use futures::future::try_join_all;
use serde_json::json;
use xshell::Shell;

use crate::cli::ToolsArgs;
use crate::record::GoalRecord;
use crate::session::Session;
use base::{Error, Exit, Result};
use toolbox::download::{Downloads, Platform};
use toolbox::real;
use toolbox::tools::{self, Engines, Found, Source, Toolbox};

use shown::Program;

/// Shows all tools; downloads or locks them first if that is asked for.
///
/// # Errors
/// Not all of them are there, or something cannot be downloaded.
pub async fn tools(session: &Session, args: &ToolsArgs, record: &mut GoalRecord) -> Result<Exit> {
    let mut downloads = session.downloads()?;
    // A dry run looks, and says what would be downloaded.
    let dry_run = session.options.dry_run;
    if args.lock && !dry_run {
        record.more.insert("locked".into(), json!(lock(session, &mut downloads).await?));
    }
    let platform = Platform::here()?;
    let shell = Shell::new()?;
    let toolbox = Toolbox::new(&shell, &downloads, platform);
    let mut found = toolbox.find_all().await.to_vec();
    if args.download && !dry_run {
        found = try_join_all(found.into_iter().map(|found| download(session, &toolbox, found))).await?;
        if session.options.real {
            download_real(session, &downloads).await?;
        }
    }
    let mut programs: Vec<Program> =
        found.iter().map(|found| Program::of_tool(found, &downloads, platform)).collect();
    if session.options.real {
        programs.extend(real_programs(session, &downloads, platform)?);
    }
    let engines = Engines::of_this_machine().await?;
    let width = session.console.results().width;
    session.console.result(&shown::text(&programs, &engines, &downloads, width));
    record.say(shown::document(&programs, &engines, &downloads.settings, platform));
    verdict(&programs, &engines, downloads.settings.offline)
}

/// Takes what is published of everything that may be downloaded into `tools.lock`.
async fn lock(session: &Session, downloads: &mut Downloads) -> Result<Vec<String>> {
    let running = session.console.step("tools.lock", "reading published checksums");
    let release = session.options.argocd.clone().unwrap_or_default();
    let mut artifacts = tools::artifacts();
    // Old releases have no program for some platforms.
    artifacts.extend(Platform::ALL.into_iter().filter_map(|it| real::argocd_artifact(&release, it).ok()));
    let (mut published, dex) =
        futures::try_join!(downloads.all_published(&artifacts), real::dex_published(downloads, real::DEX))?;
    published.push((real::dex_key(real::DEX), dex));
    let new = downloads.lock.add(&published)?;
    running.done(&match new.len() {
        0 => "all known".to_owned(),
        new => format!("{new} new lines; look at them before you commit"),
    });
    Ok(new)
}

async fn download(session: &Session, toolbox: &Toolbox<'_>, found: Found) -> Result<Found> {
    if found.is_there() {
        return Ok(found);
    }
    let running = session.console.step(found.tool.name(), "downloading");
    let got = toolbox.make_there(found, &running).await?;
    running.done(&format!("{} is in the cache", got.version));
    Ok(got)
}

/// Argo CD and Dex.
async fn download_real(session: &Session, downloads: &Downloads) -> Result<()> {
    let release = session.options.argocd.clone().unwrap_or_default();
    let [argocd, dex] = ["argocd", "dex"].map(|name| session.console.step(name, "downloading"));
    futures::try_join!(real::argocd(downloads, &release, &argocd), real::dex(downloads, real::DEX, &dex))?;
    argocd.done(&format!("{release} is in the cache"));
    dex.done(&format!("{} is in the cache", real::DEX));
    Ok(())
}

/// Argo CD and Dex, as far as they are in the cache.
fn real_programs(session: &Session, downloads: &Downloads, platform: Platform) -> Result<[Program; 2]> {
    let release = session.options.argocd.clone().unwrap_or_default();
    let artifact = real::argocd_artifact(&release, platform)?;
    let program = |name, version: String, path: Option<PathBuf>, url| {
        let source = if path.is_some() { Source::Cache } else { Source::Download };
        Program { name, version, source, path, url, passed_over: None }
    };
    let dex = real::find_dex(downloads, real::DEX, platform);
    Ok([
        program("argocd", release.to_string(), downloads.find(&artifact), downloads.url_of(&artifact)),
        program("dex", real::DEX.to_owned(), dex, real::dex_url(downloads, real::DEX)),
    ])
}

fn verdict(programs: &[Program], engines: &Engines, offline: bool) -> Result<Exit> {
    let missing: Vec<&str> =
        programs.iter().filter(|it| it.source == Source::Download).map(|it| it.name).collect();
    let engine = engines.usable();
    if missing.is_empty() {
        return engine.map(|_| Exit::Done);
    }
    let real = if missing.iter().any(|name| ["argocd", "dex"].contains(name)) { " --real" } else { "" };
    let offline = if offline { " without --offline" } else { "" };
    let engine = if engine.is_ok() { "" } else { ", and no container engine answers" };
    Err(Error::environment(format!("not there: {}{engine}", missing.join(", ")))
        .hint(format!("`cargo xtask tools --download{real}`{offline} downloads what is missing")))
}
