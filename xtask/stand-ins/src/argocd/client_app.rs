//! `/auth/login` and `/auth/callback`: Argo CD as a client of the identity provider.
//!
//! A client app is made from one reading of the settings. What those say later, it
//! never learns: that is for whoever makes client apps.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, SET_COOKIE};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::app_state::{self, StateCookie};
use super::details::{Details, StateKept};
use super::go_url::{GoUrl, append_path};
use super::id_token;
use super::log::Log;
use super::oauth2::{self, Tokens};
use super::oidc_config::OidcConfig;
use super::outbound::Outbound;
use super::process::Process;
use super::provider::{Found, Provider};
use super::settings::Settings;
use super::token_cookie;
use crate::go_http::{self, Values, random};
use crate::incoming::Incoming;
use crate::page::page;
use local_cluster::serve::Response;

/// How long the cache of releases up to v2.2 keeps a login.
const CACHED_SECONDS: i64 = 3 * 60;

/// Why nothing is known from userinfo.
pub(super) enum Unknown {
    /// Nobody may ask, or no longer.
    Unauthorized(String),
    /// Anything else.
    Failed(String),
}

/// One client app. It holds a secret, so it cannot be printed.
pub(super) struct ClientApp {
    process: Arc<Process>,
    settings: Arc<Settings>,
    config: OidcConfig,
    secure_cookie: bool,
    state_cookie: StateCookie,
    outbound: Outbound,
    provider: Provider,
}

/// A request that ends here.
pub(super) type Refused = Box<Response>;

fn refuse(status: StatusCode, text: impl AsRef<str>) -> Refused {
    Box::new(go_http::error(status, text))
}

fn refuse_500(text: impl AsRef<str>) -> Refused {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, text)
}

impl ClientApp {
    /// A client app with what the settings say now.
    ///
    /// # Errors
    /// They cannot be used.
    pub(super) fn new(process: Arc<Process>, settings: Arc<Settings>) -> Result<Self, String> {
        let Process { details, log, proxies, flags, .. } = &*process;
        let config = settings.oidc_config(details, log);
        let inside = !settings.dex_config_raw.is_empty() && settings.oidc_config_raw.is_empty();
        let dex = inside.then_some(flags.dex_server.as_str());
        let outbound = Outbound::new(proxies, config.as_ref(), settings.skip_verify, dex, log)?;
        let config = settings.sso_config(details, log).unwrap_or_default();
        log.info(format!("Creating client app ({})", config.client_id));
        let signature = settings.server_signature.as_deref().unwrap_or_default();
        Ok(Self {
            secure_cookie: settings.url.starts_with("https:"),
            state_cookie: StateCookie::new(signature, details.state)
                .ok_or("no key for the state's cookie")?,
            provider: Provider::new(&config.issuer, outbound.clone(), *details, log.clone()),
            outbound,
            config,
            settings,
            process,
        })
    }

    fn details(&self) -> &Details {
        &self.process.details
    }

    fn log(&self) -> &Log {
        &self.process.log
    }

    /// Whether a login proves who began it (PKCE).
    fn with_verifier(&self) -> bool {
        self.config.enable_pkce && self.details().state == StateKept::CookieWithVerifier
    }

    fn redirect_uri(&self, request: &Incoming) -> String {
        append_path(self.settings.url_for(&request.host, &request.target, self.details()), "/auth/callback")
    }

    /// `/auth/login`: sends the browser to the provider.
    ///
    /// # Errors
    /// The answer to a login that does not begin.
    pub(super) async fn login(&self, request: &Incoming) -> Result<Response, Refused> {
        let provider = self.provider.get().await.map_err(refuse_500)?;
        let config = self.settings.sso_config(self.details(), self.log());
        let return_url = request.value("return_url");
        if !GoUrl::is_allowed(return_url, self.settings.allowed_urls()) {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "Invalid redirect URL: the protocol and host (including port) must match and the path must be within allowed URLs if provided",
            ));
        }
        let no_random = || refuse_500("Failed to initiate login flow");
        let state = app_state::new_state().ok_or_else(no_random)?;
        let with_verifier = self.with_verifier();
        let verifier = match with_verifier {
            true => URL_SAFE_NO_PAD.encode(random::<32>().ok_or_else(no_random)?),
            false => String::new(),
        };
        let mut query = Values::default();
        query.add("client_id", &self.config.client_id);
        query.add("redirect_uri", &self.redirect_uri(request));
        query.add("state", &state);
        if let Some(config) = config {
            query.add("scope", &config.scopes().join(" "));
            if let Some(claims) = config.requested_id_token_claims {
                query.add("claims", &serde_json::json!({ "id_token": claims }).to_string());
            }
        }
        let domain_hint = self.config.domain_hint.trim();
        if self.details().sends_domain_hint && !domain_hint.is_empty() {
            query.add("domain_hint", domain_hint);
        }
        if with_verifier {
            let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
            query.add("code_challenge", &challenge);
            query.add("code_challenge_method", "S256");
        }
        let grant = match provider.said.response_types_supported.iter().any(|kind| kind == "code") {
            true => {
                query.add("response_type", "code");
                "authorization_code"
            }
            false => {
                query.add("response_type", "id_token");
                query.add("nonce", &app_state::new_state().ok_or_else(no_random)?);
                "implicit"
            }
        };
        let return_url = if return_url.is_empty() { &self.process.flags.base_href } else { return_url };
        let cookie = match self.details().state {
            StateKept::Cache => {
                let until = id_token::now() + CACHED_SECONDS;
                self.process.states.put(&state, until, return_url.to_owned());
                None
            }
            StateKept::Cookie | StateKept::CookieWithVerifier => {
                let value = self.state_cookie.seal(&state, return_url, &verifier).ok_or_else(no_random)?;
                Some(app_state::set_cookie(&value, self.secure_cookie, Timestamp::now()))
            }
        };
        let endpoint = &provider.said.authorization_endpoint;
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        let to = format!("{endpoint}{separator}{}", query.encode());
        // The state is worth a login to whoever reads it in time.
        self.log().info(format!("Performing {grant} flow login: {}", to.replace(&state, "REDACTED")));
        let response = go_http::redirect(&request.method, StatusCode::SEE_OTHER, &to);
        Ok(match cookie {
            Some(cookie) => go_http::with(response, SET_COOKIE, cookie),
            None => response,
        })
    }

    /// `/auth/callback`: the browser is back.
    ///
    /// # Errors
    /// The answer to one that comes from no login.
    pub(super) async fn callback(&self, request: &Incoming) -> Result<Response, Refused> {
        let provider = self.provider.get().await.map_err(refuse_500)?;
        self.log().info(format!("Callback: {}?REDACTED", request.path));
        let error = request.value("error");
        if !error.is_empty() {
            let description = request.value("error_description");
            let said = [error, description].map(go_http::escape_html).join(": ");
            return Err(refuse(StatusCode::BAD_REQUEST, said));
        }
        let (code, state) = (request.value("code"), request.value("state"));
        if code.is_empty() && state.is_empty() {
            return Ok(no_code());
        }
        let (return_url, verifier) =
            self.check_state(request, state).map_err(|error| refuse(StatusCode::BAD_REQUEST, error))?;
        let (mut response, mut cookies) = (no_code(), vec![]);
        if !code.is_empty() {
            match self.finish(request, &provider, code, &verifier).await {
                Ok(token) => {
                    response = go_http::redirect(&request.method, StatusCode::SEE_OTHER, &return_url);
                    cookies = token;
                }
                Err(refused) => response = *refused,
            }
        }
        if self.details().state != StateKept::Cache {
            // The state is used up, whatever came of it.
            cookies.insert(0, app_state::clear_cookie(self.secure_cookie));
        }
        Ok(cookies.into_iter().fold(response, |response, cookie| go_http::with(response, SET_COOKIE, cookie)))
    }

    /// Where the browser wanted to go, and the PKCE verifier.
    fn check_state(&self, request: &Incoming, state: &str) -> Result<(String, String), String> {
        let base_href = &self.process.flags.base_href;
        if self.details().state == StateKept::Cache {
            let return_url = self.process.states.take(state);
            return return_url
                .map(|return_url| (return_url, String::new()))
                .ok_or_else(|| format!("unknown app state {state}"));
        }
        let cookie = token_cookie::cookie(&request.headers, app_state::STATE_COOKIE)
            .ok_or("http: named cookie not present")?;
        let returned = self.state_cookie.open(cookie)?;
        let mut return_url = base_href.clone();
        if !returned.return_url.is_empty() {
            let allowed = self.settings.allowed_urls().chain([base_href.as_str()]);
            if self.details().checks_returned_url && !GoUrl::is_allowed(&returned.return_url, allowed) {
                let shown: String = returned.return_url.chars().take(100).collect();
                self.log().warn(format!(
                    "Failed to verify app state - got invalid redirectURL {}",
                    go_http::quote(&shown)
                ));
                return Err("failed to verify app state: invalid return URL".into());
            }
            return_url = returned.return_url;
        }
        if returned.state != state {
            return Err(app_state::WRONG_STATE.into());
        }
        Ok((return_url, returned.verifier))
    }

    /// Exchanges the code for a token: the cookies with it.
    async fn finish(
        &self,
        request: &Incoming,
        provider: &Found,
        code: &str,
        verifier: &str,
    ) -> Result<Vec<String>, Refused> {
        let redirect_uri = self.redirect_uri(request);
        let assertion = self.config.use_workload_identity.then(|| self.process.workload_identity.token());
        let assertion = assertion
            .transpose()
            .map_err(|error| refuse_500(format!("failed to generate client assertion: {error}")))?;
        let tokens = self
            .exchange(provider, code, verifier, assertion, &redirect_uri)
            .await
            .map_err(|error| refuse_500(format!("failed to get token: {error}")))?;
        let id_token = tokens.id_token.ok_or_else(|| refuse_500("no id_token in token response"))?;
        let config = self.settings.sso_config(self.details(), self.log()).unwrap_or_default();
        let claims = self.provider.verify(&id_token, &config).await.map_err(|error| {
            if !self.details().hides_token_errors {
                return refuse_500(format!("invalid session token: {error}"));
            }
            self.log().warn(format!("Failed to verify oidc token: {error}"));
            refuse_500("failed to verify the token")
        })?;
        if let (Some(sub), Some(expiry)) = (claims["sub"].as_str(), claims["exp"].as_i64()) {
            self.process.access_tokens.put(sub, expiry, tokens.access_token);
        }
        let Process { flags, max_cookies, .. } = &*self.process;
        let cookies =
            token_cookie::set_cookies(&id_token, &flags.base_href, self.secure_cookie, *max_cookies)
                .map_err(|error| refuse_500(format!("claims={claims}, err={error}")))?;
        self.log().info(format!("Web login successful. Claims: {claims}"));
        Ok(cookies)
    }

    /// The tokens for a code. Nobody said how the client
    /// has to show its secret: first in the header and, whatever is wrong, once
    /// more in the form.
    async fn exchange(
        &self,
        provider: &Found,
        code: &str,
        verifier: &str,
        assertion: Option<&str>,
        redirect_uri: &str,
    ) -> Result<Tokens, String> {
        let mut form = Values::default();
        form.add("grant_type", "authorization_code");
        form.add("code", code);
        form.add("redirect_uri", redirect_uri);
        if let Some(assertion) = assertion {
            form.add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            form.add("client_assertion", assertion);
        }
        if self.with_verifier() {
            form.add("code_verifier", verifier);
        }
        let credentials = format!(
            "{}:{}",
            go_http::query_escape(&self.config.client_id),
            go_http::query_escape(&self.config.client_secret)
        );
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let endpoint = &provider.said.token_endpoint;
        let shows_code = self.details().shows_error_code;
        let answer = self.outbound.post_form(endpoint, form.encode(), headers).await;
        if let Ok(tokens) = answer.and_then(|answer| oauth2::tokens(&answer, shows_code)) {
            return Ok(tokens);
        }
        form.add("client_id", &self.config.client_id);
        if !self.config.client_secret.is_empty() {
            form.add("client_secret", &self.config.client_secret);
        }
        let answer = self.outbound.post_form(endpoint, form.encode(), HeaderMap::new()).await?;
        oauth2::tokens(&answer, shows_code)
    }

    /// The settings that it was made with.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the provider's userinfo endpoint says of whoever logged in with these claims.
    ///
    /// # Errors
    /// Why that is not known.
    pub(super) async fn user_info(&self, url: &str, claims: &Value) -> Result<Value, Unknown> {
        let sub = claims["sub"].as_str().unwrap_or_default();
        let token = self.process.access_tokens.get(sub);
        let token = token.ok_or_else(|| Unknown::Unauthorized(format!("no accessToken for {sub}")))?;
        let answer =
            self.outbound.get(url, Some(&token)).await.map_err(|error| {
                Unknown::Failed(format!("failed to query userinfo endpoint of IDP: {error}"))
            })?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(Unknown::Unauthorized("%!w(<nil>)".into()));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| Unknown::Failed(format!("failed to decode response body to struct: {error}")))
    }
}

/// A callback without a code: the implicit flow, which happens in the browser.
fn no_code() -> Response {
    go_http::reply(
        StatusCode::OK,
        go_http::HTML,
        page("Argo CD", "No code", include_str!("../pages/no_code.html"), Value::Null),
    )
}
