//! Dex's configuration file: the part that a stand-in with memory storage and one
//! connector can honour, checked as Dex checks it.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;
use serde::Deserialize;

use super::log::Level;
use super::storage::Claims;
use crate::go_http;

/// What Dex runs with.
#[derive(Clone)]
pub(super) struct Config {
    /// The issuer as it stands in tokens.
    pub(super) issuer: String,
    /// The path of the issuer, without a slash at its end.
    pub(super) prefix: String,
    pub(super) connector: Connector,
    pub(super) clients: Vec<Client>,
    pub(super) passwords: Vec<Password>,
    pub(super) id_tokens: Duration,
    pub(super) auth_requests: Duration,
    pub(super) level: Level,
}

/// Who knows users: the one connector that there is.
#[derive(Clone)]
pub(super) struct Connector {
    /// Its id, in paths and in tokens.
    pub(super) id: String,
    /// What it calls the name that a user types.
    pub(super) prompt: &'static str,
    /// The user of a `mockPassword`; of local passwords there is a list.
    pub(super) mock: Option<MockUser>,
}

/// What a connector `mockPassword` is to be shown.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct MockUser {
    pub(super) username: String,
    pub(super) password: String,
}

/// A program that may ask for logins.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Client {
    pub(super) id: String,
    id_env: String,
    pub(super) name: String,
    /// What it has to show at the token endpoint; empty if the variable that
    /// should hold it is not set.
    pub(super) secret: String,
    secret_env: String,
    #[serde(rename = "redirectURIs")]
    pub(super) redirect_uris: Vec<String>,
    pub(super) public: bool,
}

/// A user of the local password database.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Password {
    pub(super) email: String,
    username: String,
    name: String,
    preferred_username: String,
    email_verified: Option<bool>,
    #[serde(rename = "userID")]
    user_id: String,
    pub(super) hash: String,
    hash_from_env: String,
    groups: Vec<String>,
    /// The bcrypt cost of the hash.
    #[serde(skip)]
    pub(super) cost: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    issuer: String,
    storage: Option<Storage>,
    web: Web,
    #[serde(rename = "oauth2")]
    oauth2: OAuth2,
    expiry: Expiry,
    logger: Logger,
    #[serde(rename = "enablePasswordDB")]
    enable_password_db: bool,
    static_clients: Vec<Client>,
    static_passwords: Vec<Password>,
    connectors: Vec<FileConnector>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FileConnector {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    name: String,
    config: MockUser,
}

#[derive(Deserialize)]
struct Storage {
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Web {
    http: String,
    https: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OAuth2 {
    skip_approval_screen: bool,
    response_types: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Expiry {
    id_tokens: String,
    auth_requests: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Logger {
    level: String,
    format: String,
}

/// The types of connectors that Dex knows. This stand-in has the first.
const CONNECTORS: &[&str] = &[
    "mockPassword",
    "mockCallback",
    "keystone",
    "ldap",
    "github",
    "gitlab",
    "gitea",
    "google",
    "oidc",
    "oauth",
    "saml",
    "authproxy",
    "linkedin",
    "microsoft",
    "bitbucket-cloud",
    "openshift",
    "atlassian-crowd",
    "samlExperimental",
];
/// The storages that Dex has and this stand-in has not.
const OTHER_STORAGES: &[&str] = &["etcd", "kubernetes", "sqlite3", "postgres", "mysql"];

impl Config {
    /// Reads the file `path`. Variables that it names are read here, once: what
    /// they hold later does not matter.
    ///
    /// # Errors
    /// The line that Dex prints before it exits.
    pub(super) fn read(path: &str, text: &[u8], env: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut file: File = serde_yaml::from_slice(text).map_err(|error| {
            format!("error parse config file {path}: error converting YAML to JSON: {error}")
        })?;
        let unreadable =
            |what: String| format!("error parse config file {path}: error unmarshaling JSON: {what}");
        let storage = file.storage.as_ref().map(|storage| storage.kind.as_str());
        if let Some(kind) = storage
            && kind != "memory"
            && !OTHER_STORAGES.contains(&kind)
        {
            return Err(unreadable(format!("unknown storage type {kind:?}")));
        }
        if let Some(other) = file.connectors.iter().find(|it| !CONNECTORS.contains(&it.kind.as_str())) {
            return Err(unreadable(format!("unknown connector type {:?}", other.kind)));
        }
        for password in &mut file.static_passwords {
            password.complete(env).map_err(|why| unreadable(why.into()))?;
        }
        let level = match file.logger.level.to_lowercase().as_str() {
            "" | "info" => Level::Info,
            "debug" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            other => return Err(unreadable(format!("slog: level string {other:?}: unknown name"))),
        };
        if !["", "text"].contains(&file.logger.format.as_str()) {
            return Err("invalid config: the stand-in for Dex writes its log as text only".into());
        }
        file.validate()?;
        if let Some(kind) = storage.filter(|kind| *kind != "memory") {
            return Err(format!(
                "failed to initialize storage: the stand-in for Dex keeps everything in memory and has no storage {kind:?}"
            ));
        }
        let issuer = url::Url::parse(&file.issuer)
            .map_err(|_| "failed to initialize server: server: can't parse issuer URL".to_owned())?;
        if file.connectors.iter().any(|it| [&it.id, &it.name, &it.kind].iter().any(|field| field.is_empty()))
        {
            return Err("invalid config: ID, Type and Name fields are required for a connector".into());
        }
        for client in &mut file.static_clients {
            client.complete(env).map_err(|why| format!("invalid config: {why}"))?;
        }
        let connector = file.connector()?;
        if !file.oauth2.skip_approval_screen {
            return Err("failed to initialize server: the stand-in for Dex has no approval screen: set oauth2.skipApprovalScreen".into());
        }
        if let Some(other) = file.oauth2.response_types.iter().find(|kind| *kind != "code") {
            return Err(format!("failed to initialize server: unsupported response_type {other:?}"));
        }
        let day = Duration::from_secs(24 * 60 * 60);
        let duration = |text: &str, what: &str| match text {
            "" => Ok(day),
            text => base::go_duration(text).ok_or_else(|| {
                format!("invalid config value {text:?} for {what} expiry: time: invalid duration {text:?}")
            }),
        };
        Ok(Self {
            // The clean path, which an issuer of `http://host//path` is not below.
            prefix: go_http::clean(issuer.path()).trim_end_matches('/').to_owned(),
            issuer: file.issuer,
            connector,
            clients: file.static_clients,
            passwords: file.static_passwords,
            id_tokens: duration(&file.expiry.id_tokens, "id token")?,
            auth_requests: duration(&file.expiry.auth_requests, "auth request")?,
            level,
        })
    }

    /// The client of this id.
    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        // Of two with one ID the later one counts.
        self.clients.iter().rfind(|client| client.id == id)
    }

    /// The user with this address, whatever its case.
    pub(super) fn password(&self, email: &str) -> Option<&Password> {
        let email = email.to_lowercase();
        self.passwords.iter().find(|password| password.email.to_lowercase() == email)
    }
}

impl File {
    fn validate(&self) -> Result<(), String> {
        let checks = [
            (self.issuer.is_empty(), "no issuer specified in config file"),
            (
                !self.enable_password_db && !self.static_passwords.is_empty(),
                "cannot specify static passwords without enabling password db",
            ),
            (self.storage.is_none(), "no storage supplied in config file"),
            (
                self.web.http.is_empty() && self.web.https.is_empty(),
                "must supply a HTTP/HTTPS  address to listen on",
            ),
        ];
        let bad: Vec<_> = checks.iter().filter(|(bad, _)| *bad).map(|(_, message)| *message).collect();
        if bad.is_empty() { Ok(()) } else { Err(format!("invalid Config:\n\t-\t{}", bad.join("\n\t-\t"))) }
    }

    /// The connector, where there is one.
    fn connector(&self) -> Result<Connector, String> {
        let local = Connector { id: "local".into(), prompt: "Email Address", mock: None };
        match (self.connectors.as_slice(), self.enable_password_db) {
            ([], true) => Ok(local),
            ([], false) => Err("failed to initialize server: server: no connectors specified".into()),
            ([one], false) if one.kind == "mockPassword" => {
                let user = &one.config;
                for (value, what) in [(&user.username, "username"), (&user.password, "password")] {
                    if value.is_empty() {
                        return Err(format!(
                            "failed to initialize server: server: Failed to open connector {}: failed to open connector: failed to create connector {}: no {what} supplied",
                            one.id, one.id
                        ));
                    }
                }
                Ok(Connector { id: one.id.clone(), prompt: "Username", mock: Some(user.clone()) })
            }
            _ => Err("failed to initialize storage connectors: the stand-in for Dex has one connector, the local passwords or a mockPassword".into()),
        }
    }
}

impl Client {
    /// Checks it, and takes from the environment what stands there. A variable that is not set
    /// is an empty one.
    fn complete(&mut self, env: &BTreeMap<String, String>) -> Result<(), String> {
        let variable = |name: &str| env.get(name).cloned().unwrap_or_default();
        if self.name.is_empty() {
            return Err("Name field is required for a client".into());
        }
        match (self.id.is_empty(), self.id_env.is_empty()) {
            (true, true) => return Err("ID or IDEnv field is required for a client".into()),
            (true, false) => self.id = variable(&self.id_env),
            (false, true) => {}
            (false, false) => {
                return Err(format!("ID and IDEnv fields are exclusive for client {:?}", self.id));
            }
        }
        match (self.secret.is_empty(), self.secret_env.is_empty()) {
            (true, true) if !self.public => {
                Err(format!("Secret or SecretEnv field is required for client {:?}", self.id))
            }
            (_, true) => Ok(()),
            (true, false) => {
                self.secret = variable(&self.secret_env);
                Ok(())
            }
            (false, false) => {
                Err(format!("Secret and SecretEnv fields are exclusive for client {:?}", self.id))
            }
        }
    }
}

impl Password {
    /// Takes the hash from the environment if it stands there, and checks it.
    fn complete(&mut self, env: &BTreeMap<String, String>) -> Result<(), &'static str> {
        if self.hash.is_empty() {
            self.hash = env.get(&self.hash_from_env).cloned().unwrap_or_default();
        }
        if self.hash.is_empty() {
            return Err("no password hash provided");
        }
        // Older files hold the hash in base64 once more.
        if cost(&self.hash).is_none()
            && let Some(hash) =
                STANDARD.decode(&self.hash).ok().and_then(|bytes| String::from_utf8(bytes).ok())
        {
            self.hash = hash;
        }
        self.cost = cost(&self.hash).ok_or(
            "malformed bcrypt hash: crypto/bcrypt: hashedSecret too short to be a bcrypted password",
        )?;
        Ok(())
    }

    /// Who logs in with it.
    pub(super) fn claims(&self) -> Claims {
        Claims {
            user_id: self.user_id.clone(),
            username: if self.name.is_empty() { self.username.clone() } else { self.name.clone() },
            preferred_username: self.preferred_username.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified.unwrap_or(true),
            groups: self.groups.clone(),
        }
    }
}

/// The cost of a bcrypt hash; `None` if it is none.
fn cost(hash: &str) -> Option<u32> {
    hash.parse::<HashParts>().ok().map(|parts| parts.get_cost())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
issuer: http://dex.host/dex/
storage: {type: memory}
web: {http: "0.0.0.0:5556"}
oauth2: {skipApprovalScreen: true}
enablePasswordDB: true
staticClients:
- {id: argo-cd, name: Argo CD, secretEnv: SECRET, redirectURIs: ["http://argocd.host/auth/callback"]}
- {id: literal, name: Literal, secret: $FOO}
- {id: unset, name: Unset, secretEnv: NOT_THERE}
staticPasswords:
- {email: Admin@example.com, hash: "$2a$10$sfbKblGyTQkdZTo6YGZ4BOJLBsZK3ePW5r77PlAjWZWd9qpc7BiOi", username: admin, userID: "1"}
"#;

    fn read(text: &str) -> Result<Config, String> {
        let env = BTreeMap::from([
            ("SECRET".to_owned(), "s3cret\n".to_owned()),
            ("FOO".to_owned(), "foo".to_owned()),
        ]);
        Config::read("/etc/dex/config.yaml", text.as_bytes(), &env)
    }

    #[test]
    fn secrets_come_from_the_environment_untrimmed_or_stand_as_written() {
        let config = read(GOOD).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.client("argo-cd").unwrap().secret, "s3cret\n");
        assert_eq!(config.client("literal").unwrap().secret, "$FOO");
        assert_eq!(config.client("unset").unwrap().secret, "");
        assert_eq!(config.prefix, "/dex");
        assert!(config.password("admin@EXAMPLE.com").is_some());
        assert_eq!(config.password("admin@example.com").unwrap().cost, 10);
    }

    #[test]
    fn a_bad_file_is_refused_in_dexs_words() {
        let cases = [
            ("issuer: http://dex.host/dex/", "issuer: ''", "no issuer specified in config file"),
            ("storage: {type: memory}", "", "no storage supplied in config file"),
            ("type: memory", "type: paper", "unknown storage type \"paper\""),
            ("type: memory", "type: kubernetes", "has no storage \"kubernetes\""),
            ("{http: \"0.0.0.0:5556\"}", "{}", "must supply a HTTP/HTTPS  address to listen on"),
            ("enablePasswordDB: true", "", "cannot specify static passwords without enabling password db"),
            ("name: Literal, ", "", "Name field is required for a client"),
            (", secret: $FOO", "", "Secret or SecretEnv field is required for client \"literal\""),
            ("secret: $FOO", "secret: a, secretEnv: B", "Secret and SecretEnv fields are exclusive"),
            ("hash: \"$2a$10$sfb", "hash: \"nonsense", "malformed bcrypt hash"),
            ("enablePasswordDB: true", "enablePasswordDB: [", "error parse config file /etc/dex/config.yaml"),
        ];
        for (from, to, expected) in cases {
            assert!(GOOD.contains(from), "{from}");
            let error = read(&GOOD.replace(from, to)).err().unwrap_or_default();
            assert!(error.contains(expected), "{to:?}: {error}");
        }
    }
}
