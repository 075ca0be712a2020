//! The command line's login, against a provider that has a public client for it, and against what people have instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use probe::cli_login::{self, REDIRECT_URI};
use probe::{Cause, CauseId, Failure, Login, Step};
use ring::digest::{SHA256, digest};
use support::{Fake, Reply, Request, USER};

const DOCUMENT: &str = r#"{"issuer":"http://dex.host","authorization_endpoint":"http://dex.host/auth","token_endpoint":"http://dex.host/token","scopes_supported":["openid","offline_access"]}"#;
const SETTINGS: &str = "argocd.host/api/v1/settings";
const USERINFO: &str = "argocd.host/api/v1/session/userinfo";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhcmdvLWNkLWNsaSJ9.c2lnbmF0dXJl";
const VERDICT: &str = r#"{"error":"invalid_client","error_description":"Invalid client credentials."}"#;

fn settings(of_oidc: &str) -> Reply {
    Reply::json(&format!(
        r#"{{"url":"http://argocd.host","oidcConfig":{{"name":"Dex","issuer":"http://dex.host","clientID":"argo-cd"{of_oidc}}}}}"#
    ))
}

/// The authorize request that a login began with.
fn asked(fake: &Fake) -> Request {
    fake.seen().into_iter().find(|request| request.path() == "/auth").unwrap()
}

/// Servers as in the lab: the provider sends people back to the command line, and redeems its codes if PKCE holds.
fn lab() -> Fake {
    Fake::start()
        .always(SETTINGS, settings(r#","cliClientID":"argo-cd-cli","scopes":["openid","email"]"#))
        .always("dex.host/.well-known/openid-configuration", Reply::json(DOCUMENT))
        .answer("dex.host/auth/local", |request, _| {
            let state = request.parameter("state").unwrap_or_default();
            let challenge = request.parameter("code_challenge").unwrap_or_default();
            Some(Reply::redirect(&format!("/auth/local/login?back=&state={state}.{challenge}")))
        })
        .answer("dex.host/auth/local/login", |request, _| {
            let own = request.parameter("state").unwrap_or_default();
            let (state, challenge) = own.split_once('.').unwrap_or_default();
            // A code that says by itself what it is good for.
            (request.method == "POST")
                .then(|| Reply::redirect(&format!("{REDIRECT_URI}?code=c0de-{challenge}&state={state}")))
        })
        .answer("dex.host/token", |request, _| {
            let field = |name| request.field(name).unwrap_or_default();
            let computed = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, field("code_verifier").as_bytes()));
            let good = field("code") == format!("c0de-{computed}")
                && field("client_id") == "argo-cd-cli"
                && field("redirect_uri") == REDIRECT_URI
                && field("grant_type") == "authorization_code"
                && request.field("client_secret").is_none()
                && request.header("authorization").is_none()
                && request.header("origin").is_none();
            Some(match good {
                true => Reply::json(&format!(r#"{{"id_token":"{TOKEN}","access_token":"acc3ss-t0ken"}}"#)),
                false => Reply::new(401, "application/json", VERDICT),
            })
        })
        .answer(USERINFO, |request, _| {
            let shown = request.header("authorization").is_some_and(|it| it == format!("Bearer {TOKEN}"));
            shown.then(|| Reply::json(&format!(r#"{{"loggedIn":true,"username":"{USER}","groups":[]}}"#)))
        })
}

async fn login(fake: &Fake) -> Login {
    let mut options = fake.options();
    options.as_cli = true;
    probe::login(&options).await
}

fn failure(login: &Login) -> &Failure {
    login.outcome.as_ref().expect_err("the login passed")
}

#[tokio::test]
async fn the_command_line_logs_in_by_pkce_and_nothing_of_it_is_told() {
    let fake = lab();
    let login = login(&fake).await;
    let user = login.outcome.as_ref().unwrap();
    assert_eq!((user.username.as_str(), &user.claims["aud"]), (USER, &"argo-cd-cli".into()));
    let steps: Vec<_> =
        login.exchanges.iter().map(|it| (it.step.name(), it.method, it.place.as_str())).collect();
    assert_eq!(
        steps,
        [
            ("settings", "GET", SETTINGS),
            ("authorize", "GET", "dex.host/.well-known/openid-configuration"),
            ("authorize", "GET", "dex.host/auth"),
            ("authorize", "GET", "dex.host/auth/local"),
            ("authorize", "GET", "dex.host/auth/local/login"),
            ("form", "POST", "dex.host/auth/local/login"),
            ("token", "POST", "dex.host/token"),
            ("userinfo", "GET", USERINFO),
        ]
    );
    let asked = asked(&fake);
    for (name, value) in [
        ("client_id", "argo-cd-cli"),
        ("redirect_uri", REDIRECT_URI),
        ("code_challenge_method", "S256"),
        ("response_type", "code"),
        ("scope", "openid email offline_access"),
        ("access_type", "offline"),
    ] {
        assert_eq!(asked.parameter(name).as_deref(), Some(value));
    }
    let redeemed = fake.seen().into_iter().find(|request| request.path() == "/token").unwrap();
    let said = serde_json::to_string(&login).unwrap();
    for secret in [
        redeemed.field("code_verifier").unwrap(),
        redeemed.field("code").unwrap(),
        asked.parameter("state").unwrap(),
        TOKEN.to_owned(),
        "acc3ss-t0ken".to_owned(),
    ] {
        assert!(!said.contains(&secret), "{secret}: {said}");
    }
}

#[tokio::test]
async fn what_people_have_instead_has_a_cause_of_its_own() {
    let refused = || Reply::new(401, "application/json", VERDICT);
    let page = |status, words: &str| Reply::new(status, "text/html", &format!("<p>{words}</p>"));
    let none = r#","scopes":["openid"]"#;
    let own = r#","cliClientID":"argo-cd-cli""#;
    let auth = "dex.host/auth/local";
    for (place, reply, of_oidc, step, status, cause, id) in [
        (
            auth,
            page(400, "Unregistered redirect_uri."),
            none,
            Step::Authorize,
            400,
            Cause::CliRedirect,
            Some(CauseId::CliRedirectUri),
        ),
        (
            auth,
            page(400, "Unregistered redirect_uri."),
            own,
            Step::Authorize,
            400,
            Cause::CliRedirect,
            Some(CauseId::CliRedirectUri),
        ),
        ("dex.host/token", refused(), none, Step::Token, 401, Cause::CliNoClient, Some(CauseId::CliNoClient)),
        (
            "dex.host/token",
            refused(),
            own,
            Step::Token,
            401,
            Cause::CliSecretWanted,
            Some(CauseId::CliClientType),
        ),
        (
            "dex.host/token",
            Reply::new(
                401,
                "application/json",
                r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#,
            ),
            own,
            Step::Token,
            401,
            Cause::CliSecretWanted,
            Some(CauseId::CliClientType),
        ),
        (
            auth,
            page(404, "Invalid client_id."),
            own,
            Step::Authorize,
            404,
            Cause::CliUnknownClient,
            Some(CauseId::CliClientId),
        ),
        (
            auth,
            page(404, "Invalid client_id."),
            none,
            Step::Authorize,
            404,
            Cause::UnknownClient,
            Some(CauseId::ClientId),
        ),
        (USERINFO, Reply::json("{}"), own, Step::Userinfo, 200, Cause::CliNotLoggedIn, None),
        (
            SETTINGS,
            Reply::json(r#"{"url":"http://argocd.host"}"#),
            own,
            Step::Settings,
            200,
            Cause::NoButton,
            None,
        ),
        (
            auth,
            Reply::redirect(&format!("{REDIRECT_URI}?error=invalid_scope&error_description=x")),
            own,
            Step::Authorize,
            302,
            Cause::InvalidScope,
            Some(CauseId::Scope),
        ),
        (
            auth,
            Reply::redirect(&format!("{REDIRECT_URI}?code=x&state=another")),
            own,
            Step::Authorize,
            302,
            Cause::StateMismatch,
            Some(CauseId::StateMismatch),
        ),
        (
            "dex.host/.well-known/openid-configuration",
            Reply::json(&DOCUMENT.replace(r#""issuer":"http://dex.host""#, r#""issuer":"http://dex.host/""#)),
            own,
            Step::Authorize,
            200,
            Cause::IssuerMismatch,
            Some(CauseId::IssuerMismatch),
        ),
    ] {
        let fake = lab().always(SETTINGS, settings(of_oidc)).always(place, reply);
        let login = login(&fake).await;
        let failure = failure(&login);
        let seen = (failure.step, failure.status, failure.cause, failure.cause.candidates(false).only());
        assert_eq!(seen, (step, Some(status), cause, id), "{place} {of_oidc}: {failure:?}");
    }
    assert_eq!(Cause::CliNotLoggedIn.candidates(false).ids[0], CauseId::CliAudience);
}

#[tokio::test]
async fn the_dex_inside_argo_cd_has_a_client_for_it() {
    let settings = r#"{"url":"http://argocd.host","dexConfig":{"connectors":[{"name":"Mock"}]}}"#;
    let document =
        DOCUMENT.replace(r#""issuer":"http://dex.host""#, r#""issuer":"http://argocd.host/api/dex""#);
    let fake = lab()
        .always(SETTINGS, Reply::json(settings))
        .always("argocd.host/api/dex/.well-known/openid-configuration", Reply::json(&document));
    assert_eq!(login(&fake).await.outcome.unwrap().username, USER);
    let asked = asked(&fake);
    assert_eq!(asked.parameter("client_id").as_deref(), Some("argo-cd-cli"));
    let scopes = "openid profile email groups federated:id offline_access";
    assert_eq!(asked.parameter("scope").as_deref(), Some(scopes));
}

#[tokio::test]
async fn a_provider_is_asked_for_the_client_without_a_user() {
    for (reply, cause) in [
        (None, None),
        (Some(Reply::page("choose")), None),
        (Some(Reply::new(400, "text/html", "Unregistered redirect_uri.")), Some(Cause::CliRedirect)),
        (Some(Reply::new(404, "text/html", "Invalid client_id.")), Some(Cause::CliUnknownClient)),
        (Some(Reply::redirect(&format!("{REDIRECT_URI}?error=login_required"))), Some(Cause::Unknown)),
    ] {
        let fake = lab().answer("dex.host/auth", move |_, _| reply.clone());
        let endpoint = "http://dex.host/auth".parse().unwrap();
        let knocked = cli_login::knock(&fake.options(), &endpoint, "argo-cd-cli", &["openid".to_owned()])
            .await
            .unwrap();
        assert_eq!(knocked.form.as_ref().err().map(|failure| failure.cause), cause, "{knocked:?}");
        assert_eq!(knocked.requests, fake.seen().len());
        assert!(fake.seen().iter().all(|request| request.method == "GET"));
    }
}
