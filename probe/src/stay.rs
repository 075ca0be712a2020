//! Stays on Argo CD's page of applications after a login, as a browser tab does: with one request that
//! does not end.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::http::authority;
use crate::login::{Attempt, Failure, below};
use crate::options::Options;

/// How long the first byte of the answer is waited for. A server may have nothing to say for hours.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// A page that stays open until it is dropped.
#[derive(Debug)]
pub struct Page {
    _stream: TcpStream,
}

/// Why no page is open.
#[derive(Debug)]
pub enum NotOpen {
    /// The login did not pass.
    Login(Failure),
    /// The connection for the page could not be made or used.
    Connection(io::Error),
}

/// Logs in and opens the stream that the page of applications listens to. Only for an Argo CD that is
/// asked by plain http at an address that [`Options::resolve`] gives.
///
/// # Errors
/// [`NotOpen`].
pub async fn open_page(options: &Options) -> Result<Page, NotOpen> {
    let mut attempt = Attempt::new(options);
    attempt.run().await.map_err(NotOpen::Login)?;
    let url = below(&options.argocd, "api/v1/stream/applications");
    let port = url.port_or_known_default().unwrap_or(80);
    let host = url.host_str().unwrap_or_default();
    let to = options.resolve.iter().find(|resolve| resolve.matches(host, port)).map(|it| it.to);
    let unusable = || io::Error::new(io::ErrorKind::Unsupported, "no plain http address is given for it");
    let to = to.filter(|_| url.scheme() == "http").ok_or_else(|| NotOpen::Connection(unusable()))?;
    let cookies = attempt.cookies(&url, Timestamp::now()).unwrap_or_default();
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nCookie: {cookies}\r\nAccept: text/event-stream\r\n\r\n",
        url.path(),
        authority(&url)
    );
    let open = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut first = [0; 1024];
        match tokio::time::timeout(FIRST_WORD, stream.read(&mut first)).await {
            // It is open and has nothing to say yet.
            Err(_) => Ok(stream),
            Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed at once")),
            Ok(Ok(read)) if first[..read].starts_with(b"HTTP/1.1 200") => Ok(stream),
            Ok(Ok(read)) => {
                let line = String::from_utf8_lossy(&first[..read]);
                let line = line.lines().next().unwrap_or_default().to_owned();
                Err(io::Error::other(format!("it was answered {line}")))
            }
            Ok(Err(error)) => Err(error),
        }
    };
    open.await.map(|stream| Page { _stream: stream }).map_err(NotOpen::Connection)
}
