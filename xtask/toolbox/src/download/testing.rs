//! A server on loopback for tests: it answers as sites for downloads do, and
//! misbehaves in every way that a test asks for.
//!
//! What it does not simulate: TLS, HTTP/2, keep-alive (each answer closes its
//! connection, as its faults need), and the signed URLs that real redirects lead to.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "shared by tests that each use a part")]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
    /// Nothing more comes after so many bytes of the body, until the client is gone.
    pub stall: Option<usize>,
    /// Nothing comes before this gate is open.
    pub gate: Option<Gate>,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, body: format!("status {status}\n").into_bytes(), ..Self::default() }
    }

    pub fn redirect(to: &str) -> Self {
        Self::status(302).header("location", to)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }

    pub fn stall(mut self, after: usize) -> Self {
        self.stall = Some(after);
        self
    }

    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }
}

/// A file as GitHub's storage and the registries serve it: with an ETag, and ranges.
pub fn file(request: &Request, bytes: &[u8], etag: &str) -> Answer {
    let start = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .filter(|_| request.header("if-range").is_none_or(|wanted| wanted == etag));
    let answer = match start {
        Some(start) if start >= bytes.len() => {
            Answer::status(416).header("content-range", &format!("bytes */{}", bytes.len()))
        }
        Some(start) => Answer { status: 206, ..Answer::ok(&bytes[start..]) }
            .header("content-range", &format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())),
        None => Answer::ok(bytes),
    };
    answer.header("etag", etag).header("content-type", "application/octet-stream")
}

/// Holds an answer back until a test says so.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn wait(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// The server. Dropping it ends it.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, requests: Arc::default(), stopped: Arc::default() };
        let (requests, stopped) = (server.requests.clone(), server.stopped.clone());
        let handler: Arc<Handler> = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (requests, handler) = (requests.clone(), handler.clone());
                thread::spawn(move || {
                    // A client that goes away is what some tests are about.
                    let _ = serve(stream, &requests, &*handler);
                });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Methods and paths of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, handler: &Handler) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let mut request = Request { method, path, ..Request::default() };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    requests.lock().unwrap().push(request.clone());
    let answer = handler(&request);
    if let Some(gate) = &answer.gate {
        gate.wait();
    }
    let mut stream = reader.into_inner();
    let mut head = format!("HTTP/1.1 {} answer\r\nconnection: close\r\n", answer.status);
    if !answer.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let end = answer.cut.or(answer.stall).unwrap_or(usize::MAX).min(answer.body.len());
    stream.write_all(&answer.body[..end])?;
    stream.flush()?;
    if answer.stall.is_some() {
        // Ends when the client closes the connection.
        let _ = stream.read(&mut [0])?;
    }
    Ok(())
}
