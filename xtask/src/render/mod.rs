//! From `manifests/` and `values/` to documents.
//!
//! Both folders are read when a goal runs, not when the program is built: editing
//! a manifest is the whole of a contributor's edit-run loop.

mod exporter;
mod masked;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use base::{Error, Result};
use cluster::names::{self, Provider, Scheme, VALUES_TEMPLATE};

pub use masked::{everything, yaml};

/// A template in `manifests/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest(&'static str);

impl Manifest {
    /// kind's cluster.
    pub const KIND_CONFIG: Self = Self("kind-config.yaml.j2");
    /// The namespaces of the stack.
    pub const NAMESPACES: Self = Self("namespaces.yaml.j2");
    /// The rewrite for CoreDNS.
    pub const COREDNS: Self = Self("coredns.yaml.j2");
    /// The client secret as Dex expects it.
    pub const DEX_SECRET: Self = Self("dex-secret.yaml.j2");
    /// Argo CD's own Secret, filled.
    pub const ARGOCD_SECRET: Self = Self("argocd-secret.yaml.j2");
    /// The password of Argo CD's Redis, on kind.
    pub const ARGOCD_REDIS: Self = Self("argocd-redis.yaml.j2");
    /// The client secret as Argo CD shows it.
    pub const OIDC_SECRET: Self = Self("oidc-secret.yaml.j2");
    /// Dex on port 80.
    pub const DEX_SERVICE: Self = Self("dex-service.yaml.j2");
    /// The certificates of both hosts.
    pub const INGRESS_TLS: Self = Self("ingress-tls.yaml.j2");
    /// Routes for both hosts.
    pub const INGRESS: Self = Self("ingress.yaml.j2");
    /// What is around the exporter: its modules, its password and its route.
    pub const EXPORTER: Self = Self("exporter.yaml.j2");

    /// All of them, in the order in which they would be applied.
    pub const ALL: [Self; 11] = [
        Self::KIND_CONFIG,
        Self::NAMESPACES,
        Self::COREDNS,
        Self::DEX_SECRET,
        Self::ARGOCD_SECRET,
        Self::ARGOCD_REDIS,
        Self::OIDC_SECRET,
        Self::DEX_SERVICE,
        Self::INGRESS_TLS,
        Self::INGRESS,
        Self::EXPORTER,
    ];

    /// The file's name.
    pub fn file(self) -> &'static str {
        self.0
    }
}

/// What the templates may use of a lab, beside the [names](NAMES) that are the same in each. Secret values are empty where a template has none.
#[derive(Clone, Default, Serialize)]
pub struct Variables {
    /// kind's name for the cluster.
    pub cluster_name: String,
    /// What tells the folder of a lab on kind from others'.
    pub lab_id: String,
    /// The ingress's port on loopback.
    pub ingress_port: u16,
    /// The port on loopback where the ingress ends TLS, if it does.
    pub tls_port: Option<u16>,
    /// The ingress class of both hosts.
    pub ingress_class: &'static str,
    /// Which Service Dex's host is in a cluster, with its namespace.
    pub dex_service: String,
    /// The certificates.
    pub certificates: Vec<TlsSecret>,
    /// Argo CD's address.
    pub argocd_url: String,
    /// The port that it implies.
    pub port: u16,
    /// The hosts that a login goes through.
    pub hosts: Vec<&'static str>,
    /// The one of them whose form takes the password.
    pub password_host: &'static str,
    /// Where a pod finds them.
    pub front: String,
    /// The user's password.
    pub user_password: &'static str,
    /// The lab's certificate authority, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// The OIDC client's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// bcrypt of Argo CD's admin password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password_hash: Option<String>,
    /// When that password was set (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password_mtime: Option<String>,
    /// The key that Argo CD's sessions and state cookies hang on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_secretkey: Option<String>,
    /// The password of Argo CD's Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_password: Option<String>,
}

/// What the templates call the names that no lab has otherwise.
const NAMES: [(&str, &str); 6] = [
    ("argocd_host", names::ARGOCD_HOST),
    ("second_host", names::SECOND_HOST),
    ("dex_host", names::DEX_HOST),
    ("exporter_host", names::EXPORTER_HOST),
    ("tls_secret", names::ARGOCD_TLS.name),
    ("user", names::USER),
];

/// A Secret with a certificate in it.
#[derive(Clone, Serialize)]
pub struct TlsSecret {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The certificate and its authority's, in PEM.
    pub chain: String,
    /// The certificate's key, in PEM.
    pub key: String,
}

impl Variables {
    /// Variables without any secret.
    pub fn new(ingress_port: u16) -> Self {
        Self {
            cluster_name: names::CLUSTER.to_owned(),
            lab_id: "00000000".to_owned(),
            ingress_port,
            ingress_class: names::INGRESS_CLASS,
            dex_service: "dex-host.dex".to_owned(),
            user_password: names::PASSWORD,
            ..Self::default()
        }
        .through(Provider::Dex, Scheme::Http, SocketAddr::from(([127, 0, 0, 1], ingress_port)))
    }

    /// The same for logins by a provider, by way of this address.
    pub fn through(self, provider: Provider, scheme: Scheme, front: SocketAddr) -> Self {
        let hosts = names::hosts(provider).to_vec();
        Self {
            argocd_url: scheme.url(names::ARGOCD_HOST),
            port: scheme.port(),
            password_host: hosts.last().copied().unwrap_or_default(),
            hosts,
            front: front.to_string(),
            ..self
        }
    }
}

/// The templates and values of a checkout.
#[derive(Clone, Debug)]
pub struct Sources {
    root: PathBuf,
    provider: Provider,
    /// With `--tls`: where the lab's authority is.
    ca: Option<Ca>,
}

#[derive(Clone, Debug)]
enum Ca {
    File(PathBuf),
    /// To be shown, and no more.
    Masked,
}

impl Sources {
    /// Those of the checkout at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), provider: Provider::default(), ca: None }
    }

    /// The same for a lab with this provider, and with `--tls` this file of its authority.
    pub fn with(self, provider: Provider, ca: Option<PathBuf>) -> Self {
        Self { provider, ca: ca.map(Ca::File), ..self }
    }

    /// The same to look at, for a lab that may not be there.
    pub fn masked(&self) -> Self {
        Self { ca: self.ca.as_ref().map(|_| Ca::Masked), ..self.clone() }
    }

    /// What the lab is spoken to by.
    pub fn scheme(&self) -> Scheme {
        Scheme::of(self.ca.is_some())
    }

    /// The checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a manifest.
    ///
    /// # Errors
    /// The file cannot be read, is no valid template, or uses a variable that is not
    /// there: the error names file, line and variable.
    pub fn text(&self, manifest: Manifest, variables: &Variables) -> Result<String> {
        self.rendered(&Path::new("manifests").join(manifest.file()), variables)
    }

    fn rendered(&self, path: &Path, variables: &Variables) -> Result<String> {
        let source = self.read(path)?;
        let name = path.display().to_string();
        let mut environment = Environment::new();
        environment.add_global("namespaces", names::NAMESPACES.to_vec());
        NAMES.into_iter().for_each(|(name, value)| environment.add_global(name, value));
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_debug(true);
        let rendered = environment
            .template_from_named_str(&name, &source)
            .and_then(|template| template.render(minijinja::value::Serde(variables)));
        rendered.map_err(|error| template_error(&name, &source, &error))
    }

    /// The documents of a manifest.
    ///
    /// # Errors
    /// As [`Sources::text`], and where the result is not YAML.
    pub fn documents(&self, manifest: Manifest, variables: &Variables) -> Result<Vec<Value>> {
        let text = self.text(manifest, variables)?;
        let mut documents = vec![];
        for document in serde_yaml::Deserializer::from_str(&text) {
            let value = Value::deserialize(document).map_err(|error| {
                // serde_yaml's own message can quote the text, and with it a secret.
                let place = error
                    .location()
                    .map_or(String::new(), |at| format!(", line {} of the result", at.line()));
                Error::environment(format!("manifests/{}{place}: not valid YAML", manifest.file()))
                    .hint("`cargo xtask render` shows the result")
            })?;
            if !value.is_null() {
                documents.push(value);
            }
        }
        Ok(documents)
    }

    /// The values of a chart, `argocd` or `dex`.
    ///
    /// # Errors
    /// The file cannot be read or is not YAML.
    pub fn values(&self, chart: &str) -> Result<Value> {
        let mut values = Value::Null;
        for file in self.files(chart) {
            let text = self.values_text(file)?;
            let more = serde_yaml::from_str(&text).map_err(|error| {
                Error::environment(format!("values/{file}.yaml: not valid YAML: {error}"))
            })?;
            merge(&mut values, more);
        }
        Ok(values)
    }

    /// The charts of the stack.
    pub fn charts(&self) -> &'static [&'static str] {
        match self.provider {
            Provider::Dex => &["argocd", "dex"],
            Provider::Bundled => &["argocd"],
        }
    }

    /// The files that a chart's values are in, without their ending: later ones come before
    /// earlier ones.
    pub fn files<'a>(&self, chart: &'a str) -> Vec<&'a str> {
        names::values_files(chart, self.provider, self.scheme())
    }

    /// The text of a values file, as Helm would read it.
    ///
    /// # Errors
    /// The file, or the authority that goes into it, cannot be read.
    pub fn values_text(&self, chart: &str) -> Result<String> {
        if chart != VALUES_TEMPLATE {
            return self.read(&Path::new("values").join(format!("{chart}.yaml")));
        }
        let ca_pem = match &self.ca {
            Some(Ca::File(path)) => Some(self.read(path)?),
            Some(Ca::Masked) => Some("the lab's authority, in PEM".to_owned()),
            None => None,
        };
        let path = Path::new("values").join(format!("{chart}.yaml.j2"));
        self.rendered(&path, &Variables { ca_pem, ..Variables::new(0) })
    }

    fn read(&self, path: &Path) -> Result<String> {
        fs::read_to_string(self.root.join(path)).map_err(|error| {
            Error::environment(format!("{} cannot be read: {error}", path.display()))
                .hint("run from a whole checkout of the project")
        })
    }
}

/// Values over others, as Helm lays them.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn template_error(name: &str, source: &str, error: &minijinja::Error) -> Error {
    let line = error.line().map_or(String::new(), |line| format!(":{line}"));
    let what = match (error.kind(), error.range()) {
        (minijinja::ErrorKind::UndefinedError, range) => {
            let expression = range.and_then(|range| expression(source, range)).unwrap_or("a variable");
            format!("`{expression}` is not defined")
        }
        (kind, _) => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    };
    Error::environment(format!("{name}{line}: {what}"))
}

/// The whole expression around a range: minijinja names only the attribute that is
/// missing of `a.b`.
fn expression(source: &str, range: std::ops::Range<usize>) -> Option<&str> {
    let before = source.get(..range.start)?;
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let start = before.trim_end_matches(part).len();
    source.get(start..range.end)
}

#[cfg(test)]
mod tests;
