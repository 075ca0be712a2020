//! Groups from the provider's userinfo endpoint (`enableUserInfoGroups`), for providers
//! whose ID tokens have none. Whoever's groups cannot be had is not logged in.

use base::mutex::lock;
use http::StatusCode;
use serde_json::Value;

use super::client_app::Unknown;
use super::details::UserInfoBy;
use super::server::Server;
use super::session::{BadToken, INTERNAL, UNAUTHENTICATED, UNKNOWN};

const OTHER_SUBJECT: &str = "subject of claims from user info endpoint didn't match subject of idToken, see https://openid.net/specs/openid-connect-core-1_0.html#UserInfo";

/// The claims of a token that is good, with the groups that the provider says, where the
/// settings want that.
///
/// # Errors
/// It does not say them.
pub(super) async fn with_groups(server: &Server, mut claims: Value) -> Result<Value, BadToken> {
    let details = &server.details;
    let app = lock(&server.client_app).clone();
    let (Some(app), false) = (app, details.user_info == UserInfoBy::Nobody) else {
        return Ok(claims);
    };
    let config = match details.user_info {
        UserInfoBy::ClientApp => app.settings().oidc_config(details, &server.log),
        _ => server.settings().oidc_config(details, &server.log),
    };
    let wanted = config.filter(|config| config.enable_user_info_groups && !config.user_info_path.is_empty());
    let Some(config) = wanted else { return Ok(claims) };
    let base = [&config.user_info_base_url, &config.issuer].into_iter().find(|base| !base.is_empty());
    let url = format!("{}{}", base.map_or("", String::as_str), config.user_info_path);
    let (why, instead) = match app.user_info(&url, &claims).await {
        Ok(info) if info["sub"] == claims["sub"] => {
            claims["groups"] = info["groups"].clone();
            return Ok(claims);
        }
        Ok(_) => (OTHER_SUBJECT.to_owned(), (StatusCode::INTERNAL_SERVER_ERROR, UNKNOWN, OTHER_SUBJECT)),
        Err(Unknown::Unauthorized(why)) => {
            // It was misspelled up to v3.4.
            let querying = if details.user_info_base_url { "querying" } else { "quering" };
            let why = format!("error while {querying} userinfo endpoint: {why}");
            (why, (StatusCode::UNAUTHORIZED, UNAUTHENTICATED, "invalid session"))
        }
        Err(Unknown::Failed(why)) => (
            format!("error fetching user info endpoint: {why}"),
            (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "invalid userinfo response"),
        ),
    };
    let logged = details.user_info != UserInfoBy::ClientApp;
    if logged {
        // Why is for the log alone.
        server.log.error(&why);
    }
    Err(BadToken { why, claims: Some(claims), instead: logged.then_some(instead) })
}
