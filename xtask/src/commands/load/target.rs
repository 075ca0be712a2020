//! Where `load` puts its Job, and at whose Argo CD its workers log in: the lab on kind, or a cluster that the user
//! named, with everything that belongs to it.

use std::net::SocketAddr;

use doctor::command::kubectl;
use doctor::{Access, UserCluster};
use kube::Client;
use probe::password::{self, Source};
use probe::{Password, Resolve};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::cli::LoadArgs;
use crate::lab::Lab;
use crate::session::Session;
use base::{Error, Result};
use cluster::names::{ARGOCD_HOST, PASSWORD, Scheme, USER, Workload, hosts};
use kind_lab::KindLab;
use load::Plan;

/// Logins of each worker, where the command line does not say.
const EACH: u32 = 5;
/// The longest that a run is planned for, in seconds.
const DAY: u64 = 86_400;
/// How long workers may take to begin, in seconds.
const PATIENCE: u64 = 120;
/// Who asks, for the audit of a cluster.
const AGENT: &str = concat!("oidc-lab-load/", env!("CARGO_PKG_VERSION"));

/// A plan and where it is carried out.
pub struct Target {
    /// What is to be done.
    pub plan: Plan,
    /// The context of the user's kubeconfig, if it is one.
    pub context: Option<String>,
    /// How a person asks the same cluster.
    pub kubectl: String,
    cluster: Option<UserCluster>,
}

/// Reads where it is to be done.
///
/// # Errors
/// It is the local lab, which has no Jobs; something is missing on the command line; or no cluster can be asked.
pub async fn of(session: &Session, args: &LoadArgs) -> Result<Target> {
    let target = match (&args.context, &session.lab) {
        (Some(context), _) => of_user(session, args, context).await?,
        (None, Lab::Kind(lab)) => of_lab(session, args, lab).await?,
        (None, Lab::Local(_)) => {
            return Err(Error::usage("`load` is a Job of Kubernetes, and the local lab has none").hint(
                "`--lab kind` names the lab on kind, `--context NAME --yes --image REF` a cluster of yours; \
             `probe --concurrency C` logs in from this machine",
            ));
        }
    };
    let Plan { logins, workers, .. } = target.plan;
    if logins < workers {
        return Err(Error::usage(format!("{workers} workers have only {logins} logins between them"))
            .hint("give no more --workers than --logins"));
    }
    if target.plan.deadline() > DAY {
        return Err(Error::usage(format!("{logins} logins at {} a second take more than a day", args.rate))
            .hint("raise --rate, or lower --logins"));
    }
    Ok(target)
}

async fn of_user(session: &Session, args: &LoadArgs, context: &str) -> Result<Target> {
    let (Some(url), Some(user), Some(image)) = (args.url.clone(), args.user.clone(), args.image.clone())
    else {
        return Err(Error::usage("--context needs --url, --user and --image"));
    };
    if !args.password_stdin && args.password_env.is_none() {
        return Err(Error::usage("the password of --user is missing")
            .hint("`--password-env VAR` or `--password-stdin` says where it is"));
    }
    let ca = args.ca.as_deref().map(|path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Error::environment(format!("--ca {} cannot be read: {error}", path.display())))
    });
    let access = Access {
        kubeconfig: args.kubeconfig.clone(),
        context: Some(context.to_owned()),
        ..Access::default()
    };
    let cluster = UserCluster::read(&access).await?;
    let plan = Plan {
        namespace: args.namespace.clone().unwrap_or_else(|| cluster.namespace.clone()),
        resolve: args.resolve.clone(),
        ca: ca.transpose()?,
        ..plan(session, args, image, url, user)?
    };
    Ok(Target {
        plan,
        context: Some(cluster.context.clone()),
        kubectl: kubectl(args.kubeconfig.as_deref(), context),
        cluster: Some(cluster),
    })
}

async fn of_lab(session: &Session, args: &LoadArgs, lab: &KindLab) -> Result<Target> {
    let name = lab.name();
    let image = args.image.clone().ok_or_else(|| {
        Error::usage("`load` needs an image of the probe").hint(format!(
            "build one whose entry point is the program, put it into the node with `kind load docker-image REF --name {name}`, and give it as --image REF"
        ))
    })?;
    let scheme = session.scheme();
    let url = format!("{}/", scheme.url(ARGOCD_HOST));
    let url = url.parse().map_err(|error| Error::environment(format!("{url} is no URL: {error}")))?;
    let ca = match scheme {
        Scheme::Https => Some(session.authority().pem()?),
        Scheme::Http => None,
    };
    // Inside, the names lead to the ingress, as they do for browsers.
    let ingress = session.choice(lab).ingress.rollout();
    let address = session.cluster().await?.service_address(ingress).await?;
    let ports = hosts(session.provider).iter().flat_map(|host| [(host, 80), (host, 443)]);
    let resolve =
        ports.map(|(host, port)| Resolve::new(host, port, SocketAddr::new(address, port))).collect();
    let namespace = Workload::Argocd.namespace().to_owned();
    let plan = Plan { namespace, resolve, ca, ..plan(session, args, image, url, USER.to_owned())? };
    Ok(Target { plan, context: None, kubectl: "cargo xtask kubectl --".to_owned(), cluster: None })
}

fn plan(session: &Session, args: &LoadArgs, image: String, url: url::Url, user: String) -> Result<Plan> {
    let mut bytes = [0; 4];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::environment("the system gives no random numbers"))?;
    Ok(Plan {
        id: format!("{:08x}", u32::from_ne_bytes(bytes)),
        namespace: String::new(),
        image,
        workers: args.workers,
        logins: session.options.logins.unwrap_or(args.workers * EACH),
        rate: args.rate,
        concurrency: args.concurrency,
        url,
        user,
        resolve: vec![],
        ca: None,
        patience: session.options.wait.map_or(PATIENCE, |wait| wait.as_secs()),
    })
}

impl Target {
    /// A client of its cluster.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn connect(&self, session: &Session) -> Result<Client> {
        match &self.cluster {
            Some(cluster) => cluster.clone().connect(AGENT).await,
            None => Ok(session.cluster().await?.client()),
        }
    }

    /// The password of who logs in.
    ///
    /// # Errors
    /// It is not where it was said to be.
    pub async fn password(&self, args: &LoadArgs) -> Result<Password> {
        match self.cluster {
            Some(_) => {
                password::read(args.password_env.as_deref().map_or(Source::Input, Source::Environment)).await
            }
            None => Ok(Password::new(PASSWORD)),
        }
    }

    /// Where to look when no worker reported.
    pub fn advice(&self) -> String {
        format!(
            "is {} an image whose entry point is the probe, and may pods run so in {}? `{} -n {} get events` says more",
            self.plan.image, self.plan.namespace, self.kubectl, self.plan.namespace
        )
    }
}
