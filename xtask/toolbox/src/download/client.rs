//! HTTP: one request, one answer, with limits on its time and its size.

use base::innermost;
use std::error::Error as StdError;
use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Method, Response, Url};
use rustls::crypto::CryptoProvider;

use super::artifact::Downloads;
use super::settings::{Settings, is_safe};
use super::trouble::{Failure, Got, Status, Trouble};

/// How many redirects are followed: GitHub and the registries need one or two.
const REDIRECTS: usize = 10;

const TO_HTTP: &str = "to plain http, where anybody on the way could change the file";
const TOO_OFTEN: &str = "too often";

/// What is asked.
pub struct Ask {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// A GET.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: vec![], body: vec![] }
    }

    /// A POST.
    pub fn post(url: Url, body: Vec<u8>) -> Self {
        Self { method: Method::POST, url, headers: vec![], body }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A whole answer.
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// The one client. Nothing of it is made before the first request: reading the
/// system's certificate authorities takes longer than most goals.
pub type Client = Arc<OnceLock<Result<reqwest::Client, String>>>;

impl Downloads {
    /// Asks, and waits for the headers of an answer with a good status. The body has
    /// to be read by [`chunk`].
    ///
    /// # Errors
    /// [`Failure`]; any status but a good one is one.
    pub async fn open(&self, ask: &Ask) -> Result<Response, Failure> {
        let settings = &self.settings;
        if settings.offline {
            return Err(Trouble::Offline.into());
        }
        let make = || builder(settings)?.build().map_err(|error| innermost(&error));
        let client = self.client.get_or_init(make).as_ref();
        let client = client.map_err(|words| Trouble::Tls(words.clone()).at(&ask.url))?;
        let mut request = client.request(ask.method.clone(), ask.url.clone());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if ask.method == Method::POST {
            request = request.body(ask.body.clone());
        }
        // The client has a limit of its own for the connection, which is the shorter one.
        let limit = settings.connect + settings.stall;
        let response = match tokio::time::timeout(limit, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(explain(&error, settings, &ask.url, Got::default())),
            Err(_) => return Err(Trouble::Stalled(limit, Got::default()).at(&ask.url)),
        };
        match status(&response) {
            None => Ok(response),
            Some(status) => Err(Trouble::Status(status).at(response.url())),
        }
    }

    /// Asks and reads the whole answer, which is small. Tries again after a passing
    /// failure.
    ///
    /// # Errors
    /// [`Failure`]; more than `limit` bytes are one.
    pub async fn read(&self, ask: &Ask, limit: u64) -> Result<Answer, Failure> {
        let mut pauses = self.settings.pauses.iter();
        loop {
            match self.read_once(ask, limit).await {
                Err(failure) if failure.trouble.passes() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(failure),
                },
                ended => return ended,
            }
        }
    }

    async fn read_once(&self, ask: &Ask, limit: u64) -> Result<Answer, Failure> {
        let mut response = self.open(ask).await?;
        let total = response.content_length();
        let headers = response.headers().clone();
        let mut body = vec![];
        loop {
            let got = Got { bytes: body.len() as u64, total };
            let Some(bytes) = self.chunk(&mut response, got).await? else { break };
            if (body.len() + bytes.len()) as u64 > limit {
                return Err(Trouble::TooLarge(limit).at(response.url()));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Answer { headers, body })
    }

    /// The next bytes of a body; none at its end.
    ///
    /// # Errors
    /// The connection ends too early, or nothing comes.
    pub async fn chunk(&self, response: &mut Response, got: Got) -> Result<Option<Bytes>, Failure> {
        let (url, stall) = (response.url().clone(), self.settings.stall);
        match tokio::time::timeout(stall, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(explain(&error, &self.settings, &url, got)),
            Err(_) => Err(Trouble::Stalled(stall, got).at(&url)),
        }
    }
}

fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, String> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let words = |error: rustls::Error| error.to_string();
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(words)?;
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(words)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::custom(redirect))
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(settings.connect)
        .user_agent(concat!("argocd-oidc-lab/", env!("CARGO_PKG_VERSION")));
    if settings.proxy.is_none() {
        builder = builder.no_proxy();
    }
    Ok(builder)
}

fn redirect(attempt: Attempt<'_>) -> Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error(TOO_OFTEN);
    }
    match is_safe(attempt.url()) {
        true => attempt.follow(),
        false => attempt.error(TO_HTTP),
    }
}

/// What a status says; nothing if it is a good one.
fn status(response: &Response) -> Option<Status> {
    if response.status().is_success() {
        return None;
    }
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let code = response.status().as_u16();
    let after = number(RETRY_AFTER.as_str()).map(|wait| Timestamp::now().as_second().saturating_add(wait));
    let used_up = number("x-ratelimit-remaining") == Some(0);
    // GitHub says 403 as well as 429; its 403 is a limit only with one of these.
    let limited = code == 429 || (code == 403 && (used_up || after.is_some()));
    let until = after.or_else(|| number("x-ratelimit-reset").filter(|_| used_up));
    let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenge = challenge.filter(|_| code == 401).map(str::to_owned);
    Some(Status { code, limited, until: until.filter(|_| limited), challenge })
}

/// Finds out what an error of the client is about.
fn explain(error: &reqwest::Error, settings: &Settings, asked: &Url, got: Got) -> Failure {
    let url = error.url().unwrap_or(asked);
    if error.is_redirect() {
        let why = if innermost(error) == TO_HTTP { TO_HTTP } else { TOO_OFTEN };
        return Trouble::Redirect(why).at(url);
    }
    if error.is_timeout() {
        return Trouble::NoConnection(settings.connect).at(url);
    }
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    let mut chain = vec![];
    while let Some(error) = source {
        if let Some(trouble) = explain_one(error, settings.connect, got) {
            return trouble.at(url);
        }
        chain.push(error.to_string());
        source = error.source();
    }
    let all = chain.join(": ").to_ascii_lowercase();
    let last = innermost(error);
    let trouble = if all.contains("dns error") {
        Trouble::Name
    } else if all.contains("tunnel error") || all.contains("proxy auth") {
        Trouble::Proxy(last)
    } else if ["connection closed", "end of file", "unexpected eof", "incomplete message"]
        .iter()
        .any(|words| all.contains(words))
    {
        Trouble::Closed(got)
    } else {
        Trouble::Nonsense(last)
    };
    trouble.at(url)
}

fn explain_one(error: &(dyn StdError + 'static), connect: Duration, got: Got) -> Option<Trouble> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(Trouble::Tls(tls.to_string()));
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    // What an I/O error wraps is not its source, so it has to be asked for by itself.
    if let Some(inner) = io.get_ref()
        && let Some(trouble) = explain_one(inner, connect, got)
    {
        return Some(trouble);
    }
    match io.kind() {
        ErrorKind::ConnectionRefused => Some(Trouble::Refused),
        ErrorKind::TimedOut => Some(Trouble::NoConnection(connect)),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Some(Trouble::Unreachable),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Some(Trouble::Closed(got)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::dns::{Name, Resolve, Resolving};

    use super::*;
    use crate::download::support::downloads;

    /// A resolver that knows no name. What it says is what Linux says.
    struct Nobody;

    impl Resolve for Nobody {
        fn resolve(&self, _: Name) -> Resolving {
            let words = "failed to lookup address information: Name or service not known";
            Box::pin(async move { Err(std::io::Error::other(words).into()) })
        }
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told_apart() {
        let settings = downloads("cache".as_ref(), "http://127.0.0.1:9").settings;
        let client = builder(&settings).unwrap().dns_resolver(Arc::new(Nobody)).build().unwrap();
        let url = Url::parse("https://github.com/a?sig=s3cret").unwrap();
        let error = client.get(url.clone()).send().await.unwrap_err();
        let failure = explain(&error, &settings, &url, Got::default());
        assert_eq!(failure, Trouble::Name.at(&url));
    }
}
