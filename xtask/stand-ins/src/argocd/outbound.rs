//! Requests to the identity provider, and errors in the words of Go's HTTP client:
//! they end up in what a browser is shown.

use std::error::Error as _;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use reqwest::{Certificate, Client};
use rustls::pki_types::UnixTime;

use super::go_url::GoUrl;
use super::log::Log;
use super::oidc_config::OidcConfig;
use super::proxies::Proxies;
use crate::go_http::quote;

/// A provider that does not answer within this is not there.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const MOST_BYTES: usize = 1024 * 1024;

/// Redirects that are followed for one request.
const MOST_REDIRECTS: usize = 10;

/// A client for one provider, by the pod's proxies. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outbound {
    clients: Arc<Clients>,
    proxies: Proxies,
    /// Where every request goes, whatever its URL says: the Dex inside Argo CD.
    dex: Option<Arc<str>>,
}

/// What is made when it is first asked for.
type Late<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

struct Clients {
    plain: Client,
    /// Made when it is first needed: the system's certificates take longer to read
    /// than everything else that a server does until it serves.
    tls: Late<Result<Client, String>>,
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The status line's end, `502 Bad Gateway`.
    pub(super) fn status_text(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or_default();
        format!("{} {reason}", self.status.as_u16())
    }

    /// The body as text.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl Outbound {
    /// A client that trusts what `oidc.config` says. The Dex inside Argo CD is asked where it is, and not by the way
    /// that browsers take.
    ///
    /// # Errors
    /// No client can be made.
    pub(super) fn new(
        proxies: &Proxies,
        config: Option<&OidcConfig>,
        skip_verify: bool,
        dex: Option<&str>,
        log: &Log,
    ) -> Result<Self, String> {
        // Whoever comes first in this process decides; all of them choose this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = config.map_or("", |config| &config.root_ca);
        let root_ca = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if !pem.is_empty() && root_ca.is_empty() {
            log.warn("failed to append certificates from PEM: proceeding without custom rootCA");
        }
        let plain = builder(proxies).tls_certs_only([]).build().map_err(|error| error.to_string())?;
        let skip_verify = skip_verify && config.is_some();
        let tls = builder(proxies).tls_danger_accept_invalid_certs(skip_verify);
        let tls = if root_ca.is_empty() { tls } else { tls.tls_certs_only(root_ca) };
        let tls = LazyLock::new(Box::new(|| tls.build().map_err(|error| error.to_string())) as Box<_>);
        let clients = Arc::new(Clients { plain, tls });
        Ok(Self { clients, proxies: proxies.clone(), dex: dex.map(Into::into) })
    }

    /// Where a request for a URL goes.
    fn target(&self, url: &str) -> String {
        let rewritten = || {
            let mut to = url::Url::parse(self.dex.as_deref()?).ok()?;
            let url = url::Url::parse(url).ok()?;
            to.set_path(url.path());
            to.set_query(url.query());
            Some(to.into())
        };
        rewritten().unwrap_or_else(|| url.to_owned())
    }

    /// GETs a URL, with a bearer's token where there is one, which no other host is shown.
    ///
    /// # Errors
    /// Why there is no answer, in Go's words.
    pub(super) async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Answer, String> {
        let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin());
        let url = &*self.target(url);
        let mut at = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let bearer = bearer.filter(|_| origin(&at) == origin(url));
            let request = |client: &Client| match bearer {
                Some(token) => client.get(&at).bearer_auth(token),
                None => client.get(&at),
            };
            let response = self.send("Get", &at, request).await?;
            match redirect(&response) {
                Some(to) => at = self.target(&to),
                None => return read("Get", &at, response).await,
            }
        }
        Err(failed("Get", &at, &format!("stopped after {MOST_REDIRECTS} redirects")))
    }

    /// POSTs a form.
    ///
    /// # Errors
    /// Why there is no answer, in Go's words.
    pub(super) async fn post_form(
        &self,
        url: &str,
        form: String,
        headers: HeaderMap,
    ) -> Result<Answer, String> {
        let url = &*self.target(url);
        let request = |client: &Client| {
            client
                .post(url)
                .headers(headers)
                .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form)
        };
        let response = self.send("Post", url, request).await?;
        read("Post", url, response).await
    }

    /// Passes a request on, and the answer back with its headers.
    ///
    /// # Errors
    /// Why there is no answer, in Go's words.
    pub(super) async fn pass(
        &self,
        method: http::Method,
        target: &str,
        headers: HeaderMap,
        body: bytes::Bytes,
    ) -> Result<(HeaderMap, Answer), String> {
        let url = self.target(&format!("http://dex{target}"));
        let request = |client: &Client| client.request(method, &url).headers(headers).body(body);
        let response = self.send("Get", &url, request).await?;
        let headers = response.headers().clone();
        Ok((headers, read("Get", &url, response).await?))
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        request: impl FnOnce(&Client) -> reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, String> {
        let tls = wants_tls(method, url)?;
        if tls && self.dex.is_some() {
            // What it is called is known to a cluster's name server alone.
            let host = GoUrl::parse(url).map(|url| url.host).unwrap_or_default();
            let host = host.split(':').next().unwrap_or_default();
            return Err(failed(method, url, &format!("dial tcp: lookup {host}: no such host")));
        }
        let client = if tls { self.clients.tls.as_ref() } else { Ok(&self.clients.plain) };
        let client = client.map_err(|why| failed(method, url, why))?;
        request(client).send().await.map_err(|error| {
            let parsed = url::Url::parse(url).ok();
            let proxy = parsed.and_then(|url| self.proxies.for_url(&url).cloned());
            let cause = cause(&error, proxy.as_ref().map_or(url, url::Url::as_str));
            let by_proxy = proxy.is_some() && error.is_connect() && cause.starts_with("dial tcp ");
            failed(method, url, &if by_proxy { format!("proxyconnect tcp: {cause}") } else { cause })
        })
    }
}

fn builder(proxies: &Proxies) -> reqwest::ClientBuilder {
    let proxies = proxies.clone();
    Client::builder()
        .proxy(reqwest::Proxy::custom(move |url| proxies.for_url(url).cloned()))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
}

/// Where a response sends the client to.
fn redirect(response: &reqwest::Response) -> Option<String> {
    let to = response.headers().get(http::header::LOCATION)?.to_str().ok()?;
    response.status().is_redirection().then(|| response.url().join(to).ok())?.map(Into::into)
}

async fn read(method: &str, url: &str, mut response: reqwest::Response) -> Result<Answer, String> {
    let status = response.status();
    let mut body = vec![];
    while let Some(chunk) =
        response.chunk().await.map_err(|error| failed(method, url, &cause(&error, url)))?
    {
        let room = MOST_BYTES - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() > room {
            break;
        }
    }
    Ok(Answer { status, body })
}

fn failed(method: &str, url: &str, cause: &str) -> String {
    format!("{method} {}: {cause}", quote(url))
}

/// Whether a URL wants TLS.
///
/// # Errors
/// No request can be made for it, in Go's words.
fn wants_tls(method: &str, url: &str) -> Result<bool, String> {
    let no_url = |why: &str| Err(format!("parse {}: {why}", quote(url)));
    let refused = |why: &str| Err(failed(method, url, why));
    let no_scheme = |scheme: &str| refused(&format!("unsupported protocol scheme {}", quote(scheme)));
    match url::Url::parse(url) {
        Ok(url) if !["http", "https"].contains(&url.scheme()) => no_scheme(url.scheme()),
        Ok(url) => Ok(url.scheme() == "https"),
        Err(url::ParseError::RelativeUrlWithoutBase) if GoUrl::parse(url).is_some() => no_scheme(""),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            no_url("first path segment in URL cannot contain colon")
        }
        Err(url::ParseError::EmptyHost) => refused("http: no Host in request URL"),
        Err(error) => no_url(&error.to_string()),
    }
}

/// Why a request failed, as Go says it.
fn cause(error: &reqwest::Error, url: &str) -> String {
    let url = url::Url::parse(url).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    let mut deepest = None;
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => {
                let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(0);
                return format!("dial tcp {host}:{port}: connect: connection refused");
            }
            Some(io::ErrorKind::ConnectionReset) => return "read: connection reset by peer".into(),
            Some(io::ErrorKind::UnexpectedEof) => return "EOF".into(),
            _ => {}
        }
        deepest = Some(error);
        // What an error of a socket wraps is not its source but itself.
        let wrapped =
            io.and_then(io::Error::get_ref).map(|inner| inner as &(dyn std::error::Error + 'static));
        next = wrapped.or_else(|| error.source());
    }
    let deepest = deepest.map(ToString::to_string).unwrap_or_else(|| error.to_string());
    if deepest == "connection closed before message completed" {
        return "EOF".into();
    }
    if error.is_timeout() {
        return "net/http: timeout awaiting response headers".into();
    }
    if deepest.contains("failed to lookup address") || deepest.contains("dns error") {
        return format!("dial tcp: lookup {host}: no such host");
    }
    deepest
}

fn tls_cause(error: &rustls::Error) -> String {
    use rustls::{CertificateError, Error};
    let unverified = |why: &str| format!("tls: failed to verify certificate: x509: {why}");
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            unverified("certificate signed by unknown authority")
        }
        Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
            let at = |time: UnixTime| {
                Timestamp::from_second(time.as_secs().try_into().unwrap_or(i64::MAX))
                    .unwrap_or(Timestamp::MAX)
            };
            let (now, end) = (at(*time), at(*not_after));
            unverified(&format!(
                "certificate has expired or is not yet valid: current time {now} is after {end}"
            ))
        }
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => unverified("certificate has expired or is not yet valid"),
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let names: Vec<&str> = presented.iter().map(|name| dns_name(name)).collect();
            let names = names.join(", ");
            unverified(&format!("certificate is valid for {names}, not {}", expected.to_str()))
        }
        Error::InvalidCertificate(CertificateError::NotValidForName) => {
            unverified("certificate is not valid for this host")
        }
        Error::InvalidCertificate(other) => unverified(&other.to_string()),
        // A server that speaks plain HTTP on the port.
        Error::InvalidMessage(_) => "http: server gave HTTP response to HTTPS client".into(),
        other => format!("remote error: tls: {other}"),
    }
}

/// A name as the library shows it, `DnsName("dex.host")`, without what is around it.
fn dns_name(shown: &str) -> &str {
    shown.split('"').nth(1).unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::wants_tls;

    #[test]
    fn what_is_no_address_is_refused_in_gos_words() {
        let scheme =
            |url: &str, scheme: &str| Err(format!(r#"Get "{url}": unsupported protocol scheme "{scheme}""#));
        let colon = r#"parse "$secret:key/x": first path segment in URL cannot contain colon"#;
        let table = [
            ("http://dex.host/x", Ok(false)),
            ("https://dex.host", Ok(true)),
            ("/.well-known/openid-configuration", scheme("/.well-known/openid-configuration", "")),
            ("dex.host/.well-known", scheme("dex.host/.well-known", "")),
            ("ftp://dex.host", scheme("ftp://dex.host", "ftp")),
            ("http:///x", Ok(false)),
            ("$secret:key/x", Err(colon.into())),
        ];
        for (url, wanted) in table {
            assert_eq!(wants_tls("Get", url), wanted, "{url}");
        }
    }
}
