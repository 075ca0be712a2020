//! Asks the identity provider: who it is, and which client secrets it takes.

use probe::http::{Answer, Connections, Request};
use probe::rehearsal::CODE;
use probe::{Options, TokenAnswer};
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};
use url::{Host, Url};

use super::reader::Reader;
use super::web::{self, LIMIT};
use super::{Subject, cluster};
use crate::access_gaps::Right;
use crate::evidence::{Discovery, Document, Evidence, Form, Method, Provider, Taken, Tried, Way};
use crate::hidden::Hidden;
use crate::shown::shown;
use crate::web_address;

/// Asks the issuer that stands in `options` for its discovery document.
pub async fn discover(evidence: &mut Evidence, options: &Options, reader: Option<&Reader>) {
    let base = &options.argocd;
    let url = web::below(base, ".well-known/openid-configuration");
    let provider = &mut evidence.provider;
    provider.way = way(options, &url);
    provider.other_requests += 1;
    let answer = web::get(options, &url).await;
    if let Ok(answer) = &answer {
        provider.ahead = web::ahead(answer);
    }
    provider.discovery = match answer {
        Ok(answer) => read(answer.status, &answer.body),
        Err(no_answer) => Discovery::NoAnswer(no_answer.message()),
    };
    if let (Discovery::NoAnswer(_), Some(reader)) = (&provider.discovery, reader) {
        by_service(provider, reader, base).await;
    }
}

/// The way that a request to a URL takes.
fn way(options: &Options, url: &Url) -> Way {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
    let resolved = options.resolve.iter().find(|resolve| resolve.matches(host, port));
    resolved.map_or(Way::Direct, |resolve| Way::Resolved(resolve.to))
}

/// The right to ask a URL's Service through the API's proxy, and its name, if the host names one.
pub fn proxied(url: &Url) -> Option<(Right, String)> {
    let (service, namespace) = url.host_str().and_then(service_of)?;
    let port = url.port_or_known_default().unwrap_or(80);
    let name = format!("{}:{service}:{port}", url.scheme());
    Some((cluster::one(&namespace, "services/proxy", &name), service))
}

/// A name that only the cluster knows names a Service: the API's proxy leads to it.
async fn by_service(provider: &mut Provider, reader: &Reader, base: &Url) {
    let Some((right, service)) = proxied(base) else { return };
    let path = web::below(base, ".well-known/openid-configuration").path().to_owned();
    // Roles name it as the proxy does.
    let place = right.name.clone().unwrap_or_default();
    if let Ok(page) = reader.proxied(&right, &place, &path, None).await {
        provider.way = Way::ServiceProxy { namespace: right.namespace, service };
        provider.discovery = read(page.status, page.text().as_bytes());
    }
}

/// `dex.auth.svc.cluster.local` is Service `dex` in namespace `auth`.
fn service_of(host: &str) -> Option<(String, String)> {
    let mut parts = host.split('.');
    let (service, namespace) = (parts.next()?, parts.next()?);
    let is_service = parts.next() == Some("svc") && !service.is_empty() && !namespace.is_empty();
    is_service.then(|| (service.to_owned(), namespace.to_owned()))
}

fn read(status: u16, body: &[u8]) -> Discovery {
    match status {
        200 => document(body),
        status => Discovery::Status(status),
    }
}

fn document(body: &[u8]) -> Discovery {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return Discovery::Unreadable };
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    let list = |name: &str| {
        let texts = document[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    match (text("issuer"), text("token_endpoint")) {
        (Some(issuer), Some(token_endpoint)) => Discovery::Document(Document {
            issuer,
            authorization_endpoint: text("authorization_endpoint").unwrap_or_default(),
            token_endpoint,
            keys: text("jwks_uri").unwrap_or_default(),
            scopes: list("scopes_supported"),
            methods: list("token_endpoint_auth_methods_supported"),
        }),
        _ => Discovery::Unreadable,
    }
}

/// Shows the token endpoint a secret that is surely wrong and, unless that was switched off, the one that is set
/// for Argo CD now; if the answers are alike, the forms of it that a mistake may have left at the provider.
pub async fn preflight(evidence: &mut Evidence, options: &Options, subject: &Subject) {
    const WHAT: &str = "the provider's token endpoint (which client secret it takes)";
    if evidence.client_id.is_empty() {
        return;
    }
    let endpoint = match endpoint(&evidence.provider) {
        Ok(endpoint) => endpoint,
        Err(because) => return evidence.note(WHAT, because),
    };
    let client_id = evidence.client_id.clone();
    let redirect_uri = format!("{}/auth/callback", evidence.url().trim_end_matches('/'));
    let ask = Ask { options, endpoint, client_id, redirect_uri };
    let Ok(wrong) = Hidden::random() else { return };
    evidence.provider.tried = ask.both(Form::Wrong, &wrong).await;
    if evidence.pkce() {
        let without = ask.by(Method::Post, Form::None, &Hidden::default()).await;
        evidence.provider.tried.push(without);
    }
    let withheld = match (subject.secret_check, may_be_shown(&evidence.provider, &ask)) {
        _ if !names_itself(&evidence.provider) => Some("its discovery document is another issuer's"),
        _ if evidence.bundled.same_keys == Some(false) => {
            Some("what answers at url is another Argo CD's Dex")
        }
        (false, _) => Some("--no-secret-check"),
        (true, false) => Some("it is asked by plain http, which everybody on the way can read"),
        (true, true) => None,
    };
    if let Some(why) = withheld {
        return evidence.note(WHAT, format!("it was not shown the client secret: {why}"));
    }
    let Some(current) = evidence.current.clone() else { return };
    subject.say(&format!(
        "the client secret is shown to {} (--no-secret-check leaves that out)",
        shown(ask.endpoint.host_str().unwrap_or_default())
    ));
    let presented = ask.both(Form::Presented, &current).await;
    evidence.provider.tried.extend(presented);
    // A lock-out that begins now, or words that are others each time, look like another answer.
    if evidence.takes(Form::Presented) == Taken::Yes
        && let Ok(wrong) = Hidden::random()
    {
        let again = ask.both(Form::WrongAgain, &wrong).await;
        evidence.provider.tried.extend(again);
    }
    // What is derived has no other forms.
    if !evidence.takes(Form::Presented).is_refusal() || evidence.uses_bundled() {
        return;
    }
    let by = evidence.provider.method();
    for (form, value) in other_forms(evidence, &current) {
        let tried = ask.by(by, form, &value).await;
        evidence.provider.tried.push(tried);
        if evidence.takes(form) == Taken::Yes {
            return;
        }
    }
}

/// Whether the client secret may be shown to an endpoint: by https from the issuer on, or on this machine, where
/// the labs are.
fn may_be_shown(provider: &Provider, ask: &Ask<'_>) -> bool {
    let https = ask.endpoint.scheme() == "https" && provider.issuer.starts_with("https:");
    let on_this_machine = match (way(ask.options, &ask.endpoint), ask.endpoint.host()) {
        (Way::Resolved(address), _) => address.ip().is_loopback(),
        (_, Some(Host::Ipv4(address))) => address.is_loopback(),
        (_, Some(Host::Ipv6(address))) => address.is_loopback(),
        (_, host) => host == Some(Host::Domain("localhost")),
    };
    https || on_this_machine
}

/// Whether the discovery document is the issuer's own: Argo CD refuses any other.
pub(super) fn names_itself(provider: &Provider) -> bool {
    let clean = |issuer: &str| issuer.trim_end_matches('/').to_owned();
    provider.document().is_some_and(|document| clean(&document.issuer) == clean(&provider.issuer))
}

/// The token endpoint, if it can be asked.
pub(super) fn endpoint(provider: &Provider) -> Result<Url, String> {
    if let Way::ServiceProxy { namespace, service } = &provider.way {
        return Err(format!(
            "its name is known to the cluster only, and the API's proxy to Service {}/{} would carry a POST as a write; forward a port to it and name it with --resolve",
            shown(namespace),
            shown(service)
        ));
    }
    let Some(document) = provider.document() else {
        return Err(match &provider.discovery {
            Discovery::NotLooked => "the issuer is no web address".to_owned(),
            Discovery::NoAnswer(words) => format!("asked {}: {}", provider.way.words(), shown(words)),
            Discovery::Status(status) => format!("its discovery document is status {status}"),
            Discovery::Unreadable | Discovery::Document(_) => {
                "what answers is no identity provider".to_owned()
            }
        });
    };
    web_address(&document.token_endpoint)
        .ok_or_else(|| "its discovery document names no web address for it".to_owned())
}

/// Other forms of the secret, each once.
fn other_forms(evidence: &Evidence, current: &Hidden) -> Vec<(Form, Hidden)> {
    let stored = stored(evidence).filter(|stored| stored != current);
    let forms = [
        stored.map(|stored| (Form::AsStored, stored)),
        Some((Form::WithLineBreak, current.with_line_break())),
        current.decoded().map(|decoded| (Form::Decoded, decoded.trimmed())),
        Some((Form::Encoded, current.encoded())),
    ];
    let mut all: Vec<(Form, Hidden)> = vec![];
    for (form, value) in forms.into_iter().flatten() {
        if !all.iter().any(|(_, known)| *known == value) {
            all.push((form, value));
        }
    }
    all
}

/// The value as it stands in the Secret.
fn stored(evidence: &Evidence) -> Option<Hidden> {
    let reference = evidence.client_reference()?;
    evidence.secret_of(reference)?.value(reference.place().1).cloned()
}

/// Where and as whom a secret is shown.
pub(super) struct Ask<'a> {
    pub(super) options: &'a Options,
    pub(super) endpoint: Url,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
}

impl Ask<'_> {
    /// In the header and then in the body, as Argo CD's library does it.
    async fn both(&self, form: Form, value: &Hidden) -> Vec<Tried> {
        let basic = self.by(Method::Basic, form, value).await;
        vec![basic, self.by(Method::Post, form, value).await]
    }

    async fn by(&self, by: Method, form: Form, value: &Hidden) -> Tried {
        Tried { form, by, answer: self.show(by, value).await }
    }

    pub(super) async fn show(&self, by: Method, value: &Hidden) -> Result<TokenAnswer, String> {
        let secret = value.text();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", CODE)
            .append_pair("redirect_uri", &self.redirect_uri);
        if by == Method::Post {
            form.append_pair("client_id", &self.client_id);
        }
        if by == Method::Post && !secret.is_empty() {
            form.append_pair("client_secret", &secret);
        }
        let form = form.finish();
        // Both parts are encoded as in a form before they are put together.
        let encode = |text: &str| {
            let encoded = byte_serialize(text.as_bytes()).collect::<String>();
            // As Go does it, which some providers do not decode.
            encoded.replace('*', "%2A").replace("%7E", "~")
        };
        let (id, secret) = (encode(&self.client_id), encode(&secret));
        let mut request = Request::post(&self.endpoint, &form, LIMIT);
        if by == Method::Basic {
            request.basic = Some((&id, &secret));
        }
        match Connections::new(self.options).send(request).await {
            Ok(answer) => comparable(&answer),
            Err((no_answer, _)) => Err(no_answer.message()),
        }
    }
}

/// What an answer says, if it is one to what was sent: no redirect, no trouble of the server's own, and not that
/// it is asked too often.
fn comparable(answer: &Answer) -> Result<TokenAnswer, String> {
    let said = TokenAnswer::of(answer.status, &answer.text());
    if said.is_passing() { Err(format!("status {}", answer.status)) } else { Ok(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_to_what_was_sent_are_compared() {
        let answer = |status| Answer {
            status,
            headers: http::HeaderMap::new(),
            body: br#"{"error":"invalid_grant"}"#.to_vec(),
            time: std::time::Duration::ZERO,
            certificate: None,
        };
        for (status, is) in
            [(200, true), (400, true), (401, true), (403, true), (302, false), (429, false), (500, false)]
        {
            assert_eq!(comparable(&answer(status)).is_ok(), is, "{status}");
        }
    }

    #[test]
    fn names_of_services_are_known() {
        let service =
            |host: &str| service_of(host).map(|(service, namespace)| format!("{namespace}/{service}"));
        assert_eq!(service("dex.auth.svc.cluster.local").as_deref(), Some("auth/dex"));
        assert_eq!(service("dex.auth.svc").as_deref(), Some("auth/dex"));
        for other in ["dex", "dex.auth", "dex.example.com", "login.example.co.uk", ""] {
            assert_eq!(service(other), None, "{other}");
        }
    }

    #[test]
    fn a_document_is_one_that_says_who_it_is() {
        assert!(matches!(document(br#"{"issuer":"a","token_endpoint":"b"}"#), Discovery::Document(_)));
        for other in ["", "[]", "{}", r#"{"issuer":1,"token_endpoint":"b"}"#, "\u{0}"] {
            assert!(matches!(document(other.as_bytes()), Discovery::Unreadable), "{other}");
        }
    }
}
