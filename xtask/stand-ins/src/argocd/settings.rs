//! What Argo CD runs with, as read from argocd-cm, argocd-secret and the Secrets
//! that carry its label.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use url::{Position, Url};

use super::details::{Details, ReadOrder};
use super::log::Log;
use super::oidc_config::OidcConfig;
use super::references::Secrets;

/// One reading of the settings. It holds secrets, so it cannot be printed.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) additional_urls: Vec<String>,
    /// `oidc.config` as it stands there, references and all.
    pub(super) oidc_config_raw: String,
    /// `dex.config` as it stands there.
    pub(super) dex_config_raw: String,
    /// `oidc.tls.insecure.skip.verify`.
    pub(super) skip_verify: bool,
    /// `server.secretkey`, which signs and encrypts: without it settings are not complete.
    pub(super) server_signature: Option<Vec<u8>>,
    pub(super) secrets: Secrets,
    /// The rest of argocd-cm.
    pub(super) data: BTreeMap<String, String>,
    /// Webhook secrets, in the order in which they are compared.
    pub(super) webhooks: Vec<(&'static str, String)>,
}

/// Webhook secrets: the name in the log, the key in argocd-secret.
const WEBHOOKS: [(&str, &str); 5] = [
    ("github secret", "webhook.github.secret"),
    ("gitlab secret", "webhook.gitlab.secret"),
    ("bitbucket uuid", "webhook.bitbucket.uuid"),
    ("bitbucket server secret", "webhook.bitbucketserver.secret"),
    ("gogs secret", "webhook.gogs.secret"),
];

impl Settings {
    /// Reads them, in the order of the release: what is read after something that
    /// is missing may not be read at all.
    pub(super) fn read(
        config_map: &ConfigMap,
        secret: &Secret,
        labelled: &[impl AsRef<Secret>],
        details: &Details,
        log: &Log,
    ) -> Self {
        let (mut settings, order) = (Self::default(), details.read_order);
        if order == ReadOrder::ConfigMapFirst {
            settings.take_config_map(config_map, details, log);
        }
        settings.take_secret(secret, labelled, details, log);
        let stops = order == ReadOrder::SecretFirstStops && settings.server_signature.is_none();
        if order != ReadOrder::ConfigMapFirst && !stops {
            settings.take_config_map(config_map, details, log);
        }
        settings
    }

    fn take_config_map(&mut self, config_map: &ConfigMap, details: &Details, log: &Log) {
        self.data = config_map.data.clone().unwrap_or_default();
        let get = |key: &str| self.data.get(key).cloned().unwrap_or_default();
        self.oidc_config_raw = get("oidc.config");
        self.dex_config_raw = get("dex.config");
        self.url = get("url");
        self.skip_verify = get("oidc.tls.insecure.skip.verify") == "true";
        if !self.url.is_empty()
            && let Err(error) = check_external_url(&self.url)
        {
            log.warn(format!("Failed to validate URL in configmap: {error}"));
        }
        if details.additional_urls {
            let list = serde_yaml::from_str::<Option<Vec<String>>>(&get("additionalUrls"));
            self.additional_urls = list.ok().flatten().unwrap_or_default();
        }
        if details.resolves_too_early {
            // The threshold for refreshing tokens is looked up here; what matters
            // is the line that it leaves in the log.
            self.oidc_config(details, log);
        }
    }

    fn take_secret(
        &mut self,
        secret: &Secret,
        labelled: &[impl AsRef<Secret>],
        details: &Details,
        log: &Log,
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.server_signature = data(secret).get("server.secretkey").map(|key| key.0.clone());
        if details.other_secrets {
            for other in labelled.iter().map(AsRef::as_ref) {
                let name = other.metadata.name.as_deref().unwrap_or_default();
                for (key, value) in data(other) {
                    self.secrets.0.insert(format!("{name}:{key}"), text(&value.0));
                }
            }
        }
        for (key, value) in data(secret) {
            self.secrets.0.insert(key.clone(), text(&value.0));
        }
        let webhook = |(name, key): (&'static str, &str)| {
            let value = data(secret).get(key).map(|value| text(&value.0)).unwrap_or_default();
            (name, self.secrets.resolve(&value, details, log))
        };
        self.webhooks = WEBHOOKS.into_iter().map(webhook).collect();
    }

    /// `oidc.config` with its references resolved, now.
    pub(super) fn oidc_config(&self, details: &Details, log: &Log) -> Option<OidcConfig> {
        OidcConfig::read(&self.oidc_config_raw, &self.secrets, details, log)
    }

    /// What a login goes by: `oidc.config`, else the Dex inside Argo CD.
    pub(super) fn sso_config(&self, details: &Details, log: &Log) -> Option<OidcConfig> {
        let key = || self.server_signature.as_deref().unwrap_or_default();
        let of_dex = || OidcConfig::of_dex(&self.url, key(), details);
        let inside = || (!self.dex_config_raw.is_empty()).then(of_dex);
        self.oidc_config(details, log).or_else(inside)
    }

    /// The public address that a request came to, of those that are configured.
    pub(super) fn url_for(&self, host: &str, target: &str, details: &Details) -> &str {
        if !details.additional_urls {
            return &self.url;
        }
        // `host` or `host:port`, as in a Host header.
        let authority = Position::BeforeHost..Position::AfterPort;
        let fits = |url: &&String| {
            Url::parse(url).is_ok_and(|url| host == &url[authority.clone()] && target.starts_with(url.path()))
        };
        std::iter::once(&self.url).chain(&self.additional_urls).find(fits).unwrap_or(&self.url)
    }

    /// Where a browser may be sent after a login.
    pub(super) fn allowed_urls(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.url.as_str()).chain(self.additional_urls.iter().map(String::as_str))
    }
}

fn check_external_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("failed to parse URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        _ => Err("URL must include http or https protocol".into()),
    }
}

/// The data of a Secret.
pub(super) fn data(secret: &Secret) -> &BTreeMap<String, ByteString> {
    static NONE: BTreeMap<String, ByteString> = BTreeMap::new();
    secret.data.as_ref().unwrap_or(&NONE)
}
