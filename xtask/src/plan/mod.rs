//! A goal as data: which steps, and what each waits for.
//!
//! Steps are written so that running them twice does no harm, so a plan needs not
//! know what state the lab is in. `--dry-run` prints it, tests snapshot it, and
//! [`run()`] runs independent steps side by side.

mod faults;
mod kind;
mod rotate;
mod run;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use probe::Verdict;

use crate::cli::Goal;
use crate::fault::{Edit, Fault};
use crate::steps::{Action, Change, Deed, KindStep};
use cluster::names::{Place, Provider, Workload};

pub use rotate::rotate;
pub use run::run;

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
        use Action::{Heal, Install, Ready, Restart, StopLab};
        use Workload::{Argocd, Exporter};
        let mut steps = match goal {
            Goal::Working | Goal::Broken => {
                let late = goal == Goal::Broken;
                let steps = match place {
                    Place::Kind => kind::bring_up(late, provider),
                    Place::Local => local(late, provider),
                };
                completed(steps, late, provider)
            }
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
    pub fn test(expect: Option<Verdict>) -> Self {
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

    /// The plan for a person: a line a step, with what it waits for and what it does, which is in `deeds` at the
    /// step's place. In turns: the steps of a turn run side by side as soon as those are done that they wait for.
    pub fn describe(&self, in_turns: bool, deeds: &[Vec<Deed>]) -> String {
        let mut text = format!("{}\n", self.name);
        let turns = if in_turns { self.turns() } else { vec![(0..self.steps.len()).collect()] };
        for (turn, number) in turns.iter().zip(1..) {
            if in_turns {
                let side_by_side = if turn.len() > 1 { ", side by side" } else { "" };
                let _ = writeln!(text, " turn {number}{side_by_side}");
            }
            for &place in turn {
                let Step { name, after, action } = &self.steps[place];
                let after = match after.as_slice() {
                    [] => String::new(),
                    names => format!("  (after {})", names.join(", ")),
                };
                let _ = writeln!(text, "  {name:<20} {}{after}", action.describe());
                for deed in deeds.get(place).into_iter().flatten() {
                    let _ = writeln!(text, "      {}", deed.to_string().replace('\n', "\n      "));
                }
            }
        }
        text
    }

    /// The places of steps by how many others have to be done one after another before them.
    fn turns(&self) -> Vec<Vec<usize>> {
        let mut turn_of: BTreeMap<&str, usize> = BTreeMap::new();
        let mut turns: Vec<Vec<usize>> = vec![];
        for (place, step) in self.steps.iter().enumerate() {
            let before = step.after.iter().filter_map(|name| turn_of.get(name)).max();
            let turn = before.map_or(0, |turn| turn + 1);
            turn_of.insert(step.name, turn);
            if turns.len() <= turn {
                turns.resize(turn + 1, vec![]);
            }
            turns[turn].push(place);
        }
        turns
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

/// The steps of `working` and `broken` on this machine. Argo CD's client secret comes `late`, after its server is up,
/// or before it.
fn local(late: bool, provider: Provider) -> Vec<Step> {
    let (oidc_secret, install) = argocds(late);
    let (checks_users, its_pods) = checks_users(provider);
    let before_argocd = ["argocd-secret", oidc_secret.name];
    let dex_secret = step("dex-secret", &["namespaces"], Action::DexSecret);
    let [first, second] = if late { [oidc_secret, dex_secret] } else { [dex_secret, oidc_secret] };
    vec![
        step("lab", &[], Action::StartLab),
        step("namespaces", &["lab"], Action::Namespaces),
        step("argocd-secret", &["namespaces"], Action::ArgocdSecret),
        first,
        second,
        step("dex", &["dex-secret"], Action::Install(Workload::Dex)),
        step("argocd", &before_argocd, install),
        step("dex-ready", &[its_pods], Action::Ready(checks_users)),
        step("argocd-ready", &["argocd"], Action::Ready(Workload::Argocd)),
    ]
}

/// What is done with Argo CD's client secret before its server is installed, and how that is.
fn argocds(late: bool) -> (Step, Action) {
    match late {
        false => {
            (step("oidc-secret", &["dex-secret"], Action::OidcSecret), Action::Install(Workload::Argocd))
        }
        true => (
            step("no-oidc-secret", &["namespaces"], Action::NoOidcSecret),
            Action::InstallAnew(Workload::Argocd),
        ),
    }
}

/// Who checks users, and the step that starts its pods.
fn checks_users(provider: Provider) -> (Workload, &'static str) {
    (provider.workload(), if provider == Provider::Bundled { "argocd" } else { "dex" })
}

/// What there is none of where the Dex that the chart of Argo CD brings checks users: nobody asks
/// for a name of Dex's.
const OF_DEX: &str =
    "dex-chart dex-images coredns dex-load dex-secret oidc-secret no-oidc-secret dex resolves";

/// The steps of `working` or `broken` as a provider has them, and what comes `late`.
fn completed(mut steps: Vec<Step>, late: bool, provider: Provider) -> Vec<Step> {
    if provider == Provider::Bundled {
        let is_there = |name: &str| OF_DEX.split(' ').all(|other| other != name);
        steps.retain(|step| is_there(step.name));
        steps.iter_mut().for_each(|step| step.after.retain(|name| is_there(name)));
    }
    let new = Edit::OtherServerKey;
    match (late, provider) {
        (false, _) => {}
        (true, Provider::Dex) => steps.extend([
            step("argocd-settled", &["argocd-ready"], Action::Hears(Change::Creation)),
            step("oidc-secret", &["dex-secret", "argocd-settled"], Action::OidcSecret),
        ]),
        (true, Provider::Bundled) => steps.extend([
            step("argocd-settled", &["argocd-ready"], Action::Hears(Change::Update)),
            step(new.name(), &["argocd-settled", "dex-ready"], Action::Edit(new)),
            step("dex-takes", &[new.name()], Action::DexTakes),
        ]),
    }
    steps
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
            plan.describe(place == Place::Kind, &[])
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
            plan.over_tls().describe(place == Place::Kind, &[])
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
