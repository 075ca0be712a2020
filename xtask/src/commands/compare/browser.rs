//! A browser of a few lines, for what the probe has no words for: paths as they stand,
//! forms in other encodings, cookies that were kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::diff::{Answer, of_answer};
use crate::names::{ARGOCD_HOST, DEX_HOST, PASSWORD, USER};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Asks a lab's ingress, on a connection of its own each time, and keeps cookies by host.
pub struct Browser {
    ingress: SocketAddr,
    cookies: BTreeMap<(String, String), String>,
    answers: Vec<Answer>,
}

/// The usual type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A form: its type and its text.
pub type Form<'a> = (&'a str, String);

/// What came back, or nothing of it.
#[derive(Default)]
pub struct Page {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Page {
    /// Whether these words stand in it.
    pub fn says(&self, words: &str) -> bool {
        self.body.contains(words)
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }
}

impl Browser {
    /// One without cookies.
    pub fn new(ingress: SocketAddr) -> Self {
        Self { ingress, cookies: BTreeMap::new(), answers: vec![] }
    }

    /// What was answered so far.
    pub fn answers(self) -> Vec<Answer> {
        self.answers
    }

    /// The cookies that it has now.
    pub fn cookies(&mut self) -> &mut BTreeMap<(String, String), String> {
        &mut self.cookies
    }

    /// Asks for a path as it stands, and keeps the answer under a name.
    pub async fn ask(&mut self, name: &str, host: &str, target: &str, form: Option<Form<'_>>) -> Page {
        let asked = tokio::time::timeout(LIMIT, self.send(host, target, form)).await;
        let page = match asked.map_err(|_| "no answer in time".to_owned()).and_then(|page| page) {
            Ok(page) => page,
            Err(status) => {
                self.answers.push(Answer { at: name.into(), status, ..Answer::default() });
                return Page::default();
            }
        };
        let headers = page.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.answers.push(of_answer(name, page.status, headers, &page.body));
        page
    }

    /// HTTP/1.0 has no chunks: the answer ends with the connection.
    async fn send(&mut self, host: &str, target: &str, form: Option<Form<'_>>) -> Result<Page, String> {
        let words = |error: std::io::Error| error.to_string();
        let cookies = self.cookies.iter().filter(|((of, _), _)| of == host);
        let cookies: Vec<String> = cookies.map(|((_, name), value)| format!("{name}={value}")).collect();
        let method = if form.is_some() { "POST" } else { "GET" };
        let mut request = format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n");
        if !cookies.is_empty() {
            request.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        if let Some((kind, body)) = &form {
            request.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(form.as_ref().map_or("", |(_, body)| body));
        let mut stream = TcpStream::connect(self.ingress).await.map_err(words)?;
        stream.write_all(request.as_bytes()).await.map_err(words)?;
        let mut answer = vec![];
        stream.take(MOST_BYTES).read_to_end(&mut answer).await.map_err(words)?;
        let page = parse(&String::from_utf8_lossy(&answer)).ok_or("no HTTP came back")?;
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let pair = cookie.split(';').next().and_then(|pair| pair.split_once('='));
            let Some((name, value)) = pair else { continue };
            let key = (host.to_owned(), name.to_owned());
            match value.is_empty() {
                true => self.cookies.remove(&key),
                false => self.cookies.insert(key, value.to_owned()),
            };
        }
        Ok(page)
    }

    /// From Argo CD's button to the path of Dex's form. What is answered on the way is
    /// held against each other elsewhere.
    async fn find_form(&mut self) -> String {
        let seen = self.answers.len();
        let start = format!("/auth/login?return_url=http%3A%2F%2F{ARGOCD_HOST}%2F");
        let mut to = self.ask("login", ARGOCD_HOST, &start, None).await.header("location").to_owned();
        for _ in 0..2 {
            let target = to.strip_prefix(&format!("http://{DEX_HOST}")).unwrap_or(&to).to_owned();
            to = self.ask("authorize", DEX_HOST, &target, None).await.header("location").to_owned();
        }
        self.answers.truncate(seen);
        to
    }

    /// Sends a form of this type to Dex, in a login of its own, and keeps the answer. Gives
    /// where it leads.
    pub async fn send_form(&mut self, name: &str, kind: &str, body: &str) -> String {
        let form = self.find_form().await;
        let page = self.ask(name, DEX_HOST, &form, Some((kind, body.to_owned()))).await;
        page.header("location").to_owned()
    }

    /// Logs in as the lab's user.
    pub async fn log_in(&mut self) {
        let body = format!("login={}&password={PASSWORD}", USER.replace('@', "%40"));
        let to = self.send_form("form", FORM, &body).await;
        let target = to.strip_prefix(&format!("http://{ARGOCD_HOST}")).unwrap_or(&to).to_owned();
        self.ask("callback", ARGOCD_HOST, &target, None).await;
    }
}

fn parse(answer: &str) -> Option<Page> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Some(Page { status, headers, body: body.to_owned() })
}

/// A form as `multipart/form-data`: its type and its text.
pub fn multipart(fields: &[(&str, &str)]) -> (&'static str, String) {
    let part = |(name, value): &(&str, &str)| {
        format!("--a-boundary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts: String = fields.iter().map(part).collect();
    ("multipart/form-data; boundary=a-boundary", format!("{parts}--a-boundary--\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let page =
            parse("HTTP/1.1 303 See Other\r\nLocation: /a:b\r\nSet-Cookie: x=y; Path=/\r\n\r\nbody").unwrap();
        assert_eq!((page.status, page.header("location"), page.body.as_str()), (303, "/a:b", "body"));
        assert!(parse("SSH-2.0\r\n\r\n").is_none() && parse("").is_none());
    }
}
