//! What a shell offers for the arguments of the doctor.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use probe::CauseId;
use releases::Release;

/// Argo CD releases, newest first: the last of each minor one, and all of one that is begun to be typed.
pub fn releases() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_string_lossy().into_owned();
        let all: Vec<Release> = Release::published().rev().collect();
        let minor = |release: &Release| (release.numbers().0, release.numbers().1);
        let begun = typed.matches('.').count() > 1;
        let shown = all.iter().enumerate().filter(|(at, release)| {
            let last = *at == 0 || minor(&all[at - 1]) != minor(release);
            (last || begun) && release.to_string().starts_with(&typed)
        });
        shown.map(|(_, release)| CompletionCandidate::new(release.to_string())).collect()
    })
}

/// The contexts of the kubeconfig, as kubectl knows them; none where there is no kubectl.
pub fn contexts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let asked = Command::new("kubectl")
            .args(["config", "get-contexts", "-o", "name"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let names = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        names.unwrap_or_default().lines().map(CompletionCandidate::new).collect()
    })
}

/// The causes that `explain` has a page of.
pub fn causes() -> ArgValueCandidates {
    ArgValueCandidates::new(|| CauseId::ALL.iter().map(|id| CompletionCandidate::new(id.name())).collect())
}
