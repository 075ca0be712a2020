//! `dex.config`, as the wrapper of the Dex inside Argo CD reads it.

use serde::{Deserialize, Serialize};
use serde_yaml::{Mapping, Value};

use super::reference::Reference;
use super::yaml;
use crate::hidden::Hidden;

/// `dex.config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DexSettings {
    /// It is not there, or empty.
    #[default]
    Absent,
    /// It is no YAML, from this line on if that is known: Argo CD takes it as absent.
    Unreadable(Option<usize>),
    /// Argo CD ends on it; in words, what is wrong.
    Malformed(String),
    /// It can be used.
    Config(DexSettingsConfig),
}

/// What `dex.config` says about logins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct DexSettingsConfig {
    /// The types of its connectors.
    pub connectors: Vec<String>,
    /// `redirectURI` of connectors whose type Argo CD does not write it for: the connector's id and the address.
    pub callbacks: Vec<(String, String)>,
    /// The IDs of `staticClients`, which come after Argo CD's own.
    pub client_ids: Vec<String>,
    /// Every `$…` in it, with its field.
    pub references: Vec<(String, Reference)>,
    /// What is written there and is a secret, by the name of its field.
    pub secrets: Vec<Hidden>,
}

impl DexSettingsConfig {
    /// Whether a static client takes the place of the one that Argo CD makes for itself.
    pub fn hides_own_client(&self) -> bool {
        self.client_ids.iter().any(|id| id == CLIENT)
    }
}

/// The client that Argo CD makes for itself there.
pub const CLIENT: &str = "argo-cd";

/// Connectors that Argo CD writes the callback into.
const CALLBACK_IS_WRITTEN: [&str; 11] = [
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

impl DexSettings {
    /// Reads `dex.config`.
    pub fn of(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Absent;
        }
        let fields = match yaml::read::<Value>(text) {
            Ok(Value::Mapping(fields)) if !fields.is_empty() => fields,
            Ok(Value::Mapping(_) | Value::Null) => return Self::Absent,
            Ok(_) => return Self::Unreadable(None),
            Err(unreadable) => return Self::Unreadable(unreadable.line),
        };
        let malformed = |words: &str| Self::Malformed(words.to_owned());
        let Some(Value::Sequence(connectors)) = fields.get("connectors") else {
            return malformed("it has no list of `connectors`; an empty one would do for Dex");
        };
        let connectors: Option<Vec<&Mapping>> = connectors.iter().map(Value::as_mapping).collect();
        let Some(connectors) = connectors else { return malformed("a connector is no object") };
        let text = |fields: &Mapping, name: &str| {
            fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut config = DexSettingsConfig::default();
        for connector in connectors {
            let kind = text(connector, "type");
            if kind.is_empty() {
                return malformed("a connector has no `type`");
            }
            let settings = connector.get("config").and_then(Value::as_mapping);
            let written = CALLBACK_IS_WRITTEN.contains(&kind.as_str());
            if written && settings.is_none() {
                return malformed("a connector has no `config`");
            }
            let callback = settings.map(|settings| text(settings, "redirectURI")).unwrap_or_default();
            if !written && !callback.is_empty() {
                config.callbacks.push((text(connector, "id"), callback));
            }
            config.connectors.push(kind);
        }
        let clients = fields.get("staticClients").and_then(Value::as_sequence).into_iter().flatten();
        config.client_ids =
            clients.filter_map(|client| client.get("id")?.as_str().map(str::to_owned)).collect();
        collect("", &Value::Mapping(fields), &mut config);
        Self::Config(config)
    }

    /// It, if it can be used.
    pub fn config(&self) -> Option<&DexSettingsConfig> {
        match self {
            Self::Config(config) => Some(config),
            _ => None,
        }
    }

    /// Whether there is one, of whatever kind.
    pub fn is_there(&self) -> bool {
        *self != Self::Absent
    }
}

/// Every text that is a reference, with the field it stands in, and every one that is a secret by its field.
fn collect(at: &str, value: &Value, config: &mut DexSettingsConfig) {
    const SECRET: [&str; 5] = ["secret", "password", "bindpw", "hash", "token"];
    match value {
        Value::String(text) => {
            let field = at.rsplit('.').next().unwrap_or(at).to_lowercase();
            // A hash of a password begins with a `$` too, and is no name.
            match text.strip_prefix('$').map(Reference::of).filter(Reference::is_name) {
                Some(reference) => config.references.push((at.to_owned(), reference)),
                None if SECRET.iter().any(|name| field.contains(name)) => {
                    config.secrets.push(Hidden::new(text.as_str()))
                }
                None => {}
            }
        }
        Value::Sequence(items) => {
            for (number, item) in items.iter().enumerate() {
                collect(&format!("{at}[{number}]"), item, config);
            }
        }
        Value::Mapping(fields) => {
            for (name, value) in fields {
                let name = name.as_str().unwrap_or("?");
                let at = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                collect(&at, value, config);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_in_dex_config_is_told_from_the_others() {
        for (text, expected) in [
            ("", DexSettings::Absent),
            ("# nothing\n", DexSettings::Absent),
            ("{}", DexSettings::Absent),
            ("connectors:\n- type: a: b\n", DexSettings::Unreadable(Some(2))),
            ("just text", DexSettings::Unreadable(None)),
        ] {
            assert_eq!(DexSettings::of(text), expected, "{text}");
        }
        for text in [
            "enablePasswordDB: true\n",
            "connectors: {}\n",
            "connectors: [text]\n",
            "connectors: [{id: a}]\n",
            "connectors: [{type: github, id: a}]\n",
        ] {
            assert!(matches!(DexSettings::of(text), DexSettings::Malformed(_)), "{text}");
        }
    }

    #[test]
    fn what_a_login_depends_on_is_read() {
        let text = "connectors:\n- type: github\n  id: gh\n  config: {clientSecret: $gh:secret, redirectURI: x}\n- type: own\n  id: o\n  config: {redirectURI: http://a/api/dex/callback}\nstaticClients:\n- id: argo-cd\n";
        let config = DexSettings::of(text).config().cloned().unwrap();
        assert_eq!(config.connectors, ["github", "own"]);
        assert_eq!(config.callbacks, [("o".to_owned(), "http://a/api/dex/callback".to_owned())]);
        assert_eq!(config.client_ids, ["argo-cd"]);
        let reference = Reference::Of { secret: "gh".into(), key: "secret".into() };
        assert_eq!(config.references, [("connectors[0].config.clientSecret".to_owned(), reference)]);
    }
}
