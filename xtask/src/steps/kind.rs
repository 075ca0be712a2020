//! What the steps do that only a lab on kind has.

use base::{Error, Result};
use cluster::ClientSecret;
use cluster::names::{COREDNS, REDIS_KEY, REDIS_SECRET, Workload};
use kind_lab::{Bringing, KindStep, Part, resolves, rewrite_corefile};

use crate::console::Running;
use crate::render::{Manifest, Variables};
use crate::session::Session;

/// Does a step and says in a few words what came of it.
///
/// # Errors
/// It could not be done.
pub async fn act(session: &Session, step: KindStep, running: &Running<'_>) -> Result<String> {
    let tools = &session.tools(running).await?;
    let lab = tools.lab();
    let choice = &session.choice(lab);
    match step {
        KindStep::Tools => {
            if choice.scheme.is_https() {
                lab.own_folder().claim()?;
                session.authority().ensure()?;
            }
            return Ok(tools.kit.described());
        }
        KindStep::Cluster => {
            let config = |port, tls_port| {
                let (cluster_name, lab_id) = (lab.name().to_owned(), lab.id().to_owned());
                let variables = Variables { cluster_name, lab_id, tls_port, ..Variables::new(port) };
                session.sources.text(Manifest::KIND_CONFIG, &variables)
            };
            let image = session.options.node_image.as_deref();
            let wished = Bringing { port: session.options.port, image, choice, config: &config };
            let brought = tools.bring(&wished, || *session.unfinished.changing() = true).await?;
            session.connect_anew().await;
            return Ok(brought.into());
        }
        KindStep::Node => lab.wait_ready(session.wait(), running).await?,
        KindStep::Chart(part) => {
            tools.write_values(choice, part, |file| session.sources.values_text(file))?;
            return tools.check_chart(choice, part).await;
        }
        KindStep::Images(part) => return tools.pull_images(choice, part).await,
        KindStep::Load(part) => return tools.load_images(choice, part).await,
        KindStep::RedisSecret => {
            let cluster = session.cluster().await?;
            // Also one that an older chart's hook has made: Redis runs with it.
            if cluster.client_secret(REDIS_SECRET, REDIS_KEY).await?.is_some() {
                return Ok("kept".into());
            }
            let password = ClientSecret::random()?.reveal().to_owned();
            let variables = Variables { redis_password: Some(password), ..session.variables().await? };
            let text = session.sources.text(Manifest::ARGOCD_REDIS, &variables)?;
            tools.apply("manifests/argocd-redis.yaml.j2", text).await?;
            return Ok("created".into());
        }
        KindStep::Coredns => {
            let lines = session.sources.text(Manifest::COREDNS, &session.variables().await?)?;
            let cluster = session.cluster().await?;
            let outcome = rewrite_corefile(&cluster, &lines).await?;
            cluster.wait_ready(COREDNS, session.wait(), &mut |text| running.waiting(text)).await?;
            return Ok(outcome.into());
        }
        KindStep::Ingress => return tools.install_ingress(choice).await,
        KindStep::ExporterImage => {
            let Some(image) = &session.options.probe_image else { return Ok("the one that runs".into()) };
            return tools.load_exporter(&image.to_string()).await;
        }
        KindStep::IngressReady => {
            let cluster = session.cluster().await?;
            let rollout = choice.ingress.rollout();
            cluster.wait_ready(rollout, session.wait(), &mut |text| running.waiting(text)).await?;
        }
        KindStep::Resolves => {
            let service = session.variables().await?.dex_service;
            return resolves(&session.cluster().await?, lab, &service, session.wait()).await;
        }
    }
    Ok("ready".into())
}

/// Applies a manifest, as a person would.
///
/// # Errors
/// kubectl fails.
pub async fn apply(session: &Session, name: &str, documents: String, running: &Running<'_>) -> Result<()> {
    session.tools(running).await?.apply(name, documents).await
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
    let (choice, part) = (&session.choice(tools.lab()), Part::from(workload));
    let variables = session.variables().await?;
    let mut documents = vec![];
    if workload == Workload::Dex {
        documents.extend(session.sources.documents(Manifest::DEX_SERVICE, &variables)?);
    }
    let routes = session.sources.documents(Manifest::INGRESS, &variables)?;
    documents.extend(routes.into_iter().filter(|it| it["metadata"]["namespace"] == workload.namespace()));
    let text: Result<Vec<String>, _> = documents.iter().map(serde_yaml::to_string).collect();
    let text = text.map_err(|error| Error::environment(format!("a document is not YAML: {error}")))?;
    tools.apply("manifests/ingress.yaml.j2", text.join("---\n")).await?;
    tools.write_values(choice, part, |file| session.sources.values_text(file))?;
    tools.install(choice, part, secrets).await
}

/// Removes the lab. Says whether there was one.
///
/// # Errors
/// It cannot be removed.
pub async fn remove(session: &Session, running: &Running<'_>) -> Result<bool> {
    session.tools(running).await?.remove(session.provider).await
}
