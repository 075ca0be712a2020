//! What the steps do that only a lab on kind has.

use crate::console::Running;
use crate::render::{Manifest, Variables};
use crate::session::Session;
use base::files::write_private;
use base::{Error, Result};
use cluster::ClientSecret;
use cluster::names::{REDIS_KEY, REDIS_SECRET, VALUES_TEMPLATE, Workload};
use kind_lab::bring::Bringing;
use kind_lab::parts::{Chart, Part};
use kind_lab::{Place, State, coredns, helm, images, node, resolves};

/// What the archive of the exporter's image is called.
pub const EXPORTER_ARCHIVE: &str = "exporter";

/// A step that only a lab on kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindStep {
    /// Find kind, Helm, kubectl and the engine.
    Tools,
    /// Make the cluster, or find it up.
    Cluster,
    /// Wait until the node is ready.
    Node,
    /// Pull a chart and render it.
    Chart(Part),
    /// Make the password of Argo CD's Redis, if there is none.
    RedisSecret,
    /// Pull a chart's images on this machine, and save them for the node.
    Images(Part),
    /// Load them into the node.
    Load(Part),
    /// Teach CoreDNS Dex's name.
    Coredns,
    /// Install the ingress.
    Ingress,
    /// Wait until it is ready.
    IngressReady,
    /// Ask for Dex's name from a pod.
    Resolves,
    /// Load the exporter's image into the node, where one is named.
    ExporterImage,
}

impl KindStep {
    /// What it does, for a person.
    pub fn describe(self) -> String {
        match self {
            Self::Tools => {
                "find kind, Helm, kubectl and the container engine, or download what is missing".into()
            }
            Self::Cluster => "make the cluster, or find it up".into(),
            Self::Node => "wait until the node is ready".into(),
            Self::Chart(part) => {
                format!("pull the chart of {}, and check that it takes the values", part.name())
            }
            Self::RedisSecret => "create argocd/argocd-redis with a random password, if there is none".into(),
            Self::Images(part) => {
                format!("pull the images of {} on this machine, and save them for the node", part.name())
            }
            Self::Load(part) => format!("load the images of {} into the node", part.name()),
            Self::Coredns => "rewrite dex.host to Dex's Service in CoreDNS".into(),
            Self::Ingress => "install the ingress".into(),
            Self::IngressReady => "wait until the ingress is ready".into(),
            Self::Resolves => "ask for dex.host from a pod".into(),
            Self::ExporterImage => {
                "load the exporter's image into the node, if --probe-image names one".into()
            }
        }
    }
}

/// Does a step and says in a few words what came of it.
///
/// # Errors
/// It could not be done.
pub async fn act(session: &Session, step: KindStep, running: &Running<'_>) -> Result<String> {
    let tools = &session.tools(running).await?;
    let (lab, kit, place) = (tools.lab(), &tools.kit, tools.place());
    let choice = session.choice(lab);
    let own = choice.image.as_ref().map(ToString::to_string);
    match step {
        KindStep::Tools => {
            if choice.scheme.is_https() {
                lab.own_folder().claim()?;
                session.authority().ensure()?;
            }
            return Ok(kit.described());
        }
        KindStep::Cluster => {
            let config = |port, tls_port| {
                let (cluster_name, lab_id) = (lab.name().to_owned(), lab.id().to_owned());
                let variables = Variables { cluster_name, lab_id, tls_port, ..Variables::new(port) };
                session.sources.text(Manifest::KIND_CONFIG, &variables)
            };
            let bringing = Bringing {
                tools,
                config: &config,
                port: session.options.port,
                image: session.options.node_image.as_deref(),
                choice: &choice,
            };
            let brought = bringing.bring(|| *session.unfinished.changing() = true).await?;
            session.connect_anew().await;
            return Ok(brought.into());
        }
        KindStep::Node => node::wait_ready(lab, &place.node(), session.wait(), running).await?,
        KindStep::Chart(part) => {
            write_values(session, place, &choice.chart(part))?;
            let images = helm::check(tools, &choice, part).await?;
            kit.part(part, |needs| needs.images = images);
            return Ok(choice.chart(part).described());
        }
        KindStep::Images(part) => {
            let own = own.as_deref().filter(|_| part == Part::Argocd);
            let images = kit.part(part, |needs| needs.images.clone());
            let ids = images::pull(tools, &images, own).await?;
            images::save(tools, part, &ids).await?;
            let outcome = format!("{} of {} here", ids.len(), images.len());
            kit.part(part, |needs| needs.here = ids);
            return Ok(outcome);
        }
        KindStep::Load(part) => {
            let own = own.as_deref().filter(|_| part == Part::Argocd);
            let here = kit.part(part, |needs| needs.here.clone());
            return images::load(tools, part, &here, own).await;
        }
        KindStep::RedisSecret => {
            let cluster = session.cluster().await?;
            // Also one that an older chart's hook has made: Redis runs with it.
            if cluster.client_secret(REDIS_SECRET, REDIS_KEY).await?.is_some() {
                return Ok("kept".into());
            }
            let password = ClientSecret::random()?.reveal().to_owned();
            let variables = Variables { redis_password: Some(password), ..session.variables().await? };
            let text = session.sources.text(Manifest::ARGOCD_REDIS, &variables)?;
            apply(session, "manifests/argocd-redis.yaml.j2", text, running).await?;
            return Ok("created".into());
        }
        KindStep::Coredns => {
            let lines = session.sources.text(Manifest::COREDNS, &session.variables().await?)?;
            let cluster = session.cluster().await?;
            let outcome = coredns::rewrite(&cluster, &lines).await?;
            cluster.wait_ready(cluster::names::COREDNS, session.wait(), |text| running.waiting(text)).await?;
            return Ok(outcome.into());
        }
        KindStep::Ingress => {
            helm::install_ingress(tools, &choice).await?;
            return Ok(choice.chart(Part::Ingress).described());
        }
        KindStep::ExporterImage => {
            let Some(image) = &session.options.probe_image else { return Ok("the one that runs".into()) };
            return images::load_own(tools, &image.to_string(), EXPORTER_ARCHIVE).await;
        }
        KindStep::IngressReady => {
            let cluster = session.cluster().await?;
            let rollout = choice.ingress.rollout();
            cluster.wait_ready(rollout, session.wait(), |text| running.waiting(text)).await?;
        }
        KindStep::Resolves => {
            let service = session.variables().await?.dex_service;
            return resolves::check(&session.cluster().await?, &service, &place.node(), session.wait()).await;
        }
    }
    Ok("ready".into())
}

/// Writes the values of a chart that are a template for Helm to read.
fn write_values(session: &Session, place: &Place, chart: &Chart) -> Result<()> {
    if !chart.values.contains(&VALUES_TEMPLATE) {
        return Ok(());
    }
    let (path, text) = (place.values_file(VALUES_TEMPLATE), session.sources.values_text(VALUES_TEMPLATE)?);
    write_private(&path, text.as_bytes())
        .map_err(|error| Error::environment(format!("{} cannot be written: {error}", path.display())))
}

/// Applies a manifest, as a person would: by kubectl, which reads it from stdin.
///
/// # Errors
/// kubectl fails.
pub async fn apply(session: &Session, name: &str, documents: String, running: &Running<'_>) -> Result<()> {
    let tools = session.tools(running).await?;
    tools.must(&tools.place().apply(name, documents), &format!("apply {name}")).await.map(drop)
}

/// Installs a component by its chart, with what stands before it. Its pods were started
/// with these versions of its Secrets.
///
/// # Errors
/// kubectl or Helm fails.
pub async fn install(
    session: &Session,
    workload: Workload,
    secrets: &str,
    running: &Running<'_>,
) -> Result<String> {
    let tools = &session.tools(running).await?;
    let (lab, kit) = (tools.lab(), &tools.kit);
    let choice = session.choice(lab);
    let part = Part::from(workload);
    let variables = session.variables().await?;
    let mut documents = vec![];
    if workload == Workload::Dex {
        documents.extend(session.sources.documents(Manifest::DEX_SERVICE, &variables)?);
    }
    let routes = session.sources.documents(Manifest::INGRESS, &variables)?;
    documents.extend(routes.into_iter().filter(|it| it["metadata"]["namespace"] == workload.namespace()));
    let text: Result<Vec<String>, _> = documents.iter().map(serde_yaml::to_string).collect();
    let text = text.map_err(|error| Error::environment(format!("a document is not YAML: {error}")))?;
    apply(session, "manifests/ingress.yaml.j2", text.join("---\n"), running).await?;
    let own = choice.image.as_ref().filter(|_| part == Part::Argocd).map(ToString::to_string);
    let id = own.as_ref().and_then(|own| kit.part(part, |needs| needs.here.get(own).cloned()));
    let chart = choice.chart(part);
    if part == Part::Argocd {
        // Said before it is done: a run that is killed here is continued with the same.
        State::update(lab, |state| {
            state.argocd = Some(choice.argocd.to_string());
            state.argocd_image = own.clone();
        })?;
    }
    let values = choice.values(part, Some(secrets), id.as_deref())?;
    write_values(session, tools.place(), &chart)?;
    helm::install(tools, &chart, &values).await?;
    let image = own.map_or(String::new(), |own| format!(", image {own}"));
    Ok(format!("{}{image}", chart.described()))
}

/// Removes the lab. Says whether there was one.
///
/// # Errors
/// It cannot be removed.
pub async fn remove(session: &Session, running: &Running<'_>) -> Result<bool> {
    let tools = &session.tools(running).await?;
    let choice = &session.choice(tools.lab());
    Bringing { tools, config: &|_, _| Ok(String::new()), port: None, image: None, choice }.remove().await
}
