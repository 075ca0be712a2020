//! HTTP/1.1 as far as a test needs it, including the ways to get it wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Which connection it came on.
    pub connection: usize,
}

/// What is sent back, and how.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Normal,
    /// The body comes in pieces with a pause after each.
    Slow(Duration),
    /// Nothing comes, and the connection stays open.
    Hang,
    /// The connection ends before the answer.
    Close,
    /// The body is everything that is sent.
    Raw,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn host(&self) -> &str {
        self.header("host").unwrap_or_default()
    }

    /// Also of a target with its scheme and host, as a proxy gets it.
    pub fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap_or(path)
    }

    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        decode(self.query(), name)
    }

    pub fn field(&self, name: &str) -> Option<String> {
        decode(&self.body, name)
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        let pairs = self.header("cookie")?.split("; ").filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    }
}

fn decode(pairs: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(pairs.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: &str) -> Self {
        let mut headers = Vec::new();
        if !content_type.is_empty() {
            headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        }
        Self { status, headers, body: body.as_bytes().to_vec(), manner: Manner::Normal }
    }

    /// An error of a Go server.
    pub fn plain(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body).header("X-Content-Type-Options", "nosniff")
    }

    pub fn json(body: &str) -> Self {
        Self::new(200, "application/json", body)
    }

    pub fn page(body: &str) -> Self {
        Self::new(200, "text/html; charset=utf-8", body)
    }

    pub fn redirect(to: &str) -> Self {
        Self::new(302, "", "").header("Location", to)
    }

    pub fn hang() -> Self {
        Self { manner: Manner::Hang, ..Self::new(200, "", "") }
    }

    pub fn close() -> Self {
        Self { manner: Manner::Close, ..Self::new(200, "", "") }
    }

    pub fn raw(bytes: &[u8]) -> Self {
        Self { manner: Manner::Raw, body: bytes.to_vec(), ..Self::new(200, "", "") }
    }

    pub fn slow(self, pause: Duration) -> Self {
        Self { manner: Manner::Slow(pause), ..self }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Serves one connection until it ends.
pub(super) fn serve(stream: impl Read + Write, connection: usize, respond: impl Fn(&Request) -> Reply) {
    let mut reader = BufReader::new(stream);
    while let Some(mut request) = read(&mut reader) {
        request.connection = connection;
        if write(reader.get_mut(), &respond(&request)).is_none() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut request = Request { method, target, headers, body: String::new(), connection: 0 };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

/// None when the connection is over.
fn write(stream: &mut (impl Read + Write), reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    match reply.manner {
        Manner::Normal => {
            stream.write_all(&[head.as_bytes(), &reply.body].concat()).ok()?;
            stream.flush().ok()
        }
        Manner::Slow(pause) => {
            stream.write_all(head.as_bytes()).ok()?;
            reply.body.chunks(16).try_for_each(|piece| {
                std::thread::sleep(pause);
                stream.write_all(piece).ok()?;
                stream.flush().ok()
            })
        }
        Manner::Hang => {
            // Returns when the client has gone.
            let _ = stream.read(&mut [0]);
            None
        }
        Manner::Close => None,
        Manner::Raw => {
            let _ = stream.write_all(&reply.body);
            None
        }
    }
}
