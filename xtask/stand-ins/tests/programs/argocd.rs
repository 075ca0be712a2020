//! The stand-in for argocd-server around a login: what it shows, what it refuses,
//! and that nothing that a client sends brings it down.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::argocd::{ArgoCd, Login, OIDC_CONFIG};
use crate::support::{DEX_CONFIG, Place, SECRET};

const HOST: &str = "http://argocd.host";

/// Status, headers and body of one GET.
async fn get(place: &Place, path: &str, accept: &str) -> (u16, BTreeMap<String, String>, String) {
    let answer = place.client().get(format!("{HOST}{path}")).header("accept", accept).send().await.unwrap();
    let headers = answer.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status().as_u16(), headers, answer.text().await.unwrap())
}

/// argocd-cm with this in `oidc.config` besides the usual.
fn config(more: &str) -> Value {
    json!({ "url": HOST, "oidc.config": format!("{OIDC_CONFIG}{more}") })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_it_is() {
    let place = Place::new().await;
    let argocd = ArgoCd::start(&place, "v3.3.6").await;
    let (_, _, version) = get(&place, "/api/version", "*/*").await;
    assert_eq!(version, r#"{"Version":"v3.3.6+stand-in"}"#);
    let (status, headers, page) = get(&place, "/applications", "text/html,*/*").await;
    assert_eq!(status, 200);
    let button = "href=\"/auth/login?return_url=http%3A%2F%2Fargocd.host%2Fapplications\">Log in via Dex</a>";
    assert!(page.contains("This is a stand-in for Argo CD") && page.contains(button), "{page}");
    assert_eq!(headers["x-frame-options"], "sameorigin");
    assert_eq!(headers["content-security-policy"], "frame-ancestors 'self';");
    assert_eq!(headers["cache-control"], "no-cache, private, max-age=0");
    let log = argocd.container().log();
    assert!(log[0].contains("stand-in"), "{}", log[0]);
    let first: Value = serde_json::from_str(&log[0]).unwrap();
    assert_eq!(first["level"], "info");
    assert!(
        log.iter().any(|line| line.contains(
            "argocd v3.3.6+stand-in serving on port 8080 (url: http://argocd.host, tls: false, namespace: argocd, sso: true)"
        )),
        "{log:#?}"
    );
    // Older releases write text.
    let argocd = ArgoCd::start(&place, "v2.12.1").await;
    assert!(argocd.container().log()[0].starts_with("time=\"20"), "{}", argocd.container().log()[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_route_is_answered_by_the_pages() {
    let place = Place::new().await;
    let _argocd = ArgoCd::start(&place, "v3.3.6").await;
    for (path, accept, status) in [
        ("/", "*/*", 200),
        ("/index.html", "*/*", 301),
        ("/assets/nothing.js", "*/*", 404),
        ("/login", "text/html", 200),
        ("/auth/loginx", "*/*", 404),
        ("/api/v1/nothing", "*/*", 404),
        ("/api/v1/applications", "*/*", 401),
        ("/api/v1/stream/applications", "*/*", 401),
        ("/healthz", "*/*", 200),
        ("/healthz?full=true", "*/*", 200),
    ] {
        assert_eq!(get(&place, path, accept).await.0, status, "{path}");
    }
    let posted = place.client().post(format!("{HOST}/api/v1/session"));
    let posted =
        posted.header("content-type", "application/json").body(r#"{"username":"admin","password":"x"}"#);
    let posted = posted.send().await.unwrap();
    assert_eq!(posted.status(), 401);
    assert!(posted.text().await.unwrap().contains("Invalid username or password"));
    let form = place.client().post(format!("{HOST}/api/v1/session")).body("x").send().await.unwrap();
    assert_eq!(
        (form.status().as_u16(), form.text().await.unwrap().as_str()),
        (415, "Invalid content type\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_page_finds_its_settings() {
    let place = Place::new().await;
    let _argocd = ArgoCd::start(&place, "v3.5.1").await;
    let (status, _, body) = get(&place, "/api/v1/settings", "*/*").await;
    let settings: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &settings["url"]), (200, &json!(HOST)));
    assert_eq!(
        settings["oidcConfig"],
        json!({ "name": "Dex", "issuer": "http://dex.host", "clientID": "argo-cd", "scopes": ["openid", "profile", "email"] })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn return_urls_lead_nowhere_else() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v3.2.12").await;
    for (url, status) in [
        ("http://argocd.host/applications", 303),
        ("http%3A%2F%2Fargocd.host%2Fapplications", 303),
        ("http://evil.host/", 400),
        ("https://argocd.host/", 400),
        ("/applications", 400),
        ("", 303),
    ] {
        let (got, _, body) = get(&place, &format!("/auth/login?return_url={url}"), "*/*").await;
        assert_eq!(got, status, "{url}");
        assert!(status == 303 || body.starts_with("Invalid redirect URL: the protocol and host"), "{body}");
    }
    // The browser comes back to where it wanted to go.
    let mut login = Login::default();
    login.get(&place, "login", &format!("{HOST}/auth/login?return_url={HOST}/applications?x=1")).await;
    let callback = login.through_dex(&place, crate::support::PASSWORD).await.unwrap();
    login.get(&place, "callback", &callback).await;
    assert_eq!(login.last().location(), "http://argocd.host/applications?x=1");
    // Without a URL of its own a server knows no address at all.
    argocd.config_map("argocd-cm", json!({ "oidc.config": OIDC_CONFIG }));
    argocd.container().logged("url modified. restarting").await;
    argocd.container().logged_times("serving on port", 2).await;
    assert_eq!(get(&place, &format!("/auth/login?return_url={HOST}/"), "*/*").await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_goes_with_the_code_where_it_is_asked_for() {
    for (release, with_challenge) in [("v3.0.0", false), ("v3.3.6", true)] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.config_map("argocd-cm", config("enablePKCEAuthentication: true\n"));
        argocd.run(&place, release);
        argocd.ready().await;
        let login = Login::run(&place).await;
        let to = login.step("login").location();
        assert_eq!(to.contains("code_challenge_method=S256"), with_challenge, "{to}");
        assert!(login.passed(), "{login:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_are_secure_where_the_url_is() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.config_map("argocd-cm", json!({ "url": "https://argocd.host", "oidc.config": OIDC_CONFIG }));
    argocd.run(&place, "v3.3.6");
    argocd.ready().await;
    let mut login = Login::default();
    login.begin(&place).await;
    assert!(login.last().set_cookies()[0].ends_with("; HttpOnly; Secure; SameSite=Lax"), "{login:?}");
    assert!(login.last().location().contains("redirect_uri=https%3A%2F%2Fargocd.host%2Fauth%2Fcallback"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logged_out_token_is_worth_nothing() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::start(&place, "v3.4.0").await;
    let log_out = async || {
        let mut login = Login::run(&place).await;
        assert!(login.passed());
        let kept = login.cookies().clone();
        login.get(&place, "logout", &format!("{HOST}/auth/logout")).await;
        assert_eq!((login.last().status, login.last().location()), (303, HOST));
        assert_eq!(login.last().set_cookies(), ["argocd.token=; Path=/"]);
        *login.cookies() = kept;
        login.get(&place, "applications", &format!("{HOST}/api/v1/applications")).await;
        login
    };
    let login = log_out().await;
    assert_eq!(login.last().status, 401);
    assert!(login.last().body.contains("invalid session: token is revoked, please re-login"), "{login:#?}");
    let (status, _, body) = get(&place, "/auth/logout", "*/*").await;
    assert_eq!(
        (status, body.as_str()),
        (400, "Failed to retrieve ArgoCD auth token: failed to retrieve cookie argocd.token\n")
    );
    // Up to v3.3 what is revoked is a `jti`, and Dex's tokens have none.
    argocd.rollout(&place, "v3.3.14").await;
    assert_eq!(log_out().await.last().status, 200);
}

/// Keys are looked up anew; an issuer is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_checks_sessions_keeps_the_provider_of_the_first() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::start(&place, "v3.5.1").await;
    assert!(Login::run(&place).await.passed());
    // A Dex that starts anew has new keys.
    dex.end().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    assert!(Login::run(&place).await.passed());
    // A Dex of another name is another provider.
    dex.end().await;
    let _dex = place.dex(&DEX_CONFIG.replace("http://dex.host", "http://dex.host/other"), SECRET);
    argocd.config_map(
        "argocd-cm",
        json!({ "url": HOST, "oidc.config": OIDC_CONFIG.replace("http://dex.host", "http://dex.host/other") }),
    );
    argocd.container().logged_times("serving on port", 2).await;
    let login = Login::run(&place).await;
    assert_eq!(login.step("callback").status, 303, "{login:#?}");
    assert_eq!((login.last().status, login.last().body.as_str()), (200, "{}"));
    argocd.rollout(&place, "v3.5.1").await;
    assert!(Login::run(&place).await.passed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_behind_tls_has_to_be_trusted() {
    let place = Place::new().await;
    let identity = local_cluster::tls::identity().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let dex = place.dex(&DEX_CONFIG.replace("http://dex.host", &issuer), SECRET);
    let stop = tokio_util::sync::CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    tokio::spawn(local_cluster::serve::serve(
        Arc::new(listener),
        Some(identity.acceptor),
        place.front("dex.host"),
        local_cluster::serve::Limits::default(),
        stop,
    ));
    let ca: String = identity.ca_pem.lines().map(|line| format!("  {line}\n")).collect();
    for (name, data, status, words) in [
        ("trusted", json!({ "oidc.config": format!("rootCA: |\n{ca}") }), 303, ""),
        ("unknown", json!({}), 500, "x509: certificate signed by unknown authority"),
        ("unchecked", json!({ "oidc.tls.insecure.skip.verify": "true" }), 303, ""),
        (
            "garbage",
            json!({ "oidc.config": "rootCA: garbage\n" }),
            500,
            "x509: certificate signed by unknown authority",
        ),
    ] {
        let mut argocd = ArgoCd::objects(&place).await;
        let mut all = json!({ "url": HOST, "oidc.tls.insecure.skip.verify": data["oidc.tls.insecure.skip.verify"].as_str().unwrap_or("") });
        let more = data["oidc.config"].as_str().unwrap_or_default();
        all["oidc.config"] = format!("{}{more}", OIDC_CONFIG.replace("http://dex.host", &issuer)).into();
        argocd.config_map("argocd-cm", all);
        argocd.run(&place, "v3.3.6");
        argocd.ready().await;
        let mut login = Login::default();
        login.begin(&place).await;
        assert_eq!(login.last().status, status, "{name}: {login:#?}");
        assert!(login.last().body.contains(words), "{name}: {login:#?}");
    }
    drop(dex);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_issuer_is_said_to_the_browser() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    for (issuer, words) in [
        (
            "http://dex.host/",
            r#"failed to query provider "http://dex.host/": oidc: issuer did not match the issuer returned by provider, expected "http://dex.host/" got "http://dex.host""#,
        ),
        (
            "$nowhere:key",
            r#"failed to query provider "$nowhere:key": parse "$nowhere:key/.well-known/openid-configuration": first path segment in URL cannot contain colon"#,
        ),
        ("http://nobody.host", r#"failed to query provider "http://nobody.host": 502 Bad Gateway: "#),
        (
            "https://127.0.0.1:1",
            r#"failed to query provider "https://127.0.0.1:1": Get "https://127.0.0.1:1/.well-known/openid-configuration": dial tcp 127.0.0.1:1: connect: connection refused"#,
        ),
    ] {
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.config_map(
            "argocd-cm",
            json!({ "url": HOST, "oidc.config": OIDC_CONFIG.replace("http://dex.host", issuer) }),
        );
        argocd.run(&place, "v3.3.6");
        argocd.ready().await;
        let (status, _, body) = get(&place, "/auth/login", "*/*").await;
        assert_eq!(status, 500);
        assert!(body.starts_with(words), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_insecure_it_wants_https() {
    let place = Place::new().await;
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.run_with(&place, "v3.3.6", BTreeMap::new());
    argocd.container().logged("tls: true").await;
    let (status, headers, _) = get(&place, "/auth/login?x=1", "*/*").await;
    assert_eq!((status, headers["location"].as_str()), (307, "https://argocd.host/auth/login?x=1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_path_stands_before_everything() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    let env = [("ARGOCD_SERVER_INSECURE", "true"), ("ARGOCD_SERVER_ROOTPATH", "/argo")];
    argocd.run_with(&place, "v3.3.6", env.map(|(key, value)| (key.into(), value.into())).into());
    argocd.ready().await;
    for (path, status) in [
        ("/argo/auth/login", 303),
        ("/auth/login", 404),
        ("/healthz", 200),
        ("/argo/healthz", 200),
        ("/argo", 404),
    ] {
        assert_eq!(get(&place, path, "*/*").await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_stay_out_of_the_log() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v3.5.1").await;
    let login = Login::run(&place).await;
    assert!(login.passed());
    argocd.secret("argocd-oidc", true, &[("clientSecret", "another-s3cret")]);
    argocd.container().logged_times("serving on port", 2).await;
    assert!(Login::run(&place).await.was_refused());
    let log = argocd.container().log().join("\n") + &dex.log().join("\n");
    let code = login.step("form").location().split_once("code=").unwrap().1.split('&').next().unwrap();
    let state = login.step("login").location().split_once("state=").unwrap().1;
    let token = login.step("callback").set_cookies()[1].split([';', '=']).nth(1).unwrap();
    for secret in [SECRET, "another-s3cret", "key-of-the-server", code, state, token] {
        assert!(secret.len() > 8 && !log.contains(secret), "{secret} in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_as_its_release_does() {
    let place = Place::new().await;
    for (release, code) in [("v2.2.16", 143), ("v2.12.1", 143), ("v2.14.0", 0), ("v3.3.6", 0)] {
        let mut argocd = ArgoCd::start(&place, release).await;
        let address = argocd.container().ports[&8080];
        assert_eq!(argocd.container.take().unwrap().end().await.code, code, "{release}");
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "{release}");
    }
    // It can be told before it has read anything.
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.cluster.away().await;
    argocd.run(&place, "v3.3.6");
    argocd.container().logged("Starting configmap/secret informers").await;
    assert_eq!(argocd.container.take().unwrap().end().await.code, 143);
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.run(&place, "latest");
    let exit = argocd.container.take().unwrap().task.await.unwrap();
    assert!(exit.code == 1 && exit.message.contains("did you mean v3.3.6"), "{exit:?}");
}

/// Killed, not told to end: no port is left, and no connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_one_that_is_killed() {
    for release in ["v2.4.2", "v2.12.1", "v3.3.6"] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::start(&place, release).await;
        let mut stream = Login::run(&place).await.open_stream(&argocd).await;
        let container = argocd.container.take().unwrap();
        container.task.abort();
        // The stream ends, and then nobody listens any more.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0, "{release}");
        while tokio::net::TcpStream::connect(container.ports[&8080]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_answered_and_survived() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v3.3.6").await;
    let address = argocd.container().ports[&8080];
    // Go takes a head of one mebibyte; what reads it here may have as much again in hand.
    let long = "x".repeat(2_200_000);
    let cookie = |value: &str| {
        format!(
            "GET /auth/callback?code=a&state=b HTTP/1.1\r\nHost: h\r\nCookie: argocd.oauthstate={value}\r\n\r\n"
        )
    };
    let token = |value: &str| {
        format!("GET /api/v1/session/userinfo HTTP/1.1\r\nHost: h\r\nCookie: argocd.token={value}\r\n\r\n")
    };
    let requests: Vec<(Vec<u8>, &str)> = vec![
        (b"\x16\x03\x01garbage\r\n\r\n".to_vec(), "400"),
        (b"GET\r\n\r\n".to_vec(), "400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes(), "4"),
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n").into_bytes(), "431"),
        (b"POST /auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n".to_vec(), "413"),
        (b"GET /auth/login?return_url=%zz&%=;; HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "303"),
        (b"GET /auth/login?return_url=%00%ff%0d%0a HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "400"),
        (cookie("").into_bytes(), "400"),
        (cookie("zz").into_bytes(), "400"),
        (cookie(&"ab".repeat(20_000)).into_bytes(), "400"),
        (
            b"GET /auth/callback?code=a&state=b HTTP/1.1\r\nHost: h\r\nCookie: \xff\xfe=;;;=\r\n\r\n"
                .to_vec(),
            "400",
        ),
        (token("a.b.c").into_bytes(), "200"),
        (token("99999999:x").into_bytes(), "200"),
        (token(&format!("e30.{}.e30", "e30".repeat(9000))).into_bytes(), "200"),
        (
            b"GET /api/v1/session/userinfo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ..\r\n\r\n".to_vec(),
            "200",
        ),
        (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), "404"),
        (
            b"DELETE /api/v1/session HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\r\n".to_vec(),
            "200",
        ),
    ];
    for (request, status) in requests {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        // A server may answer before it has read everything.
        let _ = stream.write_all(&request).await;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer).await.unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..length]);
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {answer:?}");
    }
    // Half a request holds nobody up.
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /auth/login HTTP/1.1\r\nHo").await.unwrap();
    assert!(Login::run(&place).await.passed());
}

/// Dex with a user in so many groups.
fn many_groups(count: usize) -> String {
    let groups: Vec<String> = (0..count).map(|it| format!("00000000-0000-4000-8000-{it:012}")).collect();
    format!("{DEX_CONFIG}  groups: {}\n", json!(groups))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_token_comes_in_several_cookies_and_one_that_is_too_long_not_at_all() {
    let place = Place::new().await;
    let asking = OIDC_CONFIG.replace(r#""email"]"#, r#""email", "groups"]"#);
    let dex = place.dex(&many_groups(100), SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.config_map("argocd-cm", json!({ "url": HOST, "oidc.config": asking }));
    argocd.run(&place, "v3.3.6");
    argocd.settled().await;
    let login = Login::run(&place).await;
    assert!(login.passed(), "{login:#?}");
    let cookies = login.step("callback").set_cookies();
    let tokens: Vec<&str> = cookies.iter().filter(|it| it.starts_with("argocd.token")).copied().collect();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert!(tokens[0].starts_with("argocd.token=2:ey"));
    assert!(tokens[1].starts_with("argocd.token-1=") && tokens.iter().all(|it| it.len() <= 4093));

    dex.end().await;
    let _dex = place.dex(&many_groups(2000), SECRET);
    let login = Login::run(&place).await;
    let (status, body) = (login.last().status, &login.last().body);
    assert_eq!((login.last().step, status), ("callback", 500));
    assert!(body.starts_with(r#"claims={"at_hash":"#), "{}", &body[..80]);
    let why = &body[body.find("}, err=").unwrap()..];
    assert!(
        why.starts_with("}, err=the authentication token is ")
            && why.contains("cookies but the max number of cookies is 20. Contact"),
        "{why}"
    );

    let env = [("ARGOCD_SERVER_INSECURE", "true"), ("ARGOCD_MAX_COOKIE_NUMBER", "40")];
    argocd.container.take().unwrap().end().await;
    argocd.run_with(&place, "v3.3.6", env.map(|(name, value)| (name.into(), value.into())).into());
    argocd.settled().await;
    let login = Login::run(&place).await;
    assert!(login.passed(), "a limit that was raised: {:?}", login.last().status);
}
