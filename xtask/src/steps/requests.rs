//! What a step asks of the cluster's API, before it is run: each change by verb and object,
//! and what it waits for. What it reads on the way is not listed.

use std::collections::BTreeMap;

use super::{Action, KindStep, documents};
use crate::fault::{Edit, Fault, Part};
use crate::faults::{self, recorded};
use crate::lab::Lab;
use crate::programs::{Kind, Program};
use crate::render::{Manifest, Variables};
use crate::session::Session;
use base::Result;
use cluster::Request;
use cluster::names::{
    ARGOCD_SECRET, COREDNS, DEX_SECRET, INGRESS_NGINX, OIDC_SECRET, Place, Provider, Rollout, Workload,
    certificates,
};

/// The namespace on which faults and rotations are remembered.
const NOTED_ON: &str = "argocd";

/// What is known of a lab beforehand.
pub struct Requests {
    place: Place,
    provider: Provider,
    namespaces: Vec<Request>,
    installs: BTreeMap<&'static str, Vec<Request>>,
    /// The faults that are in at this place of the plans.
    faults: Vec<Fault>,
    ingress: Rollout,
}

impl Requests {
    /// Looks at the lab, if it is up; changes nothing.
    ///
    /// # Errors
    /// A manifest cannot be rendered.
    pub async fn new(session: &Session) -> Result<Self> {
        let (place, sources) = (session.lab.place(), &session.sources.masked());
        let faults = match session.cluster().await {
            Ok(cluster) => recorded(&cluster).await.unwrap_or_default(),
            Err(_) => vec![],
        };
        let variables = Variables::new(0);
        let mut installs = BTreeMap::new();
        if place == Place::Local {
            let named = session.options.real || session.options.argocd_bin.is_some();
            let installed = session.program(Workload::Argocd).await.ok().flatten();
            let replaced = session.options.argocd.is_some();
            let real = named || (!replaced && installed.is_some_and(|it| it.kind == Kind::Real));
            let program = Program::stand_in_argocd(&releases::Release::default());
            let dex = Program::stand_in_dex();
            for workload in [Workload::Argocd, Workload::Dex, Workload::Redis, Workload::Exporter] {
                let all = documents(sources, workload, [&program, &dex], "", &variables)?;
                installs.insert(workload.deployment(), all.iter().map(Request::apply).collect::<Vec<_>>());
            }
            let redis = installs.remove(Workload::Redis.deployment()).filter(|_| real);
            installs.entry(Workload::Argocd.deployment()).or_default().extend(redis.into_iter().flatten());
        }
        let ingress = match &session.lab {
            Lab::Kind(lab) => session.choice(lab).ingress.rollout(),
            Lab::Local(_) => INGRESS_NGINX,
        };
        let namespaces = sources.documents(Manifest::NAMESPACES, &variables)?;
        let namespaces = namespaces.iter().map(Request::apply).collect();
        let provider = session.provider;
        Ok(Self { place, provider, namespaces, installs, faults, ingress })
    }

    /// What an action asks. Actions are asked for in the order of the plans.
    pub fn of(&mut self, action: Action) -> Vec<Request> {
        // On kind, kubectl and Helm ask.
        let local = |requests: Vec<Request>| if self.place == Place::Local { requests } else { vec![] };
        match action {
            Action::Namespaces => local(self.namespaces.clone()),
            Action::Certificates => local(
                certificates(self.provider)
                    .iter()
                    .map(|(name, _)| Request::patch_secret(*name).if_needed())
                    .collect(),
            ),
            Action::ArgocdSecret => local(vec![Request::patch_secret(ARGOCD_SECRET).if_needed()]),
            Action::DexSecret => local(vec![Request::patch_secret(DEX_SECRET).if_needed()]),
            Action::OidcSecret => local(vec![Request::patch_secret(OIDC_SECRET)]),
            Action::NoOidcSecret => {
                vec![Request::of("delete", "secrets", OIDC_SECRET.namespace, OIDC_SECRET.name).if_needed()]
            }
            Action::Install(workload) | Action::InstallAnew(workload) => {
                self.installs.get(workload.deployment()).cloned().unwrap_or_default()
            }
            Action::RotateDex => vec![Request::patch_namespace(NOTED_ON), Request::patch_secret(DEX_SECRET)],
            Action::RotationEnded => vec![Request::patch_namespace(NOTED_ON)],
            Action::Remember(fault) => {
                self.faults.push(fault);
                vec![Request::patch_namespace(NOTED_ON)]
            }
            Action::Edit(edit) => faults::requests(edit),
            Action::RotateTwice => [OIDC_SECRET, DEX_SECRET].map(Request::patch_secret).to_vec(),
            Action::Heal { only, argocd } => {
                let healed = |fault: &Fault| only.is_none_or(|only| only == *fault);
                let healing = self.faults.iter().filter(|fault| healed(fault));
                let requests = heal(healing.flat_map(|fault| fault.parts(self.provider)), argocd);
                self.faults.retain(|fault| !healed(fault));
                let mut once = vec![];
                for request in requests {
                    if !once.contains(&request) {
                        once.push(request);
                    }
                }
                once
            }
            Action::Scale(workload, _) | Action::Restart(workload) => {
                vec![Request::patch_rollout(workload.rollout())]
            }
            Action::Ready(workload) => vec![watch(workload.rollout())],
            Action::Kind(step) => self.kind(step),
            // The lab's process and its folder; a moment; logins.
            Action::StartLab
            | Action::StopLab
            | Action::Hears(_)
            | Action::DexTakes
            | Action::Login(_)
            | Action::LogInOnce => vec![],
        }
    }

    fn kind(&self, step: KindStep) -> Vec<Request> {
        match step {
            KindStep::Coredns => vec![
                Request::of("patch", "configmaps", COREDNS.namespace, COREDNS.name).if_needed(),
                Request::patch_rollout(COREDNS).if_needed(),
                watch(COREDNS),
            ],
            KindStep::IngressReady => vec![watch(self.ingress)],
            KindStep::Node => {
                let resource = "nodes".to_owned();
                vec![Request { verb: "watch", resource, namespace: None, name: None, if_needed: false }]
            }
            KindStep::Resolves => {
                let pod = |verb| Request::of(verb, "pods", Workload::Argocd.namespace(), "oidc-lab-resolves");
                vec![Request { name: None, ..pod("create") }, pod("delete")]
            }
            // Commands do these.
            KindStep::Tools
            | KindStep::Cluster
            | KindStep::Chart(_)
            | KindStep::RedisSecret
            | KindStep::Images(_)
            | KindStep::Load(_)
            | KindStep::ExporterImage
            | KindStep::Ingress => vec![],
        }
    }
}

fn watch(rollout: Rollout) -> Request {
    Request { name: None, ..Request::of("watch", "deployments.apps", rollout.namespace, rollout.name) }
}

/// What undoing faults asks.
fn heal<'a>(parts: impl Iterator<Item = &'a Part>, argocd: bool) -> Vec<Request> {
    let (mut requests, mut restarts, mut any) = (vec![], vec![], false);
    for part in parts.inspect(|_| any = true) {
        match *part {
            // A key that is there stays.
            Part::Edit(Edit::Rotate | Edit::OtherServerKey) => restarts.extend([Workload::Argocd]),
            Part::Edit(edit) => {
                // Undoing one of a Secret holds both Secrets together.
                let both =
                    faults::requests(edit).iter().any(|it| it.name.as_deref() == Some(OIDC_SECRET.name));
                requests.extend(faults::requests(edit));
                requests.extend(both.then(|| Request::patch_secret(DEX_SECRET)));
                restarts.extend(edit.readers());
            }
            Part::Scale(workload, _) => requests.push(Request::patch_rollout(workload.rollout())),
            Part::RotateTwice => restarts.push(Workload::Argocd),
            Part::Restart(_) | Part::Settle | Part::LogIn | Part::DexTakes => {}
        }
    }
    let restarted = restarts.into_iter().filter(|it| argocd || *it != Workload::Argocd);
    requests.extend(restarted.map(|workload| Request::patch_rollout(workload.rollout())));
    requests.extend(any.then(|| Request::patch_namespace(NOTED_ON)));
    requests
}
