//! `/api/dex/…`: the Dex inside Argo CD, as browsers and clients reach it.

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, LOCATION, TRANSFER_ENCODING};

use super::server::Server;
use crate::go_http::bare;
use crate::incoming::Incoming;
use local_cluster::serve::{Response, full};

/// Passes a request on to Dex, and its answer back: 502 where nobody is.
pub(super) async fn pass(server: &Server, request: &Incoming) -> Response {
    let mut headers = request.headers.clone();
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let (method, body) = (request.method.clone(), request.body.clone());
    let (mut headers, answer) = match server.dex.pass(method, &request.target, headers, body).await {
        Ok(answered) => answered,
        Err(error) => {
            server.log.error(format!("http: proxy error: {error}"));
            return bare(StatusCode::BAD_GATEWAY);
        }
    };
    for name in [CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let mut response = match answer.status {
        StatusCode::INTERNAL_SERVER_ERROR => {
            server.log.error(format!("received error from dex: {}", answer.text()));
            let to = format!("{}/login?has_sso_error=true", server.flags.base_href.trim_end_matches('/'));
            // A path with anything else in it would not have been served.
            headers.extend(to.parse().map(|to| (LOCATION, to)));
            headers.insert(CONTENT_LENGTH, 0.into());
            bare(StatusCode::SEE_OTHER)
        }
        status => {
            let mut response = Response::new(full(answer.body));
            *response.status_mut() = status;
            response
        }
    };
    *response.headers_mut() = headers;
    response
}
