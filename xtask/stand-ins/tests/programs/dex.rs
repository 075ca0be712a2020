//! The stand-in for Dex, by itself: from `/auth` to the user's claims, and what
//! it says when something is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::support::{DEX_CONFIG, Form as _, Json as _, PASSWORD, Place, SECRET, USER};

const REDIRECT: &str = "http://argocd.host/auth/callback";
const AUTH: &str = "http://dex.host/auth?client_id=argo-cd&redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback&response_type=code&scope=openid+profile+email&state=xyz";

fn location(response: &reqwest::Response) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn absolute(location: &str) -> String {
    if location.starts_with('/') { format!("http://dex.host{location}") } else { location.to_owned() }
}

/// From `/auth` to the address of the form.
async fn to_form(client: &reqwest::Client, auth: &str) -> String {
    let first = client.get(auth).send().await.unwrap();
    assert_eq!(first.status(), 302);
    let second = client.get(absolute(&location(&first))).send().await.unwrap();
    assert_eq!(second.status(), 302, "{}", second.text().await.unwrap());
    absolute(&location(&second))
}

async fn code(client: &reqwest::Client, auth: &str) -> String {
    let form = to_form(client, auth).await;
    let sent = client.post(form).form(&[("login", USER), ("password", PASSWORD)]).send().await.unwrap();
    assert_eq!(sent.status(), 303, "{}", sent.text().await.unwrap());
    let back = url::Url::parse(&location(&sent)).unwrap();
    back.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned()
}

async fn redeem(client: &reqwest::Client, secret: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![("grant_type", "authorization_code"), ("redirect_uri", REDIRECT)];
    form.extend(fields);
    let answer = client
        .post("http://dex.host/token")
        .basic_auth("argo-cd", Some(secret))
        .form(&form)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.json().await)
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_in_tokens_that_the_keys_verify() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let client = place.client();
    let code = code(&client, AUTH).await;
    let (status, tokens) = redeem(&client, SECRET, &[("code", &code)]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["token_type"], "bearer");
    assert!(tokens.get("refresh_token").is_none());
    let id_token = tokens["id_token"].as_str().unwrap();
    let claims = claims(id_token);
    assert_eq!(claims["iss"], "http://dex.host");
    assert_eq!(claims["sub"], "CiQwOGE4Njg0Yi1kYjg4LTRiNzMtOTBhOS0zY2QxNjYxZjU0NjYSBWxvY2Fs");
    assert_eq!(claims["aud"], "argo-cd");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 24 * 60 * 60);
    let names: Vec<_> =
        ["at_hash", "c_hash"].iter().map(|name| claims[name].as_str().unwrap().len()).collect();
    assert_eq!(names, [22, 22]);
    assert_eq!(
        (claims["email"].as_str(), claims["email_verified"].as_bool(), claims["name"].as_str()),
        (Some(USER), Some(true), Some("admin"))
    );

    let keys: Value = client.get("http://dex.host/keys").send().await.unwrap().json().await;
    let key = &keys["keys"][0];
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let public = ring::signature::RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") };
    let (signed, signature) = id_token.rsplit_once('.').unwrap();
    public
        .verify(
            &ring::signature::RSA_PKCS1_2048_8192_SHA256,
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();

    let access = tokens["access_token"].as_str().unwrap();
    let userinfo = client.get("http://dex.host/userinfo").bearer_auth(access).send().await.unwrap();
    assert_eq!(userinfo.json().await["email"], USER);
    let forged = client.get("http://dex.host/userinfo").bearer_auth("a.b.c").send().await.unwrap();
    assert_eq!(forged.status(), 403);
    let nobody = client.get("http://dex.host/userinfo").send().await.unwrap();
    assert_eq!(
        (nobody.status().as_u16(), &nobody.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );

    // The code was good once.
    let (status, again) = redeem(&client, SECRET, &[("code", &code)]).await;
    assert_eq!(
        (status, again),
        (
            400,
            serde_json::json!({"error": "invalid_grant", "error_description": "Invalid or expired code parameter."})
        )
    );
    let log = dex.log();
    assert!(log[0].contains("stand-in"), "{}", log[0]);
    let line = dex.logged("login successful").await;
    assert!(line.contains(r#"connector_id=local username=admin preferred_username="" email=admin@example.com groups=[] request_id="#), "{line}");
    assert_eq!(dex.end().await, local_cluster::program::Exit::success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_before_the_code_is_looked_at() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let client = place.client();
    let refused =
        serde_json::json!({"error": "invalid_client", "error_description": "Invalid client credentials."});
    assert_eq!(redeem(&client, "wrong", &[("code", "bogus")]).await, (401, refused.clone()));
    let line = dex.logged("invalid client_secret on token request").await;
    assert!(line.contains("level=INFO") && line.contains(" client_id=argo-cd request_id="), "{line}");
    assert!(!line.contains("wrong"));
    // The right one with a bogus code: this tells who is wrong without a login.
    assert_eq!(redeem(&client, SECRET, &[("code", "bogus")]).await.0, 400);
    let post = |secret: &'static str| {
        let client = client.clone();
        async move {
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", "argo-cd"),
                ("client_secret", secret),
                ("code", "bogus"),
            ];
            client.post("http://dex.host/token").form(&form).send().await.unwrap().status().as_u16()
        }
    };
    assert_eq!((post("wrong").await, post(SECRET).await, post("").await), (401, 400, 401));
    dex.logged("missing client_secret on token request").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unset_variable_is_the_empty_secret_and_a_newline_stays() {
    let place = Place::new().await;
    let client = place.client();
    let dex = place.dex(&DEX_CONFIG.replace("ARGO_CD_CLIENT_SECRET", "SOME_OTHER"), SECRET);
    assert_eq!(redeem(&client, "", &[("code", "bogus")]).await.0, 400);
    dex.end().await;
    let _dex = place.dex(DEX_CONFIG, "line\n");
    assert_eq!(redeem(&client, "line", &[("code", "bogus")]).await.0, 401);
    assert_eq!(redeem(&client, "line%0A", &[("code", "bogus")]).await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pkce_and_refresh_tokens() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let client = place.client();
    let verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789";
    let challenge =
        URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()).as_ref());
    let auth = format!(
        "{}&code_challenge={challenge}&code_challenge_method=S256",
        AUTH.replace("scope=openid", "scope=openid+offline_access")
    );
    let code = code(&client, &auth).await;
    let grant = |status, error: &str, description: &str| {
        (status, serde_json::json!({"error": error, "error_description": description}))
    };
    assert_eq!(
        redeem(&client, SECRET, &[("code", &code)]).await,
        grant(400, "invalid_grant", "Expecting parameter code_verifier in PKCE flow.")
    );
    assert_eq!(
        redeem(&client, SECRET, &[("code", &code), ("code_verifier", "other")]).await,
        grant(400, "invalid_grant", "Invalid code_verifier.")
    );
    let (status, tokens) = redeem(&client, SECRET, &[("code", &code), ("code_verifier", verifier)]).await;
    assert_eq!(status, 200, "{tokens}");

    // It is issued, and whoever brings it is told what Dex tells after a restart.
    let form =
        [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let request = client.post("http://dex.host/token").basic_auth("argo-cd", Some(SECRET)).form(&form);
    let answer = request.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.json().await),
        grant(
            400,
            "invalid_request",
            "Refresh token is invalid or has already been claimed by another client."
        )
    );
}

/// As `argocd login --sso` does it: a program on the user's machine, which proves by PKCE alone who it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_client_redeems_its_codes_without_a_secret_and_nobody_elses() {
    const CLI: &str = "http://localhost:8085/auth/callback";
    let place = Place::new().await;
    let config = DEX_CONFIG.replace(
        "staticPasswords:",
        &format!(
            "- {{id: argo-cd-cli, name: CLI, public: true, redirectURIs: [\"{CLI}\"]}}\nstaticPasswords:"
        ),
    );
    let _dex = place.dex(&config, SECRET);
    let client = place.client();
    let verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789";
    let challenge =
        URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()).as_ref());
    let auth = format!("{AUTH}&code_challenge={challenge}&code_challenge_method=S256")
        .replace("client_id=argo-cd&", "client_id=argo-cd-cli&")
        .replace("argocd.host%2F", "localhost%3A8085%2F");
    let code = code(&client, &auth).await;
    let redeem = |fields: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "authorization_code"), ("redirect_uri", CLI), ("code", &code)];
        form.extend(fields);
        let request = client.post("http://dex.host/token").form(&form);
        async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await)
        }
    };
    let own = ("client_id", "argo-cd-cli");
    for (fields, status, error) in [
        (&[own, ("client_secret", "x"), ("code_verifier", verifier)][..], 401, "invalid_client"),
        (&[own, ("code_verifier", "other")], 400, "invalid_grant"),
        (&[own], 400, "invalid_grant"),
        (&[("client_id", "argo-cd"), ("code_verifier", verifier)], 401, "invalid_client"),
    ] {
        let (seen, answer) = redeem(fields).await;
        assert_eq!((seen, &answer["error"]), (status, &error.into()), "{fields:?}");
    }
    let (status, tokens) = redeem(&[own, ("code_verifier", verifier)]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["aud"], "argo-cd-cli");
    // Where addresses are registered, another port is not one of them.
    let other =
        client.get(auth.replace("/auth?", "/auth/local?").replace("8085", "8086")).send().await.unwrap();
    assert_eq!(other.status(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_asks_wrongly_is_shown_or_sent_back() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let client = place.client();
    let get = |url: String| {
        let client = client.clone();
        async move { client.get(url).send().await.unwrap() }
    };
    let local = AUTH.replace("/auth?", "/auth/local?");
    for (from, to, status, text) in [
        ("client_id=argo-cd", "client_id=other", 404, "Invalid client_id."),
        ("argocd.host", "evil.host", 400, "Unregistered redirect_uri."),
        ("/auth/local?", "/auth/github?", 400, "Connector failed to initialize"),
        ("/auth/local?", "/auth/local/login?", 400, "Requested resource does not exist."),
        ("/auth/local?", "/auth/local/x?", 404, "404 page not found\n"),
        ("/auth/local?", "/nothing?", 404, "404 page not found\n"),
        ("/auth/local?", "/callback?", 400, "Requested resource does not exist."),
        ("/auth/local?", "/approval?", 404, "404 page not found\n"),
        ("client_id=argo-cd", "client_id=%zz", 400, "Failed to parse request."),
    ] {
        assert!(local.contains(from));
        let answer = get(local.replace(from, to)).await;
        assert_eq!(answer.status(), status, "{to}");
        let body = answer.text().await.unwrap();
        assert!(body.contains(text), "{to}: {body}");
    }
    dex.logged("unregistered redirect_uri").await;
    for (from, to, expected) in [
        (
            "code",
            "token",
            "error=unsupported_response_type&error_description=Unsupported+response+type+%22token%22",
        ),
        (
            "response_type=code",
            "response_type=x",
            "error=invalid_request&error_description=Invalid+response+type+%22x%22",
        ),
        (
            "response_type=code",
            "response_type=",
            "error=invalid_request&error_description=No+response_type+provided",
        ),
        (
            "openid+",
            "",
            "error=invalid_scope&error_description=Missing+required+scope%28s%29+%5B%22openid%22%5D.",
        ),
        (
            "openid+",
            "openid+x+",
            "error=invalid_scope&error_description=Unrecognized+scope%28s%29+%5B%22x%22%5D",
        ),
        (
            "state=",
            "request=1&state=",
            "error=request_not_supported&error_description=Server+does+not+support+request+parameter.",
        ),
    ] {
        let answer = get(local.replace(from, to)).await;
        assert_eq!(answer.status(), 303, "{to}");
        assert_eq!(location(&answer), format!("{REDIRECT}?{expected}&state=xyz"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_configuration_ends_it_with_a_reason() {
    let place = Place::new().await;
    for (from, to, why) in [
        ("type: memory", "type: kubernetes", "keeps everything in memory"),
        ("Screen: true", "Screen: false", "has no approval screen: set oauth2.skipApprovalScreen"),
    ] {
        let dex = place.dex(&DEX_CONFIG.replace(from, to), SECRET);
        let exit = tokio::time::timeout(std::time::Duration::from_secs(10), dex.task).await.unwrap().unwrap();
        assert_eq!(exit.code, 2);
        assert!(exit.message.contains(why), "{}", exit.message);
    }
}
