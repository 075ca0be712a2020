//! argocd-cm: the address and `oidc.config`, as Argo CD reads them.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_yaml::{Mapping, Value};

use super::{written, yaml};
use crate::hidden::Hidden;

/// What argocd-cm says about logins.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `url`.
    pub url: String,
    /// `additionalUrls`.
    pub additional_urls: Vec<String>,
    /// `oidc.config`.
    pub oidc: Oidc,
    /// Whether `dex.config` is there: Argo CD then logs in through a Dex of its own.
    pub has_dex_config: bool,
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

/// A value of `oidc.config`: itself, or a name for what stands in a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// As it stands there. It may be a secret.
    Plain(Hidden),
    /// `$…`.
    Reference(Reference),
}

impl Default for Term {
    fn default() -> Self {
        Self::Plain(Hidden::default())
    }
}

impl Term {
    fn of(text: &str) -> Self {
        match text.strip_prefix('$') {
            Some(name) => Self::Reference(Reference::of(name)),
            None => Self::Plain(Hidden::new(text)),
        }
    }
}

/// What a `$…` names. What somebody wrote behind the `$` may be a secret by mistake
/// (or may be one that begins so), so it is shown only where it looks like a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Reference {
    /// `$secret:key`: a key of another Secret.
    Of {
        /// The Secret.
        secret: String,
        /// The key in it.
        key: String,
    },
    /// `$key`: a key of argocd-secret.
    Own(String),
}

impl Reference {
    fn of(name: &str) -> Self {
        match name.split_once(':') {
            Some((secret, key)) => Self::Of { secret: secret.to_owned(), key: key.to_owned() },
            None => Self::Own(name.to_owned()),
        }
    }

    /// The reference as it is written, if it is certain to be a name and no secret:
    /// `$secret:key` of the right letters, or a key that `exists`.
    pub fn shown(&self, exists: bool) -> String {
        match self {
            Self::Of { secret, key } if exists || (is_secret_name(secret) && is_key(key)) => {
                format!("${secret}:{key}")
            }
            Self::Own(key) if exists && is_key(key) => format!("${key}"),
            Self::Of { secret, key } => format!("$… ({} characters)", secret.len() + key.len() + 2),
            Self::Own(key) => format!("$… ({} characters)", key.len() + 1),
        }
    }

    /// Names of a Secret and a key that may have been meant by a reference that leads
    /// nowhere: the separator is another character than `:`, or there are braces.
    pub fn meant(text: &str) -> Vec<(String, String)> {
        const MOST: usize = 4;
        let bare = text.trim().trim_start_matches('$').trim_matches(['{', '}', '(', ')', ' ']);
        let split = |(at, separator): (usize, &str)| {
            let (secret, key) = (&bare[..at], &bare[at + separator.len()..]);
            (is_secret_name(secret) && is_key(key)).then(|| (secret.to_owned(), key.to_owned()))
        };
        let separators = [":", "/", ".", "#", " "];
        let places = separators.iter().flat_map(|separator| bare.match_indices(separator));
        places.filter_map(split).take(MOST).collect()
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(false))
    }
}

fn is_secret_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| inner(byte) || byte == b'-' || byte == b'.')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}

fn is_key(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
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
            has_dex_config: !get("dex.config").trim().is_empty(),
            written: written(&config_map.metadata, "data", None).map(|written| written.at),
        }
    }

    /// Whether logins go through Argo CD's own Dex: it has a configuration, and no other
    /// provider is named.
    pub fn uses_own_dex(&self) -> bool {
        self.has_dex_config && matches!(self.oidc, Oidc::Absent)
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

    use super::*;

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

    #[test]
    fn a_reference_is_shown_only_where_it_is_a_name() {
        let shown = |text: &str, exists| Reference::of(text).shown(exists);
        assert_eq!(shown("argocd-oidc:clientSecret", false), "$argocd-oidc:clientSecret");
        assert_eq!(shown("oidc.dex.clientSecret", true), "$oidc.dex.clientSecret");
        assert_eq!(shown("uperS3cret", false), "$… (11 characters)");
        assert_eq!(shown("uper S3cret:x!", false), "$… (15 characters)");
    }

    #[test]
    fn what_may_have_been_meant_is_tried() {
        let both = |secret: &str, key: &str| (secret.to_owned(), key.to_owned());
        for text in ["$argocd-oidc.clientSecret", "argocd-oidc:clientSecret", "${argocd-oidc:clientSecret}"] {
            assert_eq!(Reference::meant(text), [both("argocd-oidc", "clientSecret")], "{text}");
        }
        assert_eq!(Reference::meant("$a.b.c"), [both("a", "b.c"), both("a.b", "c")]);
        assert_eq!(Reference::meant("$UPPER:x"), []);
        assert!(Reference::meant(&"a.".repeat(5000)).len() <= 4);
    }
}
