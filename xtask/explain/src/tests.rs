use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

fn ids(text: &str) -> Vec<&'static str> {
    explain(text.as_bytes()).unwrap().causes.iter().map(|cause| cause.id.name()).collect()
}

#[test]
fn what_real_servers_say_leads_to_its_cause() {
    for (said, id) in [
        (r#"failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#, "stale-argocd"),
        (
            r#"oauth2: cannot fetch token: 401 Unauthorized Response: {"error":"invalid_client"}"#,
            "stale-argocd",
        ),
        (
            r#"failed to get token: oauth2: "unauthorized_client" "Invalid client or Invalid client credentials""#,
            "stale-argocd",
        ),
        (r#"failed to get token: oauth2: "access_denied" "Unauthorized""#, "stale-argocd"),
        (
            r#"failed to get token: oauth2: "invalid_client" "AADSTS7000222: The provided client secret keys are expired.""#,
            "secret-expired",
        ),
        (
            r#"failed to get token: oauth2: "invalid_client" "AADSTS7000215: Invalid client secret provided.""#,
            "secret-mismatch",
        ),
        (
            "config referenced '$argocd-oidc:clientSecret', but key does not exist in secret",
            "secret-key-missing",
        ),
        ("https://dex.example.com/auth?client_id=%24oidc.dex.clientID&redirect_uri=x", "secret-reference"),
        ("Bad Request Unregistered redirect_uri (\"https://a/auth/callback\").", "redirect-uri"),
        ("Invalid parameter: redirect_uri", "redirect-uri"),
        ("Invalid redirect URL: the protocol and host (including port) must match", "argocd-url"),
        (
            "oidc: issuer did not match the issuer returned by provider, expected \"a\" got \"b\"",
            "issuer-mismatch",
        ),
        (
            "oidc: issuer URL provided to client (\"a\") did not match the issuer URL returned by provider (\"b\")",
            "issuer-mismatch",
        ),
        (
            "failed to query provider \"http://dex.host\": Get \"http://dex.host/x\": dial tcp: lookup dex.host: no such host",
            "provider-unreachable",
        ),
        ("Failed to query provider \"http://dex.host\": 502 Bad Gateway", "provider-unreachable"),
        (
            "failed to query provider \"\": Get \"/.well-known/openid-configuration\": unsupported protocol scheme \"\"",
            "first-start",
        ),
        (
            "failed to query provider \"https://idp\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
            "egress-proxy",
        ),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "provider-ca"),
        ("invalid session: failed to verify the token", "stale-session-manager"),
        ("http: named cookie not present", "state-cookie"),
        ("invalid state in 'argocd.token' cookie", "state-mismatch"),
        ("cipher: message authentication failed", "server-key-changed"),
        ("server.secretkey is missing", "server-key-missing"),
        ("token verification failed: oidc: expected audience \"argo-cd\" got [\"other\"]", "audience"),
        ("oidc: token is expired (Token Expiry: 2026-11-23)", "clock"),
        ("callback?error=invalid_scope&error_description=Unrecognized+scope(s)", "scope"),
        ("access_denied: nope", "idp-refused"),
        ("Invalid Email Address and password.", "credentials"),
        ("Invalid username or password.", "credentials"),
        (
            r#"failed to get token: oauth2: "invalid_grant" "Invalid or expired code parameter.""#,
            "code-reused",
        ),
        ("GET /auth/login 404 page not found", "first-start"),
        ("serving on port 8080 (url: , tls: false, sso: false)", "first-start"),
        ("Not Found Invalid client_id (\"argo-cd \").", "client-id"),
        ("Client not found.", "client-id"),
        (
            "invalid oidc config: error converting YAML to JSON: yaml: line 2: mapping values are not allowed",
            "oidc-config",
        ),
        ("malformed Dex configuration found", "dex-config"),
        ("invalid dex yaml config: error converting YAML to JSON: yaml: line 3", "dex-config"),
        (
            "failed to query provider \"http://argocd.host/api/dex\": 400 Bad Request: Client sent an HTTP request to an HTTPS server.",
            "dex-tls",
        ),
        ("failed to query provider \"http://argocd.host//api/dex\": 404 Not Found", "argocd-url"),
        (
            "failed to query provider \"http://argocd.host/api/dex\": Get \"https://argocd-dex-server:5556/api/dex/.well-known/openid-configuration\": dial tcp 127.0.0.1:5556: connect: connection refused",
            "dex-down",
        ),
        ("error parse config file /tmp/dex.yaml: unknown connector type \"x\"", "dex-down"),
        ("400 Bad Request Request Header Or Cookie Too Large nginx", "cookie-too-large"),
        ("upstream sent too big header while reading response header from upstream", "token-too-large"),
        ("cookie value is 90000 long, max number of cookies is 20", "too-many-cookies"),
        ("{}", "stale-session-manager"),
        (
            "<html><center><h1>502 Bad Gateway</h1></center><hr><center>nginx/1.22.1</center></html>",
            "provider-unreachable",
        ),
        ("Unregistered redirect_uri (http://localhost:8085/auth/callback).", "cli-redirect-uri"),
        ("argocd login --sso opens: Not Found Invalid client_id (\"argo-cd-cli\").", "cli-client-id"),
        ("FATA[0005] oauth2: \"invalid_client\" \"Invalid client credentials.\"", "cli-no-client"),
        (
            "error for aud \"argo-cd\": oidc: expected audience \"argo-cd\" got [\"argo-cd-cli\"]",
            "cli-audience",
        ),
        ("level=info msg=\"invalid client_secret on token request for client: argo-cd\"", "stale-argocd"),
        (
            "invalid session token: failed to verify signature: failed to verify id token signature",
            "stale-session-manager",
        ),
        (
            "failed to query provider \"https://a.example/api/dex\": Get \"https://argocd-dex-server:5556/api/dex/.well-known/openid-configuration\": dial tcp: lookup argocd-dex-server: no such host",
            "dex-down",
        ),
        ("dial tcp 10.1.1.1:5556: connect: connection refused", "dex-down"),
        ("exec: \"/shared/argocd-dex\": permission denied: unknown", "dex-down"),
        (
            "failed to get token: Post \"https://idp.example/token\": dial tcp 10.0.0.1:443: i/o timeout",
            "provider-unreachable",
        ),
        (
            "Failed to login user: failed to connect: LDAP Result Code 200 \"Network Error\"",
            "provider-unreachable",
        ),
        (
            "LDAP Result Code 200 \"Network Error\": x509: certificate signed by unknown authority",
            "provider-ca",
        ),
        ("permission denied: applications, get, default/guestbook, sub: x, iat: 2026-08-29", "no-rights"),
        (r#"{"error":"permission denied","code":7,"message":"permission denied"}"#, "no-rights"),
        ("github: user \"jane\" not in required orgs or teams", "idp-refused"),
        ("oidc: unexpected hd claim example.com", "idp-refused"),
        ("oidc: current time 10:00 before the nbf (not before) time: 10:05", "clock"),
        (
            "oidc: id token issued by a different provider, expected \"https://a.example\" got \"https://b.example\"",
            "issuer-mismatch",
        ),
        (
            "method 'none', however the OAuth 2.0 client registration does not allow this method. invalid_client",
            "client-type",
        ),
        ("The requested scope is invalid, unknown, or malformed.", "scope"),
        ("Failed to verify app state WQVEWYBeIO: EOF", "redis"),
        (
            "redirect_uri=http%3A%2F%2Flocalhost%3A8085%2Fauth%2Fcallback FATA[0027] oauth2: cannot fetch token: 401 Unauthorized Response: {\"error\":\"invalid_client\"}",
            "cli-no-client",
        ),
    ] {
        assert_eq!(ids(said).first().copied(), Some(id), "{said}");
    }
}

#[test]
fn nonsense_is_not_known() {
    for text in [
        "the quick brown fox",
        "404",
        "restart",
        "hello\u{1b}[31m\u{202e}world\0",
        "{\"a\": [1, 2, 3]}",
        "https://example.com/cats?page=2",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit",
        "error: cannot find crate `foo`",
        "login",
        "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]",
        "failed to generate manifest: rpc error: code = Unknown desc = authentication required: Repository not found.",
        "Get \"https://git.example/a.git/info/refs?service=git-upload-pack\": x509: certificate signed by unknown authority",
        "remote: Invalid username or password. fatal: Authentication failed for 'https://git.example/a.git/'",
        "failed to pull image \"argocd\": toomanyrequests",
    ] {
        let explanation = explain(text.as_bytes()).unwrap();
        assert_eq!((ids(text).as_slice(), explanation.exit()), (&[][..], Exit::Verdict), "{text:?}");
        assert!(explanation.headline().starts_with("not known"), "{text:?}");
    }
}

#[test]
fn nothing_is_no_input() {
    for text in ["", " \n\t", "\u{feff}"] {
        assert_eq!(explain(text.as_bytes()).unwrap_err().exit, Exit::Usage);
    }
}

#[test]
fn an_address_shows_where_a_login_stopped() {
    for (address, id) in [
        ("https://a.example/auth/callback?error=invalid_scope&state=s3cr3tstate", Some("scope")),
        (
            "https://a.example/auth/callback?error=access_denied&error_description=User%20is%20not%20assigned%20to%20the%20client",
            Some("idp-refused"),
        ),
        ("https://a.example/auth/callback?error=server_error&error_description=boom", Some("idp-refused")),
        (
            "https://idp.example/authorize?client_id=$oidc.id&redirect_uri=https%3A%2F%2Fa.example%2Fauth%2Fcallback",
            Some("secret-reference"),
        ),
        ("https://a.example/cd/cd/login?return_url=x", Some("redirect-loop")),
        ("https://a.example/auth/callback?code=s3cr3tcode&state=s3cr3tstate", None),
        ("https://a.example/login?has_sso_error=true", None),
    ] {
        let explanation = explain(address.as_bytes()).unwrap();
        assert_eq!((explanation.input, ids(address).first().copied()), (Kind::Address, id), "{address}");
        assert!(id.is_some() || !explanation.notes.is_empty(), "{address}");
        assert!(!format!("{:?}{}", explanation.fields(), explanation.body()).contains("s3cr3t"), "{address}");
    }
}

#[test]
fn both_issuers_are_shown_with_what_differs() {
    let said = "issuer did not match the issuer returned by provider, expected \"http://a.example/dex\" got \
                \"https://a.example/dex\"";
    let explanation = explain(said.as_bytes()).unwrap();
    let seen = explanation.causes[0].evidence.join("\n");
    assert!(seen.contains("http://a.example/dex") && seen.ends_with("they differ in the scheme"), "{seen}");
}

/// A HAR of these hops: method, address, request headers, status, response headers, body.
fn har(hops: &[(&str, &str, &str, i64, &str, &str)]) -> String {
    let pairs = |headers: &str| {
        let pairs = headers.lines().filter_map(|line| line.split_once(": "));
        pairs.map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>()
    };
    let entries: Vec<Value> = hops
        .iter()
        .map(|(method, url, asked, status, answered, body)| {
            json!({
                "request": {"method": method, "url": url, "headers": pairs(asked), "cookies": []},
                "response": {"status": status, "headers": pairs(answered), "cookies": [], "content": {"text": body}},
            })
        })
        .collect();
    json!({"log": {"version": "1.2", "entries": entries}}).to_string()
}

/// A report's own HAR has no texts but that of the answer which failed, and a page for each login.
#[test]
fn of_an_answer_whose_text_was_not_recorded_nothing_is_said() {
    let refused = "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"";
    let login = [
        ("GET", "http://argocd.host/api/v1/settings", "", 200, "", ""),
        ("GET", "http://argocd.host/auth/callback?code=%E2%80%A6", "", 500, "", refused),
    ];
    let explanation = explain(har(&[login, login].concat()).as_bytes()).unwrap();
    let ids = |of: &Explanation| of.causes.iter().map(|it| it.id).collect::<Vec<_>>();
    let of_words = explain(refused.as_bytes()).unwrap();
    assert_eq!(ids(&explanation), ids(&of_words));
    let seen = &explanation.causes[0].evidence;
    assert_eq!(seen.len(), 1 + of_words.causes[0].evidence.len(), "{seen:?}");
}

const LOGIN: (&str, &str, &str, i64, &str, &str) = (
    "GET",
    "https://argocd.example/auth/login?return_url=https%3A%2F%2Fargocd.example%2F",
    "",
    303,
    "set-cookie: argocd.oauthstate=s3cr3t-state; HttpOnly; Secure; SameSite=lax\nlocation: https://idp.example/a",
    "",
);
const CALLBACK: &str = "https://argocd.example/auth/callback?code=s3cr3t-code&state=s3cr3t-state";
const USERINFO: &str = "https://argocd.example/api/v1/session/userinfo";

#[test]
fn a_har_shows_the_hop_that_failed() {
    let cookie = "cookie: argocd.oauthstate=s3cr3t-state";
    let long = format!("{cookie}; argocd.token={}", "s3cr3t".repeat(2000));
    let refused = r#"failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;
    for (name, hops, id, seen) in [
        (
            "refused",
            vec![LOGIN, ("GET", CALLBACK, cookie, 500, "", refused)],
            "stale-argocd",
            "GET argocd.example/auth/callback 500",
        ),
        (
            "cookie lost",
            vec![LOGIN, ("GET", CALLBACK, "", 400, "", "http: named cookie not present")],
            "state-cookie",
            "did not come back",
        ),
        (
            "other host",
            vec![LOGIN, ("GET", "https://other.example/auth/callback?code=s3cr3t", "", 404, "", "")],
            "argocd-url",
            "began at argocd.example and was called back at other.example",
        ),
        (
            "front",
            vec![LOGIN, ("GET", CALLBACK, cookie, 502, "", "<html>502 Bad Gateway</html>")],
            "token-too-large",
            "alone",
        ),
        (
            "too long",
            vec![LOGIN, ("GET", USERINFO, &long, 400, "", "<html>Bad Request</html>")],
            "cookie-too-large",
            "bytes of headers",
        ),
        (
            "not taken",
            vec![
                LOGIN,
                ("GET", CALLBACK, cookie, 303, "set-cookie: argocd.token=s3cr3t; path=/", ""),
                ("GET", USERINFO, "cookie: argocd.token=s3cr3t", 200, "", "{}"),
            ],
            "stale-session-manager",
            "does not know the user",
        ),
        (
            "loop",
            vec![("GET", "https://argocd.example/x?s3cr3t", cookie, 307, "", ""); 5],
            "redirect-loop",
            "in a row",
        ),
        (
            "provider",
            vec![
                LOGIN,
                ("GET", "https://idp.example/auth?client_id=x", "", 400, "", "Unregistered redirect_uri"),
            ],
            "redirect-uri",
            "idp.example/… 400",
        ),
        (
            "provider's page with 200",
            vec![
                LOGIN,
                (
                    "GET",
                    "https://login.microsoftonline.com/t/authorize?client_id=x",
                    "",
                    200,
                    "",
                    r"<script>c={'m':'AADSTS50011: s3cr3t'}</script><p>Sign in</p>",
                ),
            ],
            "redirect-uri",
            "aadsts50011",
        ),
        (
            "no rights",
            vec![
                ("GET", USERINFO, "cookie: argocd.token=s3cr3t", 200, "", r#"{"loggedIn":true}"#),
                (
                    "GET",
                    "https://argocd.example/api/v1/applications/s3cr3t",
                    "cookie: argocd.token=s3cr3t",
                    403,
                    "",
                    r#"{"error":"permission denied","code":7,"message":"permission denied"}"#,
                ),
            ],
            "no-rights",
            "permission denied",
        ),
        (
            "no button",
            vec![("GET", "https://argocd.example/api/v1/settings", cookie, 200, "", r#"{"url": ""}"#)],
            "oidc-config",
            "no button",
        ),
    ] {
        let explanation = explain(har(&hops).as_bytes()).unwrap();
        let first = explanation.causes.first().unwrap_or_else(|| panic!("{name}: {explanation:?}"));
        assert_eq!((explanation.input, first.id.name()), (Kind::Har, id), "{name}");
        assert!(first.evidence.iter().any(|it| it.contains(seen)), "{name}: {:?}", first.evidence);
        let said = format!("{:?}{}{}", explanation.fields(), explanation.headline(), explanation.body());
        assert!(!said.contains("s3cr3t"), "{name}: {said}");
    }
}

#[test]
fn cookies_that_were_not_recorded_are_not_called_lost() {
    let (method, url, asked, status, _, body) = LOGIN;
    let hops = [
        (method, url, asked, status, "", body),
        ("GET", CALLBACK, "", 303, "", ""),
        ("GET", USERINFO, "", 200, "", "{}"),
    ];
    let explanation = explain(har(&hops).as_bytes()).unwrap();
    assert!(explanation.notes.iter().any(|note| note.contains("not recorded")), "{:?}", explanation.notes);
    assert!(!ids(&har(&hops)).contains(&"state-cookie"));
    let well =
        [(method, url, asked, status, "", body), ("GET", USERINFO, "", 200, "", r#"{"loggedIn": true}"#)];
    let explanation = explain(har(&well).as_bytes()).unwrap();
    assert_eq!(explanation.exit(), Exit::Verdict);
    assert!(explanation.notes.iter().any(|note| note.ends_with("logged in")), "{:?}", explanation.notes);
}

#[test]
fn a_har_is_read_however_its_tool_fills_it() {
    let request = json!({"method": "GET", "url": CALLBACK, "headers": null, "cookies": null});
    let refused = "failed to get token: oauth2: \"invalid_client\"";
    let content = json!({"encoding": "base64", "text": BASE64_STANDARD.encode(refused)});
    for (name, odd, entry) in [
        ("no response", json!({"request": request}), json!(null)),
        ("null", json!({"request": request, "response": null}), json!(null)),
        ("an odd entry", json!(null), json!({"request": "s3cr3t", "response": 5})),
        (
            "an odd pair",
            json!({"request": {"url": CALLBACK, "headers": [null, {"name": 1}, {"value": null}]}}),
            json!(7),
        ),
        (
            "words for numbers",
            json!({"request": request, "response": {"status": "s3cr3t", "content": []}}),
            json!([]),
        ),
    ] {
        let answered = json!({"request": request, "response": {"status": 500, "content": content}});
        let har = json!({"log": {"entries": [odd, entry, answered]}}).to_string();
        assert_eq!(ids(&har).first(), Some(&"stale-argocd"), "{name}");
    }
    let gone = json!({"request": request, "response": {"status": 0, "_error": "net::ERR_ABORTED"}});
    let gone = explain(json!({"log": {"entries": [gone]}}).to_string().as_bytes()).unwrap();
    let seen =
        "GET argocd.example/auth/callback: the browser got no answer, or went elsewhere before (ERR_ABORTED)";
    assert!(gone.notes.iter().any(|note| note == seen), "{:?}", gone.notes);
    let nothing = explain(br#"{"log": {"entries": null}}"#).unwrap();
    assert!(nothing.notes[0].starts_with("no /auth/login"), "{:?}", nothing.notes);
}

#[test]
fn what_a_power_shell_wrote_is_read() {
    let log = "level=fatal msg=\"malformed Dex configuration found\"\r\n";
    let bytes: Vec<u8> =
        "\u{feff}".encode_utf16().chain(log.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(explain(&bytes).unwrap().causes[0].id, CauseId::DexConfig);
}

#[test]
fn a_har_that_is_cut_off_is_said_to_be() {
    let whole = har(&[LOGIN]);
    for length in 16..whole.len() - 1 {
        let error = explain(&whole.as_bytes()[..length]).unwrap_err();
        assert_eq!(error.exit, Exit::Environment);
        assert!(error.message().contains("the HAR") && !error.message().contains("s3cr3t"), "{error}");
    }
}

#[test]
fn hostile_input_is_explained_or_not_and_never_shown() {
    let page = format!(
        "<html>{}<script>{}</html>",
        "<p onclick='s3cr3t'>&lt;".repeat(40_000),
        "s3cr3t".repeat(10_000)
    );
    let deep = format!("{{\"log\":{{\"entries\":{}", "[".repeat(100_000));
    for text in [
        page.as_str(),
        &deep,
        "\u{1b}]0;s3cr3t\u{7}%",
        "invalid_client s3cr3t \u{1b}[2J",
        &"%".repeat(100_000),
    ] {
        let said = match explain(text.as_bytes()) {
            Ok(explanation) => format!("{}{}", explanation.headline(), explanation.body()),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("s3cr3t") && !said.contains('\u{1b}'), "{said}");
    }
    // What is no text at all, from a small generator.
    let mut seed = 7u64;
    for _ in 0..500 {
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as u8
        };
        let length = usize::from(next()) + 1;
        let bytes: Vec<u8> = (0..length)
            .map(|_| if next() < 100 { b"{\"log\":{\\%<&"[usize::from(next()) % 12] } else { next() })
            .collect();
        if let Ok(explanation) = explain(&bytes) {
            let _ = explanation.body();
        }
    }
}

#[test]
fn a_name_of_the_catalogue_is_its_page() {
    let explanation = Explanation::of_id(CauseId::StaleArgocd);
    assert!(explanation.body().contains("- **Upstream** ") && !explanation.body().contains("## "));
    assert!(explanation.body().starts_with("\n- **People see**"), "the headline is not said again");
    assert_eq!(
        explanation.headline(),
        "stale-argocd: Argo CD presents a client secret that its Secret no longer holds."
    );
}
