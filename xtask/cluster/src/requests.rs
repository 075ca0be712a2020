//! Tells of every request to the cluster's API and how it was answered: method, path and
//! status, never a body, in which a secret may stand.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use kube::client::Body;
use tower::{Layer, Service};

/// Hears a line about each request.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// Puts the observer before a client's service.
pub struct Observed(pub Observer);

impl<S> Layer<S> for Observed {
    type Service = Observing<S>;

    fn layer(&self, inner: S) -> Observing<S> {
        Observing { inner, observer: self.0.clone() }
    }
}

/// A service whose requests are told of.
#[derive(Clone)]
pub struct Observing<S> {
    inner: S,
    observer: Observer,
}

impl<S, B> Service<http::Request<Body>> for Observing<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let asked = format!("{} {}", request.method(), request.uri());
        let observer = self.observer.clone();
        let since = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let status =
                answer.as_ref().map_or("no answer".to_owned(), |it| it.status().as_u16().to_string());
            observer(&format!("    cluster: {asked} -> {status} ({} ms)", since.elapsed().as_millis()));
            answer
        })
    }
}
