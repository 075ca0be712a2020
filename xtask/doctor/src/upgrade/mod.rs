//! What another release will do to an installation, before it does it: how it treats a changed client secret, what it
//! needs at its start, and which settings it reads otherwise.

mod steps;

use releases::Release;
use serde_json::{Map, Value, json};

use super::evidence::Evidence;
use super::mask::Mask;
use base::{Error, Exit, Result};
pub use steps::{Change, Step};
use steps::{Way, steps};

/// What an upgrade does to an installation's logins.
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The release that runs, if it is known.
    pub from: Option<Release>,
    /// The one after it.
    pub to: Release,
    /// Why nobody can tell all of it, if so.
    pub unknown: Option<String>,
    /// What happens, in the order of its coming.
    pub steps: Vec<Step>,
}

/// What happens to an installation on its way to a release.
///
/// # Errors
/// The release is older than the one that runs.
pub fn upgrade(evidence: &Evidence, to: &Release) -> Result<Upgrade> {
    let from = evidence.release.clone();
    if let Some(from) = from.as_ref().filter(|from| to < from) {
        return Err(Error::usage(format!("{to} is older than {from}, which runs"))
            .hint("--upgrade-to names a later release"));
    }
    let unknown = match &from {
        None => Some("which release runs could not be seen (--argocd names it)".to_owned()),
        Some(_) if !to.is_published() => {
            let newest = Release::published().next_back();
            let newest =
                newest.map_or_else(String::new, |newest| format!(", the newest of which is {newest}"));
            Some(format!(
                "{to} is no release that this program knows{newest}; what stands here is assumed from older ones"
            ))
        }
        Some(_) if evidence.settings.there().is_none() => {
            Some("argocd-cm could not be read, so what its settings come to is not said".to_owned())
        }
        Some(_) => None,
    };
    let steps = match &from {
        Some(from) if from != to => steps(&Way { evidence, from, to }),
        _ => vec![],
    };
    let secrets = Mask::new(evidence.secrets());
    let masked = |mut step: Step| {
        for text in [&mut step.what, &mut step.because].into_iter().chain(&mut step.avoid) {
            secrets.apply(text);
        }
        step
    };
    let steps = steps.into_iter().map(masked).collect();
    Ok(Upgrade { from, to: to.clone(), unknown, steps })
}

impl Upgrade {
    /// What the program exits with.
    pub fn exit(&self) -> Exit {
        match (&self.unknown, self.steps.is_empty()) {
            (Some(_), _) => Exit::Environment,
            (None, false) => Exit::Verdict,
            (None, true) => Exit::Done,
        }
    }

    /// For `--format json`: the field `upgrade`.
    pub fn fields(&self) -> Map<String, Value> {
        let mut upgrade = json!({
            "from": self.from.as_ref().map(ToString::to_string),
            "to": self.to.to_string(),
            "known": self.unknown.is_none(),
            "steps": self.steps,
        });
        if let Some(unknown) = &self.unknown {
            upgrade["unknown"] = unknown.as_str().into();
        }
        Map::from_iter([("upgrade".to_owned(), upgrade)])
    }

    /// The outcome in a line.
    pub fn headline(&self) -> String {
        let from = self.from.as_ref().map_or("of an unknown release".to_owned(), ToString::to_string);
        let what = match (self.steps.len(), &self.unknown) {
            (0, Some(_)) => "not known".to_owned(),
            (0, None) => "nothing changes for logins".to_owned(),
            (1, _) => "1 thing changes for logins".to_owned(),
            (count, _) => format!("{count} things change for logins"),
        };
        format!("argocd {from} to {}: {what}", self.to)
    }

    /// For a person, below the headline.
    pub fn body(&self) -> String {
        let mut text = String::new();
        for (number, step) in self.steps.iter().enumerate() {
            text.push_str(&format!("\n{}. {}\n   because  {}\n", number + 1, step.what, step.because));
            let avoid = step.avoid.as_deref().unwrap_or_default().lines().enumerate();
            for (at, line) in avoid {
                text.push_str(&format!("   {:<8} {line}\n", if at == 0 { "avoid" } else { "" }));
            }
        }
        if let Some(unknown) = &self.unknown {
            text.push_str(&format!("\nnot known: {unknown}\n"));
        }
        if self.from.as_ref() != Some(&self.to) {
            text.push_str("\nThe pods of argocd-server start anew in an upgrade, and read the client secret and all settings then.\n");
        }
        text
    }
}

#[cfg(test)]
mod tests;
