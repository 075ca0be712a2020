//! nginx' limits, with ingress-nginx' values, and where somebody overrides them.
//!
//! As ingress-nginx has it: the controller's ConfigMap is for everything, an annotation
//! for its Ingress alone, and what cannot be read overrides nothing. How large a request's
//! headers may be is the controller's business only, because they are read before
//! anybody knows whose they are.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;

use super::pages::Refusal;
use local_cluster::store::object;

/// The controller's ConfigMap, as its chart names it.
pub(super) const CONFIG_MAP: (&str, &str) = ("ingress", "ingress-nginx-controller");

/// What nginx calls `proxy_connect_timeout`, `proxy_read_timeout`,
/// `client_max_body_size`, `proxy_next_upstream_tries`, `proxy_buffer_size`, and the
/// buffers of a request's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) connect: Duration,
    pub(super) silence: Duration,
    pub(super) body_bytes: usize,
    pub(super) tries: u32,
    pub(super) answer_header: usize,
    pub(super) buffers: Buffers,
    /// Whether http is sent to https where there is TLS.
    pub(super) ssl_redirect: bool,
}

/// `client_header_buffer_size` and `large_client_header_buffers`: a line that does not
/// fit into what is left of one buffer is put into the next, and has to fit in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffers {
    first: usize,
    number: usize,
    size: usize,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(60),
        body_bytes: 1024 * 1024,
        tries: 3,
        answer_header: 4 * 1024,
        buffers: Buffers { first: 1024, number: 4, size: 8 * 1024 },
        ssl_redirect: true,
    };

    /// As the controller's ConfigMap changes them.
    pub(super) fn by_controller(self, config: &Value) -> Self {
        let get = |name: &str| config["data"][name].as_str();
        let mut buffers = self.buffers;
        if let Some(first) = get("client-header-buffer-size").and_then(bytes) {
            buffers.first = first;
        }
        let large = get("large-client-header-buffers").and_then(|text| {
            let (number, size) = text.trim().split_once(' ')?;
            Some((number.parse().ok()?, bytes(size)?))
        });
        if let Some((number, size)) = large {
            buffers = Buffers { number, size, ..buffers };
        }
        Self { buffers, ..self.by_anybody(get) }
    }

    /// As the annotations of an Ingress change them.
    pub(super) fn by_ingress(self, ingress: &Value) -> Self {
        self.by_anybody(|name| object::annotation(ingress, &format!("nginx.ingress.kubernetes.io/{name}")))
    }

    fn by_anybody<'a>(self, get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let seconds = get("proxy-connect-timeout").and_then(|text| text.trim().parse::<u16>().ok());
        Self {
            connect: seconds.map_or(self.connect, |seconds| Duration::from_secs(seconds.into())),
            answer_header: get("proxy-buffer-size").and_then(bytes).unwrap_or(self.answer_header),
            ssl_redirect: get("ssl-redirect").and_then(|it| it.parse().ok()).unwrap_or(self.ssl_redirect),
            ..self
        }
    }
}

/// A size as nginx writes it: `4096`, `8k`, `1m`.
fn bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, unit) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1024),
        'm' | 'M' => (&text[..text.len() - 1], 1024 * 1024),
        _ => (text, 1),
    };
    if !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|it| *it > 0)
}

impl Buffers {
    /// Refuses a request whose head does not fit.
    pub(super) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let first = method.as_str().len() + path.len() + " HTTP/1.1\r\n".len() + 1;
        if first > self.first.max(self.size) {
            return Err(Refusal::Page(StatusCode::URI_TOO_LONG));
        }
        let (mut left, mut taken) = (self.first, 0);
        for line in std::iter::once(first).chain(lines(headers)) {
            if line <= left {
                left -= line;
                continue;
            }
            taken += 1;
            if line > self.size || taken > self.number {
                return Err(Refusal::HeaderTooLarge);
            }
            left = self.size - line;
        }
        Ok(())
    }
}

/// The lengths of headers' lines.
fn lines(headers: &HeaderMap) -> impl Iterator<Item = usize> {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
}

/// How long the head of an answer is, as servers write it.
pub(super) fn head_length<B>(answer: &http::Response<B>) -> usize {
    let reason = answer.status().canonical_reason().unwrap_or_default();
    "HTTP/1.1 200 \r\n".len() + reason.len() + lines(answer.headers()).sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_read_as_nginx_does() {
        for (text, expected) in [
            ("4096", Some(4096)),
            ("8k", Some(8192)),
            (" 128K ", Some(131_072)),
            ("1m", Some(1_048_576)),
            ("0", None),
            ("", None),
            ("k", None),
            ("-1k", None),
            ("+1k", None),
            ("8kb", None),
            ("99999999999999999999m", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_ingress_has_the_last_word_where_it_has_one() {
        let controller = Settings::DEFAULT.by_controller(&json!({"data": {
            "proxy-buffer-size": "16k", "proxy-connect-timeout": "1", "large-client-header-buffers": "8 32k",
        }}));
        let annotated = |name: &str, value: &str| {
            let name = format!("nginx.ingress.kubernetes.io/{name}");
            controller.by_ingress(&json!({"metadata": {"annotations": {name: value}}}))
        };
        let settings = annotated("proxy-buffer-size", "128k");
        assert_eq!((settings.answer_header, settings.connect), (128 * 1024, Duration::from_secs(1)));
        assert_eq!(settings.buffers, Buffers { first: 1024, number: 8, size: 32 * 1024 });
        assert_eq!(annotated("proxy-buffer-size", "large").answer_header, 16 * 1024);
        // Not a setting of one Ingress.
        assert_eq!(annotated("large-client-header-buffers", "1 1k"), controller);
    }

    #[test]
    fn lines_are_put_into_buffers() {
        let buffers = Settings::DEFAULT.buffers;
        let check = |path: usize, values: &[usize]| {
            let uri: Uri = format!("/{}", "p".repeat(path)).parse().unwrap();
            let header = |length: &usize| {
                (http::header::COOKIE, http::HeaderValue::from_str(&"x".repeat(*length)).unwrap())
            };
            let mut headers = HeaderMap::new();
            values.iter().map(header).for_each(|(name, value)| {
                headers.append(name, value);
            });
            match buffers.check(&Method::GET, &uri, &headers) {
                Ok(()) => 0,
                Err(Refusal::Page(status)) => status.as_u16(),
                Err(_) => 400,
            }
        };
        let (line, path) = (8192 - "cookie: \r\n".len(), 8192 - "GET / HTTP/1.1\r\n".len());
        assert_eq!(check(1, &[line]), 0);
        assert_eq!(check(1, &[line + 1]), 400);
        assert_eq!(check(path, &[]), 0);
        assert_eq!(check(path + 1, &[]), 414);
        assert_eq!(check(1, &[line; 4]), 0);
        assert_eq!(check(1, &[line; 5]), 400);
        assert_eq!(check(path, &[line; 4]), 400);
    }
}
