//! argocd-cm against the address that users type, against the provider's registration,
//! and against what a login needs.

use probe::{Cause, CauseId, Step};
use releases::Release;
use url::Url;

use super::commands::{PARAMS, edit_settings, replace_in_dex, set_data, set_list, set_url};
use super::{at, at_field, ends_late, when_settings};
use crate::advice;
use crate::evidence::{Evidence, Outside, Settings};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::shown::{listed, shown};
use crate::web_address;

const URL: &str = "ConfigMap argocd-cm, url";

/// Findings about the address and the settings around it.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(redirect_loop(evidence));
    // A cookie that gets lost on the way between two addresses is what is seen; that the
    // addresses differ is its explanation.
    match state_cookie(evidence) {
        Some(finding) => findings.push(finding),
        None => findings.extend(argocd_url(evidence)),
    }
    if !findings.iter().any(|finding| finding.id == CauseId::ArgocdUrl) {
        findings.extend(redirect_uri(evidence));
    }
    findings.extend([scope, audience].into_iter().filter_map(|check| check(evidence)));
    findings
}

/// `url` as Argo CD has it: from argocd-cm, else from what it tells everybody.
fn configured_url(evidence: &Evidence) -> Option<&str> {
    let public = || evidence.public().map(|public| public.url.as_str());
    evidence.settings.there().map(|settings| settings.url.as_str()).or_else(public)
}

/// The address that users type, where somebody said so.
fn typed(evidence: &Evidence) -> Option<&Outside> {
    evidence.outside.as_ref().filter(|outside| outside.given)
}

fn argocd_url(evidence: &Evidence) -> Option<Finding> {
    let url = configured_url(evidence)?;
    let oidc = evidence.oidc().is_some()
        || evidence.uses_bundled()
        || evidence.public().is_some_and(|public| public.issuer.is_some());
    if url.trim().is_empty() {
        return oidc.then(|| {
            Finding::new(CauseId::ArgocdUrl, URL)
                .when(when_settings(evidence))
                .seen(format!("url is empty or not there, and {} is", if evidence.uses_bundled() { "dex.config" } else { "oidc.config" }))
                .why("without url Argo CD does not know where people come back to: it offers no login, or asks the provider to send them nowhere")
                .fix(right_url(evidence))
        });
    }
    let Some(parsed) = web_address(url) else {
        return Some(
            Finding::new(CauseId::ArgocdUrl, URL)
                .when(when_settings(evidence))
                .seen(format!("url is {}, which is no web address", shown(url)))
                .why("Argo CD builds the address that the provider sends people back to from it")
                .fix(right_url(evidence)),
        );
    };
    if let Some(finding) = wrong_path(evidence, &parsed).or_else(|| wrong_root(evidence, &parsed)) {
        return Some(finding);
    }
    if typed(evidence).is_none() {
        return no_host(evidence, &parsed);
    }
    let outside = typed(evidence)?;
    let knows_others = evidence.release.as_ref().is_none_or(|release| release.is_at_least(2, 13, 0));
    let settings = evidence.settings.there().filter(|_| knows_others);
    let known = settings.is_some_and(|settings| lists(settings, &outside.address));
    if parsed.origin() == outside.address.origin() || known {
        return None;
    }
    let refused = match &outside.button {
        Some(Err(failure)) if failure.cause == Cause::InvalidRedirectUrl => Some(format!(
            "asked for a login that is to end at its own page, Argo CD says: {}",
            shown(&failure.message)
        )),
        _ => None,
    };
    let elsewhere = evidence.failure(&[Cause::RedirectElsewhere]).map(|failure| {
        format!("the provider does not send people back to that address: {}", shown(&failure.message))
    });
    Some(
        Finding::new(CauseId::ArgocdUrl, URL)
            .certain_if(refused.is_some() || elsewhere.is_some())
            .when(when_settings(evidence))
            .seen(format!("url is {}, and users type {}", shown(url), shown(&origin(&outside.address))))
            .seen_if(refused)
            .seen_if(elsewhere)
            .seen_if(hosts(evidence))
            .why("Argo CD sends people to the provider with the address of `url` to come back to, and takes no other address for its own")
            .fix(right_url(evidence)),
    )
}

/// `url` as it has to be: the address that users type.
fn right_url(evidence: &Evidence) -> Fix {
    match typed(evidence) {
        Some(outside) => set_url(
            evidence,
            &format!("{}{}", origin(&outside.address), evidence.root_path.trim_end_matches('/')),
        ),
        None => edit_settings(evidence, "url: the address that users type, with its scheme"),
    }
}

/// Nobody said what users type, nobody answers at `url`, and what leads to the server has
/// other names.
fn no_host(evidence: &Evidence, url: &Url) -> Option<Finding> {
    let answers = evidence.public().is_some();
    let hosts = evidence.hosts.there().filter(|hosts| !hosts.is_empty() && !answers)?;
    let host = url.host_str()?;
    // A name that begins with `*.` is one for all below it.
    let is_it = |known: &String| {
        let below = known.strip_prefix('*').and_then(|rest| host.strip_suffix(rest));
        known == host || below.is_some_and(|name| !name.is_empty() && !name.contains('.'))
    };
    if hosts.iter().any(is_it) {
        return None;
    }
    let finding = Finding::new(CauseId::ArgocdUrl, URL)
        .certainty(Certainty::Likely)
        .seen(match evidence.files {
            true => format!("url is {}", shown(url.as_str())),
            false => format!("url is {}, and no Argo CD answers there", shown(url.as_str())),
        })
        .seen_if(self::hosts(evidence))
        .why("Argo CD sends people to the provider with the address of `url` to come back to, and takes no other address for its own");
    Some(match hosts.as_slice() {
        [only] if !only.starts_with('*') => {
            let path = evidence.root_path.trim_end_matches('/');
            finding.fix(set_url(evidence, &format!("{}://{only}{path}", url.scheme())))
        }
        _ => finding.fix(edit_settings(evidence, "url: the address that users type, with its scheme")),
    })
}

/// argocd-server answers below a path that neither `url` nor what users type has.
fn wrong_root(evidence: &Evidence, url: &Url) -> Option<Finding> {
    let failure = evidence.failure(&[Cause::SsoOff])?;
    let path = |path: &str| path.trim_matches('/').to_owned();
    let (root, outside) = (path(&evidence.root_path), typed(evidence)?);
    (!root.is_empty() && path(url.path()) != root && path(outside.address.path()) != root).then(|| {
        Finding::new(CauseId::ArgocdUrl, "ConfigMap argocd-cmd-params-cm, server.rootpath")
            .seen(format!("argocd-server answers below /{}, and url is {}", shown(&root), shown(url.as_str())))
            .quoting("/auth/login at the address that users type says", failure)
            .why("a server with a root path answers below it only, and `url`, what users type and the provider's registration need that path too")
            .fix(format!(
                "{}   # or put /{} into url, and register it at the provider\n{}",
                set_data(evidence, PARAMS, "server.rootpath", ""),
                shown(&root),
                advice::restart_argocd(evidence)
            ))
    })
}

/// `url` has a path below which Argo CD does not answer: a code that is brought there
/// finds nobody.
fn wrong_path(evidence: &Evidence, url: &Url) -> Option<Finding> {
    let path = |path: &str| path.trim_matches('/').to_owned();
    if path(url.path()) == path(&evidence.root_path) {
        return None;
    }
    let mut failures = evidence.rehearsals().iter().filter_map(|it| Some(&it.redeemed.as_ref()?.0));
    let nobody = failures.find(|it| it.step == Step::Callback && it.status == Some(404))?;
    Some(
        Finding::new(CauseId::ArgocdUrl, URL)
            .when(when_settings(evidence))
            .seen(format!("url is {}", shown(url.as_str())))
            .seen(match path(&evidence.root_path).as_str() {
                "" => "argocd-server has no server.rootpath".to_owned(),
                root => format!("server.rootpath is /{}", shown(root)),
            })
            .quoting("a code that is brought back there is answered", nobody)
            .why("Argo CD sends people to the provider with the address of `url` to come back to, and below its path nobody answers")
            .fix(right_url(evidence)),
    )
}

fn hosts(evidence: &Evidence) -> Option<String> {
    let hosts = evidence.hosts.there()?;
    (!hosts.is_empty()).then(|| format!("Ingresses lead these hosts to argocd-server: {}", listed(hosts)))
}

/// Whether `additionalUrls` has this address.
fn lists(settings: &Settings, address: &Url) -> bool {
    let same = |url: &String| url.parse::<Url>().is_ok_and(|url| url.origin() == address.origin());
    settings.additional_urls.iter().any(same)
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn state_cookie(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failure(&[Cause::StateCookieLost, Cause::SecureCookieOverHttp])?;
    // One of the provider's own is none of Argo CD's.
    if !failure.step.is_argocds() {
        return None;
    }
    let (outside, asked) = (evidence.outside.as_ref()?, evidence.asked()?);
    let secure = failure.cause == Cause::SecureCookieOverHttp;
    let back: Option<Url> = asked.redirect_uri.parse().ok();
    let moved = back.as_ref().is_some_and(|back| back.origin() != outside.address.origin());
    let why = match (secure, moved) {
        (true, _) => {
            "Argo CD marks its cookie Secure because `url` says https, and browsers do not take such a cookie over http"
        }
        (_, true) => {
            "the cookie that ties a login together is set at the address where it begins, and a browser does not bring it to another one"
        }
        _ => {
            "the cookie that ties a login together does not come back: something between browser and Argo CD drops it"
        }
    };
    Some(
        Finding::new(CauseId::StateCookie, URL)
            .seen(format!(
                "the login begins at {} and comes back to {}",
                shown(&origin(&outside.address)),
                shown(&asked.redirect_uri)
            ))
            .quoting("Argo CD's callback says", failure)
            .seen_if(hosts(evidence))
            .why(why)
            .fix(match moved || secure {
                true => edit_settings(
                    evidence,
                    &format!(
                        "url: {} (and its /auth/callback at the provider), or let users type the other one",
                        shown(&origin(&outside.address))
                    ),
                ),
                false => "let cookies of /auth pass through what stands before Argo CD".into(),
            }),
    )
}

fn redirect_uri(evidence: &Evidence) -> Option<Finding> {
    let refused = evidence.failure(&[Cause::UnregisteredRedirect, Cause::RedirectElsewhere]);
    let url = configured_url(evidence).filter(|url| !url.trim().is_empty())?;
    let wanted = format!("{}/auth/callback", url.trim_end_matches('/'));
    let config = evidence.provider.own_config();
    let registered = config.and_then(|config| Some(&config.client.as_ref()?.redirect_uris));
    let missing = registered.is_some_and(|uris| !uris.is_empty() && !uris.contains(&wanted));
    if refused.is_none() && !missing {
        return None;
    }
    // What is set now is registered, and the server asks for what was set before.
    let asks_otherwise = evidence.asked().is_some_and(|asked| asked.redirect_uri != wanted);
    if asks_otherwise && registered.is_some_and(|uris| uris.contains(&wanted)) {
        return None;
    }
    let place = config.map_or_else(
        || "the provider's registration of this client".to_owned(),
        |config| format!("{}, redirectURIs of client {}", shown(&config.at), shown(&evidence.client_id)),
    );
    Some(
        Finding::new(CauseId::RedirectUri, place)
            // What Dex's configuration says may not be what it was started with.
            .certain_if(refused.is_some())
            .when(if refused.is_some() || evidence.files { When::Now } else { When::Later })
            .seen(format!("Argo CD asks to be called back at {}", shown(&wanted)))
            .quoting("the provider says", refused)
            .seen_if(registered.map(|uris| format!("registered are: {}", listed(uris))))
            .why("a provider sends people back only to addresses that were registered for the client, letter for letter")
            .fix(match (config, registered.map(Vec::as_slice)) {
                (Some(config), Some([only])) => replace_in_dex(evidence, config, only, &wanted),
                _ => None,
            }
            .unwrap_or_else(|| {
                let (wanted, client) = (shown(&wanted), shown(&evidence.client_id));
                Fix::from(format!("register {wanted} at the provider for client {client}"))
            })),
    )
}

fn scope(evidence: &Evidence) -> Option<Finding> {
    let failure = evidence.failure(&[Cause::InvalidScope])?;
    let requested = evidence.oidc().map(|config| config.requested()).unwrap_or_default();
    let known = evidence.provider.document().map(|document| document.scopes.as_slice()).unwrap_or_default();
    let unknown: Vec<&String> =
        requested.iter().filter(|scope| !known.is_empty() && !known.contains(scope)).collect();
    // What the provider knows of them; it takes none without the first.
    const OPENID: &str = "openid";
    const WITHOUT: &str = "requestedScopes: openid, without the scope that is refused";
    let others = requested.iter().filter(|scope| known.contains(scope) && *scope != OPENID).cloned();
    let taken: Vec<String> = std::iter::once(OPENID.to_owned()).chain(others).collect();
    Some(
        Finding::new(CauseId::Scope, at_field("requestedScopes"))
            .quoting("the provider sends people back with an error, and Argo CD says", failure)
            .seen_if(
                (!unknown.is_empty())
                    .then(|| format!("the provider does not list {} among its scopes", listed(&unknown))),
            )
            .why("the provider refuses a scope that Argo CD asks for")
            .fix(match known.is_empty() {
                true => edit_settings(evidence, WITHOUT),
                // It knows them all, and does not give this client one of them.
                false if unknown.is_empty() && requested.iter().any(|scope| scope == OPENID) => {
                    let client = shown(&evidence.client_id);
                    Fix::from(format!("give client {client} every scope of requestedScopes at the provider (Keycloak: its Client scopes), or leave one out:"))
                        .then(&edit_settings(evidence, WITHOUT).commands)
                }
                false => set_list(evidence, "requestedScopes", &taken),
            }),
    )
}

/// Tokens that are made for a client whose ID is not among those that are taken.
pub fn audience(evidence: &Evidence) -> Option<Finding> {
    let config = evidence.oidc()?;
    let client = &evidence.client_id;
    let knows = evidence.release.as_ref().is_none_or(Release::knows_allowed_audiences);
    if !knows || client.is_empty() || config.audiences.is_empty() || config.audiences.contains(client) {
        return None;
    }
    let said = ends_late(evidence);
    let cli = Some(&evidence.cli_client_id).filter(|id| !id.is_empty() && !config.audiences.contains(id));
    let with_client: Vec<String> = config.audiences.iter().chain([client]).chain(cli).cloned().collect();
    Some(
        Finding::new(CauseId::Audience, at_field("allowedAudiences"))
            .certain_if(said.is_some())
            .when(if evidence.logins().is_some() { when_settings(evidence) } else { When::Now })
            .seen(format!("allowedAudiences is {}, without the client's own ID {}", listed(&config.audiences), shown(client)))
            .seen_if(said)
            .why("an ID token is made for the client that asked for it, and Argo CD takes only tokens for the audiences in this list")
            .fix(set_list(evidence, "allowedAudiences", &with_client)),
    )
}

fn redirect_loop(evidence: &Evidence) -> Option<Finding> {
    let outside = evidence.outside.as_ref()?;
    let looping = evidence.failure(&[Cause::RedirectLoop]);
    // Sent to https for the same page, and there is nobody.
    let sent_to_https = outside.rehearsals.iter().find_map(|rehearsal| {
        let failure = rehearsal.form.as_ref().err().filter(|failure| failure.step == Step::Login)?;
        let host = outside.address.host_str()?;
        let to = format!("https://{host}");
        let sent = rehearsal.exchanges.iter().any(|exchange| {
            exchange.step == Step::Login
                && exchange.url.starts_with("http://")
                && exchange.location.as_ref().is_some_and(|location| location.starts_with(&to))
        });
        (sent && outside.address.scheme() == "http" && failure.status.is_none()).then_some(failure)
    });
    // A server reads it once.
    let behind =
        evidence.started().zip(evidence.insecure_written).filter(|(started, written)| started < written);
    let tls_twice = evidence.insecure != Some(true) || behind.is_some();
    let failure = match (looping, sent_to_https) {
        (Some(failure), _) => failure,
        (None, Some(failure)) if evidence.server.there().is_some() && tls_twice => failure,
        _ => return None,
    };
    if let (Some(true), Some((started, written))) = (evidence.insecure, behind) {
        return Some(
            Finding::new(CauseId::RedirectLoop, advice::at_server(evidence))
                .quoting("/auth/login does not come to an end", failure)
                .seen(format!(
                    "server.insecure is true since {}, and argocd-server runs since {}",
                    at(written),
                    at(started)
                ))
                .why("argocd-server reads argocd-cmd-params-cm at its start alone, and still ends TLS itself and sends whoever comes by http to https")
                .fix(advice::restart_argocd(evidence)),
        );
    }
    let insecure = match evidence.insecure {
        Some(true) => "server.insecure is true, so Argo CD itself sends nobody to https",
        Some(false) => {
            "server.insecure is not true: Argo CD ends TLS itself and sends whoever comes by http to https"
        }
        None => "server.insecure could not be read",
    };
    Some(
        Finding::new(CauseId::RedirectLoop, "ConfigMap argocd-cmd-params-cm, server.insecure")
            .certain_if(evidence.insecure == Some(false))
            .quoting("/auth/login does not come to an end", failure)
            .seen(insecure)
            .why("what stands before Argo CD comes by plain http, and Argo CD answers that with a redirect to https, which comes by plain http again or meets nobody")
            .fix(
                Fix::from(set_data(evidence, PARAMS, "server.insecure", "true"))
                .then(&advice::restart_argocd(evidence))
                .changing("ConfigMap argocd-cmd-params-cm", None, Some("server.insecure: \"true\"".to_owned())),
            ),
    )
}
