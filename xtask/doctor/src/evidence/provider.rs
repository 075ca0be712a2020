//! The identity provider: what it says of itself, and which client secrets it takes.

use std::net::SocketAddr;

use jiff::Timestamp;
use probe::TokenAnswer;
use probe::cli_login::{Knocked, REDIRECT_URI};
use serde::{Deserialize, Serialize};
use url::Url;

use super::secret::SecretSeen;
use super::server::{DeploymentSeen, PodSeen};
use super::tried::Tried;
use super::{Seen, yaml};

/// What was learnt of the provider.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Provider {
    /// The issuer, as Argo CD's settings name it.
    pub issuer: String,
    /// By which way it was asked.
    pub way: Way,
    /// What it says of itself.
    pub discovery: Discovery,
    /// Which client secrets it was shown, and what it said.
    pub tried: Vec<Tried>,
    /// What it says to the command line's client.
    pub command_line: Option<AsCommandLine>,
    /// Dex, where it runs in the cluster and could be looked at.
    pub dex: Seen<DexSeen>,
    /// How often it was asked for anything but a token.
    pub other_requests: usize,
    /// How far its clock is ahead of this machine's, in seconds.
    pub ahead: Option<i64>,
}

/// What the provider says to whoever asks as the command line does, without a user and without a secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AsCommandLine {
    /// Whether it shows its form.
    pub form: Knocked,
    /// What its token endpoint answers to a code that nobody gave out; in words, where that is nothing to compare.
    pub token: Result<TokenAnswer, String>,
}

/// The way by which the provider was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It was not.
    #[default]
    None,
    /// By its name, as this machine resolves it.
    Direct,
    /// By an address that stands in for its name.
    Resolved(SocketAddr),
    /// Through the cluster API's proxy to a Service. That carries reading only: no
    /// secret can be shown this way.
    ServiceProxy {
        /// The Service's namespace.
        namespace: String,
        /// Its name.
        service: String,
    },
}

impl Way {
    /// In words: `as this machine resolves it`.
    pub fn words(&self) -> String {
        match self {
            Self::None => "not at all".to_owned(),
            Self::Direct => "by its name, as this machine resolves it".to_owned(),
            Self::Resolved(address) => format!("by {address}, in place of its name"),
            Self::ServiceProxy { namespace, service } => {
                format!("through the cluster API's proxy to Service {namespace}/{service}")
            }
        }
    }
}

/// The discovery document.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Discovery {
    /// It was not asked for.
    #[default]
    NotLooked,
    /// The provider's own words about itself.
    Document(Document),
    /// No answer, in words.
    NoAnswer(String),
    /// An answer of this status.
    Status(u16),
    /// Something that is no discovery document.
    Unreadable,
}

/// The parts of a discovery document that a login depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Document {
    /// What it calls itself.
    pub issuer: String,
    /// Where logins begin.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// Where the keys are that its tokens are signed with.
    pub keys: String,
    /// The scopes that it says it knows.
    pub scopes: Vec<String>,
    /// The ways of showing a client secret that it says it takes; none if it does not say.
    pub methods: Vec<String>,
}

impl Provider {
    /// The configuration of [`Provider::own_dex`], if it could be read.
    pub fn own_config(&self) -> Option<&DexConfig> {
        self.own_dex()?.config.as_ref()
    }

    /// The Dex in the cluster, if it is the issuer that Argo CD uses: by the keys that both show, else, where
    /// those cannot be seen, by host and path.
    pub fn own_dex(&self) -> Option<&DexSeen> {
        let place = |issuer: &str| {
            let url = issuer.parse::<Url>().ok()?;
            Some((url.host_str()?.to_owned(), url.path().trim_end_matches('/').to_owned()))
        };
        let dex = self.dex.there()?;
        let same_place = || match (&dex.config, place(&self.issuer)) {
            (Some(config), issuer) => issuer.is_some() && place(&config.issuer) == issuer,
            (None, issuer) => issuer.is_some_and(|(host, _)| names_service(&host, &dex.deployment)),
        };
        dex.same_keys.unwrap_or_else(same_place).then_some(dex)
    }

    /// The Secret that the client's secret of [`Provider::own_dex`] comes from, and the key in it.
    pub fn own_secret(&self) -> Option<(&SecretSeen, &String)> {
        self.own_dex()?.secret.as_ref().map(|(secret, key)| (secret, key))
    }

    /// How many requests of the doctor's own it got.
    pub fn requests(&self) -> usize {
        let as_command_line = self.command_line.as_ref().map_or(0, |asked| asked.form.requests + 1);
        self.other_requests + self.tried.len() + as_command_line
    }

    /// Its discovery document, where that has another issuer than Argo CD is told.
    pub fn other_name(&self) -> Option<&Document> {
        self.document().filter(|document| document.issuer != self.issuer)
    }

    /// What it says of itself.
    pub fn document(&self) -> Option<&Document> {
        match &self.discovery {
            Discovery::Document(document) => Some(document),
            _ => None,
        }
    }
}

/// Dex in the cluster.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DexSeen {
    /// Its Deployment.
    pub deployment: DeploymentSeen,
    /// Its pods.
    pub pods: Vec<PodSeen>,
    /// Its configuration, if it could be read.
    pub config: Option<DexConfig>,
    /// The Secret that its client's secret comes from, and the key in it.
    pub secret: Option<(SecretSeen, String)>,
    /// Whether it signs with the keys that the issuer names; `None` if that could not be asked.
    pub same_keys: Option<bool>,
}

/// Dex's configuration, as far as this client's logins depend on it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DexConfig {
    /// The Secret or ConfigMap and the key that it stands in.
    pub at: String,
    /// The same for a command; `None` if nobody knows.
    pub source: Option<Source>,
    /// `issuer`.
    pub issuer: String,
    /// The port of `web.http`.
    pub port: String,
    /// The IDs of all static clients.
    pub client_ids: Vec<String>,
    /// Those of the public ones, which have no secret.
    pub public_ids: Vec<String>,
    /// Those that may be called back at the address where the command line waits.
    pub command_line_ids: Vec<String>,
    /// `storage.type`.
    pub storage: String,
    /// `expiry.idTokens`, as it is written.
    pub id_tokens: Option<String>,
    /// The client; `None` if there is no such.
    pub client: Option<DexClient>,
}

/// Where a configuration stands, for a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Source {
    /// `secret` or `configmap`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// A static client of Dex.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct DexClient {
    /// `redirectURIs`.
    pub redirect_uris: Vec<String>,
    /// `secretEnv`.
    pub secret_env: Option<String>,
}

impl DexConfig {
    /// The port that Dex listens on where nothing else is said.
    pub const PORT: &str = "5556";

    /// Reads the configuration for one client. `None` if it is not what Dex reads.
    pub fn read(at: &str, text: &[u8], client_id: &str) -> Option<Self> {
        let config: serde_json::Value = yaml::read(std::str::from_utf8(text).ok()?).ok()?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let clients = config["staticClients"].as_array().map(Vec::as_slice).unwrap_or_default();
        let client = clients.iter().find(|client| client["id"] == client_id).map(|client| DexClient {
            redirect_uris: client["redirectURIs"].as_array().into_iter().flatten().map(text).collect(),
            secret_env: client["secretEnv"].as_str().map(str::to_owned),
        });
        let ids = |of: &dyn Fn(&serde_json::Value) -> bool| -> Vec<String> {
            let named = clients.iter().filter(|client| of(client)).filter_map(|client| client["id"].as_str());
            named.map(str::to_owned).collect()
        };
        let port = config["web"]["http"].as_str().and_then(|at| at.rsplit(':').next());
        config.is_object().then(|| Self {
            at: at.to_owned(),
            source: None,
            issuer: text(&config["issuer"]),
            port: port.unwrap_or(Self::PORT).to_owned(),
            client_ids: ids(&|_| true),
            public_ids: ids(&|client| client["public"] == true),
            command_line_ids: ids(&|client| {
                let uris = client["redirectURIs"].as_array().map(Vec::as_slice).unwrap_or_default();
                // A public client for which none is registered may be called back anywhere on its machine.
                uris.iter().any(|uri| uri == REDIRECT_URI) || client["public"] == true && uris.is_empty()
            }),
            storage: text(&config["storage"]["type"]),
            id_tokens: config["expiry"]["idTokens"].as_str().map(str::to_owned),
            client,
        })
    }
}

/// Whether a host is the name of a Service of a Deployment in the cluster: `dex.auth.svc…`.
fn names_service(host: &str, deployment: &DeploymentSeen) -> bool {
    let mut parts = host.split('.');
    parts.next() == Some(deployment.name.as_str()) && parts.next() == Some(deployment.namespace.as_str())
}

impl DexSeen {
    /// Since when the oldest of its pods runs: a variable that comes from a Secret was
    /// read then.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.pods.iter().filter(|pod| !pod.ending).filter_map(|pod| pod.started).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dexs_configuration_is_read_for_one_client() {
        let text = "issuer: http://d\nstorage: {type: memory}\nexpiry: {idTokens: 1s}\nstaticClients:\n- id: a\n  redirectURIs: [http://a/cb]\n  secretEnv: S\n";
        let config = DexConfig::read("x", text.as_bytes(), "a").unwrap();
        assert_eq!((config.storage.as_str(), config.id_tokens.as_deref()), ("memory", Some("1s")));
        let client = config.client.unwrap();
        assert_eq!(
            (client.redirect_uris.as_slice(), client.secret_env.as_deref()),
            (["http://a/cb".to_owned()].as_slice(), Some("S"))
        );
        assert!(DexConfig::read("x", text.as_bytes(), "b").unwrap().client.is_none());
        assert!(DexConfig::read("x", b"[", "b").is_none());
        assert!(DexConfig::read("x", b"text", "b").is_none());
    }
}
