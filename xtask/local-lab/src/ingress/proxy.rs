//! One request passed on to a server, and its answer passed back.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, Method, StatusCode, Uri};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::SendRequest;

use super::body::{Download, Upload};
use super::headers::{self, Way};
use super::pages::{Refusal, page};
use super::settings::{Settings, head_length};
use super::upstream::{Upstreams, connect};
use local_cluster::routes::Gone;
use local_cluster::serve::{Request, Response};

/// A request on its way.
pub(super) struct Exchange<'a> {
    settings: &'a Settings,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// How the client wrote the names of its headers.
    spelling: Extensions,
    /// Until it is sent.
    body: Option<Incoming>,
    /// It may be sent again: it changes nothing and has no body.
    harmless: bool,
    too_large: Arc<AtomicBool>,
}

/// What came of one try.
enum Tried {
    Answered(http::Response<Incoming>),
    /// Nothing was sent, or nothing that cannot be sent again.
    Again(StatusCode),
    Failed(StatusCode),
}

impl<'a> Exchange<'a> {
    pub(super) fn new(request: Request, way: &Way<'_>, settings: &'a Settings) -> Self {
        let (parts, body) = request.into_parts();
        let headers = headers::to_server(&parts.headers, way);
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self {
            settings,
            harmless: parts.method.is_idempotent() && body.is_end_stream(),
            method: parts.method,
            uri: Uri::from(path),
            headers,
            spelling: parts.extensions,
            body: Some(body),
            too_large: Arc::default(),
        }
    }

    /// Asks one server after the other, as `next` names them, until one answers.
    pub(super) async fn run(
        &mut self,
        upstreams: &Upstreams,
        mut next: impl FnMut() -> Result<(SocketAddr, Option<Gone>), Refusal>,
    ) -> Response {
        let mut failed = StatusCode::BAD_GATEWAY;
        for _ in 0..self.settings.tries {
            let tried = match next() {
                Ok((_, Some(Gone::Hangs))) => {
                    tokio::time::sleep(self.settings.connect).await;
                    Tried::Again(StatusCode::GATEWAY_TIMEOUT)
                }
                Ok((_, Some(Gone::Answers502))) => Tried::Failed(StatusCode::BAD_GATEWAY),
                Ok((address, Some(Gone::Refuses) | None)) => self.attempt(upstreams, address).await,
                Err(refusal) => return refusal.answer(),
            };
            match tried {
                Tried::Answered(response) => return self.answer(response),
                Tried::Again(status) => failed = status,
                Tried::Failed(status) => return page(status),
            }
        }
        page(failed)
    }

    async fn attempt(&mut self, upstreams: &Upstreams, address: SocketAddr) -> Tried {
        if let Some(sender) = upstreams.reuse(address).await {
            match self.send(upstreams, address, sender).await {
                // The server closed it meanwhile, as it may.
                Tried::Again(_) => {}
                tried => return tried,
            }
        }
        match connect(address, self.settings.connect).await {
            Ok(sender) => self.send(upstreams, address, sender).await,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Tried::Again(StatusCode::GATEWAY_TIMEOUT)
            }
            Err(_) => Tried::Again(StatusCode::BAD_GATEWAY),
        }
    }

    async fn send(
        &mut self,
        upstreams: &Upstreams,
        address: SocketAddr,
        mut sender: SendRequest<Upload>,
    ) -> Tried {
        let body = match self.body.take() {
            Some(body) => Upload::new(body, self.settings.body_bytes, self.too_large.clone()),
            None if self.harmless => Upload::none(),
            None => return Tried::Failed(StatusCode::BAD_GATEWAY),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.spelling.clone();
        let answer = tokio::time::timeout(self.settings.silence, sender.try_send_request(request)).await;
        let error = match answer {
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
        if self.too_large.load(Ordering::Relaxed) {
            return Tried::Failed(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let mut error = error;
        match error.take_message() {
            // Not a byte of it has left.
            Some(unsent) => {
                self.body = unsent.into_body().into_incoming();
                Tried::Again(StatusCode::BAD_GATEWAY)
            }
            None if self.harmless => Tried::Again(StatusCode::BAD_GATEWAY),
            None => Tried::Failed(StatusCode::BAD_GATEWAY),
        }
    }

    fn answer(&self, server: http::Response<Incoming>) -> Response {
        let (parts, body) = server.into_parts();
        // Nobody has asked it for another protocol.
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return page(StatusCode::BAD_GATEWAY);
        }
        let mut response = Response::new(Download::boxed(body, self.settings.silence));
        *response.status_mut() = parts.status;
        *response.headers_mut() = headers::to_client(&parts.headers);
        *response.extensions_mut() = parts.extensions;
        response
    }
}
