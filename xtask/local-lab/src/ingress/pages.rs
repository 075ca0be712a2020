//! The ingress's own answers: nginx's pages, under this lab's name.

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, SERVER};

use local_cluster::serve::{Response, full};

/// What the ingress calls itself.
pub(super) const NAME: &str = "oidc-lab-ingress";

/// A request that no server gets.
pub(super) enum Refusal {
    /// With nginx's page for this status.
    Page(StatusCode),
    /// With nginx's page for a head that does not fit into its buffers.
    HeaderTooLarge,
    /// With one sentence, for a client of the forward proxy.
    Sentence(StatusCode, String),
}

impl Refusal {
    /// A sentence with 502: the proxy knows no way.
    pub(super) fn no_way(text: impl Into<String>) -> Self {
        Self::Sentence(StatusCode::BAD_GATEWAY, text.into())
    }

    /// The answer that says so.
    pub(super) fn answer(self) -> Response {
        match self {
            Self::Page(status) => page(status),
            Self::HeaderTooLarge => {
                let (status, why) = (StatusCode::BAD_REQUEST, "Request Header Or Cookie Too Large");
                let title = format!("{} {why}", status.as_u16());
                let text = format!("<center><h1>400 Bad Request</h1></center>\r\n<center>{why}</center>");
                answer(status, "text/html", html(&title, &text))
            }
            Self::Sentence(status, text) => {
                answer(status, "text/plain; charset=utf-8", format!("{NAME}: {text}\n"))
            }
        }
    }
}

/// The page that nginx shows for a status.
pub(super) fn page(status: StatusCode) -> Response {
    let reason = match status {
        StatusCode::URI_TOO_LONG => "Request-URI Too Large",
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::SERVICE_UNAVAILABLE => "Service Temporarily Unavailable",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        other => other.canonical_reason().unwrap_or_default(),
    };
    let title = format!("{} {reason}", status.as_u16());
    answer(status, "text/html", html(&title, &format!("<center><h1>{title}</h1></center>")))
}

fn html(title: &str, text: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n{text}\r\n\
         <hr><center>{NAME}</center>\r\n</body>\r\n</html>\r\n"
    )
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static(NAME));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
