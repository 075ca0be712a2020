//! The identity provider: what it says of itself, and which client secrets it takes.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::secret::SecretSeen;
use super::server::{DeploymentSeen, PodSeen};
use super::{Seen, shown, yaml};

/// What was learnt of the provider.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// The issuer, as Argo CD's settings name it.
    pub issuer: String,
    /// By which way it was asked.
    pub way: Way,
    /// What it says of itself.
    pub discovery: Discovery,
    /// Which client secrets it was shown, and what it said.
    pub tried: Vec<Tried>,
    /// Dex, where it runs in the cluster and could be looked at.
    pub dex: Seen<DexSeen>,
    /// How far its clock is ahead of this machine's, in seconds.
    pub ahead: Option<i64>,
}

/// The way by which the provider was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, Default)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What it calls itself.
    pub issuer: String,
    /// Where logins begin.
    pub authorization_endpoint: String,
    /// Where codes are redeemed.
    pub token_endpoint: String,
    /// The scopes that it says it knows.
    pub scopes: Vec<String>,
}

/// A client secret that was shown to the token endpoint, with a code that nobody gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which form of the secret.
    pub form: Form,
    /// By which method.
    pub by: Method,
    /// What the provider said.
    pub answer: Taken,
}

/// Forms of the client secret that a mistake may have left at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As Argo CD presents it: without white space around it.
    Presented,
    /// As it stands in the Secret, white space and all.
    AsStored,
    /// With a line break at its end.
    WithLineBreak,
    /// What it is the base64 of.
    Decoded,
    /// Its base64.
    Encoded,
}

impl Form {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Presented => "as Argo CD presents it",
            Self::AsStored => "with the white space that stands in the Secret",
            Self::WithLineBreak => "with a line break at its end",
            Self::Decoded => "decoded from base64 once more",
            Self::Encoded => "encoded in base64",
        }
    }
}

/// How a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
}

impl Method {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
        }
    }
}

/// Whether the provider took a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `invalid_grant`: it knew the client, and not the code.
    Yes,
    /// `invalid_client`.
    No,
    /// It answered something else, so nobody can tell.
    CannotTell(String),
}

impl Provider {
    /// Whether it took the secret in this form: by any method, or by none that can be
    /// told. `None` if that cannot be told.
    pub fn takes(&self, form: Form) -> Option<bool> {
        let answers = || self.tried.iter().filter(|tried| tried.form == form).map(|tried| &tried.answer);
        if answers().any(|answer| *answer == Taken::Yes) {
            return Some(true);
        }
        // A method that the provider does not offer may be refused in the same words.
        let refused = answers().filter(|answer| **answer == Taken::No).count();
        (refused > 0 && refused == answers().count()).then_some(false)
    }

    /// Another form of the secret that it took, where it did not take it as presented.
    pub fn takes_instead(&self) -> Option<Form> {
        let others = [Form::AsStored, Form::WithLineBreak, Form::Decoded, Form::Encoded];
        let refused = self.takes(Form::Presented) == Some(false);
        others.into_iter().find(|form| refused && self.takes(*form) == Some(true))
    }

    /// What was asked and answered about a form, for a person.
    pub fn said_of(&self, form: Form) -> Option<String> {
        let tried: Vec<String> = self
            .tried
            .iter()
            .filter(|tried| tried.form == form)
            .map(|tried| {
                let answer = match &tried.answer {
                    Taken::Yes => "invalid_grant (it takes the secret)".to_owned(),
                    Taken::No => "invalid_client (it does not)".to_owned(),
                    Taken::CannotTell(words) => format!("{} (which tells nothing)", shown(words)),
                };
                format!("{} by {}", answer, tried.by.name())
            })
            .collect();
        (!tried.is_empty()).then(|| {
            let secret = match form {
                Form::Presented => "the client secret that is set for Argo CD now".to_owned(),
                other => format!("the client secret {}", other.words()),
            };
            format!(
                "the provider's token endpoint, shown {secret} and a code that nobody gave out, says {}",
                tried.join(", ")
            )
        })
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
#[derive(Clone, Debug, Default)]
pub struct DexSeen {
    /// Its Deployment.
    pub deployment: DeploymentSeen,
    /// Its pods.
    pub pods: Vec<PodSeen>,
    /// Its configuration, if it could be read.
    pub config: Option<DexConfig>,
    /// The Secret that its client's secret comes from, and the key in it.
    pub secret: Option<(SecretSeen, String)>,
}

/// Dex's configuration, as far as this client's logins depend on it.
#[derive(Clone, Debug, Default)]
pub struct DexConfig {
    /// The Secret or ConfigMap and the key that it stands in.
    pub at: String,
    /// The same for a command; `None` if nobody knows.
    pub source: Option<Source>,
    /// `issuer`.
    pub issuer: String,
    /// The IDs of all static clients.
    pub client_ids: Vec<String>,
    /// `storage.type`.
    pub storage: String,
    /// `expiry.idTokens`, as it is written.
    pub id_tokens: Option<String>,
    /// The client; `None` if there is no such.
    pub client: Option<DexClient>,
}

/// Where a configuration stands, for a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `secret` or `configmap`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key in it.
    pub key: String,
}

/// A static client of Dex.
#[derive(Clone, Debug, Default)]
pub struct DexClient {
    /// `redirectURIs`.
    pub redirect_uris: Vec<String>,
    /// `secretEnv`.
    pub secret_env: Option<String>,
}

impl DexConfig {
    /// Reads the configuration for one client. `None` if it is not what Dex reads.
    pub fn read(at: &str, text: &[u8], client_id: &str) -> Option<Self> {
        let config: serde_json::Value = yaml::read(std::str::from_utf8(text).ok()?).ok()?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let clients = config["staticClients"].as_array().map(Vec::as_slice).unwrap_or_default();
        let client = clients.iter().find(|client| client["id"] == client_id).map(|client| DexClient {
            redirect_uris: client["redirectURIs"].as_array().into_iter().flatten().map(text).collect(),
            secret_env: client["secretEnv"].as_str().map(str::to_owned),
        });
        config.is_object().then(|| Self {
            at: at.to_owned(),
            source: None,
            issuer: text(&config["issuer"]),
            client_ids: clients
                .iter()
                .filter_map(|client| client["id"].as_str().map(str::to_owned))
                .collect(),
            storage: text(&config["storage"]["type"]),
            id_tokens: config["expiry"]["idTokens"].as_str().map(str::to_owned),
            client,
        })
    }
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

    fn provider(tried: &[(Form, Method, Taken)]) -> Provider {
        let tried = tried.iter().cloned().map(|(form, by, answer)| Tried { form, by, answer }).collect();
        Provider { tried, ..Provider::default() }
    }

    #[test]
    fn one_method_that_takes_the_secret_is_enough_and_doubt_is_doubt() {
        use Form::Presented;
        use Method::{Basic, Post};
        let odd = || Taken::CannotTell("unsupported".into());
        for (tried, takes) in [
            (vec![], None),
            (vec![(Presented, Basic, Taken::Yes)], Some(true)),
            (vec![(Presented, Basic, Taken::No), (Presented, Post, Taken::Yes)], Some(true)),
            (vec![(Presented, Basic, Taken::No), (Presented, Post, Taken::No)], Some(false)),
            (vec![(Presented, Basic, Taken::No), (Presented, Post, odd())], None),
            (vec![(Presented, Basic, odd())], None),
            (vec![(Form::Decoded, Basic, Taken::Yes)], None),
        ] {
            assert_eq!(provider(&tried).takes(Presented), takes, "{tried:?}");
        }
    }

    #[test]
    fn another_form_counts_only_where_the_presented_one_is_refused() {
        let line_break = (Form::WithLineBreak, Method::Basic, Taken::Yes);
        let refused = (Form::Presented, Method::Basic, Taken::No);
        assert_eq!(provider(&[refused, line_break.clone()]).takes_instead(), Some(Form::WithLineBreak));
        assert_eq!(provider(&[line_break]).takes_instead(), None);
    }

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
