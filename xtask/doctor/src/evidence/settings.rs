//! argocd-cm: the address and `oidc.config`, as Argo CD reads them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_yaml::{Mapping, Value};

use super::dex_settings::DexSettings;
use super::reference::Term;
use super::{written, yaml};

/// What argocd-cm says about logins.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `url`.
    pub url: String,
    /// `additionalUrls`.
    pub additional_urls: Vec<String>,
    /// `oidc.config`.
    pub oidc: Oidc,
    /// `dex.config`: Argo CD then logs in through a Dex of its own.
    pub dex: DexSettings,
    /// When its data was last written.
    pub written: Option<Timestamp>,
}

/// `oidc.config`.
#[derive(Clone, Debug, Default)]
pub enum Oidc {
    /// It is not there, or empty.
    #[default]
    Absent,
    /// It cannot be read, from this line on if that is known. Argo CD takes it as absent.
    Unreadable(Option<usize>),
    /// It can be read.
    Config(Box<OidcConfig>),
}

/// The fields of `oidc.config` that a login depends on.
#[derive(Clone, Debug, Default)]
pub struct OidcConfig {
    /// `issuer`.
    pub issuer: Term,
    /// `clientID`.
    pub client_id: Term,
    /// `clientSecret`.
    pub client_secret: Term,
    /// `requestedScopes`.
    pub scopes: Vec<String>,
    /// `allowedAudiences`.
    pub audiences: Vec<String>,
    /// `rootCA`, in PEM.
    pub root_ca: String,
    /// `enablePKCEAuthentication`.
    pub pkce: bool,
    /// The fields that begin a line of the text, letter for letter.
    pub lines: Vec<String>,
}

impl Settings {
    /// Reads argocd-cm.
    pub fn of(config_map: &ConfigMap) -> Self {
        let data = config_map.data.clone().unwrap_or_default();
        let get = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        let urls = yaml::read::<Option<Vec<String>>>(get("additionalUrls"));
        Self {
            url: get("url").to_owned(),
            additional_urls: urls.ok().flatten().unwrap_or_default(),
            oidc: Oidc::of(get("oidc.config")),
            dex: DexSettings::of(get("dex.config")),
            written: written(&config_map.metadata, "data", None).map(|written| written.at),
        }
    }

    /// Whether logins go through Argo CD's own Dex: it has a configuration, and no other
    /// provider is named that Argo CD can read.
    pub fn uses_own_dex(&self) -> bool {
        self.dex.is_there() && self.config().is_none()
    }

    /// `oidc.config`, if it can be read.
    pub fn config(&self) -> Option<&OidcConfig> {
        match &self.oidc {
            Oidc::Config(config) => Some(config),
            Oidc::Absent | Oidc::Unreadable(_) => None,
        }
    }
}

impl Oidc {
    fn of(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Absent;
        }
        match yaml::read::<Value>(text) {
            Ok(Value::Mapping(fields)) => match OidcConfig::of(&Fields(&fields)) {
                Some(config) => Self::Config(Box::new(OidcConfig { lines: fields_on_lines(text), ..config })),
                None => Self::Unreadable(None),
            },
            Ok(Value::Null) => Self::Absent,
            Ok(_) => Self::Unreadable(None),
            Err(unreadable) => Self::Unreadable(unreadable.line),
        }
    }
}

impl OidcConfig {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            issuer: Term::of(&fields.text("issuer")?),
            client_id: Term::of(&fields.text("clientID")?),
            client_secret: Term::of(&fields.text("clientSecret")?),
            scopes: fields.texts("requestedScopes")?,
            audiences: fields.texts("allowedAudiences")?,
            root_ca: fields.text("rootCA")?.trim().to_owned(),
            pkce: fields.flag("enablePKCEAuthentication")?,
            lines: vec![],
        })
    }

    /// Whether a field stands on a line of its own, where a command can write it anew.
    pub fn has_line(&self, field: &str) -> bool {
        self.lines.iter().filter(|line| *line == field).count() == 1
    }

    /// What Argo CD asks the provider for.
    pub fn requested(&self) -> Vec<String> {
        match self.scopes.is_empty() {
            true => ["openid", "profile", "email", "groups"].map(str::to_owned).to_vec(),
            false => self.scopes.clone(),
        }
    }
}

fn fields_on_lines(text: &str) -> Vec<String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0));
    names.filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// Fields by name, whatever the case of its letters, as Go's JSON reads them. `None`
/// for one of the wrong type: Argo CD then reads nothing at all.
struct Fields<'a>(&'a Mapping);

impl Fields<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        let named = |key: &Value| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name));
        let found = self.0.iter().find(|(key, _)| named(key)).map(|(_, value)| value);
        found.filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.find(name) {
            None => Some(String::new()),
            Some(value) => value.as_str().map(str::to_owned),
        }
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.find(name) {
            None => Some(vec![]),
            Some(Value::Sequence(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(_) => None,
        }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.find(name).map_or(Some(false), Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Reference;
    use super::*;
    use crate::hidden::Hidden;

    fn settings(oidc: &str) -> Settings {
        let map = json!({"metadata": {}, "data": {"url": "http://a", "oidc.config": oidc}});
        Settings::of(&serde_json::from_value(map).unwrap())
    }

    #[test]
    fn the_fields_of_a_login_are_read_as_go_reads_them() {
        let settings = settings(
            "issuer: http://dex\nCLIENTid: c\nclientSecret: $argocd-oidc:clientSecret\nrequestedScopes: [openid]\n",
        );
        let config = settings.config().unwrap();
        assert_eq!(config.issuer, Term::Plain(Hidden::new("http://dex")));
        assert_eq!(config.client_id, Term::Plain(Hidden::new("c")));
        let reference = Reference::Of { secret: "argocd-oidc".into(), key: "clientSecret".into() };
        assert_eq!(config.client_secret, Term::Reference(reference));
        assert_eq!(config.requested(), ["openid"]);
        assert_eq!(OidcConfig::default().requested().len(), 4);
    }

    #[test]
    fn what_is_no_yaml_is_said_by_its_line_and_not_quoted() {
        for (text, line) in [
            ("issuer: a\nclientSecret: hunter2: hunter2\n", Some(2)),
            ("[", None),
            ("just text", None),
            ("clientSecret: [hunter2]\n", None),
            ("requestedScopes: hunter2\n", None),
            ("&a [*a]\n", None),
        ] {
            match settings(text).oidc {
                Oidc::Unreadable(found) => assert!(line.is_none() || found == line, "{text:?}: {found:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
            assert!(!format!("{:?}", settings(text)).contains("hunter2"));
        }
        for text in ["", " \n", "# nothing\n"] {
            assert!(matches!(settings(text).oidc, Oidc::Absent), "{text:?}");
        }
    }
}
