//! `oidc.config` itself: whether Argo CD can read it, and whether the provider knows the client that it names.

use probe::{Cause, CauseId};

use super::commands::{edit_settings, set_field};
use super::{at, at_field, when_settings};
use crate::evidence::{DexConfig, Evidence, Form, Oidc, Term};
use crate::finding::{Certainty, Finding, Fix};
use crate::shown::{exact, listed, shown};

/// Argo CD takes a text that it cannot read for none.
pub fn unreadable(evidence: &Evidence) -> Option<Finding> {
    let settings = evidence.settings.there()?;
    let Oidc::Unreadable(unreadable) = &settings.oidc else { return None };
    let logged = evidence.logged(|log| log.invalid_oidc.as_ref());
    // What a server that was asked still shows, it was able to read, in this text or an earlier one.
    let runs = evidence.public().is_some_and(|public| public.issuer.is_some()) && !settings.dex.is_there();
    if logged.is_none() && (runs || evidence.passes()) {
        return None;
    }
    let failure = evidence.failure(&[Cause::SsoOff, Cause::NoButton, Cause::FirstStart]);
    let then = match settings.dex.is_there() {
        true => "so people log in through the Dex inside it",
        false => "so it runs without SSO: no button, and no /auth/login",
    };
    let place = match &unreadable.field {
        Some(field) => at_field(field),
        None => "ConfigMap argocd-cm, oidc.config".to_owned(),
    };
    Some(
        Finding::new(CauseId::OidcConfig, place)
            .certain_if(logged.is_some() || failure.is_some() || evidence.files)
            .when(when_settings(evidence))
            .seen(format!("oidc.config is not what Argo CD reads: {}", shown(&unreadable.why)))
            .seen_if(logged.map(|(time, words)| {
                format!("argocd-server's log says at {}: invalid oidc config: {}", at(*time), shown(words))
            }))
            .quoting("/auth/login says", failure)
            .why(format!("Argo CD takes an oidc.config that it cannot read for none, and says so in its log only; {then}"))
            .fix(edit_settings(evidence, &unreadable.mend)),
    )
}

/// The provider has no client with this ID.
pub fn unknown(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failure(&[Cause::UnknownClient]);
    let registered = evidence.provider.own_config();
    let asked = evidence.asked().map(|asked| asked.client_id.as_str());
    let stale = asked.filter(|asked| *asked != evidence.client_id && evidence.oidc().is_some());
    // A server that asks by an older ID does not run with these settings, which is said elsewhere.
    let knows = registered.map(|config| config.client_ids.contains(&evidence.client_id));
    // That a secret is refused for an ID which the server does not ask by yet may be for the ID.
    let refused = stale.is_some() && evidence.takes(Form::Presented).is_refusal();
    if stale.is_some() && knows == Some(true) || failure.is_none() && !refused {
        return None;
    }
    let finding = Finding::new(CauseId::ClientId, at_field("clientID"));
    let finding = match (failure, knows) {
        (Some(_), _) => finding,
        (None, Some(_)) => finding.certainty(Certainty::Likely).when(when_settings(evidence)),
        (None, None) => finding.certainty(Certainty::Possible).when(when_settings(evidence)).one_of(
            &[CauseId::ClientId, CauseId::SecretMismatch],
            "whether the provider has a client with this ID",
        ),
    };
    Some(
        finding
            .quoting("the provider's page says", failure)
            .seen_if(evidence.provider.said_of(Form::Presented).filter(|_| failure.is_none()))
            .seen(match evidence.client_id.as_str() {
                "" => "clientID is empty or not there".to_owned(),
                id => format!("clientID is {}", exact(id)),
            })
            .seen_if(stale.map(|asked| format!("argocd-server asks as {}", exact(asked))))
            .seen_if(unknown_fields(evidence))
            .seen_if(registered.map(|config| {
                let ids: Vec<String> = config.client_ids.iter().map(|id| exact(id)).collect();
                format!("registered are, by {}: {}", shown(&config.at), listed(&ids))
            }))
            .why("the provider has no client with this ID, so it shows nobody its form")
            .fix(match registered.map(|config| webs(evidence, config)).as_deref() {
                Some([only]) => set_field(evidence, "clientID", only),
                _ => edit_settings(evidence, "clientID: as the provider registered it"),
            }),
    )
}

/// Files in which the client has no ID.
pub fn without_id(evidence: &Evidence) -> Option<Finding> {
    let config = evidence.oidc().filter(|_| evidence.files)?;
    let empty = matches!(&config.client_id, Term::Plain(id) if id.text().trim().is_empty());
    empty.then(|| {
        Finding::new(CauseId::ClientId, at_field("clientID"))
            .seen("clientID is empty or not there")
            .seen_if(unknown_fields(evidence))
            .why("the provider has no client without an ID, so it shows nobody its form")
            .fix(edit_settings(evidence, "clientID: as the provider registered it"))
    })
}

/// The clients that are registered, but for the command line's.
fn webs<'a>(evidence: &Evidence, config: &'a DexConfig) -> Vec<&'a String> {
    config.client_ids.iter().filter(|id| **id != evidence.cli_client_id).collect()
}

/// A client that is to log in by PKCE alone: what it needs at the provider.
pub fn pkce(evidence: &Evidence) -> Vec<Finding> {
    let Some(config) = evidence.oidc().filter(|_| evidence.pkce()) else { return vec![] };
    let by_page = evidence.page_logs_in();
    let no_secret = matches!(&config.client_secret, Term::Plain(value) if value.is_empty());
    let mut findings = vec![];
    if (by_page || no_secret) && evidence.provider.lets_in_without() == Some(false) {
        let who = if by_page { "Argo CD's page, which logs people in by itself," } else { "argocd-server" };
        findings.push(
            Finding::new(CauseId::ClientType, "the provider's registration of this client")
                .certain_if(evidence.provider.own_dex().is_some())
                .seen("enablePKCEAuthentication is true")
                .seen_if(evidence.provider.said_of(Form::None))
                .why(format!("{who} sends no client secret, and the provider lets this client in with its secret alone"))
                .fix(Fix::from(format!(
                    "make client {} a public one at the provider (Dex: public: true), or let argocd-server show the secret:",
                    shown(&evidence.client_id)
                )).then(&set_field(evidence, "enablePKCEAuthentication", "false").commands)),
        );
    }
    let wanted = format!("{}/pkce/verify", evidence.url().trim_end_matches('/'));
    let dex = evidence.provider.own_config();
    let registered = dex.and_then(|config| Some((config, &config.client.as_ref()?.redirect_uris)));
    if let Some((dex, uris)) = registered.filter(|(_, uris)| !uris.is_empty() && !uris.contains(&wanted))
        && by_page
    {
        findings.push(
            Finding::new(
                CauseId::RedirectUri,
                format!("{}, redirectURIs of client {}", shown(&dex.at), shown(&evidence.client_id)),
            )
            .certainty(Certainty::Likely)
            .seen("enablePKCEAuthentication is true")
            .seen(format!("registered are: {}", listed(uris)))
            .why(format!("the page of this release asks to be called back at {}", shown(&wanted)))
            .fix(format!(
                "register {} at the provider for client {}",
                shown(&wanted),
                shown(&evidence.client_id)
            )),
        );
    }
    findings
}

/// The fields of `oidc.config` that Argo CD does not know, where one that it needs is missing.
pub fn unknown_fields(evidence: &Evidence) -> Option<String> {
    let unknown = &evidence.oidc()?.unknown;
    (!unknown.is_empty()).then(|| {
        let names: Vec<String> = unknown.iter().map(|name| exact(name)).collect();
        format!("oidc.config has {}, a field that Argo CD does not know", listed(&names))
    })
}
