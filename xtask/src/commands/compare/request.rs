//! One request, its path as it stands: what the probe has no words for.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::diff::{Answer, of_answer};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// What a request has besides host and path.
#[derive(Clone, Copy, Debug)]
pub enum More<'a> {
    /// Nothing.
    Nothing,
    /// A cookie, `name=value`.
    Cookie(&'a str),
    /// A form, and so POST.
    Form(&'a str),
}

/// Asks a lab's ingress, and calls the answer by `name`.
pub async fn ask(ingress: SocketAddr, name: &str, host: &str, target: &str, more: More<'_>) -> Answer {
    let (method, more) = match more {
        More::Nothing => ("GET", "\r\n".to_owned()),
        More::Cookie(cookie) => ("GET", format!("Cookie: {cookie}\r\n\r\n")),
        More::Form(form) => {
            let (kind, length) = ("application/x-www-form-urlencoded", form.len());
            ("POST", format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{form}"))
        }
    };
    // HTTP/1.0 has no chunks: the answer ends with the connection.
    let request = format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n{more}");
    let asked = async {
        let mut stream = TcpStream::connect(ingress).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![];
        stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let nothing = |status: &str| Answer { at: name.into(), status: status.into(), ..Answer::default() };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(answer)) => parse(name, &answer).unwrap_or_else(|| nothing("no HTTP came back")),
        Ok(Err(error)) => nothing(&error.to_string()),
        Err(_) => nothing("no answer in time"),
    }
}

fn parse(name: &str, answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    Some(of_answer(name, status, headers.map(|(name, value)| (name, value.trim())), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = parse("a", "HTTP/1.1 303 See Other\r\nLocation: /a:b\r\nX: y\r\n\r\nbody").unwrap();
        let headers =
            [("location", "/a:b"), ("x", "y")].map(|(name, value)| (name.into(), value.into())).into();
        assert_eq!((answer.status.as_str(), answer.body.as_str()), ("303", "body"));
        assert_eq!(answer.headers, headers);
        assert!(parse("a", "SSH-2.0\r\n\r\n").is_none() && parse("a", "").is_none());
    }
}
