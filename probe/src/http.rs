//! One request, one answer: fresh connections for each login, no redirect followed by itself, and limits
//! on size and time.

use std::borrow::Cow;
use std::error::Error;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, ORIGIN, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Method, Response, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower::Service as _;
use url::{Origin, Position, Url};

use crate::certificate;
use crate::options::Options;

/// How this program calls itself.
const NAME: &str = concat!("argocd-oidc-lab-probe/", env!("CARGO_PKG_VERSION"));

/// The connections of one login: one for each scheme, host and port that it meets.
pub struct Connections<'a> {
    options: &'a Options,
    /// Those that may carry another request.
    open: Vec<(Origin, Open)>,
}

/// A connection to a server.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Until when the server's certificate is good, where there is one.
    certificate: Option<Timestamp>,
}

/// Bytes to and fro, by TCP or by TLS above it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

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
        Self { options, open: Vec::new() }
    }

    /// Asks and reads the whole answer. Redirects are not followed.
    ///
    /// # Errors
    /// Why there is no answer, and how long it took to find that out.
    pub async fn send(&mut self, request: Request<'_>) -> Result<Answer, (NoAnswer, Duration)> {
        let limit = request.limit;
        let max_body = self.options.max_body;
        let start = Instant::now();
        let answer = async {
            let (response, certificate) = self.ask(&request).await?;
            let (head, mut rest) = response.into_parts();
            let mut body = Vec::new();
            while let Some(frame) = rest.frame().await {
                let chunk = frame.map_err(|error| explain(&error))?.into_data().unwrap_or_default();
                if body.len() + chunk.len() > max_body {
                    // Whoever throttles is heard, however much they say.
                    if head.status == StatusCode::TOO_MANY_REQUESTS {
                        break;
                    }
                    return Err(NoAnswer::TooLarge(max_body));
                }
                body.extend_from_slice(&chunk);
            }
            let (status, headers) = (head.status.as_u16(), head.headers);
            Ok(Answer { status, headers, body, time: start.elapsed(), certificate })
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|no_answer| (no_answer, start.elapsed())),
            Err(_) => Err((NoAnswer::Timeout(limit), start.elapsed())),
        }
    }

    /// Asks, on the connection that is open or on a new one; gives the head of the answer, and until when the server's
    /// certificate is good. The body ends, and with it the connection, when the answer is dropped.
    pub(crate) async fn ask(
        &mut self,
        request: &Request<'_>,
    ) -> Result<(Response<Incoming>, Option<Timestamp>), NoAnswer> {
        let url = request.url;
        let (to, proxy) = self.way_to(url)?;
        let mut message = prepare(request, proxy.as_ref())?;
        let known = self.open.iter().position(|(known, _)| *known == url.origin());
        if let Some(mut open) = known.map(|at| self.open.swap_remove(at).1)
            && open.sender.ready().await.is_ok()
        {
            match open.sender.try_send_request(message).await {
                Ok(response) => return Ok((response, self.keep(url, open))),
                Err(mut error) => match error.take_message() {
                    // The server closed it before it heard of this request.
                    Some(unsent) => message = unsent,
                    None => return Err(explain(error.error())),
                },
            }
        }
        let mut open = self.connect(url, to, proxy.as_ref()).await?;
        let response = open.sender.send_request(message).await.map_err(|error| explain(&error))?;
        Ok((response, self.keep(url, open)))
    }

    fn keep(&mut self, url: &Url, open: Open) -> Option<Timestamp> {
        let certificate = open.certificate;
        self.open.push((url.origin(), open));
        certificate
    }

    /// Where connections for a URL go instead, if the options say so; else the proxy by which it is asked, if there is
    /// one.
    fn way_to(&self, url: &Url) -> Result<(Option<SocketAddr>, Option<Url>), NoAnswer> {
        let (host, port) =
            (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
        match self.options.resolve.iter().find(|resolve| resolve.matches(host, port)) {
            Some(resolve) => Ok((Some(resolve.to), None)),
            None => Ok((None, self.options.proxies.for_url(url).map_err(NoAnswer::Other)?)),
        }
    }

    /// Who is asked, in words: the host of a URL, and the proxy by which it is asked.
    pub(crate) fn way(&self, url: &Url) -> String {
        match self.way_to(url) {
            Ok((_, Some(proxy))) => format!("{} by the proxy {}", authority(url), authority(&proxy)),
            _ => authority(url),
        }
    }

    async fn connect(
        &self,
        url: &Url,
        to: Option<SocketAddr>,
        proxy: Option<&Url>,
    ) -> Result<Open, NoAnswer> {
        let first = proxy.unwrap_or(url);
        let address = match to {
            Some(to) => to.to_string(),
            None => with_port(first),
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let address = format!("http://{address}").parse().map_err(|_| NoAnswer::Name(authority(first)))?;
        let stream = connector.call(address).await.map_err(|error| explain(&error))?.into_inner();
        let (mut stream, mut certificate): (Box<dyn Stream>, _) = (Box::new(stream), None);
        if let Some(proxy) = proxy {
            if proxy.scheme() == "https" {
                (stream, _) = self.secure(stream, proxy).await?;
            }
            if url.scheme() == "https" {
                stream = tunnel(stream, url, proxy).await?;
            }
        }
        if url.scheme() == "https" {
            (stream, certificate) = self.secure(stream, url).await?;
        }
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
        // What goes wrong there, the request hears.
        tokio::spawn(connection);
        Ok(Open { sender, certificate })
    }

    /// TLS above a stream; gives until when the server's certificate is good, too.
    async fn secure(
        &self,
        stream: Box<dyn Stream>,
        url: &Url,
    ) -> Result<(Box<dyn Stream>, Option<Timestamp>), NoAnswer> {
        let config = self.options.tls.config().map_err(|error| NoAnswer::Certificate(error.to_string()))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| NoAnswer::Certificate(error.to_string()))?;
        let stream =
            TlsConnector::from(config).connect(name, stream).await.map_err(|error| explain(&error))?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = certificate.and_then(|it| certificate::not_after(it));
        Ok((Box::new(stream), certificate))
    }
}

/// Asks a proxy for a way to a server, which is then spoken to as if it were at the other end.
async fn tunnel(stream: Box<dyn Stream>, url: &Url, proxy: &Url) -> Result<Box<dyn Stream>, NoAnswer> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| explain(&error))?;
    tokio::spawn(connection.with_upgrades());
    let server = with_port(url);
    let mut request = hyper::Request::connect(&server).header(HOST, &server).header(USER_AGENT, NAME);
    if let Some(credentials) = credentials_of(proxy) {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| NoAnswer::Other(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| explain(&error))?;
    if !response.status().is_success() {
        return Err(NoAnswer::Other(format!(
            "the proxy answers {} and makes no way there",
            response.status()
        )));
    }
    let stream = hyper::upgrade::on(response).await.map_err(|error| explain(&error))?;
    Ok(Box::new(TokioIo::new(stream)))
}

/// The request as it is sent. A proxy that passes plain http on hears the whole address.
fn prepare(request: &Request<'_>, proxy: Option<&Url>) -> Result<hyper::Request<Full<Bytes>>, NoAnswer> {
    let url = request.url;
    let by_proxy = proxy.filter(|_| url.scheme() == "http");
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let target = match by_proxy {
        Some(_) => Cow::Owned(format!("http://{}{target}", authority(url))),
        None => Cow::Borrowed(target),
    };
    let method = if request.form.is_some() { Method::POST } else { Method::GET };
    let mut head = hyper::Request::builder()
        .method(method)
        .uri(&*target)
        .header(HOST, authority(url))
        .header(USER_AGENT, NAME)
        .header(ACCEPT, request.accept.header());
    if let Some(cookies) = &request.cookies {
        head = head.header(COOKIE, cookies);
    }
    let authorization = match (request.bearer, request.basic) {
        (Some(token), _) => Some(format!("Bearer {token}")),
        (None, Some((user, password))) => Some(basic(&format!("{user}:{password}"))),
        (None, None) => credentials_of(url),
    };
    if let Some(authorization) = authorization {
        head = head.header(AUTHORIZATION, authorization);
    }
    if let Some(credentials) = by_proxy.and_then(credentials_of) {
        head = head.header(PROXY_AUTHORIZATION, credentials);
    }
    if request.form.is_some() {
        if request.from_page {
            head = head.header(ORIGIN, url.origin().ascii_serialization());
        }
        head = head.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    let form = Full::from(request.form.unwrap_or_default().to_owned());
    head.body(form).map_err(|error| NoAnswer::Other(error.to_string()))
}

/// The header for basic authentication by the user and password that stand in an address.
fn credentials_of(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| {
        let text = format!("it={}", text.replace('+', "%2B").replace('&', "%26"));
        parameter(&text, "it").unwrap_or_default()
    };
    Some(basic(&format!("{}:{}", plain(url.username()), plain(url.password().unwrap_or_default()))))
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

/// Host and port, whether it is the scheme's own or not.
fn with_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
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

/// Finds out what an error of a connection is about.
fn explain(error: &(dyn Error + 'static)) -> NoAnswer {
    let mut source = Some(error);
    let mut chain = Vec::new();
    while let Some(error) = source {
        if let Some(no_answer) = explain_one(error) {
            return no_answer;
        }
        chain.push(error.to_string());
        source = error.source();
    }
    let all = chain.join(": ").to_ascii_lowercase();
    let last = chain.pop().unwrap_or_default();
    if all.contains("dns error") {
        return NoAnswer::Name(last);
    }
    if all.contains("connection closed") || all.contains("end of file") || all.contains("unexpected eof") {
        return NoAnswer::Closed;
    }
    match error.is::<hyper::Error>()
        && ["invalid", "parse", "too large"].iter().any(|word| all.contains(word))
    {
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
