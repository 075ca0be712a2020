//! What was seen of one fault.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Fault;
use base::duration;
use cluster::names::Provider;

/// One fault, put in, looked at and healed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub fault: String,
    /// Who checks the user.
    #[serde(default, skip_serializing_if = "Provider::is_dex")]
    pub provider: Provider,
    /// The program that ran as Argo CD.
    pub argocd: String,
    /// The program that ran as Dex.
    pub dex: String,
    /// What a login said.
    pub symptom: String,
    /// What the doctor named, in its order.
    pub answer: Vec<String>,
    /// How sure it was of the first.
    pub certainty: Option<String>,
    /// How long it took, in milliseconds.
    pub diagnosis_ms: u64,
    /// Whether that is as it should be.
    pub outcome: Outcome,
    /// A login of those that say so, for a report.
    #[serde(skip)]
    pub trace: Value,
}

/// How a fault ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The doctor named it first, and healing left nothing.
    Named,
    /// It does not show on this release, but on others.
    NotHere(String),
    /// It shows with real programs only.
    RealOnly,
    /// Something is not as it should be.
    Differs,
}

impl Row {
    /// A fault of which nothing was seen yet.
    pub fn new(fault: Fault, provider: Provider, argocd: String, dex: String) -> Self {
        Self {
            fault: fault.name().to_owned(),
            provider,
            argocd,
            dex,
            symptom: String::new(),
            answer: vec![],
            certainty: None,
            diagnosis_ms: 0,
            outcome: Outcome::Differs,
            trace: Value::Null,
        }
    }

    /// What it is kept under.
    pub fn key(&self) -> String {
        match self.provider {
            Provider::Dex => self.fault.clone(),
            Provider::Bundled => format!("{} (bundled)", self.fault),
        }
    }

    /// How long the doctor took.
    pub fn diagnosis(&self) -> Duration {
        Duration::from_millis(self.diagnosis_ms)
    }

    /// The outcome in a line.
    pub fn line(&self) -> String {
        let answer = if self.answer.is_empty() { "nothing".to_owned() } else { self.answer.join(", ") };
        let time = duration(self.diagnosis());
        match &self.outcome {
            Outcome::Named => format!("{answer} in {time}"),
            Outcome::NotHere(releases) => format!("does not show here, but on {releases}"),
            Outcome::RealOnly => "shows with real programs only".to_owned(),
            Outcome::Differs => format!("NOT as it should be: {answer} in {time}"),
        }
    }
}
