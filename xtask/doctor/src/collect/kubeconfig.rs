//! The user's kubeconfig, which is read and never written, and what is said where it cannot be used: what its
//! parser and its credential plugins say may quote credentials.

use std::path::PathBuf;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue, USER_AGENT};
use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
use kube::{Client, Config};
use probe::jar::is_loopback;
use url::Url;

use crate::shown::shown;
use base::{Error, Result, duration};

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that a credential plugin may take: it may send a person to a browser.
const PLUGIN: Duration = Duration::from_secs(300);

/// Which cluster of the user's, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The kubeconfig, if it is not the one that kubectl finds.
    pub kubeconfig: Option<PathBuf>,
    /// The context, if it is not the current one.
    pub context: Option<String>,
    /// The user to impersonate.
    pub user: Option<String>,
    /// The longest that one request may take, if it is not ten seconds.
    pub limit: Option<Duration>,
}

/// A cluster of a kubeconfig of the user's, which is read and never written.
#[derive(Clone)]
pub struct UserCluster {
    config: Config,
    /// The context that names it.
    pub context: String,
    /// The namespace that the context names, or `default`.
    pub namespace: String,
}

impl UserCluster {
    /// Reads which cluster is meant. Nothing is run, and nobody asked.
    ///
    /// # Errors
    /// The file cannot be read, there is no such context, or it cannot be used.
    pub async fn read(access: &Access) -> Result<Self> {
        let file = access.kubeconfig.as_deref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let file = file.map_err(|error| unread(&error))?;
        let named = access.context.clone().or_else(|| file.current_context.clone());
        let context = named.filter(|name| !name.is_empty()).ok_or_else(|| {
            Error::environment("the kubeconfig has no current context")
                .hint("`--context NAME` names one, `kubectl config get-contexts` lists them")
        })?;
        let mut config = of(Ok(file), &context).await?;
        if let Some(user) = access.user.as_ref().or(config.auth_info.impersonate.as_ref()) {
            let user = HeaderValue::from_str(user).map_err(|_| {
                Error::usage("--as: no user can be called that").hint("a user's name is one line of text")
            })?;
            config.headers.push((HeaderName::from_static("impersonate-user"), user));
        }
        // As with kubectl: what is on this machine is asked without a proxy.
        let address = config.cluster_url.to_string().parse::<Url>();
        if address.is_ok_and(|address| is_loopback(&address)) {
            config.proxy_url = None;
        }
        Ok(Self { namespace: config.default_namespace.clone(), config, context })
    }

    /// A client of it; `agent` is what the cluster's own record calls it.
    ///
    /// # Errors
    /// Its credentials cannot be had.
    pub async fn connect(self, agent: &'static str) -> Result<Client> {
        // A credential plugin may ask a person, and is heard in a thread of its own: an interrupt ends the wait.
        let connecting = tokio::task::spawn_blocking(move || client(self.config, agent));
        match tokio::time::timeout(PLUGIN, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(_)) => Err(unusable("its credential plugin cannot be run")),
            Err(_) => {
                Err(unusable(&format!("its credential plugin gave no answer within {}", duration(PLUGIN))))
            }
        }
    }
}

/// A client by a configuration that was read.
///
/// # Errors
/// Its credentials cannot be had.
pub fn client(mut config: Config, agent: &'static str) -> Result<Client> {
    config.connect_timeout = Some(CONNECT);
    config.headers.push((USER_AGENT, HeaderValue::from_static(agent)));
    // A server that says no is a part of what is to be seen.
    config.default_retry = false;
    let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone()).unwrap_or_default();
    let named = format!("{PLUGINS} {}", shown(&plugin));
    Client::try_from(config).map_err(|error| unusable(&words(&error).replacen(PLUGINS, &named, 1)))
}

/// The cluster behind a context.
///
/// # Errors
/// The file cannot be read, there is no such context, or it cannot be used.
pub async fn of(file: Result<Kubeconfig, KubeconfigError>, context: &str) -> Result<Config> {
    let file = file.map_err(|error| unread(&error))?;
    if !file.contexts.iter().any(|it| it.name == context) {
        return Err(Error::environment(format!("the kubeconfig has no context {}", shown(context)))
            .hint("`kubectl config get-contexts` lists the contexts"));
    }
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unread(&error))
}

/// Why a kubeconfig cannot be read. What the parser says quotes lines of it, which may be credentials.
fn unread(error: &KubeconfigError) -> Error {
    unusable(&match error {
        KubeconfigError::ReadConfig(error, path) => {
            format!("{} cannot be read: {error}", shown(&path.display().to_string()))
        }
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("it is no YAML that can be read, at line {}", place.line()),
            None => "it is no YAML that can be read".to_owned(),
        },
        other => shown(&other.to_string()),
    })
}

/// That a kubeconfig cannot be used.
pub fn unusable(why: &str) -> Error {
    Error::environment(format!("the kubeconfig cannot be used: {why}"))
        .hint("`kubectl config get-contexts` lists the contexts; KUBECONFIG names another file")
}

/// How what is said of a credential plugin begins.
const PLUGINS: &str = "its credential plugin";

/// The innermost words of an error of the client. Of a credential plugin neither its arguments nor what it
/// wrote are among them: both may be credentials.
pub fn words(error: &kube::Error) -> String {
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = inner {
        if let Some(LoadDataError::ReadFile(error, path)) = error.downcast_ref() {
            return format!("{} cannot be read: {error}", shown(&path.display().to_string()));
        }
        let why = match error.downcast_ref::<AuthError>() {
            Some(AuthError::AuthExecRun { out, .. }) => Some(format!("ends with {}", out.status)),
            Some(AuthError::AuthExecStart(error)) => Some(format!("cannot be started: {error}")),
            Some(AuthError::AuthExecParse(_) | AuthError::AuthExec(_)) => {
                Some("gives no credential that can be read".to_owned())
            }
            _ => None,
        };
        if let Some(why) = why {
            return format!("{PLUGINS} {why} (`kubectl get namespaces` shows what it says)");
        }
        inner = error.source();
    }
    shown(&base::innermost(error))
}
