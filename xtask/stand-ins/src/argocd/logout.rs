//! `/auth/logout`: forgets the session's cookies and revokes the token.

use http::StatusCode;
use http::header::SET_COOKIE;

use super::server::Server;
use super::token_cookie::{self, TOKEN_COOKIE};
use crate::go_http;
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// The answer to a request for it.
pub(super) async fn answer(server: &Server, request: &Incoming) -> Response {
    let settings = match server.manager.complete_settings() {
        Ok(settings) => settings,
        Err(error) => {
            let text = format!("Failed to retrieve argoCD settings: {error}");
            return go_http::error(StatusCode::INTERNAL_SERVER_ERROR, text);
        }
    };
    let url = settings.url_for(&request.host, &request.target, &server.details);
    let base = if url.is_empty() {
        let root = server.flags.root_path.trim_matches('/');
        format!("http://{}/{root}", request.host.trim_end_matches('/'))
    } else {
        url.to_owned()
    };
    let home = base.trim_matches('/').to_owned();
    let token = match token_cookie::join(&request.headers) {
        Ok(token) if !token.is_empty() => token,
        nothing => {
            let why = nothing.err().map(|error| format!(": {error}")).unwrap_or_default();
            let text = format!("Failed to retrieve ArgoCD auth token{why}");
            if server.details.logout_says_nosniff {
                return go_http::error(StatusCode::BAD_REQUEST, text);
            }
            return go_http::reply(StatusCode::BAD_REQUEST, go_http::TEXT, format!("{text}\n"));
        }
    };
    let mut to = home.clone();
    if let Ok(claims) = server.sessions.verify(&token).await {
        server.sessions.revoke(&claims);
        let config = settings.oidc_config(&server.details, &server.log);
        if let Some(config) = config.filter(|config| !config.logout_url.is_empty()) {
            to = config.logout_url.replace("{{token}}", &token).replace("{{logoutRedirectURL}}", &home);
        }
    }
    let path = server.flags.base_href.trim_matches('/');
    let response = go_http::redirect(&request.method, StatusCode::SEE_OTHER, &to);
    token_cookie::cookies(&request.headers)
        .into_iter()
        .filter(|(name, _)| name.starts_with(TOKEN_COOKIE))
        .fold(response, |response, (name, _)| {
            go_http::with(response, SET_COOKIE, format!("{name}=; Path=/{path}"))
        })
}
