//! What a run of the doctor says, for programs and for people.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::access_gaps::CouldNot;
use super::evidence::Evidence;
use super::finding::{Finding, When};
use super::mask::Mask;
use super::shown::{object, shown};
use super::token::Token;
use super::{advice, checks};
use base::Exit;

/// The outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// What was looked at, in a line.
    pub subject: String,
    /// What was found, in the order in which it should be read.
    pub findings: Vec<Finding>,
    /// Failures that were seen and that no finding explains.
    pub unexplained: Vec<String>,
    /// What could not be looked at.
    pub could_not: Vec<CouldNot>,
    /// Roles that would suffice, as manifests; empty if no right was missing.
    #[serde(rename = "role", skip_serializing_if = "String::is_empty")]
    pub roles: String,
    /// What this release does when the secret changes.
    pub release: Option<String>,
    /// How to rotate safely, if that was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub safe_order: Vec<String>,
    /// Whether anything that a login depends on could be looked at.
    #[serde(skip)]
    pub looked: bool,
    /// Whether files were looked at.
    #[serde(skip)]
    pub files: bool,
    /// How often the provider was asked.
    pub asked: Asked,
    /// What the user's token gives, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// How often the provider was asked, beside the logins of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// By the doctor itself: its discovery document, its keys, its token endpoint.
    pub by_doctor: usize,
    /// By Argo CD, for codes that nobody gave out: it shows its secret in the header and then in the body.
    pub by_argocd: usize,
}

impl Diagnosis {
    /// Decides by the evidence.
    pub fn of(evidence: &Evidence, before_rotation: bool) -> Self {
        let mut findings = checks::all(evidence);
        if before_rotation {
            findings.extend(checks::before_rotation(evidence));
            findings = super::finding::in_order(findings);
        }
        let looked = evidence.settings.there().is_some()
            || !evidence.presented().eq(&Default::default())
            || evidence.public().is_some()
            || !evidence.failures().is_empty();
        let diagnosis = Self {
            subject: subject(evidence),
            unexplained: unexplained(evidence, &findings),
            findings,
            could_not: evidence.could_not.clone(),
            roles: evidence.roles.clone(),
            release: evidence.release.as_ref().map(|release| {
                let era = release.era();
                let nearest = advice::nearest_that_reloads(release).map_or_else(String::new, |nearest| {
                    format!("; the nearest that does not need a restart is {nearest}")
                });
                format!(
                    "argocd {release}, when the client secret changes: {} (era `{}`){nearest}",
                    era.because(),
                    era.name()
                )
            }),
            safe_order: if before_rotation { checks::safe_order(evidence) } else { vec![] },
            looked,
            token: Token::of(evidence),
            files: evidence.files,
            asked: Asked {
                by_doctor: evidence.provider.requests(),
                by_argocd: 2 * evidence.redeemed().filter(|redeemed| redeemed.answer().is_some()).count(),
            },
        };
        diagnosis.masked(evidence)
    }

    /// Nothing that was read as a secret is in any text: by construction, and then once
    /// more by looking for it.
    fn masked(mut self, evidence: &Evidence) -> Self {
        let secrets = Mask::new(evidence.secrets());
        let mask = |text: &mut String| secrets.apply(text);
        mask(&mut self.subject);
        for finding in &mut self.findings {
            for text in [&mut finding.at, &mut finding.why, &mut finding.fix] {
                mask(text);
            }
            finding.evidence.iter_mut().for_each(mask);
            finding.change.iter_mut().for_each(mask);
            finding.lasting_fix.iter_mut().for_each(mask);
            finding.decides.iter_mut().for_each(mask);
        }
        self.unexplained.iter_mut().for_each(mask);
        if let Some(token) = &mut self.token {
            let Token { claims, group_names, no_groups, scopes, policy, groups: _, may_look: _ } = token;
            let all = claims.iter_mut().chain(group_names).chain(no_groups).chain(policy);
            all.chain(scopes.iter_mut().flatten()).for_each(mask);
        }
        for could_not in &mut self.could_not {
            mask(&mut could_not.what);
            mask(&mut could_not.because);
        }
        self
    }

    /// For `--format json`: the fields of the command.
    pub fn fields(&self) -> Map<String, Value> {
        match json!(self) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// Leaves the names of groups out, which are shown only to those who ask for them.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        self.token.iter_mut().for_each(|token| token.group_names.clear());
        self
    }

    /// What the program exits with.
    pub fn exit(&self) -> Exit {
        match (self.findings.is_empty() && self.unexplained.is_empty(), self.looked) {
            (false, _) => Exit::Verdict,
            (true, true) => Exit::Done,
            (true, false) => Exit::Environment,
        }
    }

    /// For a person, below the headline.
    pub fn body(&self) -> String {
        let mut text = String::new();
        for (number, finding) in self.findings.iter().enumerate() {
            text.push('\n');
            text.push_str(&one(number + 1, finding));
        }
        text.push_str(&section("seen, and not explained by any check", &self.unexplained));
        let of_token = self.token.as_ref().map(Token::lines).unwrap_or_default();
        text.push_str(&section("what the token gives", &of_token));
        // What has one reason is said at once: a cluster that does not answer, for one.
        let alike =
            |one: &CouldNot, other: &CouldNot| (&one.because, &one.right) == (&other.because, &other.right);
        let could_not = self.could_not.chunk_by(alike).map(|same| {
            let what: Vec<&str> = same.iter().map(|could_not| could_not.what.as_str()).collect();
            let CouldNot { because, right, .. } = &same[0];
            let right = right.as_ref().map_or_else(String::new, |right| format!(" (needs: {right})"));
            format!("{}: {because}{right}", what.join(", "))
        });
        text.push_str(&section("could not look at", &could_not.collect::<Vec<_>>()));
        if self.asked != Asked::default() {
            let Asked { by_doctor, by_argocd } = self.asked;
            let [by_doctor, by_argocd] = [by_doctor, by_argocd].map(|times| match times {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            });
            text.push_str(&format!(
                "\nThe provider was asked {by_doctor} by the doctor, and {by_argocd} by Argo CD for codes that nobody gave out.\n"
            ));
        }
        if !self.roles.is_empty() {
            text.push_str("\nThis Role would suffice; bind it to whoever runs the doctor:\n\n");
            text.push_str(&self.roles);
            if !self.looked {
                text.push_str("\nWithout it, --url ADDRESS still tells what is seen from outside, and `explain` what an error or a log means.\n");
            }
        }
        let steps = self.safe_order.iter().enumerate().map(|(at, step)| format!("{}. {step}", at + 1));
        text.push_str(&section("to rotate the client secret here", &steps.collect::<Vec<_>>()));
        if let (Some(release), false) =
            (&self.release, self.findings.is_empty() && self.safe_order.is_empty() && !self.files)
        {
            text.push_str(&format!("\n{release}\n"));
        }
        text
    }

    /// The outcome in a line.
    pub fn headline(&self) -> String {
        let unexplained =
            (!self.unexplained.is_empty()).then(|| "logins fail in a way that no check explains".to_owned());
        let counts = [When::Now, When::Applied, When::Later].into_iter().filter_map(|when| {
            match (self.findings.iter().filter(|finding| finding.when == when).count(), when) {
                (0, _) => None,
                (1, _) => Some(format!("1 finding {}", when.words())),
                (count, When::Now) => Some(format!("{count} findings explain what you see")),
                (count, _) => Some(format!("{count} findings {}", when.words())),
            }
        });
        let parts: Vec<String> = unexplained.into_iter().chain(counts).collect();
        let said = match (parts.is_empty(), self.looked) {
            (false, _) => parts.join(", "),
            (true, true) if self.could_not.is_empty() => "nothing found".to_owned(),
            (true, true) => "nothing found in what could be looked at".to_owned(),
            (true, false) => "could not look".to_owned(),
        };
        format!("{}: {said}", self.subject)
    }
}

/// Lines below a heading; nothing without lines.
fn section(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{heading}\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
}

/// What was seen to fail where nothing that was found explains it.
fn unexplained(evidence: &Evidence, findings: &[Finding]) -> Vec<String> {
    if findings.iter().any(|finding| finding.when == When::Now) {
        return vec![];
    }
    let words = |step: probe::Step, status: Option<u16>, message: &str| {
        // A page without words of its own is shown by its status.
        let status = status.map_or_else(String::new, |status| format!("{status} "));
        let status = if message.starts_with(&status) { "" } else { &status };
        format!("{step}: {status}{}", shown(message))
    };
    let rehearsed = evidence.failures().into_iter().map(|it| words(it.step, it.status, &it.message));
    let logins = evidence.login_failures().iter().map(|it| words(it.step, it.status, &it.message));
    let mut all: Vec<String> = not_there(evidence);
    for failure in rehearsed.chain(logins) {
        if !all.contains(&failure) {
            all.push(failure);
        }
    }
    all
}

/// What has to be there for any login at all, and is not.
fn not_there(evidence: &Evidence) -> Vec<String> {
    let Some(server) = evidence.server.there() else { return vec![] };
    let place = server.place();
    let pods = match (server.wanted, server.ready) {
        (0, _) => Some(format!("{place} is to have no pods: {}", advice::scale_to_one(evidence, server))),
        (wanted, 0) => Some(format!("{place} is to have {wanted} pods, and none is ready")),
        _ => None,
    };
    let settings = evidence.settings.is_absent().then(|| {
        let place = object("ConfigMap", &server.namespace, "argocd-cm");
        format!("{place}, which has all settings, is not there")
    });
    pods.into_iter().chain(settings).collect()
}

fn one(number: usize, finding: &Finding) -> String {
    let mut text =
        format!("{number}. {}  ({}, {})\n", finding.id, finding.certainty.name(), finding.when.words());
    let mut line = |name: &str, said: &str| {
        for (at, said) in said.lines().enumerate() {
            let name = if at == 0 { name } else { "" };
            text.push_str(&format!("   {name:<8} {said}\n"));
        }
    };
    line("where", &finding.at);
    if let (Some(file), Some(number)) = (&finding.file, finding.line) {
        line(
            "",
            &format!("{}:{number}", if file == "-" { "standard input".to_owned() } else { shown(file) }),
        );
    }
    for (at, evidence) in finding.evidence.iter().enumerate() {
        line(if at == 0 { "seen" } else { "" }, evidence);
    }
    line("why", &finding.why);
    line("fix", &finding.fix);
    line("change", &finding.change.join("\n"));
    if let Some(lasting) = &finding.lasting_fix {
        line("lasting", lasting);
    }
    if !finding.candidates.is_empty() {
        let names: Vec<&str> = finding.candidates.iter().map(|id| id.name()).collect();
        line("one of", &names.join(", "));
    }
    if let Some(decides) = &finding.decides {
        line("decides", decides);
    }
    text
}

/// How the images begin of programs that only answer like Argo CD, which is always said.
const STAND_INS: &str = "oidc-lab/stand-in-";

/// What was looked at: `argocd v3.3.6 (stand-in), 1 replica`.
fn subject(evidence: &Evidence) -> String {
    let server = evidence.server.there();
    let stand_in = server.is_some_and(|server| server.image.starts_with(STAND_INS));
    let kind = if stand_in { " (stand-in)" } else { "" };
    let release = evidence.release.as_ref().map(|release| format!("{release}{kind}"));
    let release = release.as_deref().unwrap_or("of an unknown release");
    let replicas = match server.map(|server| server.wanted) {
        None => String::new(),
        Some(1) => ", 1 replica".to_owned(),
        Some(wanted) => format!(", {wanted} replicas"),
    };
    let of_files = if evidence.files { ", from files" } else { "" };
    format!("argocd {release}{replicas}{of_files}")
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
pub mod tests;
