//! `/auth` and `/auth/CONNECTOR`: from a client's wish to the login form.

use http::StatusCode;

use super::config::Client;
use super::pages;
use super::state::Dex;
use super::storage::{AuthRequest, new_id};
use crate::go_http::{self, Values, quote, quoted_list};
use crate::incoming::Incoming;
use local_cluster::serve::Response;

/// Why a login does not begin.
enum Refusal {
    /// Shown here: there is nobody to send it to.
    Shown(StatusCode, String),
    /// Sent to the client, as an error of OAuth 2 with its description.
    Sent(&'static str, String),
}

/// `/auth`: there is one connector, so the browser is sent on to it.
pub(super) fn authorize(dex: &Dex, request: &Incoming) -> Response {
    let mut values = request.values();
    let connector = values.get("connector_id").to_owned();
    if !connector.is_empty() && connector != dex.connector() {
        return pages::error(StatusCode::BAD_REQUEST, "Connector ID does not match a valid Connector");
    }
    values.remove("connector_id");
    let to = format!("{}?{}", dex.path(&format!("/auth/{}", dex.connector())), values.encode());
    go_http::redirect(&request.method, StatusCode::FOUND, &to)
}

/// `/auth/CONNECTOR`: checks what the client asks for and remembers it.
pub(super) fn start(dex: &Dex, connector: &str, request: &Incoming) -> Response {
    let values = request.values();
    let wish = match read(dex, request, &values) {
        Ok(wish) => wish,
        Err(refusal) => {
            let (Refusal::Shown(_, why) | Refusal::Sent(_, why)) = &refusal;
            dex.error(request, "failed to parse authorization request", &[("err", why)]);
            return match refusal {
                Refusal::Shown(status, message) => pages::error(status, &message),
                Refusal::Sent(error, description) => send_error(request, &values, error, &description),
            };
        }
    };
    if connector != dex.connector() {
        let why = "failed to get connector object from storage: not found";
        dex.error(request, "Failed to get connector", &[("err", why)]);
        return pages::error(StatusCode::BAD_REQUEST, "Connector failed to initialize");
    }
    if request.method != http::Method::GET {
        return pages::error(StatusCode::BAD_REQUEST, "Unsupported request method.");
    }
    let id = new_id();
    let to = format!("{}?back=&state={id}", dex.path(&format!("/auth/{connector}/login")));
    let expires = i64::try_from(dex.config.auth_requests.as_secs()).unwrap_or(i64::MAX);
    dex.requests.put(&id, dex.now().saturating_add(expires), wish);
    go_http::redirect(&request.method, StatusCode::FOUND, &to)
}

fn send_error(request: &Incoming, values: &Values, error: &str, description: &str) -> Response {
    let mut answer = Values::default();
    answer.add("state", values.get("state"));
    answer.add("error", error);
    answer.add("error_description", description);
    let to = go_http::with_query(values.get("redirect_uri"), answer);
    go_http::redirect(&request.method, StatusCode::SEE_OTHER, &to)
}

fn read(dex: &Dex, request: &Incoming, values: &Values) -> Result<AuthRequest, Refusal> {
    let show = |status, message: &str| Err(Refusal::Shown(status, message.to_owned()));
    let refuse = |error, description: String| Err(Refusal::Sent(error, description));
    let Some(redirect_uri) = go_http::query_unescape(values.get("redirect_uri")) else {
        return show(StatusCode::BAD_REQUEST, "No redirect_uri provided.");
    };
    let id = values.get("client_id");
    let Some(client) = dex.config.client(id) else {
        dex.error(request, "invalid client_id provided", &[("client_id", id)]);
        return show(StatusCode::NOT_FOUND, "Invalid client_id.");
    };
    if !may_redirect(client, &redirect_uri) {
        let fields = [("redirect_uri", redirect_uri.as_str()), ("client_id", id)];
        dex.error(request, "unregistered redirect_uri", &fields);
        return show(StatusCode::BAD_REQUEST, "Unregistered redirect_uri.");
    }
    if !["", dex.connector()].contains(&values.get("connector_id")) {
        return refuse("invalid_request", "Invalid ConnectorID".into());
    }
    if !values.get("request").is_empty() {
        return refuse("request_not_supported", "Server does not support request parameter.".into());
    }
    let method = match values.get("code_challenge_method") {
        "" => "plain",
        method => method,
    };
    if !["S256", "plain"].contains(&method) {
        return refuse("invalid_request", format!("Unsupported PKCE challenge method ({}).", quote(method)));
    }
    let scopes: Vec<&str> = values.get("scope").split_whitespace().collect();
    if let Some(description) = bad_scopes(&scopes) {
        return refuse("invalid_scope", description);
    }
    let types: Vec<&str> = values.get("response_type").split_whitespace().collect();
    for kind in &types {
        match *kind {
            "code" => {}
            "token" | "id_token" => {
                return refuse(
                    "unsupported_response_type",
                    format!("Unsupported response type {}", quote(kind)),
                );
            }
            other => return refuse("invalid_request", format!("Invalid response type {}", quote(other))),
        }
    }
    if types.is_empty() {
        return refuse("invalid_request", "No response_type provided".into());
    }
    Ok(AuthRequest {
        client_id: client.id.clone(),
        redirect_uri,
        scopes: scopes.into_iter().map(Into::into).collect(),
        state: values.get("state").to_owned(),
        nonce: values.get("nonce").to_owned(),
        code_challenge: values.get("code_challenge").to_owned(),
        code_challenge_method: method.to_owned(),
    })
}

/// What is wrong with the scopes, if anything.
fn bad_scopes(scopes: &[&str]) -> Option<String> {
    let known = ["openid", "offline_access", "email", "profile", "groups", "federated:id"];
    let unrecognized: Vec<&str> = scopes.iter().copied().filter(|scope| !known.contains(scope)).collect();
    if !scopes.contains(&"openid") {
        Some(r#"Missing required scope(s) ["openid"]."#.into())
    } else if !unrecognized.is_empty() {
        Some(format!("Unrecognized scope(s) {}", quoted_list(&unrecognized)))
    } else {
        None
    }
}

/// Whether a client may be sent to this address.
fn may_redirect(client: &Client, uri: &str) -> bool {
    if client.redirect_uris.iter().any(|registered| registered == uri) {
        return true;
    }
    if !client.public || !client.redirect_uris.is_empty() {
        return false;
    }
    // A program on the user's machine, which cannot know its port beforehand.
    let local = |url: url::Url| {
        url.scheme() == "http"
            && match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(address)) => address.is_loopback(),
                Some(url::Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            }
    };
    url::Url::parse(uri).is_ok_and(local)
}
