//! Bodies on their way through: counted one way, timed the other.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use local_cluster::serve::Body;

/// A request's body, up to a limit.
pub(super) struct Upload {
    body: Option<Incoming>,
    left: u64,
    too_large: Arc<AtomicBool>,
}

impl Upload {
    /// Passes `body` on up to `limit` bytes; sets `too_large` and breaks off beyond.
    pub(super) fn new(body: Incoming, limit: u64, too_large: Arc<AtomicBool>) -> Self {
        Self { body: Some(body), left: limit, too_large }
    }

    /// The body, if nothing of it was passed on.
    pub(super) fn into_incoming(self) -> Option<Incoming> {
        self.body
    }

    /// No body.
    pub(super) fn none() -> Self {
        Self { body: None, left: 0, too_large: Arc::default() }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(left) = self.left.checked_sub(length) else {
            self.too_large.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(io::Error::other("the request body is too large"))));
        };
        self.left = left;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

/// A response's body, which must not fall silent for longer than a time.
pub(super) struct Download {
    body: Incoming,
    silence: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl Download {
    /// Passes `body` on, and breaks off after `silence`.
    pub(super) fn boxed(body: Incoming, silence: Duration) -> Body {
        let deadline = Box::pin(tokio::time::sleep(silence));
        Self { body, silence, deadline }.boxed()
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let next = Instant::now() + self.silence;
            self.deadline.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
