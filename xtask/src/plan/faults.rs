//! The plan of `break`: what puts a fault in, step by step.

use super::Step;
use crate::fault::{Fault, Part};
use crate::steps::{Action, Change};
use cluster::names::{Provider, Workload};

/// The steps that put a fault in. They come one after another.
pub fn steps(fault: Fault, provider: Provider) -> Vec<Step> {
    let mut steps: Vec<Step> = vec![];
    let mut add = |name: &'static str, action| {
        let after = steps.last().map(|step: &Step| step.name).into_iter().collect();
        steps.push(Step { name, after, action });
    };
    add("remember", Action::Remember(fault));
    for part in fault.parts(provider) {
        match *part {
            Part::Edit(edit) => add(edit.name(), Action::Edit(edit)),
            Part::Restart(workload) => {
                let [restart, ready, ..] = names(workload);
                add(restart, Action::Restart(workload));
                add(ready, Action::Ready(workload));
            }
            Part::Scale(workload, pods) => {
                let [.., scaled, ready] = names(workload);
                add(scaled, Action::Scale(workload, pods));
                add(ready, Action::Ready(workload));
            }
            Part::Settle => add("argocd-settled", Action::Hears(Change::Update)),
            Part::LogIn => add("log-in", Action::LogInOnce),
            Part::DexTakes => add("dex-takes", Action::DexTakes),
            Part::RotateTwice => add("rotate-twice", Action::RotateTwice),
        }
    }
    steps
}

/// What a restart and another number of pods are called, each with the wait for it.
fn names(workload: Workload) -> [&'static str; 4] {
    match workload {
        Workload::Argocd => ["argocd-restart", "argocd-ready", "argocd-scaled", "argocd-scaled-ready"],
        Workload::Dex | Workload::DexServer => ["dex-restart", "dex-ready", "dex-scaled", "dex-scaled-ready"],
        // No fault is the exporter's.
        Workload::Redis | Workload::Exporter => {
            ["redis-restart", "redis-ready", "redis-scaled", "redis-scaled-ready"]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_put_in_by_named_steps() {
        let mut text = String::new();
        for provider in [Provider::Dex, Provider::Bundled] {
            for fault in Fault::all().iter().filter(|fault| fault.is_of(provider)) {
                let steps: Vec<&str> = steps(*fault, provider).iter().map(|step| step.name).collect();
                let unique: std::collections::BTreeSet<&&str> = steps.iter().collect();
                assert_eq!(unique.len(), steps.len(), "{fault:?}: {steps:?}");
                text.push_str(&format!("{:<8} {:<22} {}\n", provider.name(), fault.name(), steps.join(", ")));
            }
        }
        insta::assert_snapshot!(text);
    }
}
