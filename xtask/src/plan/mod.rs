//! A goal as data: which steps, and what each waits for.
//!
//! Steps are written so that running them twice does no harm, so a plan needs not
//! know what state the lab is in. `--dry-run` prints it, tests snapshot it, and
//! [`run`] runs independent steps side by side.

mod faults;
mod kind;
mod rotate;
mod run;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::{Expect, Goal};
use crate::fault::{Edit, Fault};
use crate::steps::{Action, Deed, KindStep};
use cluster::names::{Place, Provider, Workload};

pub use rotate::rotate;
pub use run::{run, run_heard};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name, unique in the plan; in JSON too.
    pub name: &'static str,
    /// The steps that have to be done before.
    pub after: Vec<&'static str>,
    /// What it does.
    pub action: Action,
}

/// The steps of one goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The goal or command.
    pub name: &'static str,
    /// Its steps; each comes after those that it waits for.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a goal, or `None` for one that only looks (`status`) or is made
    /// of other goals (`reproduce`). `fault` is the one that `break` puts in (`rotate`
    /// if there is none) and the only one that `fix` heals.
    pub fn of(goal: Goal, fault: Option<Fault>, place: Place, provider: Provider) -> Option<Self> {
        use Action::{
            ArgocdSecret, DexSecret, Heal, HearsNewSecrets, Install, InstallAnew, Namespaces, NoOidcSecret,
            OidcSecret, Ready, Restart, StartLab, StopLab,
        };
        use Workload::{Argocd, Dex, DexServer, Exporter};
        let mut steps = match goal {
            Goal::Working | Goal::Broken if place == Place::Kind => {
                kind::bring_up(goal == Goal::Broken, provider)
            }
            Goal::Working | Goal::Broken if provider == Provider::Bundled => {
                let install = if goal == Goal::Working { Install(Argocd) } else { InstallAnew(Argocd) };
                let mut steps = vec![
                    step("lab", &[], StartLab),
                    step("namespaces", &["lab"], Namespaces),
                    step("argocd-secret", &["namespaces"], ArgocdSecret),
                    step("argocd", &["argocd-secret"], install),
                    step("dex-ready", &["argocd"], Ready(DexServer)),
                    step("argocd-ready", &["argocd"], Ready(Argocd)),
                ];
                steps.extend((goal == Goal::Broken).then(new_key).into_iter().flatten());
                steps
            }
            Goal::Working => vec![
                step("lab", &[], StartLab),
                step("namespaces", &["lab"], Namespaces),
                step("argocd-secret", &["namespaces"], ArgocdSecret),
                step("dex-secret", &["namespaces"], DexSecret),
                step("oidc-secret", &["dex-secret"], OidcSecret),
                step("dex", &["dex-secret"], Install(Dex)),
                step("argocd", &["argocd-secret", "oidc-secret"], Install(Argocd)),
                step("dex-ready", &["dex"], Ready(Dex)),
                step("argocd-ready", &["argocd"], Ready(Argocd)),
            ],
            Goal::Broken => vec![
                step("lab", &[], StartLab),
                step("namespaces", &["lab"], Namespaces),
                step("argocd-secret", &["namespaces"], ArgocdSecret),
                step("no-oidc-secret", &["namespaces"], NoOidcSecret),
                step("dex-secret", &["namespaces"], DexSecret),
                step("dex", &["dex-secret"], Install(Dex)),
                step("argocd", &["argocd-secret", "no-oidc-secret"], InstallAnew(Argocd)),
                step("dex-ready", &["dex"], Ready(Dex)),
                step("argocd-ready", &["argocd"], Ready(Argocd)),
                step("argocd-settled", &["argocd-ready"], HearsNewSecrets),
                step("oidc-secret", &["dex-secret", "argocd-settled"], OidcSecret),
            ],
            Goal::Break => faults::steps(fault.unwrap_or(Fault::Rotate), provider),
            Goal::Fix => vec![
                step("heal", &[], Heal { only: fault, argocd: false }),
                step("argocd-restart", &["heal"], Restart(Argocd)),
                step("dex-ready", &["heal"], Ready(provider.workload())),
                step("argocd-ready", &["argocd-restart"], Ready(Argocd)),
            ],
            Goal::Test => return Some(Self::test(None)),
            Goal::Monitor => {
                let image = (place == Place::Kind)
                    .then(|| step("exporter-image", &[], Action::Kind(KindStep::ExporterImage)));
                let after: Vec<&str> = image.iter().map(|step| step.name).collect();
                let mut steps: Vec<Step> = image.into_iter().collect();
                steps.push(step("exporter", &after, Install(Exporter)));
                steps.push(step("exporter-ready", &["exporter"], Ready(Exporter)));
                steps
            }
            Goal::Down => vec![step("down", &[], StopLab)],
            Goal::Status | Goal::Reproduce => return None,
        };
        if matches!(goal, Goal::Working | Goal::Broken) {
            heal_first(&mut steps);
        }
        if goal == Goal::Fix && fault.is_none() && provider == Provider::Bundled {
            // What was undone may have been Dex's too, which begins anew with it.
            steps.push(step("dex-takes", &["dex-ready", "argocd-ready"], Action::DexTakes));
        }
        Some(Self { name: goal.name(), steps })
    }

    /// The plan of `test`, which looks for a verdict.
    pub fn test(expect: Option<Expect>) -> Self {
        Self { name: Goal::Test.name(), steps: vec![step("logins", &[], Action::Login(expect))] }
    }

    /// The same in a lab that speaks https: its certificates come as soon as there are
    /// namespaces, and the way to whatever is behind the ingress needs them.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        if let Some(at) = self.steps.iter().position(|step| step.name == BEFORE) {
            let certificates = step("certificates", &[BEFORE], Action::Certificates);
            for step in self.steps.iter_mut().filter(|it| matches!(it.name, "dex-ready" | "argocd-ready")) {
                step.after.push(certificates.name);
            }
            self.steps.insert(at + 1, certificates);
        }
        self
    }

    /// The plan for a person: a line a step, with what it waits for and what it does. In turns:
    /// the steps of a turn run side by side as soon as those are done that they wait for.
    pub fn describe(&self, in_turns: bool, does: impl Fn(Action) -> Vec<Deed>) -> String {
        let mut text = format!("{}\n", self.name);
        if !in_turns {
            describe_steps(&mut text, &self.steps.iter().collect::<Vec<_>>(), &does);
            return text;
        }
        for (number, turn) in self.turns().iter().enumerate() {
            let side_by_side = if turn.len() > 1 { ", side by side" } else { "" };
            let _ = writeln!(text, " turn {}{side_by_side}", number + 1);
            describe_steps(&mut text, turn, &does);
        }
        text
    }

    /// Steps by how many others have to be done one after another before them.
    fn turns(&self) -> Vec<Vec<&Step>> {
        let mut turn_of: BTreeMap<&str, usize> = BTreeMap::new();
        let mut turns: Vec<Vec<&Step>> = vec![];
        for step in &self.steps {
            let before = step.after.iter().filter_map(|name| turn_of.get(name)).max();
            let turn = before.map_or(0, |turn| turn + 1);
            turn_of.insert(step.name, turn);
            if turns.len() <= turn {
                turns.resize(turn + 1, vec![]);
            }
            turns[turn].push(step);
        }
        turns
    }
}

fn describe_steps(text: &mut String, steps: &[&Step], does: impl Fn(Action) -> Vec<Deed>) {
    for step in steps {
        let after = match step.after.as_slice() {
            [] => String::new(),
            names => format!("  (after {})", names.join(", ")),
        };
        let _ = writeln!(text, "  {:<20} {}{after}", step.name, step.action.describe());
        for deed in does(step.action) {
            let _ = writeln!(text, "      {}", deed.to_string().replace('\n', "\n      "));
        }
    }
}

/// The step that everything in a namespace comes after.
const BEFORE: &str = "namespaces";

/// What earlier faults left is healed as soon as there are namespaces: everything else
/// that needs them comes after that.
fn heal_first(steps: &mut Vec<Step>) {
    let heal = step("heal", &[BEFORE], Action::Heal { only: None, argocd: true });
    for name in steps.iter_mut().flat_map(|step| &mut step.after).filter(|name| **name == BEFORE) {
        *name = heal.name;
    }
    let place = steps.iter().position(|step| step.name == BEFORE).map_or(steps.len(), |place| place + 1);
    steps.insert(place, heal);
}

/// What comes after Argo CD's server in `broken`, where the Dex inside Argo CD checks users.
fn new_key() -> [Step; 3] {
    let new = Edit::OtherServerKey;
    [
        step("argocd-settled", &["argocd-ready"], Action::HearsChanges),
        step(new.name(), &["argocd-settled", "dex-ready"], Action::Edit(new)),
        step("dex-takes", &[new.name()], Action::DexTakes),
    ]
}

/// A step that waits for those in `after`.
fn step(name: &'static str, after: &[&'static str], action: Action) -> Step {
    Step { name, after: after.to_vec(), action }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_read_as_they_run() {
        let of = |goal, fault, place, provider| {
            let plan = Plan::of(goal, fault, place, provider).unwrap();
            plan.describe(place == Place::Kind, |_| vec![])
        };
        let plans: Vec<String> = [
            (Goal::Working, None),
            (Goal::Broken, None),
            (Goal::Break, None),
            (Goal::Break, Some(Fault::FirstStart)),
            (Goal::Break, Some(Fault::StaleSessionManager)),
            (Goal::Fix, None),
            (Goal::Fix, Some(Fault::RedirectUri)),
            (Goal::Test, None),
            (Goal::Monitor, None),
            (Goal::Down, None),
        ]
        .into_iter()
        .map(|(goal, fault)| of(goal, fault, Place::Local, Provider::Dex))
        .chain(
            [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix]
                .map(|goal| of(goal, None, Place::Local, Provider::Bundled)),
        )
        .chain([Goal::Broken, Goal::Monitor].map(|goal| of(goal, None, Place::Kind, Provider::Bundled)))
        .chain([Place::Local, Place::Kind].map(|place| {
            let plan = Plan::of(Goal::Working, None, place, Provider::Dex).unwrap();
            plan.over_tls().describe(place == Place::Kind, |_| vec![])
        }))
        .collect();
        insta::assert_snapshot!(plans.join("\n"));
    }

    #[test]
    fn a_step_waits_only_for_steps_before_it() {
        for goal in
            [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix, Goal::Test, Goal::Monitor, Goal::Down]
        {
            for fault in [None].into_iter().chain(Fault::all().iter().copied().map(Some)) {
                let on = |place, provider| Plan::of(goal, fault, place, provider).unwrap();
                let both =
                    [Place::Local, Place::Kind].map(|it| [on(it, Provider::Dex), on(it, Provider::Bundled)]);
                for plan in both.concat() {
                    for (place, step) in plan.steps.iter().enumerate() {
                        for name in &step.after {
                            assert!(
                                plan.steps[..place].iter().any(|before| before.name == *name),
                                "{step:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
