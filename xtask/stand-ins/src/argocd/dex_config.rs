//! `dex.config`: what the Dex inside Argo CD is to run with, as argocd-dex writes it and
//! argocd-server compares it.

use serde_json::{Map, Value, json};

use super::details::Details;
use super::go_url::append_path;
use super::log::Log;
use super::oidc_config::{DEX_CLI_CLIENT, DEX_CLIENT, DEX_PATH, client_secret};
use super::settings::Settings;

/// The end of whoever meets a configuration that has no connectors.
const MALFORMED: &str = "malformed Dex configuration found";
/// Connectors that users come back from, and that are told where to.
const REDIRECTING: [&str; 11] = [
    "oidc",
    "saml",
    "microsoft",
    "linkedin",
    "gitlab",
    "github",
    "bitbucket-cloud",
    "openshift",
    "gitea",
    "google",
    "oauth",
];

/// Whether there is such a Dex: a `url`, and a `dex.config` that says something.
pub(super) fn is_configured(settings: &Settings, log: &Log) -> bool {
    parsed(settings, log).is_some()
}

fn parsed(settings: &Settings, log: &Log) -> Option<Map<String, Value>> {
    if settings.url.is_empty() {
        return None;
    }
    let parsed: Result<Option<Map<String, Value>>, _> = serde_yaml::from_str(&settings.dex_config_raw);
    match parsed {
        Ok(config) => config.filter(|config| !config.is_empty()),
        Err(error) => {
            log.warn(format!("invalid dex yaml config: error converting YAML to JSON: {error}"));
            None
        }
    }
}

/// What Dex is to run with, if there is one.
///
/// # Errors
/// The line that argocd-dex and argocd-server print before they exit.
pub(super) fn generate(settings: &Settings, details: &Details, log: &Log) -> Result<Option<Value>, String> {
    let Some(mut config) = parsed(settings, log) else { return Ok(None) };
    let issuer = settings.sso_config(details, log).map(|config| config.issuer);
    let secret = client_secret(settings.server_signature.as_deref().unwrap_or_default());
    let callbacks: Vec<String> =
        settings.allowed_urls().map(|url| append_path(url, "/auth/callback")).collect();
    let connectors = config.get_mut("connectors").and_then(Value::as_array_mut).ok_or(MALFORMED)?;
    for connector in connectors {
        let connector = connector.as_object_mut().ok_or(MALFORMED)?;
        let kind = connector.get("type").and_then(Value::as_str).ok_or(MALFORMED)?;
        if REDIRECTING.contains(&kind) {
            let own = connector.get_mut("config").and_then(Value::as_object_mut).ok_or(MALFORMED)?;
            let to = append_path(&settings.url, &format!("{DEX_PATH}/callback"));
            own.insert("redirectURI".into(), to.into());
        }
    }
    let mut clients = vec![
        json!({"id": DEX_CLIENT, "name": "Argo CD", "secret": secret, "redirectURIs": callbacks}),
        json!({"id": DEX_CLI_CLIENT, "name": "Argo CD CLI", "public": true,
               "redirectURIs": ["http://localhost", "http://localhost:8085/auth/callback"]}),
        json!({"id": "argo-cd-pkce", "name": "Argo CD PKCE", "public": true,
               "redirectURIs": ["http://localhost:4000/auth/callback"]}),
    ];
    clients.extend(config.get("staticClients").and_then(Value::as_array).into_iter().flatten().cloned());
    let mut oauth2 = config.get("oauth2").and_then(Value::as_object).cloned().unwrap_or_default();
    if !oauth2.get("skipApprovalScreen").is_some_and(Value::is_boolean) {
        oauth2.insert("skipApprovalScreen".into(), true.into());
    }
    for (key, value) in [
        ("issuer", issuer.into()),
        ("storage", json!({"type": "memory"})),
        ("web", json!({"http": "0.0.0.0:5556"})),
        ("grpc", json!({"addr": "0.0.0.0:5557"})),
        ("telemetry", json!({"http": "0.0.0.0:5558"})),
        ("oauth2", oauth2.into()),
        ("staticClients", clients.into()),
    ] {
        config.insert(key.into(), value);
    }
    let mut config = Value::Object(config);
    settings.secrets.resolve_all(&mut config, details, log);
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use local_cluster::logs::{LogKey, Logs};
    use releases::Release;

    const MOCK: &str =
        "connectors: [{type: mockPassword, id: m, name: M, config: {username: u, password: $p}}]";

    fn generated(url: &str, dex: &str) -> (Result<Option<Value>, String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let key = LogKey { namespace: "n".into(), pod: "p".into(), container: "c".into(), restart: 0 };
        let log = Log::new(logs.start(key.clone()).unwrap(), false);
        let mut settings = Settings {
            url: url.into(),
            dex_config_raw: dex.into(),
            server_signature: Some(b"key".to_vec()),
            ..Settings::default()
        };
        settings.secrets.0.insert("p".into(), "secret".into());
        let config = generate(&settings, &Details::of(&Release::default()), &log);
        let mut reader = logs.open(&key).unwrap();
        (config, std::iter::from_fn(|| reader.line()).collect())
    }

    #[test]
    fn what_dex_runs_with_names_argo_cd_and_where_users_come_back_to() {
        let (config, _) = generated("http://a/x", MOCK);
        let config = config.unwrap().unwrap();
        assert_eq!(config["issuer"], "http://a/x/api/dex");
        assert_eq!(config["staticClients"][0]["secret"], client_secret(b"key"));
        assert_eq!(config["staticClients"][0]["redirectURIs"], json!(["http://a/x/auth/callback"]));
        assert_eq!(config["connectors"][0]["config"], json!({"username": "u", "password": "secret"}));
        let (config, _) = generated("http://a", "{connectors: [{type: github, config: {}}], oauth2: {a: b}}");
        let config = config.unwrap().unwrap();
        assert_eq!(config["connectors"][0]["config"]["redirectURI"], "http://a/api/dex/callback");
        assert_eq!(config["oauth2"], json!({"a": "b", "skipApprovalScreen": true}));
    }

    #[test]
    fn without_a_url_or_yaml_there_is_no_dex_and_without_connectors_no_going_on() {
        for (url, dex, expected) in [
            ("http://a", MOCK, "one"),
            ("", MOCK, "none"),
            ("http://a", "", "none"),
            ("http://a", "{}", "none"),
            ("http://a", "connectors: [", "none"),
            ("http://a", "{connectors: [], enablePasswordDB: true}", "one"),
            ("http://a", "enablePasswordDB: true", MALFORMED),
            ("http://a", "connectors: [1]", MALFORMED),
            ("http://a", "connectors: [{type: github}]", MALFORMED),
        ] {
            let (config, log) = generated(url, dex);
            let seen = match config {
                Ok(Some(_)) => "one".to_owned(),
                Ok(None) => "none".to_owned(),
                Err(error) => error,
            };
            assert_eq!(seen, expected, "{url} {dex}");
            let said = log.iter().any(|line| line.contains("invalid dex yaml config: "));
            assert_eq!(said, dex.ends_with('['), "{log:?}");
        }
    }
}
