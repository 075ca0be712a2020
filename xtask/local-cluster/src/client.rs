//! Connections to the servers of this machine.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::body::Body;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Opens a connection. Headers are sent as their names are known to have been written, or else
/// in title case, as Go writes them.
///
/// # Errors
/// Nobody takes it; the words are Go's.
pub async fn connect<B>(address: SocketAddr) -> io::Result<SendRequest<B>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let dialled = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            io::ErrorKind::ConnectionReset => "connect: connection reset by peer".to_owned(),
            _ => error.to_string(),
        };
        io::Error::new(error.kind(), format!("dial tcp {address}: {why}"))
    };
    let stream = TcpStream::connect(address).await.map_err(dialled)?;
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new();
    builder.title_case_headers(true).preserve_header_case(true);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends when the sender and the last answer are dropped, or the server closes.
    tokio::spawn(connection);
    Ok(sender)
}
