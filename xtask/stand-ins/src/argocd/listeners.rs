//! Listeners that do what a listener of argocd-server does when settings change: one
//! that several servers accept from, and one that is closed under its server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use base::mutex::lock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::go_http::random;
use local_cluster::serve::Accept;

/// A listener from which several servers accept, each with a clone.
///
/// In argocd-server it is a race between threads: whichever gets the socket's lock
/// takes the next connection. The real one wins by streaks (v2.12.1 on two cores:
/// five logins in a row on average went to the same server); tokio wakes whoever
/// has waited longest, and that would always be the same. So here a coin is tossed
/// for each connection, among those who wait for one.
pub(super) struct SharedListener {
    listener: TcpListener,
    /// Who has it takes the next connection.
    turn: Semaphore,
    /// A clone is with everybody who waits for a connection.
    waiting: Arc<()>,
}

impl SharedListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, turn: Semaphore::new(1), waiting: Arc::default() }
    }
}

impl Accept for SharedListener {
    async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let _waiting = self.waiting.clone();
        loop {
            let turn = self.turn.acquire().await.ok()?;
            let others = Arc::strong_count(&self.waiting) > 2;
            if others && random::<1>().is_some_and(|[byte]| byte & 1 == 1) {
                // The turn goes to whoever has waited longest for it.
                drop(turn);
                tokio::task::yield_now().await;
                continue;
            }
            return Some(self.listener.accept().await);
        }
    }
}

/// A listener that can be closed while its server goes on: nobody is accepted any
/// more, and what was accepted is served.
pub(super) struct ClosableListener {
    listener: Mutex<Option<TcpListener>>,
    closed: CancellationToken,
}

impl ClosableListener {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener: Mutex::new(Some(listener)), closed: CancellationToken::new() }
    }

    /// Closes it: from here on the port refuses connections.
    pub(super) fn close(&self) {
        lock(&self.listener).take();
        self.closed.cancel();
    }
}

impl Accept for ClosableListener {
    async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
        let accepting = std::future::poll_fn(|context| {
            lock(&self.listener).as_ref().map_or(Poll::Pending, |listener| listener.poll_accept(context))
        });
        tokio::select! {
            () = self.closed.cancelled() => None,
            accepted = accepting => Some(accepted),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use local_cluster::serve::{Handler, Limits, Request, Response, serve, text};

    #[derive(Clone)]
    struct Site;

    impl Handler for Site {
        async fn handle(&self, _peer: SocketAddr, _request: Request) -> Response {
            text(http::StatusCode::OK, "site")
        }
    }

    async fn ask(stream: &mut TcpStream) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![];
        while !answer.ends_with(b"site") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn a_server_whose_listener_is_closed_ends_with_its_last_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Arc::new(ClosableListener::new(listener));
        let limits = Limits { grace: std::time::Duration::MAX, ..Limits::default() };
        let mut server = tokio::spawn(serve(listener.clone(), None, Site, limits, CancellationToken::new()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        ask(&mut stream).await;
        listener.close();
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        ask(&mut stream).await;
        assert!(!server.is_finished());
        drop(stream);
        tokio::time::timeout(std::time::Duration::from_secs(20), &mut server).await.unwrap().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_of_those_who_wait_gets_his_share() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(SharedListener::new(listener));
        let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
        for server in 0..3 {
            let (shared, sender) = (shared.clone(), sender.clone());
            tokio::spawn(async move {
                while let Some(Ok((stream, _))) = shared.accept().await {
                    sender.send((server, stream)).unwrap();
                }
            });
        }
        let mut counts = [0; 3];
        for _ in 0..300 {
            let _client = TcpStream::connect(address).await.unwrap();
            counts[taken.recv().await.unwrap().0] += 1;
        }
        // A hundred each, if all were waiting all the time; a busy machine keeps some from it.
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    }
}
