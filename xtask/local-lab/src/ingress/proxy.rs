//! One request passed on to a server, and its answer passed back. Bodies are counted one way, and timed the other.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::mutex::lock;
use bytes::Bytes;
use futures::stream;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::SendRequest;

use super::headers::{Way, to_server};
use super::pages::Refusal;
use super::settings::{Settings, head_length};
use local_cluster::client::connect;
use local_cluster::routes::Gone;
use local_cluster::serve::{Body, Request, Response, end_to_end};

/// A request's body on its way to a server.
type Upload = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The connections to servers that belong to one connection of a client.
///
/// nginx keeps its connections to servers for whoever comes next, so a client with a
/// new connection may be led onto an old one. A server whose connections are answered
/// by different handlers then looks as if it had only one of them. Here, what a client
/// asks on one connection goes to a server on one connection, and nobody else's.
#[derive(Clone, Default)]
pub(super) struct Upstreams {
    open: Arc<Mutex<HashMap<SocketAddr, SendRequest<Upload>>>>,
}

impl Upstreams {
    /// The connection to `address` that this client's connection has used before, if it
    /// is still good.
    async fn reuse(&self, address: SocketAddr) -> Option<SendRequest<Upload>> {
        let mut sender = lock(&self.open).remove(&address)?;
        // The answer before has been passed on to its end, or this fails.
        sender.ready().await.ok()?;
        Some(sender)
    }

    /// Keeps a connection for this client's next request.
    fn keep(&self, address: SocketAddr, sender: SendRequest<Upload>) {
        if !sender.is_closed() {
            lock(&self.open).insert(address, sender);
        }
    }
}

/// A request on its way.
pub(super) struct Exchange {
    settings: Settings,
    /// All but the body, and how the client wrote the names of its headers.
    head: Parts,
    /// Until it is sent.
    body: Option<Upload>,
    /// It may be sent again: it changes nothing and has no body.
    harmless: bool,
}

/// What came of one try.
enum Tried {
    Answered(http::Response<Incoming>),
    /// Nothing was sent, or nothing that cannot be sent again.
    Again(StatusCode),
    Failed(StatusCode),
}

impl Exchange {
    pub(super) fn new(request: Request, way: &Way<'_>, settings: Settings) -> Self {
        let (mut head, body) = request.into_parts();
        head.headers = to_server(&head.headers, way);
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        head.uri = Uri::from(path);
        head.version = Version::HTTP_11;
        let harmless = head.method.is_idempotent() && body.is_end_stream();
        Self { settings, head, body: Some(Limited::new(body, settings.body_bytes).boxed_unsync()), harmless }
    }

    /// Asks one server after the other, as `next` names them, until one answers.
    pub(super) async fn run(
        &mut self,
        upstreams: &Upstreams,
        mut next: impl FnMut() -> Result<(SocketAddr, Option<Gone>), Refusal>,
    ) -> Result<Response, Refusal> {
        let mut failed = StatusCode::BAD_GATEWAY;
        for _ in 0..self.settings.tries {
            let (address, gone) = next()?;
            let tried = match gone {
                Some(Gone::Hangs) => {
                    tokio::time::sleep(self.settings.connect).await;
                    Tried::Again(StatusCode::GATEWAY_TIMEOUT)
                }
                Some(Gone::Answers502) => Tried::Failed(StatusCode::BAD_GATEWAY),
                Some(Gone::Refuses) | None => self.attempt(upstreams, address).await,
            };
            match tried {
                Tried::Answered(response) => return self.answer(response),
                Tried::Again(status) => failed = status,
                Tried::Failed(status) => return Err(Refusal::Page(status)),
            }
        }
        Err(Refusal::Page(failed))
    }

    async fn attempt(&mut self, upstreams: &Upstreams, address: SocketAddr) -> Tried {
        if let Some(sender) = upstreams.reuse(address).await {
            match self.send(upstreams, address, sender).await {
                // The server closed it meanwhile, as it may.
                Tried::Again(_) => {}
                tried => return tried,
            }
        }
        match tokio::time::timeout(self.settings.connect, connect(address)).await {
            Ok(Ok(sender)) => self.send(upstreams, address, sender).await,
            Ok(Err(_)) => Tried::Again(StatusCode::BAD_GATEWAY),
            Err(_) => Tried::Again(StatusCode::GATEWAY_TIMEOUT),
        }
    }

    async fn send(
        &mut self,
        upstreams: &Upstreams,
        address: SocketAddr,
        mut sender: SendRequest<Upload>,
    ) -> Tried {
        let body = match self.body.take() {
            Some(body) => body,
            None if self.harmless => Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync(),
            None => return Tried::Failed(StatusCode::BAD_GATEWAY),
        };
        let request = http::Request::from_parts(self.head.clone(), body);
        let answer = tokio::time::timeout(self.settings.silence, sender.try_send_request(request)).await;
        let mut error = match answer {
            // nginx' log says of it: upstream sent too big header.
            Ok(Ok(response)) if head_length(&response) > self.settings.answer_header => {
                return Tried::Failed(StatusCode::BAD_GATEWAY);
            }
            Ok(Ok(response)) => {
                upstreams.keep(address, sender);
                return Tried::Answered(response);
            }
            Ok(Err(error)) => error,
            Err(_) => return Tried::Failed(StatusCode::GATEWAY_TIMEOUT),
        };
        if is_too_large(error.error()) {
            return Tried::Failed(StatusCode::PAYLOAD_TOO_LARGE);
        }
        match error.take_message() {
            // Not a byte of it has left.
            Some(unsent) => {
                self.body = Some(unsent.into_body());
                Tried::Again(StatusCode::BAD_GATEWAY)
            }
            None if self.harmless => Tried::Again(StatusCode::BAD_GATEWAY),
            None => Tried::Failed(StatusCode::BAD_GATEWAY),
        }
    }

    fn answer(&self, server: http::Response<Incoming>) -> Result<Response, Refusal> {
        let (mut parts, body) = server.into_parts();
        // Nobody has asked it for another protocol.
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::Page(StatusCode::BAD_GATEWAY));
        }
        parts.headers = end_to_end(&parts.headers);
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, download(body, self.settings.silence)))
    }
}

/// Whether a request was broken off because its body is too large.
fn is_too_large(error: &hyper::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<LengthLimitError>())
}

/// Passes a response's body on, and breaks off when nothing of it comes for as long as `silence`.
fn download(body: Incoming, silence: Duration) -> Body {
    let frames = stream::unfold(body, move |mut body| async move {
        let frame = match tokio::time::timeout(silence, body.frame()).await {
            Ok(frame) => frame?.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((frame, body))
    });
    BodyExt::boxed(StreamBody::new(frames))
}
