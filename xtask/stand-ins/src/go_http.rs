//! Go's net/http, as far as a client sees it: both programs that are stood in for
//! are written in Go, and clients see its redirects, error bodies and encodings.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};

use local_cluster::serve::{Response, empty, full};

/// Plain text, as `http.Error` names it.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// A page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
/// JSON.
pub(crate) const JSON: &str = "application/json";

/// Random bytes from the system. The lab cannot do anything useful without them,
/// so their absence ends the request, not the process.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; N];
    ring::rand::SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// So many characters of an alphabet, each as likely as another.
pub(crate) fn random_text(alphabet: &[u8], length: usize) -> Option<String> {
    // The most multiples of its length that fit into a byte.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = random::<32>()?.map(usize::from);
        let letters = bytes.iter().filter(|byte| **byte < fair).map(|byte| alphabet[byte % alphabet.len()]);
        text.extend(letters.take(length - text.len()).map(char::from));
    }
    Some(text)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes behind hexadecimal text.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    bytes.collect::<Option<_>>().filter(|_| digits)
}

/// A response with a body and its type. `Content-Length` stands right behind the
/// type; what is added later follows.
pub(crate) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response {
    let body = body.into();
    let length = body.len();
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A response without a body, of which nothing is said but the status.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

/// JSON with 200.
pub(crate) fn json(body: &impl serde::Serialize) -> Response {
    // What is serialised here are maps with string keys, which cannot fail.
    let body = serde_json::to_vec(body).unwrap_or_default();
    reply(StatusCode::OK, JSON, body)
}

/// Adds a header whose value may hold anything; a value that no header can hold
/// is left out.
pub(crate) fn with(mut response: Response, name: HeaderName, value: impl AsRef<str>) -> Response {
    if let Ok(value) = HeaderValue::from_bytes(value.as_ref().as_bytes()) {
        response.headers_mut().append(name, value);
    }
    response
}

/// As `http.Error`: the text, a newline, and no sniffing.
pub(crate) fn error(status: StatusCode, text: impl AsRef<str>) -> Response {
    let response = reply(status, TEXT, format!("{}\n", text.as_ref()));
    with(response, http::header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// As `http.NotFound`.
pub(crate) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// As `http.Redirect`: a GET gets a short page with the link, anything else nothing.
pub(crate) fn redirect(method: &Method, status: StatusCode, to: &str) -> Response {
    // Go escapes what is not ASCII; what no header can hold must not get that far.
    let location: String = to
        .bytes()
        .map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let Ok(value) = HeaderValue::try_from(&location) else {
        return error(StatusCode::BAD_REQUEST, "invalid redirect");
    };
    let mut response = if *method == Method::GET || *method == Method::HEAD {
        let name = status.canonical_reason().unwrap_or_default();
        reply(status, HTML, format!("<a href=\"{}\">{name}</a>.\n\n", escape_html(to)))
    } else {
        with(bare(status), CONTENT_LENGTH, "0")
    };
    response.headers_mut().insert(LOCATION, value);
    response
}

/// On a response whose handler named no type: Go finds one out by looking at the body.
#[derive(Clone)]
struct Sniffed;

/// Marks a response as one whose type Go would have found out by itself.
pub(crate) fn sniffed(mut response: Response) -> Response {
    response.extensions_mut().insert(Sniffed);
    response
}

/// Puts headers in the order in which Go's server writes them: what the handler set by
/// its name, then what the server adds, the length first and then a type that it found
/// out.
pub(crate) fn in_go_order(mut response: Response) -> Response {
    let sniffed = response.extensions().get::<Sniffed>().is_some();
    let all = std::mem::take(response.headers_mut());
    let rank = |name: &HeaderName| match name {
        _ if name == CONTENT_LENGTH => 1,
        _ if name == CONTENT_TYPE && sniffed => 2,
        _ => 0,
    };
    let mut names: Vec<&HeaderName> = all.keys().collect();
    names.sort_by_key(|name| (rank(name), name.as_str()));
    let headers = response.headers_mut();
    for name in names {
        for value in all.get_all(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    response
}

/// The clean path that Go's router sends a client to instead of this one; `None` if it is
/// clean: no `//`, no `.` and no `..` in it.
pub(crate) fn unclean(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut clean = clean(path);
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

/// As `path.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = vec![];
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".into(),
        (false, path) => path,
    }
}

/// As `html.EscapeString`.
pub(crate) fn escape_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&#34;").replace('\'', "&#39;")
}

/// As `url.QueryEscape`.
pub(crate) fn query_escape(text: &str) -> String {
    let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    // Browsers and Go differ in these two.
    escaped.replace('*', "%2A").replace("%7E", "~")
}

/// As `url.QueryUnescape`; `None` for a broken escape. Bytes that are no UTF-8
/// become replacement characters.
pub(crate) fn query_unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (pair, tail) = rest.split_at_checked(2)?;
                bytes.extend(unhex(std::str::from_utf8(pair).ok()?)?);
                rest = tail;
            }
            byte => bytes.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Values of a query or a form, in the order they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Vec<(String, String)>);

impl Values {
    /// Reads what can be read of `a=b&c=d`, and says whether that is all: Go's `FormValue` and
    /// `Query` go on with what its parser has, whatever error that reports.
    pub(crate) fn parse(text: &str) -> (Self, bool) {
        let (mut values, mut whole) = (vec![], true);
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match (query_unescape(key), query_unescape(value)) {
                (Some(key), Some(value)) if !part.contains(';') => values.push((key, value)),
                _ => whole = false,
            }
        }
        (Self(values), whole)
    }

    /// The first value of a key, or nothing.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, key: &str, value: &str) {
        self.0.push((key.to_owned(), value.to_owned()));
    }

    /// Puts values of another set behind those of this one.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    /// As `url.Values.Encode`: sorted by key.
    pub(crate) fn encode(&self) -> String {
        let mut values: Vec<_> = self.0.iter().collect();
        values.sort_by(|(left, _), (right, _)| left.cmp(right));
        let parts: Vec<_> = values
            .iter()
            .map(|(key, value)| format!("{}={}", query_escape(key), query_escape(value)))
            .collect();
        parts.join("&")
    }
}

/// A URL with values added to its query (sorted with those that it has).
pub(crate) fn with_query(url: &str, values: Values) -> String {
    let (url, fragment) = url.split_once('#').map_or((url, ""), |(url, fragment)| (url, fragment));
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut all, _) = Values::parse(query);
    all.extend(values);
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    format!("{base}?{}{fragment}", all.encode())
}

/// As `%q` for a list of strings: `["a" "b"]`.
pub(crate) fn quoted_list(items: &[&str]) -> String {
    format!("[{}]", items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(" "))
}

/// As `%q`: a Go string literal.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(c)))
            }
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_written_as_go_does() {
        let (values, whole) = Values::parse("b=2&a=x+y%26z&a=~*'&c");
        assert!(whole);
        assert_eq!(values.get("a"), "x y&z");
        assert_eq!(values.get("none"), "");
        assert_eq!(values.encode(), "a=x+y%26z&a=~%2A%27&b=2&c=");
        for broken in ["a=%", "a=%zz", "a;b", "%f=1"] {
            assert!(!Values::parse(broken).1, "{broken}");
        }
        let (read, whole) = Values::parse("a=%zz&b=2");
        assert_eq!((read.get("a"), read.get("b"), whole), ("", "2", false));
    }

    #[test]
    fn a_redirect_answers_get_with_a_link_and_post_with_nothing() {
        let get = redirect(&Method::GET, StatusCode::FOUND, "/a?b=1&c=\"ü");
        assert_eq!(get.headers()[LOCATION], "/a?b=1&c=\"%C3%BC");
        assert_eq!(get.headers()[CONTENT_TYPE], HTML);
        let post = redirect(&Method::POST, StatusCode::SEE_OTHER, "/");
        assert_eq!(post.headers()[CONTENT_LENGTH], "0");
        assert!(!post.headers().contains_key(CONTENT_TYPE));
        assert_eq!(redirect(&Method::GET, StatusCode::FOUND, "/\r\nX: y").status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn paths_are_cleaned_as_gos_router_does() {
        for (path, clean) in [
            ("//auth/login", Some("/auth/login")),
            ("/auth/../auth/login", Some("/auth/login")),
            ("/../x/.", Some("/x")),
            ("/a//", Some("/a/")),
            ("//", Some("/")),
            ("*", None),
            ("/", None),
            ("/a/", None),
            ("/a/..b/%2e%2e/c", None),
        ] {
            assert_eq!(unclean(path).as_deref(), clean, "{path}");
        }
    }

    #[test]
    fn headers_stand_in_the_order_of_gos_server() {
        let names = |response: &Response| -> Vec<String> {
            response.headers().keys().map(|name| name.as_str().to_owned()).collect()
        };
        let response = with(error(StatusCode::NOT_FOUND, "x"), http::header::SET_COOKIE, "a=b");
        assert_eq!(
            names(&in_go_order(response)),
            ["content-type", "set-cookie", "x-content-type-options", "content-length"]
        );
        let found_out = sniffed(reply(StatusCode::OK, TEXT, "ok"));
        assert_eq!(names(&in_go_order(found_out)), ["content-length", "content-type"]);
    }

    #[test]
    fn queries_are_added_in_order_of_their_keys() {
        let mut values = Values::default();
        values.add("state", "s");
        values.add("code", "c");
        assert_eq!(with_query("http://h/p?x=1#f", values.clone()), "http://h/p?code=c&state=s&x=1#f");
        assert_eq!(with_query("http://h/p", values), "http://h/p?code=c&state=s");
    }

    #[test]
    fn quotes_as_go_literals() {
        assert_eq!(quote("a\"b\\c\n\u{1}"), r#""a\"b\\c\n\x01""#);
        assert_eq!(quoted_list(&["openid", "x"]), r#"["openid" "x"]"#);
        assert_eq!(unhex("0aFf"), Some(vec![10, 255]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("+f"), None);
    }
}
