//! `tools`: which outside programs are there, and which would be downloaded.

use serde_json::{Map, Value, json};
use xshell::Shell;

use crate::cli::ToolsArgs;
use crate::download::{Downloads, Lockfile, Platform, Settings, Shown, shown};
use crate::error::{Error, Exit, Result};
use crate::report::{GoalRecord, Report};
use crate::session::Session;
use crate::tools::{self, Engine, EngineState, Engines, Found, Source, Toolbox};

/// Shows all tools; downloads or locks them first if that is asked for.
///
/// # Errors
/// Not all of them are there, or something cannot be downloaded.
pub async fn tools(session: &Session, args: &ToolsArgs, report: &mut Report) -> Result<Exit> {
    let since = std::time::Instant::now();
    let root = crate::session::checkout();
    let settings = Settings::from_environment(|name| std::env::var_os(name), session.options.offline)?;
    let mut downloads = Downloads::new(settings, Lockfile::read(&root)?);
    let mut more = Map::new();
    if args.lock {
        let new = lock(session, &mut downloads).await?;
        more.insert("locked".into(), json!(new));
    }
    let platform = Platform::here()?;
    let shell = Shell::new()?;
    let toolbox = Toolbox::new(&shell, &downloads, platform);
    let mut found = toolbox.find_all().to_vec();
    if args.download {
        for found in &mut found {
            *found = download(session, &toolbox, found.clone()).await?;
        }
    }
    let engines = Engines::ask(&shell, tools::LIMIT);
    session.console.result(&text(&found, &engines, &downloads, platform));
    more.extend(document(&found, &engines, &downloads, platform));
    report.goals.push(GoalRecord { goal: "tools".into(), time: since.elapsed(), steps: vec![], more });
    verdict(&found, &engines, session.options.offline)
}

async fn lock(session: &Session, downloads: &mut Downloads) -> Result<Vec<String>> {
    let running = session.console.step("tools.lock", "reading published checksums");
    let published = tools::published(downloads, &tools::artifacts()).await?;
    let new = tools::lock(&mut downloads.lock, &published)?;
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
    let got = toolbox.make_there(found, &Shown::new(&running)).await?;
    running.done(&format!("{} downloaded", got.version));
    Ok(got)
}

/// From where a tool would be downloaded.
fn url(found: &Found, downloads: &Downloads, platform: Platform) -> String {
    let artifact = found.tool.artifact(platform);
    shown(&downloads.settings.url(artifact.site, &artifact.path))
}

fn text(found: &[Found], engines: &Engines, downloads: &Downloads, platform: Platform) -> String {
    let mut lines = vec![];
    for found in found {
        let (from, place) = match found.source {
            Source::Path => ("PATH", found.path.display().to_string()),
            Source::Cache => ("cache", found.path.display().to_string()),
            Source::Download => ("missing", format!("would be downloaded from {}", url(found, downloads, platform))),
        };
        let (name, version) = (found.tool.name(), found.version.to_string());
        lines.push(format!("{name:<9}{version:<22}{from:<9}{place}"));
        lines.extend(found.passed_over.iter().map(|why| format!("{:<9}{why}", "")));
    }
    for engine in &engines.all {
        lines.extend(engine_line(engine));
    }
    if engines.all.iter().all(|engine| engine.state == EngineState::Absent) {
        lines.push(format!(
            "{:<9}{:<22}{:<9}none of docker, podman, nerdctl is on PATH",
            "engine", "", "missing"
        ));
    }
    let offline = if downloads.settings.offline { "   (--offline: the network is not asked)" } else { "" };
    lines.push(format!("{:<9}{}{offline}", "cache", downloads.settings.cache.display()));
    lines.push(format!("{:<9}{} files known in tools.lock", "lock", downloads.lock.len()));
    lines.join("\n")
}

fn engine_line(engine: &Engine) -> Option<String> {
    let path = engine.path.as_ref()?.display();
    Some(match &engine.state {
        EngineState::Answers(version) => {
            format!("{:<9}{:<22}{:<9}{path}", engine.name, version.to_string(), "answers")
        }
        _ => format!("{:<9}{:<22}{:<9}{path}: {}", engine.name, "", engine.word(), engine.error()),
    })
}

fn document(
    found: &[Found],
    engines: &Engines,
    downloads: &Downloads,
    platform: Platform,
) -> Map<String, Value> {
    let tools: Vec<Value> = found
        .iter()
        .map(|found| {
            let source = match found.source {
                Source::Path => "path",
                Source::Cache => "cache",
                Source::Download => "download",
            };
            json!({
                "name": found.tool.name(),
                "there": found.is_there(),
                "version": found.version.to_string(),
                "source": source,
                "path": found.is_there().then(|| found.path.display().to_string()),
                "url": url(found, downloads, platform),
                "passed_over": found.passed_over,
            })
        })
        .collect();
    let all: Vec<Value> = engines
        .all
        .iter()
        .map(|engine| {
            let version = match &engine.state {
                EngineState::Answers(version) => Some(version.to_string()),
                _ => None,
            };
            let problem = (!engine.answers()).then(|| engine.error().to_string());
            json!({
                "name": engine.name,
                "state": engine.word(),
                "version": version,
                "path": engine.path.as_ref().map(|path| path.display().to_string()),
                "problem": problem,
            })
        })
        .collect();
    let mut document = Map::new();
    document.insert("tools".into(), tools.into());
    document.insert("engines".into(), all.into());
    document.insert("engine".into(), json!(engines.usable().ok().map(|engine| engine.name)));
    document.insert("platform".into(), platform.to_string().into());
    document.insert("cache".into(), downloads.settings.cache.display().to_string().into());
    document.insert("offline".into(), downloads.settings.offline.into());
    document
}

fn verdict(found: &[Found], engines: &Engines, offline: bool) -> Result<Exit> {
    let missing: Vec<&str> =
        found.iter().filter(|found| !found.is_there()).map(|found| found.tool.name()).collect();
    let missing = missing.join(", ");
    match (missing.is_empty(), engines.usable()) {
        (true, Ok(_)) => Ok(Exit::Done),
        (true, Err(error)) => Err(error),
        (false, engine) => {
            let engine = if engine.is_ok() { "" } else { ", and no container engine answers" };
            Err(Error::environment(format!("not there: {missing}{engine}")).hint(match offline {
                true => "`cargo xtask tools --download` without --offline downloads what is missing",
                false => "`cargo xtask tools --download` downloads it; the kind lab does so by itself",
            }))
        }
    }
}
