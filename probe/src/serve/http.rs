//! The exporter's side of HTTP: few addresses, small requests, and nobody who keeps a connection by being slow.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::exporter::{Exporter, NotTold};
use super::metrics;

/// The most connections at a time; further ones wait to be taken.
const CONNECTIONS: usize = 512;

/// How long a client may take for the head of its request, the idle time before it included.
const HEAD: Duration = Duration::from_secs(10);

/// The longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// How long what runs may take to end once the exporter is told to.
const LAST: Duration = Duration::from_secs(1);

/// Where Prometheus says how long it waits.
const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const OLD_WORDS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

const HELP: &str = "probe serve: logins to Argo CD as metrics\n\
    /probe?target=URL&module=NAME  log in to an Argo CD that the file of modules names\n\
    /metrics                       the exporter itself\n\
    /-/healthy                     whether it runs\n\
    /-/reload                      POST: read the file of modules anew\n";

type Reply = Response<Full<Bytes>>;

/// Serves until `stop` resolves; then what runs has a second to end.
pub(super) async fn serve(listener: TcpListener, exporter: Arc<Exporter>, stop: impl Future<Output = ()>) {
    let (stopped, stopping) = watch::channel(());
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accept = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            () = &mut stop => break,
            accepted = accept => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: accepting again at once would spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (exporter, stopping) = (Arc::clone(&exporter), stopping.clone());
        connections.spawn(async move {
            let _slot = slot;
            connection(stream, exporter, stopping).await;
        });
    }
    drop((listener, stopped));
    // Whoever does not end in time ends with the program, which keeps nothing.
    let _ = tokio::time::timeout(LAST, async { while connections.join_next().await.is_some() {} }).await;
}

async fn connection(stream: TcpStream, exporter: Arc<Exporter>, mut stopping: watch::Receiver<()>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let exporter = Arc::clone(&exporter);
        async move { Ok::<_, Infallible>(answer(&exporter, &request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        // One answer fits into what the system holds for the client: nobody keeps a connection by not reading.
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    // An error is the client's: it went away, or speaks no HTTP.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = stopping.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn answer(exporter: &Exporter, request: &Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let allowed = if path == "/-/reload" { Method::POST } else { Method::GET };
    match path {
        "/" | "/probe" | "/metrics" | "/-/healthy" | "/-/reload" if *request.method() != allowed => {
            let mut reply =
                said(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} is asked by {allowed} alone\n"));
            if let Ok(allowed) = allowed.as_str().parse() {
                reply.headers_mut().insert(ALLOW, allowed);
            }
            reply
        }
        "/" => said(StatusCode::OK, HELP),
        "/probe" => {
            let limit = request.headers().get(TIMEOUT).and_then(|limit| limit.to_str().ok()?.parse().ok());
            let query = request.uri().query().unwrap_or_default();
            match exporter.probe(query, limit).await {
                Ok(text) => told(request.headers(), text),
                Err(NotTold::Rejected(why)) => said(StatusCode::BAD_REQUEST, &format!("{why}\n")),
                Err(NotTold::Busy(why)) => said(StatusCode::SERVICE_UNAVAILABLE, &format!("{why}\n")),
            }
        }
        "/metrics" => told(request.headers(), exporter.metrics()),
        "/-/healthy" => said(StatusCode::OK, "healthy\n"),
        "/-/reload" => match exporter.reload() {
            Ok(what) => said(StatusCode::OK, &format!("{what}\n")),
            Err(why) => said(StatusCode::INTERNAL_SERVER_ERROR, &format!("{why}\n")),
        },
        _ => said(StatusCode::NOT_FOUND, HELP),
    }
}

/// Metrics, in the words that were asked for.
fn told(headers: &HeaderMap, text: String) -> Reply {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match accepts.contains("application/openmetrics-text") {
        true => reply(StatusCode::OK, OPEN_METRICS, text),
        false => reply(StatusCode::OK, OLD_WORDS, metrics::in_old_words(&text)),
    }
}

fn said(status: StatusCode, text: &str) -> Reply {
    reply(status, PLAIN, text.to_owned())
}

fn reply(status: StatusCode, kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    reply
}
