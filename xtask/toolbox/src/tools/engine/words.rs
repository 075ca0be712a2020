//! What each engine says, read.

use std::io;

use reqwest::Url;
use serde_json::Value;

use super::EngineState;
use crate::download::is_loopback;
use crate::tools::first_line;
use crate::tools::version::Version;
use base::process::Said;

/// What to do about an engine that is too old.
pub(super) const UPDATE: &str = "update it";

/// Reads an engine's answer: `fits` says what it is where the answer names a version, nothing
/// where it does not.
fn read(
    answer: io::Result<Said>,
    place: &str,
    fits: impl FnOnce(&Value) -> Option<EngineState>,
) -> EngineState {
    match answer {
        Ok(ended) => {
            let answer: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or(Value::Null);
            fits(&answer).unwrap_or_else(|| trouble(&ended, place))
        }
        Err(error) => EngineState::Unclear(format!("it cannot be run ({error})")),
    }
}

/// An engine of a version, if kind takes that.
fn of_version(name: &str, version: Option<&str>, oldest: (u32, u32)) -> Option<EngineState> {
    let version = Version::parse(version?)?;
    let (major, minor) = oldest;
    Some(match version.numbers() < (major, minor, 0) {
        true => {
            EngineState::Unfit(format!("{name} {version} is too old: kind needs {major}.{minor}"), UPDATE)
        }
        false => EngineState::Answers(version),
    })
}

/// Reads what docker says to `docker version`, and `<context> <endpoint>`.
pub(super) fn docker(answer: io::Result<Said>, endpoint: &str) -> EngineState {
    let (context, place) = endpoint.trim().split_once(' ').unwrap_or(("", endpoint.trim()));
    let place = redacted(place.trim());
    read(answer, &place, |answer| {
        // podman's client spells the key in another way than docker's.
        if answer["Client"]["APIVersion"].is_string() && answer["Client"]["ApiVersion"].is_null() {
            return Some(EngineState::IsPodman);
        }
        if !place.is_empty() && !is_local(&place) {
            return Some(EngineState::Remote(match context {
                "" | "default" => format!("{place}, from DOCKER_HOST"),
                context => format!("{place}, from the context {context}"),
            }));
        }
        // What rootless and cgroup v2 need; kind supports no older one.
        of_version("docker's daemon", answer["Server"]["Version"].as_str(), (20, 10))
    })
}

/// Whether docker's client and daemon both know `image save --platform`: each has to speak
/// version 1.48 of the API, and neither's own version tells what the other does.
pub(super) fn saves_platforms(answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer.trim()).unwrap_or(Value::Null);
    ["Client", "Server"].iter().all(|side| {
        let version = answer[side]["ApiVersion"].as_str().and_then(|version| version.split_once('.'));
        let numbers = version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        numbers.is_some_and(|numbers: (u32, u32)| numbers >= (1, 48))
    })
}

/// Reads what podman says to `podman info`.
pub(super) fn podman(answer: io::Result<Said>, container_host: Option<&str>) -> EngineState {
    if let Some(host) = container_host.map(redacted).filter(|host| !is_local(host)) {
        return EngineState::Remote(format!("{host}, from CONTAINER_HOST"));
    }
    read(answer, "", |answer| {
        let host = &answer["host"];
        let version = answer["version"]["Version"].as_str()?;
        if host["security"]["rootless"] == true && host["cgroupVersion"] == "v1" {
            let why = "rootless podman needs cgroup v2 for kind, and this machine has v1";
            return Some(EngineState::Unfit(why.into(), "run it as root"));
        }
        of_version("podman", Some(version), (3, 0))
    })
}

/// Reads what nerdctl says to `nerdctl version`.
pub(super) fn nerdctl(answer: io::Result<Said>) -> EngineState {
    read(answer, "", |answer| {
        let components = answer["Server"]["Components"].as_array().is_some_and(|all| !all.is_empty());
        of_version("nerdctl", answer["Client"]["Version"].as_str().filter(|_| components), (1, 7))
    })
}

/// What an engine that gives no version says instead.
fn trouble(ended: &Said, place: &str) -> EngineState {
    if ended.status.is_none() {
        return EngineState::Silent(place.to_owned());
    }
    let said = &ended.stderr;
    let low = said.to_ascii_lowercase();
    let place = match socket(said) {
        Some(socket) if place.is_empty() => socket,
        _ if place.is_empty() => "its socket".to_owned(),
        _ => place.to_owned(),
    };
    // "permission denied" comes first: newer docker says in both cases that it failed to connect.
    if low.contains("permission denied") {
        return EngineState::Denied(place);
    }
    let dead = [
        "is the docker daemon running",
        "check if the path is correct and if the daemon is running",
        "cannot connect to podman",
        "unable to connect to podman",
        "cannot access containerd socket",
        "rootless containerd not running",
        "connection refused",
    ];
    if dead.iter().any(|words| low.contains(words)) {
        return EngineState::Dead(place);
    }
    let line = first_line(said).or_else(|| first_line(&ended.stdout));
    EngineState::Unclear(line.map_or_else(|| "it says nothing".to_owned(), |line| redacted(&line)))
}

/// The socket that a message names.
fn socket(said: &str) -> Option<String> {
    let words = said.split([' ', '"', '\'', '\n', '\\', ',', ';', '(', ')']);
    words
        .map(|word| word.trim_end_matches(['.', ':']))
        .find(|word| word.starts_with("unix://") || (word.starts_with('/') && word.ends_with(".sock")))
        .map(str::to_owned)
}

/// Whether an endpoint is on this machine.
pub(super) fn is_local(endpoint: &str) -> bool {
    if !endpoint.contains("://") {
        return true;
    }
    let url = Url::parse(endpoint);
    url.is_ok_and(|url| matches!(url.scheme(), "unix" | "fd" | "npipe") || is_loopback(&url))
}

/// Without a password, should a URL in it have one.
fn redacted(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', ' ']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) if user.contains(':') => {
            format!("{before}://{}@{host}{}", user.split(':').next().unwrap_or_default(), &rest[end..])
        }
        _ => text.to_owned(),
    }
}
