//! One connection: reads requests, answers them in order, passes news on.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::commands::{Client, answer};
use super::resp::{self, Reply};
use super::state::Server;

/// Replies are written out when they have grown to this.
const WRITE: usize = 64 * 1024;

/// Talks until the client goes, breaks the protocol, or cannot follow.
///
/// # Errors
/// The client's own: it went away.
pub(super) async fn talk(server: &Server, id: u64, mut stream: TcpStream) -> io::Result<()> {
    let mut client = Client::new(server, id);
    let mut input = BytesMut::new();
    loop {
        // What came in one piece is answered in one piece.
        let mut output = vec![];
        loop {
            match resp::request(&mut input) {
                Ok(Some(words)) => answer(&mut client, &words).write(client.protocol, &mut output),
                Ok(None) => break,
                Err(why) => {
                    Reply::Error(format!("ERR Protocol error: {why}")).write(client.protocol, &mut output);
                    stream.write_all(&output).await?;
                    return stream.shutdown().await;
                }
            }
            if output.len() > WRITE {
                stream.write_all(&output).await?;
                output.clear();
            }
        }
        stream.write_all(&output).await?;
        let told = async {
            match &mut client.news {
                Some(news) => news.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
            told = told => {
                // None: it has left too much unread and was cut off.
                let Some(told) = told else { return Ok(()) };
                let mut output = vec![];
                told.write(client.protocol, &mut output);
                stream.write_all(&output).await?;
            }
        }
    }
}
