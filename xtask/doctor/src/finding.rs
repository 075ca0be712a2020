//! What the doctor found, and in which order it says so.

pub use probe::Certainty;
use probe::{CauseId, Failure};
use serde::Serialize;

use super::shown::shown;

/// One finding. Every text in it is for people and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Finding {
    /// The cause, by its name in the catalogue.
    pub id: CauseId,
    /// The object and the field in it.
    #[serde(rename = "where")]
    pub at: String,
    /// The file that has it, where files were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line there, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Whether it explains what is seen, or will bite later.
    pub when: When,
    /// How sure it is.
    pub certainty: Certainty,
    /// What was read.
    pub evidence: Vec<String>,
    /// Why that gives this symptom.
    pub why: String,
    /// What to do now: commands, one a line.
    pub fix: String,
    /// What the commands change of an object, line by line; never a value of a Secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub change: Vec<String>,
    /// What to do so that it does not come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasting_fix: Option<String>,
    /// Other causes that look the same with what could be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<CauseId>,
    /// What would tell them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decides: Option<String>,
}

/// Commands, and what they change of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Fix {
    /// The commands, one a line.
    pub commands: String,
    /// The object, and below it what goes (`- `) and what comes (`+ `).
    pub change: Vec<String>,
}

impl<T: Into<String>> From<T> for Fix {
    fn from(commands: T) -> Self {
        Self { commands: commands.into(), change: vec![] }
    }
}

impl Fix {
    /// Adds what the commands change.
    pub fn changing(mut self, object: &str, from: Option<String>, to: Option<String>) -> Self {
        self.change.push(object.to_owned());
        self.change.extend(from.map(|line| format!("- {line}")));
        self.change.extend(to.map(|line| format!("+ {line}")));
        self
    }

    /// Adds commands before these.
    pub fn after(mut self, commands: &str) -> Self {
        self.commands = format!("{commands}\n{}", self.commands);
        self
    }

    /// Adds commands behind these.
    pub fn then(mut self, commands: &str) -> Self {
        self.commands = format!("{}\n{commands}", self.commands);
        self
    }
}

/// When a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// It explains what is seen.
    Now,
    /// It is in files, and what is wrong there shows once it is applied.
    Applied,
    /// Logins pass, and something that is bound to happen will end that.
    Later,
}

impl When {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Now => "explains what you see",
            Self::Applied => "will fail when applied",
            Self::Later => "will bite later",
        }
    }
}

impl Finding {
    /// A certain finding about now; its texts are still to be filled in.
    pub fn new(id: CauseId, at: impl Into<String>) -> Self {
        Self {
            id,
            at: at.into(),
            file: None,
            line: None,
            when: When::Now,
            certainty: Certainty::Certain,
            evidence: vec![],
            why: String::new(),
            fix: String::new(),
            change: vec![],
            lasting_fix: None,
            candidates: vec![],
            decides: None,
        }
    }

    /// How sure it is.
    pub fn certainty(mut self, certainty: Certainty) -> Self {
        self.certainty = certainty;
        self
    }

    /// Certain, if so; else likely.
    pub fn certain_if(self, certain: bool) -> Self {
        self.certainty(if certain { Certainty::Certain } else { Certainty::Likely })
    }

    /// When it matters.
    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    /// Adds something that was read.
    pub fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Adds something that was read, if it was.
    pub fn seen_if(mut self, evidence: Option<String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Adds what somebody said where it failed, if it did: `Argo CD says`.
    pub fn quoting<'a>(self, who: &str, failure: impl Into<Option<&'a Failure>>) -> Self {
        self.seen_if(failure.into().map(|failure| format!("{who}: {}", shown(&failure.message))))
    }

    /// Why that gives this symptom.
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What to do now.
    pub fn fix(mut self, fix: impl Into<Fix>) -> Self {
        let Fix { commands, change } = fix.into();
        (self.fix, self.change) = (commands, change);
        self
    }

    /// What to do so that it does not come back.
    pub fn lasting(mut self, fix: Option<String>) -> Self {
        self.lasting_fix = fix;
        self
    }

    /// Names the causes that look the same, this one among them, and what decides.
    pub fn one_of(mut self, candidates: &[CauseId], decides: impl Into<String>) -> Self {
        self.candidates = candidates.to_vec();
        self.decides = Some(decides.into());
        self
    }
}

/// Puts findings in the order in which they should be read: what explains what is seen
/// before what will bite later, the surer before the less sure, then by the catalogue.
/// Of several with one cause only the surest stays, and of those the first; in files each place is one by itself.
pub fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.when, finding.certainty, finding.id));
    let mut kept: Vec<Finding> = vec![];
    for finding in findings {
        let alike = |other: &Finding| other.when != When::Applied || other.at == finding.at;
        if !kept.iter().any(|other| other.id == finding.id && alike(other)) {
            kept.push(finding);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_explanation_comes_first_and_each_once() {
        let finding = |id, when, certainty| Finding::new(id, "x").when(when).certainty(certainty);
        let ids: Vec<_> = in_order(vec![
            finding(CauseId::Scope, When::Later, Certainty::Certain),
            finding(CauseId::Clock, When::Now, Certainty::Possible),
            finding(CauseId::Redis, When::Now, Certainty::Certain),
            finding(CauseId::StaleArgocd, When::Now, Certainty::Certain),
            finding(CauseId::Redis, When::Now, Certainty::Likely),
            finding(CauseId::RedirectUri, When::Now, Certainty::Likely),
        ])
        .into_iter()
        .map(|finding| finding.id)
        .collect();
        assert_eq!(
            ids,
            [CauseId::StaleArgocd, CauseId::Redis, CauseId::RedirectUri, CauseId::Clock, CauseId::Scope]
        );
    }
}
