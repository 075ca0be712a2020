//! HTTP: one request, one answer, with limits on its time and its size.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Response, Url};

use super::lockfile::Lockfile;
use super::progress::part;
use super::settings::{Settings, is_safe};
use super::trouble::{Failure, Status, Trouble};
use base::{duration, innermost};

/// How many redirects are followed: GitHub and the registries need one or two.
const REDIRECTS: usize = 10;

const TO_HTTP: &str = "to plain http, where anybody on the way could change the file";
const TOO_OFTEN: &str = "too often";

/// The headers of a request.
pub type Headers = [(HeaderName, String)];

/// A whole answer.
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// The one way in for whatever comes from outside.
#[derive(Clone)]
pub struct Downloads {
    /// Where from, where to, how long.
    pub settings: Settings,
    /// What is known of outside files.
    pub lock: Lockfile,
    /// The one client. Nothing of it is made before the first request: reading the
    /// system's certificate authorities takes longer than most goals.
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Downloads {
    /// With these settings and known checksums.
    pub fn new(settings: Settings, lock: Lockfile) -> Self {
        Self { settings, lock, client: Arc::default() }
    }

    /// Asks by GET, and waits for the headers of an answer with a good status. The body has
    /// to be read by [`Downloads::chunk`].
    ///
    /// # Errors
    /// [`Failure`]; any status but a good one is one.
    pub async fn open(&self, url: &Url, headers: &Headers) -> Result<Response, Failure> {
        let settings = &self.settings;
        if settings.offline {
            return Err(Trouble::Offline.into());
        }
        let make = || builder(settings).build().map_err(|error| innermost(&error));
        let client = self.client.get_or_init(make).as_ref();
        let client = client.map_err(|words| Trouble::Tls(words.clone()).at(url))?;
        let request = client.get(url.clone());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        // The client has a limit of its own for the connection, which is the shorter one.
        let limit = settings.connect + settings.stall;
        let response = match tokio::time::timeout(limit, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(explain(&error, settings, url, "0 bytes")),
            Err(_) => return Err(stalled(limit, "0 bytes").at(url)),
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
    pub async fn read(&self, url: &Url, headers: &Headers, limit: u64) -> Result<Answer, Failure> {
        let mut pauses = self.settings.pauses.iter();
        loop {
            match self.read_once(url, headers, limit).await {
                Err(failure) if failure.trouble.passes() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(failure),
                },
                ended => return ended,
            }
        }
    }

    async fn read_once(&self, url: &Url, headers: &Headers, limit: u64) -> Result<Answer, Failure> {
        let mut response = self.open(url, headers).await?;
        let total = response.content_length();
        let all = response.headers().clone();
        let mut body = vec![];
        loop {
            let Some(bytes) = self.chunk(&mut response, body.len() as u64, total).await? else { break };
            if (body.len() + bytes.len()) as u64 > limit {
                return Err(Trouble::TooLarge(limit).at(response.url()));
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Answer { headers: all, body })
    }

    /// The next bytes of a body, after so many of so many; none at its end.
    ///
    /// # Errors
    /// The connection ends too early, or nothing comes.
    pub async fn chunk(
        &self,
        response: &mut Response,
        got: u64,
        total: Option<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let (url, stall) = (response.url().clone(), self.settings.stall);
        match tokio::time::timeout(stall, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(explain(&error, &self.settings, &url, &part(got, total))),
            Err(_) => Err(stalled(stall, &part(got, total)).at(&url)),
        }
    }
}

fn stalled(limit: Duration, got: &str) -> Trouble {
    Trouble::Broke(format!("sent nothing for {} after {got}", duration(limit)))
}

fn builder(settings: &Settings) -> reqwest::ClientBuilder {
    // One for the whole program: whoever was first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(Policy::custom(redirect))
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(settings.connect)
        .user_agent(concat!("argocd-oidc-lab/", env!("CARGO_PKG_VERSION")));
    if settings.proxy.is_none() { builder.no_proxy() } else { builder }
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

/// Finds out what an error of the client is about, when so much had come.
fn explain(error: &reqwest::Error, settings: &Settings, asked: &Url, got: &str) -> Failure {
    let unreached = |why: &str| Trouble::Unreached(why.to_owned());
    let chain = chain(error);
    let last = innermost(error);
    let all: Vec<String> = chain.iter().map(|error| error.to_string().to_ascii_lowercase()).collect();
    let says = |words: &[&str]| all.iter().any(|text| words.iter().any(|words| text.contains(words)));
    let trouble = if error.is_redirect() {
        Trouble::Answer(format!("redirects {}", if last == TO_HTTP { TO_HTTP } else { TOO_OFTEN }))
    } else if error.is_timeout() || says(&["timed out"]) {
        unreached(&format!("no connection to {{}} within {}", duration(settings.connect)))
    } else if let Some(tls) = chain.iter().find_map(|error| error.downcast_ref::<rustls::Error>()) {
        Trouble::Tls(tls.to_string())
    } else if says(&["dns error"]) {
        unreached("the name {} does not resolve")
    } else if says(&["tunnel error", "proxy auth"]) {
        Trouble::Proxy(last)
    } else if says(&["connection refused"]) {
        unreached("{} refuses the connection")
    } else if says(&["unreachable", "no route to host"]) {
        unreached("there is no route to {}")
    } else if says(&["closed", "reset", "broken pipe", "aborted", "end of file", "eof", "incomplete"]) {
        Trouble::Broke(format!("closed the connection after {got}"))
    } else {
        Trouble::nonsense(last)
    };
    trouble.at(error.url().unwrap_or(asked))
}

/// An error and all within it. What an I/O error wraps is not its source.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inner = wrapped.map(|inner| -> &(dyn StdError + 'static) { inner }).or_else(|| error.source());
    std::iter::once(error).chain(inner.into_iter().flat_map(chain)).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::dns::{Name, Resolve, Resolving};

    use super::*;
    use crate::testing::downloads;

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
        let client = builder(&settings).dns_resolver(Arc::new(Nobody)).build().unwrap();
        let url = Url::parse("https://github.com/a?sig=s3cret").unwrap();
        let error = client.get(url.clone()).send().await.unwrap_err();
        let failure = explain(&error, &settings, &url, "0 bytes");
        assert_eq!(failure, Trouble::Unreached("the name {} does not resolve".into()).at(&url));
    }
}
