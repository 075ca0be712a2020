//! The exporter, put into a lab.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;

use local_lab::charts::Runs;
use serde_json::Value;

use crate::lab::Lab;
use crate::render::{Manifest, Sources, Variables, yaml};
use crate::session::Session;
use base::Result;
use cluster::Cluster;
use cluster::names::{Place, Workload};
use kind_lab::State;

use super::Doing;

impl Doing<'_> {
    /// Applies what `monitor` puts into the lab, and says which program that is.
    ///
    /// # Errors
    /// The program cannot be had, or the cluster refuses something.
    pub(super) async fn install_exporter(&self, cluster: &Cluster) -> Result<String> {
        let session = self.session;
        self.running.doing("finding the probe's program, or building it");
        let program = session.chosen(Workload::Exporter).await?;
        let front = front(session, cluster).await?;
        let mut variables = session.variables().await?.through(session.provider, session.scheme(), front);
        if session.scheme().is_https() {
            variables.ca_pem = Some(session.authority().pem()?.trim_end().to_owned());
        }
        let Lab::Kind(lab) = &session.lab else {
            let runs = Runs { image: &program.image(Workload::Exporter), executable: program.executable() };
            let build = program.build()?.unwrap_or_default();
            cluster.apply_all(&documents(&session.sources, runs, Place::Local, &build, &variables)?).await?;
            let program = program.described();
            return Ok(format!("{program}; no NetworkPolicy, a kind that this lab's API does not have"));
        };
        let image = session.exporter_image().await?;
        let build = State::read(lab).and_then(|state| state.loaded.get(&image).cloned()).unwrap_or_default();
        let runs = Runs { image: &image, executable: None };
        let all = documents(&session.sources, runs, Place::Kind, &build, &variables)?;
        session.tools(self.running).await?.apply("manifests/monitor", yaml(&all)?).await?;
        Ok(format!("image {image}"))
    }
}

/// All that is applied. Another build of the program, or other modules, start a new pod.
///
/// # Errors
/// A manifest cannot be read or rendered.
pub(super) fn documents(
    sources: &Sources,
    runs: Runs<'_>,
    place: Place,
    build: &str,
    variables: &Variables,
) -> Result<Vec<Value>> {
    let mut documents = sources.documents(Manifest::EXPORTER, variables)?;
    let mut modules = DefaultHasher::new();
    for document in documents.iter().filter(|document| document["kind"] == "ConfigMap") {
        document.to_string().hash(&mut modules);
    }
    let started_with = format!("{build},modules={:016x}", modules.finish());
    documents.extend(sources.exporter(runs, place, &started_with)?);
    Ok(documents)
}

/// Where a pod finds the hosts of the lab: at the ingress, as a person does.
async fn front(session: &Session, cluster: &Cluster) -> Result<SocketAddr> {
    let Lab::Kind(lab) = &session.lab else { return Ok(session.access().await?.front()) };
    let address = cluster.service_address(session.choice(lab).ingress.rollout()).await?;
    Ok(SocketAddr::new(address, session.scheme().port()))
}
