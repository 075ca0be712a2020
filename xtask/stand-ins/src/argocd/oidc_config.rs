//! `oidc.config` of argocd-cm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::details::{Details, UserInfoBy};
use super::log::Log;
use super::references::Secrets;

/// Argo CD at the Dex inside it, and its command line there.
pub(super) const DEX_CLIENT: &str = "argo-cd";
pub(super) const DEX_CLI_CLIENT: &str = "argo-cd-cli";
/// Where that is below Argo CD's address.
pub(super) const DEX_PATH: &str = "/api/dex";

/// The client secret there, which both sides make of `server.secretkey`: it stands nowhere.
pub fn client_secret(server_key: &[u8]) -> String {
    let mut secret = URL_SAFE.encode(digest(&SHA256, server_key));
    secret.truncate(40);
    secret
}

/// The settings of a login, with every reference resolved. Two of them are equal
/// if a login would notice no difference. It holds a secret, so it cannot be
/// printed.
#[derive(Clone, Default, PartialEq)]
pub(super) struct OidcConfig {
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) cli_client_id: String,
    pub(super) requested_scopes: Vec<String>,
    /// As JSON, in the order of its keys.
    pub(super) requested_id_token_claims: Option<serde_json::Value>,
    pub(super) logout_url: String,
    /// Certificates in PEM that the provider's certificate is checked against.
    pub(super) root_ca: String,
    pub(super) enable_pkce: bool,
    pub(super) domain_hint: String,
    pub(super) allowed_audiences: Vec<String>,
    pub(super) skip_audience_check: bool,
    /// Groups come from the provider's userinfo, which is at this path.
    pub(super) enable_user_info_groups: bool,
    pub(super) user_info_path: String,
    /// Where that path is, if not at the issuer.
    pub(super) user_info_base_url: String,
    /// The client shows a token of the cluster, besides its secret.
    pub(super) use_workload_identity: bool,
    /// Compared, and not looked at otherwise: here nothing is kept, and no token renewed.
    pub(super) user_info_cache_expiration: String,
    pub(super) refresh_token_threshold: String,
}

impl OidcConfig {
    /// Reads it. Nothing, or what cannot be read, is `None`.
    pub(super) fn read(text: &str, secrets: &Secrets, details: &Details, log: &Log) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        match parse(text, secrets, details, log) {
            Ok(config) => Some(config),
            Err(error) => {
                log.warn(format!("invalid oidc config: {error}"));
                None
            }
        }
    }

    /// What stands for it where the Dex inside Argo CD checks users.
    pub(super) fn of_dex(url: &str, server_key: &[u8], details: &Details) -> Self {
        let mut scopes = vec!["openid", "profile", "email", "groups"];
        scopes.extend(details.asks_dex_for_connector.then_some("federated:id"));
        Self {
            issuer: format!("{url}{DEX_PATH}"),
            client_id: DEX_CLIENT.into(),
            client_secret: client_secret(server_key),
            requested_scopes: scopes.into_iter().map(Into::into).collect(),
            allowed_audiences: vec![DEX_CLIENT.into(), DEX_CLI_CLIENT.into()],
            ..Self::default()
        }
    }

    /// What a running server compares with what it was started with: argo-cd's exported
    /// configuration, which lacks what a token may be made for.
    pub(super) fn exported(self) -> Self {
        Self { allowed_audiences: vec![], skip_audience_check: false, ..self }
    }

    /// What a token may be made for.
    pub(super) fn audiences(&self) -> Vec<&str> {
        if !self.allowed_audiences.is_empty() {
            return self.allowed_audiences.iter().map(String::as_str).collect();
        }
        let both = [self.client_id.as_str(), self.cli_client_id.as_str()];
        both.into_iter().take(if self.cli_client_id.is_empty() { 1 } else { 2 }).collect()
    }

    /// What is asked for at the provider.
    pub(super) fn scopes(&self) -> Vec<&str> {
        if self.requested_scopes.is_empty() {
            return vec!["openid", "profile", "email", "groups"];
        }
        self.requested_scopes.iter().map(String::as_str).collect()
    }
}

fn parse(text: &str, secrets: &Secrets, details: &Details, log: &Log) -> Result<OidcConfig, String> {
    // As JSON, in which the last of two keys counts, as in Go.
    let mut value: Value =
        serde_yaml::from_str(text).map_err(|error| format!("error converting YAML to JSON: {error}"))?;
    if details.resolves_every_string {
        secrets.resolve_all(&mut value, details, log);
    }
    let empty = Map::new();
    let fields = match &value {
        Value::Object(fields) => Fields(fields),
        Value::Null => Fields(&empty),
        _ => return Err("error unmarshaling JSON: cannot unmarshal into an object".into()),
    };
    let mut config = OidcConfig {
        name: fields.text("name")?,
        issuer: fields.text("issuer")?,
        client_id: fields.text("clientID")?,
        client_secret: fields.text("clientSecret")?,
        cli_client_id: fields.text("cliClientID")?,
        requested_scopes: fields.texts("requestedScopes")?,
        requested_id_token_claims: fields.json("requestedIDTokenClaims")?,
        logout_url: fields.text("logoutURL")?,
        root_ca: fields.text("rootCA")?,
        enable_pkce: fields.flag("enablePKCEAuthentication")?,
        domain_hint: fields.text("domainHint")?,
        allowed_audiences: fields.texts("allowedAudiences")?,
        skip_audience_check: fields.flag("skipAudienceCheckWhenTokenHasNoAudience")?,
        ..OidcConfig::default()
    };
    if details.user_info != UserInfoBy::Nobody {
        config.enable_user_info_groups = fields.flag("enableUserInfoGroups")?;
        config.user_info_path = fields.text("userInfoPath")?;
        config.user_info_cache_expiration = fields.text("userInfoCacheExpiration")?;
    }
    if details.user_info_base_url {
        config.user_info_base_url = fields.text("userInfoBaseURL")?;
    }
    if details.workload_identity {
        let azure = fields.json("azure")?;
        let azure = azure.as_ref().and_then(Value::as_object).unwrap_or(&empty);
        config.use_workload_identity = Fields(azure).flag("useWorkloadIdentity")?;
    }
    if details.renews_tokens {
        config.refresh_token_threshold = fields.text("refreshTokenThreshold")?;
    }
    if !details.allowed_audiences {
        config.allowed_audiences.clear();
        config.skip_audience_check = false;
    }
    if !details.resolves_every_string {
        config.client_secret = secrets.resolve(&config.client_secret, details, log);
        config.client_id = secrets.resolve(&config.client_id, details, log);
    }
    Ok(config)
}

/// Fields by name, whatever the case of its letters, as Go's JSON reads them.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        let named = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// A field, or nothing where it is not there.
    fn read<T: Default>(
        &self,
        name: &str,
        wanted: &str,
        of: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, String> {
        self.find(name).map_or_else(|| Some(T::default()), of).ok_or_else(|| {
            format!("error unmarshaling JSON: cannot unmarshal OIDCConfig.{name} into a {wanted}")
        })
    }

    /// YAML takes 123 for a number; where text is wanted it is text.
    fn text(&self, name: &str) -> Result<String, String> {
        self.read(name, "string", scalar)
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        // Of a list, what is wrong is an element.
        let wanted = if self.find(name).is_some_and(Value::is_array) { "string" } else { "list of strings" };
        self.read(name, wanted, |value| value.as_array()?.iter().map(scalar).collect())
    }

    fn flag(&self, name: &str) -> Result<bool, String> {
        self.read(name, "bool", Value::as_bool)
    }

    fn json(&self, name: &str) -> Result<Option<Value>, String> {
        self.read(name, "object", |value| value.is_object().then(|| Some(value.clone())))
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::details::Details;
    use super::*;
    use local_cluster::logs::{LogKey, Logs};
    use releases::Release;

    fn read(release: &str, text: &str) -> (Option<OidcConfig>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path());
        let key = LogKey { namespace: "n".into(), pod: "p".into(), container: "c".into(), restart: 0 };
        let log = Log::new(logs.start(key.clone()).unwrap(), false);
        let secrets =
            [("argocd-oidc:clientSecret", " s3cret\n"), ("oidc.dex.clientSecret", "other"), ("id", "argo")];
        let secrets = Secrets(secrets.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
        let config = OidcConfig::read(text, &secrets, &Details::of(&Release::parse(release).unwrap()), &log);
        let mut reader = logs.open(&key).unwrap();
        (config, std::iter::from_fn(|| reader.line()).collect())
    }

    #[test]
    fn references_are_resolved_and_trimmed() {
        let table = [
            ("v3.3.6", "clientSecret: $argocd-oidc:clientSecret", "s3cret"),
            ("v2.4.2", "clientSecret: $argocd-oidc:clientSecret", "s3cret"),
            ("v3.3.6", "clientSecret: $oidc.dex.clientSecret", "other"),
            ("v3.3.6", "clientsecret: 12345", "12345"),
            ("v3.3.6", "clientSecret: first\nclientSecret: last", "last"),
            ("v3.3.6", "clientSecret: plain", "plain"),
            ("v3.3.6", "clientSecret: $argocd-oidc.clientSecret", "$argocd-oidc.clientSecret"),
        ];
        for (release, text, secret) in table {
            let (config, log) = read(release, text);
            assert_eq!(config.unwrap().client_secret, secret, "{release} {text}");
            assert_eq!(log.is_empty(), !secret.starts_with('$'), "{log:?}");
        }
    }

    #[test]
    fn before_2_8_only_the_client_is_resolved() {
        let text = "{issuer: $id, clientID: $id, requestedScopes: [$id]}";
        let (old, _) = read("v2.7.0", text);
        let old = old.unwrap();
        assert_eq!((old.issuer.as_str(), old.client_id.as_str(), old.scopes()), ("$id", "argo", vec!["$id"]));
        let (new, _) = read("v2.8.0", text);
        let new = new.unwrap();
        assert_eq!(
            (new.issuer.as_str(), new.client_id.as_str(), new.scopes()),
            ("argo", "argo", vec!["argo"])
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_and_left_out() {
        for text in ["a: [", "- a", "issuer: {a: b}", "enablePKCEAuthentication: x", "requestedScopes: a"] {
            let (config, log) = read("v3.3.6", text);
            assert!(config.is_none(), "{text}");
            assert!(log.iter().any(|line| line.contains("invalid oidc config: ")), "{text}: {log:?}");
        }
        assert!(read("v3.3.6", "").0.is_none());
        assert!(read("v3.3.6", "# nothing").0.is_some());
        let missing = "clientSecret: $no:where";
        assert!(
            read("v3.3.6", missing).1[0]
                .contains("config referenced '$no:where', but key does not exist in secret")
        );
        assert!(read("v3.5.1", missing).1[0].contains(r#"msg="secret key does not exist in secret""#));
    }

    #[test]
    fn a_secret_is_made_of_the_servers_key() {
        // sha256("key") in base64 for URLs.
        assert_eq!(client_secret(b"key"), "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gm");
    }

    #[test]
    fn audiences_are_the_clients_unless_listed() {
        let audiences = |text: &str| -> Vec<String> {
            read("v3.3.6", text).0.unwrap().audiences().into_iter().map(Into::into).collect()
        };
        assert_eq!(audiences("clientID: a"), ["a"]);
        assert_eq!(audiences("{clientID: a, cliClientID: b}"), ["a", "b"]);
        assert_eq!(audiences("{clientID: a, allowedAudiences: [c]}"), ["c"]);
    }
}
