//! One request, one answer: fresh connections for each login, no redirect followed by itself, and limits
//! on size and time.

use std::borrow::Cow;
use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, HeaderMap, ORIGIN};
use reqwest::{Client, Method};
use url::{Origin, Url};

use crate::certificate;
use crate::options::Options;
use crate::proxy;
use crate::tls::Tls;

/// The connections of one login: a client for each scheme, host and port that it meets.
pub struct Connections<'a> {
    options: &'a Options,
    clients: Vec<(Origin, Client, bool)>,
}

/// A request under way.
pub(crate) type Asked = Pin<Box<dyn Future<Output = reqwest::Result<reqwest::Response>> + Send>>;

/// What is asked.
pub struct Request<'a> {
    /// The URL.
    pub url: &'a Url,
    /// An encoded form makes it a POST.
    pub form: Option<&'a str>,
    /// The `Cookie` header.
    pub cookies: Option<String>,
    /// User name and password for basic authentication, already encoded as the server expects them.
    pub basic: Option<(&'a str, &'a str)>,
    /// A token that the `Authorization` header carries.
    pub bearer: Option<&'a str>,
    /// Whether a page sends the form, and not a program. Providers take what comes with an `Origin` for a
    /// script's request, which may have to follow other rules.
    pub from_page: bool,
    /// Which answers are welcome: a page, or whatever there is.
    pub accept: Accept,
    /// The longest it may take.
    pub limit: Duration,
}

impl<'a> Request<'a> {
    /// A GET that may take `limit`.
    pub fn get(url: &'a Url, limit: Duration) -> Self {
        Self {
            url,
            form: None,
            cookies: None,
            basic: None,
            bearer: None,
            from_page: false,
            accept: Accept::Anything,
            limit,
        }
    }

    /// A form that a program sends.
    pub fn post(url: &'a Url, form: &'a str, limit: Duration) -> Self {
        Self { form: Some(form), ..Self::get(url, limit) }
    }
}

/// What a request says that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// As a browser asks for a page: an identity provider may show its form only then.
    Page,
    /// As a program asks. To somebody who takes pages, Argo CD answers every address that it does not
    /// know with its user interface and 200; only so does an Argo CD without SSO say 404.
    Anything,
}

impl Accept {
    fn header(self) -> &'static str {
        match self {
            Self::Page => "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8",
            Self::Anything => "*/*",
        }
    }
}

/// What came back.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
    /// How long it took.
    pub time: Duration,
    /// Until when the server's certificate is good, if it came by https.
    pub certificate: Option<Timestamp>,
}

impl Answer {
    /// The value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Whether a front says that nobody behind it answered.
    pub(crate) fn is_from_a_front_alone(&self) -> bool {
        matches!(self.status, 502..=504)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nothing listens there.
    Refused,
    /// The connection was closed or reset before the answer was complete.
    Closed,
    /// The name does not resolve; the resolver's words.
    Name(String),
    /// Not within this time.
    Timeout(Duration),
    /// TLS did not come about; the library's words.
    Certificate(String),
    /// What came back is not HTTP.
    NotHttp(String),
    /// The body is larger than this many bytes.
    TooLarge(usize),
    /// Anything else, in the words of the library.
    Other(String),
}

impl NoAnswer {
    /// The words for people.
    pub fn message(&self) -> String {
        match self {
            Self::Refused => "connection refused".to_owned(),
            Self::Closed => "the connection was closed before an answer was complete".to_owned(),
            Self::Name(words) => format!("the host's name does not resolve: {words}"),
            Self::Timeout(limit) => format!("no complete answer within {}", seconds(*limit)),
            Self::Certificate(words) => format!("TLS failed: {words}"),
            Self::NotHttp(words) => format!("the answer is not HTTP: {words}"),
            Self::TooLarge(limit) => format!("the body is larger than {} KiB", limit / 1024),
            Self::Other(words) => words.clone(),
        }
    }
}

/// A duration as people write it.
pub(crate) fn seconds(time: Duration) -> String {
    let rounded = (time.as_secs_f64() * 10.0).round() / 10.0;
    format!("{rounded} s")
}

impl<'a> Connections<'a> {
    /// Connections to be made as the options say; none is made yet.
    pub fn new(options: &'a Options) -> Self {
        Self { options, clients: Vec::new() }
    }

    /// Asks and reads the whole answer. Redirects are not followed.
    ///
    /// # Errors
    /// Why there is no answer, and how long it took to find that out.
    pub async fn send(&mut self, request: Request<'_>) -> Result<Answer, (NoAnswer, Duration)> {
        let limit = request.limit;
        let max_body = self.options.max_body;
        let (client, moved) = match self.client(request.url) {
            Ok(found) => found,
            Err(no_answer) => return Err((no_answer, Duration::ZERO)),
        };
        let start = Instant::now();
        let answer = async {
            let mut response = prepare(&client, moved, request).send().await.map_err(|e| explain(&e))?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|e| explain(&e))? {
                if body.len() + chunk.len() > max_body {
                    // Whoever throttles is heard, however much they say.
                    if response.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
                        break;
                    }
                    return Err(NoAnswer::TooLarge(max_body));
                }
                body.extend_from_slice(&chunk);
            }
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let tls = response.extensions().get::<reqwest::tls::TlsInfo>();
            let certificate = tls.and_then(|tls| tls.peer_certificate()).and_then(certificate::not_after);
            Ok(Answer { status, headers, body, time: start.elapsed(), certificate })
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|no_answer| (no_answer, start.elapsed())),
            Err(_) => Err((NoAnswer::Timeout(limit), start.elapsed())),
        }
    }

    /// Begins to ask. What comes of it has no end in view, and what is open ends when it is dropped.
    ///
    /// # Errors
    /// Why nothing can be asked.
    pub(crate) fn begin(&mut self, request: Request<'_>) -> Result<Asked, NoAnswer> {
        let (client, moved) = self.client(request.url)?;
        Ok(Box::pin(prepare(&client, moved, request).send()))
    }

    /// Where connections for a URL go instead, if the options say so.
    fn override_of(&self, url: &Url) -> Option<SocketAddr> {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        self.options.resolve.iter().find(|resolve| resolve.matches(host, port)).map(|resolve| resolve.to)
    }

    /// Who is asked, in words: the host of a URL, and the proxy by which it is asked.
    pub(crate) fn way(&self, url: &Url) -> String {
        let proxy = match self.override_of(url) {
            Some(_) => None,
            None => self.options.proxies.for_url(url).ok().flatten(),
        };
        match proxy {
            Some(proxy) => format!("{} by the proxy {}", authority(url), authority(&proxy)),
            None => authority(url),
        }
    }

    /// The client for a URL, and whether an override decides where it connects to.
    fn client(&mut self, url: &Url) -> Result<(Client, bool), NoAnswer> {
        let origin = url.origin();
        if let Some((_, client, moved)) = self.clients.iter().find(|(known, ..)| *known == origin) {
            return Ok((client.clone(), *moved));
        }
        let tls = match url.scheme() {
            "https" => self.options.tls.config().map_err(|error| NoAnswer::Certificate(error.to_string()))?,
            _ => Tls::unused(),
        };
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .tls_info(true)
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("argocd-oidc-lab-probe/", env!("CARGO_PKG_VERSION")));
        let to = self.override_of(url);
        if let Some(to) = to {
            builder = builder.resolve(url.host_str().unwrap_or_default(), to);
        } else if let Some(proxy) = self.options.proxies.for_url(url).map_err(NoAnswer::Other)? {
            let proxy = proxy::of_client(&proxy).map_err(|error| NoAnswer::Other(words(&error)))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| NoAnswer::Other(words(&error)))?;
        self.clients.push((origin, client.clone(), to.is_some()));
        Ok((client, to.is_some()))
    }
}

fn prepare(client: &Client, moved: bool, request: Request<'_>) -> reqwest::RequestBuilder {
    let method = if request.form.is_some() { Method::POST } else { Method::GET };
    let mut url = request.url.clone();
    if moved {
        // A port in the URL would be used instead of the override's. The server still has to hear what
        // the URL said.
        let _ = url.set_port(None);
    }
    let mut builder = client.request(method, url);
    if moved {
        builder = builder.header(HOST, authority(request.url));
    }
    builder = builder.header(ACCEPT, request.accept.header());
    if let Some(cookies) = request.cookies {
        builder = builder.header(COOKIE, cookies);
    }
    if let Some((user, password)) = request.basic {
        builder = builder.basic_auth(user, Some(password));
    }
    if let Some(token) = request.bearer {
        builder = builder.bearer_auth(token);
    }
    if let Some(form) = request.form {
        if request.from_page {
            builder = builder.header(ORIGIN, request.url.origin().ascii_serialization());
        }
        builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned());
    }
    builder
}

/// The value of a parameter in a query, or in a form that is encoded like one.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Host, and port if it is not the scheme's own.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Finds out what an error of the client is about.
pub(crate) fn explain(error: &reqwest::Error) -> NoAnswer {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    let mut chain = Vec::new();
    while let Some(error) = source {
        if let Some(no_answer) = explain_one(error) {
            return no_answer;
        }
        chain.push(error.to_string());
        source = error.source();
    }
    let all = chain.join(": ").to_ascii_lowercase();
    let last = chain.last().cloned().unwrap_or_default();
    if all.contains("dns error") {
        return NoAnswer::Name(last);
    }
    if all.contains("connection closed") || all.contains("end of file") || all.contains("unexpected eof") {
        return NoAnswer::Closed;
    }
    if error.is_connect() || !(error.is_request() || error.is_body() || error.is_decode()) {
        return NoAnswer::Other(last);
    }
    match all.contains("invalid") || all.contains("parse") || all.contains("too large") {
        true => NoAnswer::NotHttp(last),
        false => NoAnswer::Other(last),
    }
}

fn explain_one(error: &(dyn Error + 'static)) -> Option<NoAnswer> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(NoAnswer::Certificate(tls.to_string()));
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    // What an I/O error wraps is not its source, so it has to be asked for by itself.
    if let Some(inner) = io.get_ref()
        && let Some(no_answer) = explain_one(inner)
    {
        return Some(no_answer);
    }
    match io.kind() {
        ErrorKind::ConnectionRefused => Some(NoAnswer::Refused),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Some(NoAnswer::Closed),
        _ => None,
    }
}

/// The innermost words of an error: the outer ones repeat the URL, which may hold secrets.
fn words(error: &reqwest::Error) -> String {
    let mut source: &dyn Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
