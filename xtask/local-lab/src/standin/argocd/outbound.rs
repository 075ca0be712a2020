//! Requests to the identity provider, and errors in the words of Go's HTTP client:
//! they end up in what a browser is shown.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::log::Log;
use super::oidc_config::OidcConfig;
use crate::standin::wire::quote;

/// A provider that does not answer within this is not there.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const MOST_BYTES: usize = 1024 * 1024;

/// A client for one provider. Plain `http://` goes through the proxy, as
/// `HTTP_PROXY` would have it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outbound {
    client: reqwest::Client,
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
    /// A client that trusts what `oidc.config` says.
    ///
    /// # Errors
    /// No client can be made with these settings.
    pub(super) fn new(
        proxy: SocketAddr,
        config: Option<&OidcConfig>,
        skip_verify: bool,
        log: &Log,
    ) -> Result<Self, String> {
        // Whoever comes first in this process decides; all of them choose this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxy = reqwest::Proxy::http(format!("http://{proxy}")).map_err(|error| error.to_string())?;
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .proxy(proxy)
            .connect_timeout(TIMEOUT)
            .timeout(TIMEOUT)
            .tls_danger_accept_invalid_certs(skip_verify && config.is_some());
        let root_ca = config.map(|config| config.root_ca.as_str()).filter(|pem| !pem.is_empty());
        if let Some(pem) = root_ca {
            match reqwest::Certificate::from_pem_bundle(pem.as_bytes()) {
                Ok(certificates) if !certificates.is_empty() => {
                    builder = builder.tls_certs_only(certificates)
                }
                _ => log.warn("failed to append certificates from PEM: proceeding without custom rootCA"),
            }
        }
        builder.build().map(|client| Self { client }).map_err(|error| error.to_string())
    }

    /// GETs a URL.
    ///
    /// # Errors
    /// Why there is no answer, in Go's words.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, String> {
        self.send("Get", url, |client| client.get(url)).await
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
        let request = |client: &reqwest::Client| {
            client
                .post(url)
                .headers(headers)
                .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form)
        };
        self.send("Post", url, request).await
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Answer, String> {
        let failed = |cause: String| format!("{method} {}: {cause}", quote(url));
        check_scheme(url).map_err(failed)?;
        let mut response = request(&self.client).send().await.map_err(|error| failed(cause(&error)))?;
        let status = response.status();
        let mut body = vec![];
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(cause(&error)))? {
            let room = MOST_BYTES - body.len();
            body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                break;
            }
        }
        Ok(Answer { status, body })
    }
}

fn check_scheme(url: &str) -> Result<(), String> {
    match url::Url::parse(url) {
        Ok(url) if !["http", "https"].contains(&url.scheme()) => {
            Err(format!("unsupported protocol scheme {}", quote(url.scheme())))
        }
        Ok(url) if !url.has_host() => Err("http: no Host in request URL".into()),
        Ok(_) => Ok(()),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            Err(format!("unsupported protocol scheme {}", quote("")))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Why a request failed, as Go says it.
fn cause(error: &reqwest::Error) -> String {
    let mut deepest = None;
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return tls_cause(tls);
        }
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return "dial tcp: connect: connection refused".into(),
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
    if error.is_timeout() {
        return "net/http: timeout awaiting response headers".into();
    }
    if deepest.contains("failed to lookup address") || deepest.contains("dns error") {
        return "dial tcp: lookup: no such host".into();
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
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => unverified("certificate has expired or is not yet valid"),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => unverified("certificate is not valid for this host"),
        Error::InvalidCertificate(other) => unverified(&other.to_string()),
        // A server that speaks plain HTTP on the port.
        Error::InvalidMessage(_) => "http: server gave HTTP response to HTTPS client".into(),
        other => format!("remote error: tls: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::check_scheme;

    #[test]
    fn what_is_no_address_is_refused_in_gos_words() {
        let table = [
            ("http://dex.host/x", None),
            ("https://dex.host", None),
            ("/.well-known/openid-configuration", Some(r#"unsupported protocol scheme """#)),
            ("ftp://dex.host", Some(r#"unsupported protocol scheme "ftp""#)),
            ("$secret:key/.well-known", Some(r#"unsupported protocol scheme """#)),
        ];
        for (url, error) in table {
            assert_eq!(check_scheme(url).err().as_deref(), error, "{url}");
        }
    }
}
