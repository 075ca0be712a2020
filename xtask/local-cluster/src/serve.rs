//! Serving HTTP with limits: what all servers of the lab share.
//!
//! A connection that sends garbage, sends too much, or sends nothing costs one
//! task until its limit and then goes. Nothing here knows what is served.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CONNECTION, HeaderMap, HeaderName};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A response body: bytes at hand, or a stream.
pub type Body = BoxBody<Bytes, io::Error>;
/// A request as it comes from the wire.
pub type Request = http::Request<Incoming>;
/// A response on its way to the wire.
pub type Response = http::Response<Body>;

/// What one client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until the TLS handshake is done, and from the first byte of a request (or
    /// the end of the one before) to the end of its headers.
    pub header_time: Duration,
    /// Bytes of a request line with its headers.
    pub header_bytes: usize,
    /// From the end of the headers to the end of the body.
    pub body_time: Duration,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long open requests may go on after the server was told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_time: Duration::from_secs(10),
            header_bytes: 64 * 1024,
            body_time: Duration::from_secs(10),
            body_bytes: 3 * 1024 * 1024,
            connections: 512,
            grace: Duration::from_secs(2),
        }
    }
}

/// Where connections come from.
pub trait Accept: Send + Sync + 'static {
    /// The next connection; `None` when there will be no more. Dropping the future loses
    /// none.
    fn accept(&self) -> impl Future<Output = Option<io::Result<(TcpStream, SocketAddr)>>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        Some(Self::accept(self).await)
    }
}

/// Answers requests. Cloned for each connection and each request.
pub trait Handler: Clone + Send + Sync + 'static {
    /// The handler for the requests of a connection that was just accepted, for one
    /// that keeps something as long as a connection lasts.
    fn connection(&self) -> Self {
        self.clone()
    }

    /// The answer to one request from `peer`.
    fn handle(&self, peer: SocketAddr, request: Request) -> impl Future<Output = Response> + Send;
}

/// What answers the requests of one connection.
type Answer = Box<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A body of bytes at hand.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// No body.
pub fn empty() -> Body {
    full(Bytes::new())
}

/// A response of plain text, as Go's `http.Error` writes it but without its
/// `X-Content-Type-Options`.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// A message's headers in their order, without those of its one connection, which no proxy
/// passes on.
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const OF_A_CONNECTION: [&str; 9] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named = headers.get_all(CONNECTION).iter().filter_map(|it| it.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|it| it.split(',')).filter_map(|it| it.trim().parse().ok()).collect();
    let others =
        headers.iter().filter(|(name, _)| !OF_A_CONNECTION.contains(&name.as_str()) && !named.contains(name));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Why a request body could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the limit (413).
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not come in time (408).
    #[error("the request body did not arrive in time")]
    TooSlow,
    /// The connection broke, or the body's framing is wrong (400).
    #[error("the request body ended early")]
    Broken,
}

impl BodyError {
    /// The status that says it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a whole body within the limits.
///
/// # Errors
/// [`BodyError`], with the status to answer.
pub async fn read_body<B>(body: B, limits: &Limits) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // One that says beforehand that it is too long is not waited for.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > limits.body_bytes) {
        return Err(BodyError::TooLarge(limits.body_bytes));
    }
    let collected = Limited::new(body, limits.body_bytes).collect();
    match tokio::time::timeout(limits.body_time, collected).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(BodyError::TooLarge(limits.body_bytes))
        }
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

/// Reads on and throws away, within the limits once more: a client that is still
/// writing when the connection closes may never see its answer.
pub async fn drain<B>(mut body: B, limits: &Limits)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut left = limits.body_bytes;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    // Whoever writes for longer has had time to look.
    let _ = tokio::time::timeout(limits.body_time, reading).await;
}

/// Accepts connections until `stop` or until there are no more, then lets open requests
/// end within [`Limits::grace`], and returns when the last connection is closed.
///
/// Several calls may share one listener: each connection then goes to whichever
/// of them takes it, as with two servers on one socket.
pub async fn serve(
    listener: Arc<impl Accept>,
    tls: Option<TlsAcceptor>,
    handler: impl Handler,
    limits: Limits,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    // Ends what outlives the grace, and everything if this future is dropped: a server
    // that was killed answers nobody.
    let abort = CancellationToken::new();
    let _killed = abort.clone().drop_guard();
    loop {
        let accept = async {
            let slot = slots.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await?, slot))
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept => accepted,
        };
        let Some((accepted, slot)) = accepted else { break };
        let Ok((stream, peer)) = accepted else {
            drop(slot);
            // Out of file descriptors, most likely: accepting again at once would spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small and written whole; waiting to fill a segment only costs.
        let _ = stream.set_nodelay(true);
        let handler = handler.connection();
        let answer: Answer = Box::new(move |request| {
            let handler = handler.clone();
            async move { handler.handle(peer, request).await }.boxed()
        });
        let serving = connection(stream, tls.clone(), answer, limits, stop.clone());
        let abort = abort.clone();
        tasks.spawn(async move {
            let _slot = slot;
            abort.run_until_cancelled(serving).await;
        });
    }
    // Unless somebody else serves on it, the port refuses connections from here on,
    // rather than taking those that nobody will answer.
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
        abort.cancel();
        tasks.wait().await;
    }
}

/// Without parameters for handlers and streams: the code of hyper's server is large, and is there once.
async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    answer: Answer,
    limits: Limits,
    stop: CancellationToken,
) {
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => match tokio::time::timeout(limits.header_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => Box::new(stream),
            _ => return,
        },
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .title_case_headers(true)
        // A response that came through a proxy keeps its names as they were sent.
        .preserve_header_case(true)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| answer(request).map(Ok::<_, Infallible>)),
        )
        .with_upgrades();
    tokio::pin!(connection);
    // An error here is the client's: it went away, or spoke no HTTP and has its 400.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_loses_the_headers_of_its_connection_and_keeps_its_order() {
        let message = [
            ("connection", "close, x-secret-hop"),
            ("date", "d"),
            ("x-secret-hop", "1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("transfer-encoding", "chunked"),
            ("location", "/x"),
        ];
        let headers = message.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers = end_to_end(&HeaderMap::from_iter(headers));
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["date", "set-cookie", "location"]);
        assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    }
}
