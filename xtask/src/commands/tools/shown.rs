//! How tools are shown, to people and to programs.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::table;
use toolbox::download::{Downloads, Platform, Settings};
use toolbox::tools::{Engine, EngineState, Engines, Found, Source};

/// A program that is there or could be.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// Where it is from.
    pub source: Source,
    /// Where it is, if it is there.
    pub path: Option<PathBuf>,
    /// From where it would be downloaded.
    pub url: String,
    /// Why another one that is there is not used.
    pub passed_over: Option<String>,
}

impl Program {
    /// A tool.
    pub fn of_tool(found: &Found, downloads: &Downloads, platform: Platform) -> Self {
        Self {
            name: found.tool.name(),
            version: found.version.to_string(),
            source: found.source,
            path: found.is_there().then(|| found.path.clone()),
            url: downloads.url_of(&found.tool.artifact(platform)),
            passed_over: found.passed_over.clone(),
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let place = match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("would be downloaded from {}", self.url),
        };
        let source = ["PATH", "cache", "missing"][self.source as usize];
        let passed_over = self.passed_over.iter().map(|why| row("", "", "", why));
        std::iter::once(row(self.name, &self.version, source, &place)).chain(passed_over).collect()
    }

    fn document(&self) -> Value {
        let source = ["path", "cache", "download"][self.source as usize];
        let path = self.path.as_ref().map(|path| path.display().to_string());
        json!({"name": self.name, "there": path.is_some(), "version": self.version, "source": source,
               "path": path, "url": self.url, "passed_over": self.passed_over})
    }
}

/// For people.
pub fn text(programs: &[Program], engines: &Engines, downloads: &Downloads, width: Option<usize>) -> String {
    let mut rows: Vec<_> = programs.iter().flat_map(Program::rows).collect();
    rows.extend(engines.all.iter().filter_map(engine_row));
    if engines.all.iter().all(|engine| engine.state == EngineState::Absent) {
        rows.push(row("engine", "", "missing", "none of docker, podman, nerdctl is on PATH"));
    }
    let settings = &downloads.settings;
    let offline = if settings.offline { "   (--offline: the network is not asked)" } else { "" };
    rows.push(row("cache", "", "", &format!("{}{offline}", settings.cache.display())));
    let lock = match downloads.lock.known() {
        0 => "tools.lock knows no file yet: downloads are held against published checksums only".to_owned(),
        known => format!("tools.lock knows {known} files"),
    };
    rows.push(row("lock", "", "", &lock));
    table::text(&rows, width)
}

/// For programs, with this machine's platform.
pub fn document(programs: &[Program], engines: &Engines, settings: &Settings, platform: Platform) -> Value {
    let tools: Vec<Value> = programs.iter().map(Program::document).collect();
    let all: Vec<Value> = engines.all.iter().map(engine_document).collect();
    let engine = engines.usable().ok().map(|engine| engine.name);
    json!({"tools": tools, "engines": all, "engine": engine,
            "platform": platform.to_string(), "cache": settings.cache.display().to_string(),
            "offline": settings.offline})
}

fn row(name: &str, version: &str, source: &str, place: &str) -> Vec<String> {
    [name, version, source, place].map(str::to_owned).to_vec()
}

fn engine_row(engine: &Engine) -> Option<Vec<String>> {
    let path = engine.path.as_ref()?.display();
    Some(match &engine.state {
        EngineState::Answers(version) => {
            row(engine.name, &version.to_string(), engine.word(), &path.to_string())
        }
        _ => row(engine.name, "", engine.word(), &format!("{path}: {}", engine.error())),
    })
}

fn engine_document(engine: &Engine) -> Value {
    let version = match &engine.state {
        EngineState::Answers(version) => Some(version.to_string()),
        _ => None,
    };
    let path = engine.path.as_ref().map(|path| path.display().to_string());
    let problem = (!engine.answers()).then(|| engine.error().to_string());
    json!({"name": engine.name, "state": engine.word(), "version": version, "path": path, "problem": problem})
}
