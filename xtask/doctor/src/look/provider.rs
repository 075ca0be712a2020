//! Asks the identity provider: who it is, and which client secrets it takes.

use probe::Options;
use probe::http::{Answer, Connections, NoAnswer, Request};
use probe::rehearsal::CODE;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::reader::{Place, Reader};
use super::web::{self, LIMIT};
use super::{cluster, note_once};
use crate::evidence::{Discovery, Document, Evidence, Form, Method, Provider, Taken, Tried, Way};
use crate::hidden::Hidden;
use crate::shown::shown;

/// Asks the issuer that stands in `options` for its discovery document.
pub async fn discover(evidence: &mut Evidence, options: &Options, reader: Option<&Reader>) {
    let base = &options.argocd;
    let url = web::below(base, ".well-known/openid-configuration");
    let provider = &mut evidence.provider;
    provider.way = way(options, &url);
    let answer = web::get(options, &url).await;
    if let Ok(answer) = &answer {
        provider.ahead = web::ahead(answer);
    }
    provider.discovery = match answer {
        Ok(answer) => read(&answer),
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

/// A name that only the cluster knows names a Service: the API's proxy leads to it.
async fn by_service(provider: &mut Provider, reader: &Reader, base: &Url) {
    let Some((service, namespace)) = base.host_str().and_then(service_of) else { return };
    let right = cluster::one(&namespace, "services/proxy", &service);
    let port = base.port_or_known_default().unwrap_or(80).to_string();
    let place = Place { scheme: base.scheme(), port: &port };
    let path = web::below(base, ".well-known/openid-configuration").path().to_owned();
    if let Ok(page) = reader.service(&right, &place, &path).await {
        provider.way = Way::ServiceProxy { namespace, service };
        provider.discovery = match page.status {
            200 => document(page.text.as_bytes()),
            status => Discovery::Status(status),
        };
    }
}

/// `dex.auth.svc.cluster.local` is Service `dex` in namespace `auth`.
fn service_of(host: &str) -> Option<(String, String)> {
    let mut parts = host.split('.');
    let (service, namespace) = (parts.next()?, parts.next()?);
    let is_service = parts.next() == Some("svc") && !service.is_empty() && !namespace.is_empty();
    is_service.then(|| (service.to_owned(), namespace.to_owned()))
}

fn read(answer: &Answer) -> Discovery {
    match answer.status {
        200 => document(&answer.body),
        status => Discovery::Status(status),
    }
}

fn document(body: &[u8]) -> Discovery {
    let Ok(document) = serde_json::from_slice::<Value>(body) else { return Discovery::Unreadable };
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    match (text("issuer"), text("token_endpoint")) {
        (Some(issuer), Some(token_endpoint)) => Discovery::Document(Document {
            issuer,
            authorization_endpoint: text("authorization_endpoint").unwrap_or_default(),
            token_endpoint,
            scopes: document["scopes_supported"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|scope| scope.as_str().map(str::to_owned))
                .collect(),
        }),
        _ => Discovery::Unreadable,
    }
}

/// Shows the token endpoint the client secret that the Secret holds now; if it is not
/// taken, the forms of it that a mistake may have left at the provider.
pub async fn preflight(evidence: &mut Evidence, options: &Options) {
    const WHAT: &str = "the provider's token endpoint (which client secret it takes)";
    let Some(current) = evidence.current.clone() else { return };
    let provider = &evidence.provider;
    if let Way::ServiceProxy { namespace, service } = &provider.way {
        let because = format!(
            "its name is known to the cluster only, and the API's proxy to Service {}/{} would carry a POST as a write; forward a port to it and name it with --resolve",
            shown(namespace),
            shown(service)
        );
        note_once(evidence, WHAT, because);
        return;
    }
    let Some(document) = provider.document() else {
        let because = match &provider.discovery {
            Discovery::NotLooked => "the issuer is no web address".to_owned(),
            Discovery::NoAnswer(words) => format!("asked {}: {}", provider.way.words(), shown(words)),
            Discovery::Status(status) => format!("its discovery document is status {status}"),
            Discovery::Unreadable | Discovery::Document(_) => {
                "what answers is no identity provider".to_owned()
            }
        };
        note_once(evidence, WHAT, because);
        return;
    };
    let endpoint = document.token_endpoint.parse::<Url>();
    let Some(endpoint) =
        endpoint.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        note_once(evidence, WHAT, "its discovery document names no web address for it".to_owned());
        return;
    };
    let ask = Ask {
        options,
        endpoint,
        client_id: evidence.client_id.clone(),
        redirect_uri: redirect_uri(evidence),
    };
    evidence.provider.tried = ask.both(Form::Presented, &current).await;
    if evidence.provider.takes(Form::Presented) != Some(false) {
        return;
    }
    for (form, value) in other_forms(evidence, &current) {
        let tried = ask.both(form, &value).await;
        evidence.provider.tried.extend(tried);
        if evidence.provider.takes(form) == Some(true) {
            return;
        }
    }
}

fn redirect_uri(evidence: &Evidence) -> String {
    let url =
        evidence.settings.there().map(|settings| settings.url.trim_end_matches('/')).unwrap_or_default();
    format!("{url}/auth/callback")
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
    use crate::evidence::{Reference, Term};
    match &evidence.oidc()?.client_secret {
        Term::Reference(Reference::Of { key, .. }) => evidence.named_secret.there()?.value(key).cloned(),
        Term::Reference(Reference::Own(key)) => evidence.argocd_secret.there()?.value(key).cloned(),
        Term::Plain(_) => None,
    }
}

/// Where and as whom a secret is shown.
struct Ask<'a> {
    options: &'a Options,
    endpoint: Url,
    client_id: String,
    redirect_uri: String,
}

impl Ask<'_> {
    async fn both(&self, form: Form, value: &Hidden) -> Vec<Tried> {
        let by = |by: Method| async move { Tried { form, by, answer: self.show(by, value).await } };
        let (basic, post) = futures::join!(by(Method::Basic), by(Method::Post));
        vec![basic, post]
    }

    async fn show(&self, by: Method, value: &Hidden) -> Taken {
        let secret = value.text();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", CODE)
            .append_pair("redirect_uri", &self.redirect_uri);
        if by == Method::Post {
            form.append_pair("client_id", &self.client_id).append_pair("client_secret", &secret);
        }
        let form = form.finish();
        // Both parts are encoded as in a form before they are put together.
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let (id, secret) = (encode(&self.client_id), encode(&secret));
        let mut request = Request::post(&self.endpoint, &form, LIMIT);
        if by == Method::Basic {
            request.basic = Some((&id, &secret));
        }
        match Connections::new(self.options).send(request).await {
            Ok(answer) => taken(&answer),
            Err((no_answer, _)) => Taken::CannotTell(no_answer_words(&no_answer)),
        }
    }
}

fn no_answer_words(no_answer: &NoAnswer) -> String {
    shown(&no_answer.message())
}

/// What an answer to a code that nobody gave out says about the secret beside it.
fn taken(answer: &Answer) -> Taken {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (answer.status, body["error"].as_str()) {
        (400..=401, Some("invalid_grant")) => Taken::Yes,
        (400..=401, Some("invalid_client")) => Taken::No,
        // The error's name is the provider's, and no part of what was sent.
        (status, Some(error)) => Taken::CannotTell(format!("{status} {}", shown(error))),
        (status, None) => Taken::CannotTell(format!("status {status} without an error's name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: http::HeaderMap::new(), body: body.into(), time: std::time::Duration::ZERO }
    }

    #[test]
    fn only_two_answers_tell_anything() {
        for (status, body, expected) in [
            (400, r#"{"error":"invalid_grant"}"#, Taken::Yes),
            (401, r#"{"error":"invalid_client"}"#, Taken::No),
            (400, r#"{"error":"invalid_client"}"#, Taken::No),
            (400, r#"{"error":"unauthorized_client"}"#, Taken::CannotTell("400 unauthorized_client".into())),
            (200, r#"{"error":"invalid_grant"}"#, Taken::CannotTell("200 invalid_grant".into())),
            (200, r#"{"access_token":"x"}"#, Taken::CannotTell("status 200 without an error's name".into())),
            (500, "oops", Taken::CannotTell("status 500 without an error's name".into())),
            (302, "", Taken::CannotTell("status 302 without an error's name".into())),
        ] {
            assert_eq!(taken(&answer(status, body)), expected, "{status} {body}");
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
