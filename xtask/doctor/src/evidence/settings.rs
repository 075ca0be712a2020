//! argocd-cm: the address and `oidc.config`, as Argo CD reads them.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use super::dex_settings::DexSettings;
use super::reference::Term;
use super::{written, yaml};
use crate::shown::{exact, shown};

/// What argocd-cm says about logins.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Settings {
    /// `url`.
    pub url: String,
    /// `additionalUrls`.
    pub additional_urls: Vec<String>,
    /// `oidc.config`.
    pub oidc: Oidc,
    /// `dex.config`: Argo CD then logs in through a Dex of its own.
    pub dex: DexSettings,
    /// The users that it makes itself: `accounts.NAME`.
    pub accounts: Vec<String>,
    /// When its data was last written.
    pub written: Option<Timestamp>,
}

/// `oidc.config`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Oidc {
    /// It is not there, or empty.
    #[default]
    Absent,
    /// It cannot be read. Argo CD takes it as absent.
    Unreadable(Unreadable),
    /// It can be read.
    Config(Box<OidcConfig>),
}

/// Why `oidc.config` cannot be read, and how it would be, in a sentence's part each.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Unreadable {
    /// The field that is not as Argo CD reads it, if it is one.
    pub field: Option<String>,
    /// Why.
    pub why: String,
    /// What is to be written.
    pub mend: String,
}

/// The fields of `oidc.config` that a login depends on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct OidcConfig {
    /// `issuer`.
    pub issuer: Term,
    /// `clientID`.
    pub client_id: Term,
    /// `cliClientID`: as whom the command line logs in.
    pub cli_client_id: Term,
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
    /// The fields that no Argo CD knows, and so does without.
    pub unknown: Vec<String>,
}

/// The fields of `oidc.config` in all releases, as they are written.
const FIELDS: [&str; 19] = [
    "name",
    "issuer",
    "clientID",
    "clientSecret",
    "cliClientID",
    "requestedScopes",
    "requestedIDTokenClaims",
    "logoutURL",
    "rootCA",
    "enablePKCEAuthentication",
    "enableUserInfoGroups",
    "userInfoBaseURL",
    "userInfoPath",
    "userInfoCacheExpiration",
    "allowedAudiences",
    "skipAudienceCheckWhenTokenHasNoAudience",
    "domainHint",
    "azure",
    "refreshTokenThreshold",
];

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
            accounts: data
                .keys()
                .filter_map(|key| key.strip_prefix("accounts.").map(str::to_owned))
                .collect(),
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
                Ok(config) => Self::Config(Box::new(OidcConfig { lines: fields_on_lines(text), ..config })),
                Err(unreadable) => Self::Unreadable(unreadable),
            },
            Ok(Value::Null) => Self::Absent,
            Ok(_) => Self::Unreadable(Unreadable::text("it has no fields".to_owned())),
            Err(unreadable) => Self::Unreadable(Unreadable::text(match unreadable.line {
                Some(line) => format!("it is no YAML from line {line} on{}", indented(text, line)),
                None => "it is no YAML".to_owned(),
            })),
        }
    }
}

impl Unreadable {
    fn text(why: String) -> Self {
        let mend =
            "oidc.config: `|` behind its name, and every field below it with the same blanks before it";
        Self { field: None, why, mend: mend.to_owned() }
    }
}

/// How a line is indented beside the one before it, where the two differ; nothing of what
/// they say but the names of fields.
fn indented(text: &str, line: usize) -> String {
    let of = |number: usize| {
        let line = text.lines().nth(number.checked_sub(1)?)?;
        let blanks = line.len() - line.trim_start_matches(' ').len();
        match line.trim().split(':').next().filter(|name| FIELDS.contains(name)) {
            Some(name) => Some((blanks, format!("{name} (line {number})"))),
            None => Some((blanks, format!("line {number}"))),
        }
    };
    match (of(line), line.checked_sub(1).and_then(of)) {
        (Some((blanks, this)), Some((before, other))) if blanks != before => {
            format!(": before {this} are {blanks} blanks, before {other} are {before}")
        }
        _ => String::new(),
    }
}

impl OidcConfig {
    fn of(fields: &Fields<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            issuer: Term::of(&fields.text("issuer")?),
            client_id: Term::of(&fields.text("clientID")?),
            cli_client_id: Term::of(&fields.text("cliClientID")?),
            client_secret: Term::of(&fields.text("clientSecret")?),
            scopes: fields.texts("requestedScopes")?,
            audiences: fields.texts("allowedAudiences")?,
            root_ca: fields.text("rootCA")?.trim().to_owned(),
            pkce: fields.flag("enablePKCEAuthentication")?,
            lines: vec![],
            unknown: fields.unknown(),
        })
    }

    /// Whether a field stands on a line of its own, where a command can write it anew.
    pub fn has_line(&self, field: &str) -> bool {
        self.lines.iter().filter(|line| *line == field).count() == 1
    }

    /// What is written into a field, fit to be shown: of a client secret that is no reference, nothing.
    pub fn written(&self, field: &str) -> Option<String> {
        let list = |all: &[String]| (!all.is_empty()).then(|| format!("[{}]", shown(&all.join(", "))));
        let term = |term: &Term, open: bool| match term {
            Term::Plain(value) if value.is_empty() => None,
            Term::Plain(value) if open => Some(exact(&value.text())),
            Term::Plain(value) => Some(format!("… ({} characters)", value.text().chars().count())),
            Term::Reference(reference) => Some(reference.shown(false)),
        };
        match field {
            "issuer" => term(&self.issuer, true),
            "clientID" => term(&self.client_id, true),
            "cliClientID" => term(&self.cli_client_id, true),
            "clientSecret" => term(&self.client_secret, false),
            "requestedScopes" => list(&self.scopes),
            "allowedAudiences" => list(&self.audiences),
            _ => None,
        }
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

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// Fields by name, whatever the case of its letters, as Go's JSON reads them. One of the
/// wrong type is an error: Argo CD then reads nothing at all.
struct Fields<'a>(&'a Mapping);

impl Fields<'_> {
    fn find(&self, name: &str) -> Option<&Value> {
        let named = |key: &Value| key.as_str().is_some_and(|key| key.eq_ignore_ascii_case(name));
        let found = self.0.iter().find(|(key, _)| named(key)).map(|(_, value)| value);
        found.filter(|value| !value.is_null())
    }

    fn unknown(&self) -> Vec<String> {
        let names = self.0.keys().map(|key| key.as_str().unwrap_or("a field whose name is no text"));
        let known = |name: &&str| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        names.filter(|name| !known(name)).map(str::to_owned).collect()
    }

    /// A field, as `read` takes it; `is` and `mend` say of another what it is and how it would be right.
    fn field<T: Default>(
        &self,
        name: &str,
        read: impl FnOnce(&Value) -> Option<T>,
        (is, mend): (&str, &str),
    ) -> Result<T, Unreadable> {
        let Some(value) = self.find(name) else { return Ok(T::default()) };
        read(value).ok_or_else(|| Unreadable {
            field: Some(name.to_owned()),
            why: format!("{name} is {is}"),
            mend: format!("{name}: {mend}"),
        })
    }

    fn text(&self, name: &str) -> Result<String, Unreadable> {
        self.field(name, text, ("no text", "its value in quotes"))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, Unreadable> {
        let texts = |value: &Value| value.as_sequence()?.iter().map(text).collect();
        self.field(name, texts, ("no list of texts", "[one, another]"))
    }

    fn flag(&self, name: &str) -> Result<bool, Unreadable> {
        self.field(name, Value::as_bool, ("neither true nor false", "true, without quotes"))
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
        for (text, why) in [
            ("issuer: a\nclientSecret: hunter2: hunter2\n", "it is no YAML from line 2 on"),
            (
                "name: x\n  issuer: http://dex.host\n",
                "it is no YAML from line 2 on: before issuer (line 2) are 2 blanks, before name (line 1) are 0",
            ),
            ("[", "it is no YAML"),
            ("just text", "it has no fields"),
            ("clientSecret: [hunter2]\n", "clientSecret is no text"),
            ("requestedScopes: hunter2\n", "requestedScopes is no list of texts"),
            ("requestedScopes: [1]\n", "requestedScopes is no list of texts"),
            ("enablePKCEAuthentication: \"true\"\n", "enablePKCEAuthentication is neither true nor false"),
            ("&a [*a]\n", "it is no YAML"),
        ] {
            match settings(text).oidc {
                Oidc::Unreadable(said) => assert!(said.why.starts_with(why), "{text:?}: {said:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
            assert!(!format!("{:?}", settings(text)).contains("hunter2"));
        }
        for text in ["", " \n", "# nothing\n"] {
            assert!(matches!(settings(text).oidc, Oidc::Absent), "{text:?}");
        }
    }

    #[test]
    fn fields_that_no_argo_cd_knows_are_named() {
        let settings = settings("isuer: http://dex.host\nclientid: argo-cd\nrequestedscopes: [openid]\n");
        assert_eq!(settings.config().unwrap().unknown, ["isuer"]);
    }
}
