//! What the steps do that only a lab on kind has.

use base::Result;
use cluster::ClientSecret;
use cluster::names::{COREDNS, REDIS_KEY, REDIS_SECRET, Workload};
use kind_lab::{Bringing, KindStep, Part, resolves, rewrite_corefile};

use super::Doing;
use crate::render::{Manifest, Variables, yaml};

impl Doing<'_> {
    /// Does a step and says in a few words what came of it.
    ///
    /// # Errors
    /// It could not be done.
    pub(super) async fn of_kind(&self, step: KindStep) -> Result<String> {
        let Self { session, running } = *self;
        let tools = &session.tools(running).await?;
        let lab = tools.lab();
        let choice = &session.choice(lab);
        match step {
            KindStep::Tools => {
                if choice.scheme.is_https() {
                    lab.own_folder().claim()?;
                    session.authority().ensure()?;
                }
                return Ok(tools.kit.described.clone());
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
                self.wait_ready(&cluster, COREDNS).await?;
                return Ok(outcome.into());
            }
            KindStep::Ingress => return tools.install_ingress(choice).await,
            KindStep::ExporterImage => {
                let Some(image) = &session.options.probe_image else { return Ok("the one that runs".into()) };
                return tools.load_exporter(&image.to_string()).await;
            }
            KindStep::IngressReady => {
                self.wait_ready(&session.cluster().await?, choice.ingress.rollout()).await?;
            }
            KindStep::Resolves => {
                let service = session.variables().await?.dex_service;
                return resolves(&session.cluster().await?, lab, &service, session.wait()).await;
            }
        }
        Ok("ready".into())
    }

    /// Installs a component by its chart, with what stands before it. Its pods were started
    /// with these versions of its Secrets.
    ///
    /// # Errors
    /// kubectl or Helm fails.
    pub(super) async fn install_chart(&self, workload: Workload, secrets: &str) -> Result<String> {
        let session = self.session;
        let tools = &session.tools(self.running).await?;
        let (choice, part) = (&session.choice(tools.lab()), Part::from(workload));
        let variables = session.variables().await?;
        let mut documents = vec![];
        if workload == Workload::Dex {
            documents.extend(session.sources.documents(Manifest::DEX_SERVICE, &variables)?);
        }
        let routes = session.sources.documents(Manifest::INGRESS, &variables)?;
        documents.extend(routes.into_iter().filter(|it| it["metadata"]["namespace"] == workload.namespace()));
        tools.apply("manifests/ingress.yaml.j2", yaml(&documents)?).await?;
        tools.write_values(choice, part, |file| session.sources.values_text(file))?;
        tools.install(choice, part, secrets).await
    }

    /// Removes the lab. Says whether there was one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) async fn remove(&self) -> Result<bool> {
        self.session.tools(self.running).await?.remove(self.session.provider).await
    }
}
