//! A goal as data: which steps, and what each waits for.
//!
//! Steps are written so that running them twice does no harm, so a plan needs not
//! know what state the lab is in. `--dry-run` prints it, tests snapshot it, and
//! [`crate::run`] runs independent steps side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cli::Goal;
use crate::faults::{Edit, Fault};
use crate::lab::kind::{self, KindStep};
use crate::names::{Place, Workload};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring the lab's cluster up, or find it up.
    StartLab,
    /// Apply the namespaces.
    Namespaces,
    /// Fill argocd-secret where it is not filled.
    ArgocdSecret,
    /// Create the client secret as Dex expects it, if there is none.
    DexSecret,
    /// Create the client secret as Argo CD shows it, with Dex's value.
    OidcSecret,
    /// Delete the client secret of Argo CD.
    NoOidcSecret,
    /// Install a component with whatever its Secrets hold now.
    Install(Workload),
    /// Install Argo CD and start its pods anew even if nothing changed.
    InstallAnew(Workload),
    /// Remember that a rotation has begun, and write a new client secret where Dex expects
    /// it, and nowhere else.
    RotateDex,
    /// Write down that a fault is in.
    Remember(Fault),
    /// Change objects as a fault does.
    Edit(Edit),
    /// Give a component another number of pods.
    Scale(Workload, u8),
    /// Log in once, whatever comes of it.
    LogInOnce,
    /// Rotate twice, with a page open on Argo CD.
    RotateTwice,
    /// Undo what faults changed: one, or all that are in.
    Heal {
        /// That one.
        only: Option<Fault>,
        /// Whether Argo CD is restarted too, if it read what was changed.
        argocd: bool,
    },
    /// Start a component's pods anew.
    Restart(Workload),
    /// Wait until a component's pods are all new and ready, and reached through the ingress.
    Ready(Workload),
    /// Wait until Argo CD's server takes in changes of what is there already.
    HearsChanges,
    /// Wait until Argo CD's server takes in a Secret that is new.
    HearsNewSecrets,
    /// Log in and give a verdict.
    Login,
    /// Remove the lab.
    StopLab,
    /// What only a lab on kind has.
    Kind(KindStep),
}

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
    /// The goal.
    pub goal: Goal,
    /// Its steps; each comes after those that it waits for.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a goal, or `None` for one that only looks (`status`) or is made
    /// of other goals (`reproduce`). `fault` is the one that `break` puts in (`rotate`
    /// if there is none) and the only one that `fix` heals.
    pub fn of(goal: Goal, fault: Option<Fault>, place: Place) -> Option<Self> {
        use Action::{
            ArgocdSecret, DexSecret, Heal, HearsNewSecrets, Install, InstallAnew, Login, Namespaces,
            NoOidcSecret, OidcSecret, Ready, Restart, StartLab, StopLab,
        };
        use Workload::{Argocd, Dex};
        let mut steps = match goal {
            Goal::Working if place == Place::Kind => kind::bring_up(kind::Secret::First),
            Goal::Broken if place == Place::Kind => kind::bring_up(kind::Secret::Last),
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
            Goal::Break => fault.unwrap_or(Fault::Rotate).steps(),
            Goal::Fix => vec![
                step("heal", &[], Heal { only: fault, argocd: false }),
                step("argocd-restart", &["heal"], Restart(Argocd)),
                step("dex-ready", &["heal"], Ready(Dex)),
                step("argocd-ready", &["argocd-restart"], Ready(Argocd)),
            ],
            Goal::Test => vec![step("login", &[], Login)],
            Goal::Down => vec![step("down", &[], StopLab)],
            Goal::Status | Goal::Reproduce => return None,
        };
        if matches!(goal, Goal::Working | Goal::Broken) {
            heal_first(&mut steps);
        }
        Some(Self { goal, steps })
    }

    /// The plan for a person: a line a step, with what it waits for.
    pub fn describe(&self) -> String {
        let mut text = format!("{}\n", self.goal.name());
        let steps: Vec<&Step> = self.steps.iter().collect();
        describe_steps(&mut text, &steps, |_| vec![]);
        text
    }

    /// The same with the commands behind each step, in turns: the steps of a turn run side
    /// by side as soon as those are done that they wait for.
    pub fn describe_with(&self, commands: impl Fn(Action) -> Vec<String>) -> String {
        let mut text = format!("{}\n", self.goal.name());
        for (number, turn) in self.turns().iter().enumerate() {
            let side_by_side = if turn.len() > 1 { ", side by side" } else { "" };
            let _ = writeln!(text, " turn {}{side_by_side}", number + 1);
            describe_steps(&mut text, turn, &commands);
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

fn describe_steps(text: &mut String, steps: &[&Step], commands: impl Fn(Action) -> Vec<String>) {
    for step in steps {
        let after = match step.after.as_slice() {
            [] => String::new(),
            names => format!("  (after {})", names.join(", ")),
        };
        let _ = writeln!(text, "  {:<20} {}{after}", step.name, step.action.describe());
        for command in commands(step.action) {
            let _ = writeln!(text, "      {}", command.replace('\n', "\n      "));
        }
    }
}

impl Action {
    /// What it does, for a person.
    pub fn describe(self) -> String {
        let name = |workload: Workload| format!("{}/{}", workload.namespace(), workload.deployment());
        match self {
            Self::StartLab => "start the cluster, or find it up".into(),
            Self::Namespaces => "apply the namespaces argocd, dex, ingress".into(),
            Self::ArgocdSecret => "fill argocd/argocd-secret where it is empty".into(),
            Self::DexSecret => "create dex/dex-clients with a random client secret, if there is none".into(),
            Self::OidcSecret => "create argocd/argocd-oidc with the value that Dex has".into(),
            Self::NoOidcSecret => "delete argocd/argocd-oidc".into(),
            Self::Install(workload) => format!("install {}", name(workload)),
            Self::InstallAnew(workload) => format!("install {} with new pods", name(workload)),
            Self::RotateDex => {
                "remember that a rotation has begun, and write a new client secret into dex/dex-clients"
                    .into()
            }
            Self::Remember(fault) => format!("remember that {} is in", fault.name()),
            Self::Edit(edit) => edit.describe().into(),
            Self::Scale(workload, pods) => format!("scale {} to {pods}", name(workload)),
            Self::LogInOnce => "log in once".into(),
            Self::RotateTwice => "log in, stay on the page, and rotate the client secret twice".into(),
            Self::Heal { only: Some(fault), .. } => format!("undo what {} changed", fault.name()),
            Self::Heal { only: None, .. } => "undo what faults changed".into(),
            Self::Restart(workload) => format!("restart {}", name(workload)),
            Self::Ready(Workload::Redis) => format!("wait until {} is ready", name(Workload::Redis)),
            Self::Ready(workload) => {
                format!("wait until {} is ready and the ingress leads to it", name(workload))
            }
            Self::HearsChanges => "wait until argocd/argocd-server hears of changes".into(),
            Self::HearsNewSecrets => {
                "wait until argocd/argocd-server takes a Secret that is created for a new one".into()
            }
            Self::Login => "log in through argocd.host and dex.host".into(),
            Self::StopLab => "remove the lab".into(),
            Self::Kind(step) => step.describe(),
        }
    }
}

/// What earlier faults left is healed as soon as there are namespaces: everything else
/// that needs them comes after that.
fn heal_first(steps: &mut Vec<Step>) {
    const BEFORE: &str = "namespaces";
    let heal = step("heal", &[BEFORE], Action::Heal { only: None, argocd: true });
    for name in steps.iter_mut().flat_map(|step| &mut step.after).filter(|name| **name == BEFORE) {
        *name = heal.name;
    }
    let place = steps.iter().position(|step| step.name == BEFORE).map_or(steps.len(), |place| place + 1);
    steps.insert(place, heal);
}

/// A step that waits for those in `after`.
pub fn step(name: &'static str, after: &[&'static str], action: Action) -> Step {
    Step { name, after: after.to_vec(), action }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_read_as_they_run() {
        let plans: Vec<String> = [
            (Goal::Working, None),
            (Goal::Broken, None),
            (Goal::Break, None),
            (Goal::Break, Some(Fault::FirstStart)),
            (Goal::Break, Some(Fault::StaleSessionManager)),
            (Goal::Fix, None),
            (Goal::Fix, Some(Fault::RedirectUri)),
            (Goal::Test, None),
            (Goal::Down, None),
        ]
        .into_iter()
        .map(|(goal, fault)| Plan::of(goal, fault, Place::Local).unwrap().describe())
        .collect();
        insta::assert_snapshot!(plans.join("\n"));
    }

    #[test]
    fn a_step_waits_only_for_steps_before_it() {
        for goal in [Goal::Working, Goal::Broken, Goal::Break, Goal::Fix, Goal::Test, Goal::Down] {
            for fault in [None].into_iter().chain(Fault::all().iter().copied().map(Some)) {
                let on = |place| Plan::of(goal, fault, place).unwrap();
                for plan in [on(Place::Local), on(Place::Kind)] {
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
