//! Bodies on their way through: counted one way, timed the other.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;

use local_cluster::serve::Body;

/// A request's body on its way to a server.
pub(super) type Upload = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Passes `body` on up to `limit` bytes, and breaks off beyond.
pub(super) fn upload(body: Incoming, limit: usize) -> Upload {
    Limited::new(body, limit).boxed_unsync()
}

/// No body.
pub(super) fn nothing() -> Upload {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Whether a request was broken off because its body is too large.
pub(super) fn is_too_large(error: &hyper::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<LengthLimitError>())
}

/// Passes a response's body on, and breaks off when nothing of it comes for as long as `silence`.
pub(super) fn download(body: Incoming, silence: Duration) -> Body {
    let frames = stream::unfold(body, move |mut body| async move {
        let frame = match tokio::time::timeout(silence, body.frame()).await {
            Ok(frame) => frame?.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        Some((frame, body))
    });
    BodyExt::boxed(StreamBody::new(frames))
}
