//! What comes after `101 Switching Protocols`: bytes both ways, until they stop.

use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

/// Joins a client and a server until both are done, one breaks off, or neither says
/// anything for `silence`, as nginx does it with websockets.
pub(super) async fn join(client: OnUpgrade, server: OnUpgrade, silence: Duration) {
    let (Ok(client), Ok(server)) = tokio::join!(client, server) else { return };
    let (from_client, to_client) = tokio::io::split(TokioIo::new(client));
    let (from_server, to_server) = tokio::io::split(TokioIo::new(server));
    let (said, mut heard) = tokio::sync::watch::channel(());
    let both =
        async { tokio::join!(pass(from_client, to_server, &said), pass(from_server, to_client, &said)) };
    let quiet = async { while tokio::time::timeout(silence, heard.changed()).await.is_ok() {} };
    tokio::select! {
        _ = both => {}
        () = quiet => {}
    }
}

type Io = TokioIo<Upgraded>;

async fn pass(mut from: ReadHalf<Io>, mut to: WriteHalf<Io>, said: &tokio::sync::watch::Sender<()>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        said.send_replace(());
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
