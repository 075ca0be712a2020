//! Which changes of settings a running server cannot take in: argo-cd's settings
//! watch.

use super::dex_config;
use super::manager::Subscription;
use super::oidc_config::OidcConfig;
use super::server::Server;
use super::settings::Settings;
use base::mutex::lock;

/// What is compared of `oidc.config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Its text, in which a reference stays the same whatever it leads to.
    Text,
    /// What it says once every reference is resolved.
    Resolved,
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
    let before = server.settings();
    let dex = dex_config::generate(&before, &server.details, &server.log)?;
    let oidc = exported(server, &before);
    while let Some(now) = updates.next().await {
        *lock(&server.settings) = now.clone();
        let oidc_differs = || match compare {
            Compare::Text => before.oidc_config_raw != now.oidc_config_raw,
            Compare::Resolved => oidc != exported(server, &now),
        };
        let what = if dex != dex_config::generate(&now, &server.details, &server.log)? {
            Some("dex config")
        } else if oidc_differs() {
            Some("oidc config")
        } else if before.url != now.url {
            Some("url")
        } else if before.additional_urls != now.additional_urls {
            Some("additionalURLs")
        } else {
            let mut webhooks = before.webhooks.iter().zip(&now.webhooks);
            webhooks.find(|(before, now)| before != now).map(|((name, _), _)| *name)
        };
        if let Some(what) = what {
            server.log.info(format!("{what} modified. restarting"));
            server.log.info("shutting down settings watch");
            return Ok(updates);
        }
    }
    // No manager, no updates: there is nothing to wait for any more.
    std::future::pending().await
}
