//! Which changes of settings a running server cannot take in: argo-cd's settings
//! watch.

use serde_json::Value;

use super::dex_config;
use super::manager::Subscription;
use super::oidc_config::OidcConfig;
use super::server::Server;
use super::settings::Settings;

/// What is compared of `oidc.config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Its text, in which a reference stays the same whatever it leads to.
    Text,
    /// What it says once every reference is resolved.
    Resolved,
}

/// What the server was started with, as far as it is compared.
struct Before {
    dex: Option<Value>,
    oidc_text: String,
    oidc: Option<OidcConfig>,
    url: String,
    additional_urls: Vec<String>,
    webhooks: Vec<(&'static str, String)>,
}

impl Before {
    fn of(server: &Server, settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            dex: dex_config::generate(settings, &server.details, &server.log)?,
            oidc_text: settings.oidc_config_raw.clone(),
            oidc: exported(server, settings),
            url: settings.url.clone(),
            additional_urls: settings.additional_urls.clone(),
            webhooks: settings.webhooks.clone(),
        })
    }

    /// The first thing that is not as it was.
    ///
    /// # Errors
    /// The line that argocd-server prints before it exits.
    fn difference(
        &self,
        server: &Server,
        now: &Settings,
        compare: Compare,
    ) -> Result<Option<String>, String> {
        if self.dex != dex_config::generate(now, &server.details, &server.log)? {
            return Ok(Some("dex config".into()));
        }
        let oidc_changed = match compare {
            Compare::Text => self.oidc_text != now.oidc_config_raw,
            Compare::Resolved => self.oidc != exported(server, now),
        };
        if oidc_changed {
            return Ok(Some("oidc config".into()));
        }
        if self.url != now.url {
            return Ok(Some("url".into()));
        }
        if self.additional_urls != now.additional_urls {
            return Ok(Some("additionalURLs".into()));
        }
        let webhooks = self.webhooks.iter().zip(&now.webhooks);
        Ok(webhooks.filter(|(before, now)| before != now).map(|((name, _), _)| (*name).to_owned()).next())
    }
}

fn exported(server: &Server, settings: &Settings) -> Option<OidcConfig> {
    settings.oidc_config(&server.details, &server.log).map(OidcConfig::exported)
}

/// Waits for settings that differ from those that the server has now. All that come
/// until then become the server's settings, these too. Gives the subscription back.
///
/// # Errors
/// They are such that argocd-server ends: the line that it prints before.
pub(super) async fn wait(
    server: &Server,
    mut updates: Subscription,
    compare: Compare,
) -> Result<Subscription, String> {
    let before = Before::of(server, &server.settings())?;
    while let Some(settings) = updates.next().await {
        server.set_settings(settings.clone());
        if let Some(what) = before.difference(server, &settings, compare)? {
            server.log.info(format!("{what} modified. restarting"));
            server.log.info("shutting down settings watch");
            return Ok(updates);
        }
    }
    // No manager, no updates: there is nothing to wait for any more.
    std::future::pending().await
}
