//! Logins against servers that are well, broken, slow, or something else altogether.

mod support;

use std::time::Duration;

use probe::{Cause, Failure, Login, Step, Tls, Verdict, table};
use support::{BAD_GATEWAY, Fake, INVALID_CLIENT, INVALID_REDIRECT, Reply, USER, tls::Authority};

fn failure(login: &Login) -> &Failure {
    login.outcome.as_ref().expect_err("the login passed")
}

#[tokio::test]
async fn a_login_passes_all_six_steps() {
    let fake = Fake::start();
    let login = probe::login(&fake.options()).await;
    let user = login.outcome.as_ref().unwrap();
    assert_eq!(user.username, USER);
    assert_eq!(user.groups, [USER]);
    let steps: Vec<_> =
        login.exchanges.iter().map(|e| (e.step, e.method, e.place.as_str(), e.status)).collect();
    assert_eq!(
        steps,
        [
            (Step::Settings, "GET", "argocd.host/api/v1/settings", Some(200)),
            (Step::Settings, "GET", "argocd.host/api/version", Some(200)),
            (Step::Login, "GET", "argocd.host/auth/login", Some(303)),
            (Step::Authorize, "GET", "dex.host/auth", Some(302)),
            (Step::Authorize, "GET", "dex.host/auth/local", Some(302)),
            (Step::Authorize, "GET", "dex.host/auth/local/login", Some(200)),
            (Step::Form, "POST", "dex.host/auth/local/login", Some(303)),
            (Step::Callback, "GET", "argocd.host/auth/callback", Some(303)),
            (Step::Userinfo, "GET", "argocd.host/api/v1/session/userinfo", Some(200)),
        ]
    );
    let table = table::render(&login, table::Style::default());
    insta::with_settings!({filters => [(r" +\d+\.\d  ", "  [ms]  "), (r"status +ms", "status   ms")]}, {
        insta::assert_snapshot!(table);
    });
}

#[tokio::test]
async fn every_failure_has_its_step_words_and_cause() {
    let login = "argocd.host/auth/login";
    let callback = "argocd.host/auth/callback";
    let form = "dex.host/auth/local/login";
    let userinfo = "argocd.host/api/v1/session/userinfo";
    let (settings, version) = ("argocd.host/api/v1/settings", "argocd.host/api/version");
    let no_key =
        r#"{"error":"server.secretkey is missing","code":2,"message":"server.secretkey is missing"}"#;
    let old_wording = "failed to get token: oauth2: cannot fetch token: 401 Unauthorized\nResponse: \
                       {\"error\":\"invalid_client\",\"error_description\":\"Invalid client credentials.\"}\n";
    let query_failed =
        format!("Failed to query provider \"http://dex.host\": 502 Bad Gateway: {BAD_GATEWAY}\n");
    let first_start = "failed to query provider \"\": Get \"/.well-known/openid-configuration\": unsupported protocol \
                       scheme \"\"\n";
    let back = |query: &str| Reply::redirect(&format!("http://argocd.host/auth/callback?{query}"));
    let script = "<title>App</title><div id=root></div><script src=/app.js></script>";
    let consent =
        "<title>Grant</title><form><input type=hidden name=approval value=approve><button>OK</button></form>";
    let other_login = "<form><input name=username><button>Next</button></form>";
    let unregistered =
        "<h2>Bad Request</h2><p>Unregistered redirect_uri (\"http://argocd.host/auth/callback\").</p>";
    let huge = "x".repeat(2 * 1024 * 1024);
    let secure = Reply::redirect("/").header("Set-Cookie", "argocd.token=abc; path=/; Secure");
    for (place, reply, step, status, cause, words) in [
        (
            callback,
            Reply::plain(500, INVALID_CLIENT),
            Step::Callback,
            Some(500),
            Cause::InvalidClient,
            INVALID_CLIENT.trim(),
        ),
        (
            callback,
            Reply::plain(500, old_wording),
            Step::Callback,
            Some(500),
            Cause::InvalidClient,
            "401 Unauthorized",
        ),
        (
            settings,
            Reply::new(500, "application/json", no_key),
            Step::Settings,
            Some(500),
            Cause::ServerKeyMissing,
            "server.secretkey is missing",
        ),
        (
            version,
            Reply::new(500, "application/json", no_key),
            Step::Settings,
            Some(500),
            Cause::ServerKeyMissing,
            "server.secretkey is missing",
        ),
        (settings, Reply::json("{}"), Step::Settings, Some(200), Cause::NoButton, "no button: neither"),
        (settings, Reply::plain(404, "no"), Step::Settings, Some(404), Cause::NoRoute, "no"),
        (settings, Reply::page("<p>Hello</p>"), Step::Settings, Some(200), Cause::NotArgocd, "Hello"),
        (settings, Reply::redirect("/oauth2"), Step::Settings, Some(302), Cause::NotArgocd, "redirects with"),
        (
            login,
            Reply::plain(400, INVALID_REDIRECT),
            Step::Login,
            Some(400),
            Cause::InvalidRedirectUrl,
            "must match",
        ),
        (
            login,
            Reply::plain(404, "404 page not found\n"),
            Step::Login,
            Some(404),
            Cause::SsoOff,
            "404 page not found",
        ),
        (login, Reply::plain(500, first_start), Step::Login, Some(500), Cause::FirstStart, "provider \"\""),
        (
            login,
            Reply::plain(500, &query_failed),
            Step::Login,
            Some(500),
            Cause::ProviderBadGateway,
            "Failed to query provider \"http://dex.host\": 502 Bad Gateway",
        ),
        (login, Reply::page("<p>It works!</p>"), Step::Login, Some(200), Cause::NoRedirect, "It works!"),
        (login, Reply::redirect("ftp://dex.host/"), Step::Login, Some(302), Cause::Unknown, "no web address"),
        (
            "dex.host/auth",
            Reply::page(unregistered),
            Step::Authorize,
            Some(200),
            Cause::NoForm,
            "Unregistered redirect_uri",
        ),
        (
            "dex.host/auth",
            Reply::new(400, "text/html", unregistered),
            Step::Authorize,
            Some(400),
            Cause::UnregisteredRedirect,
            "Unregistered redirect_uri",
        ),
        (
            "dex.host/auth",
            Reply::new(502, "text/html", BAD_GATEWAY),
            Step::Authorize,
            Some(502),
            Cause::FrontWithoutBackend,
            "502 Bad Gateway",
        ),
        ("dex.host/auth", Reply::json("{}"), Step::Authorize, Some(200), Cause::NotHtml, "application/json"),
        (
            "dex.host/auth",
            Reply::redirect("/auth"),
            Step::Authorize,
            Some(302),
            Cause::RedirectLoop,
            "after 20 redirects",
        ),
        (
            "dex.host/auth",
            back("error=access_denied&error_description=nope"),
            Step::Callback,
            Some(400),
            Cause::AccessDenied,
            "access_denied: nope",
        ),
        (
            "dex.host/auth",
            back("error=invalid_scope&error_description=x"),
            Step::Callback,
            Some(400),
            Cause::InvalidScope,
            "invalid_scope: x",
        ),
        (
            "dex.host/auth",
            back("code=x&state=other"),
            Step::Callback,
            Some(400),
            Cause::StateMismatch,
            "invalid state in",
        ),
        (form, Reply::page(script), Step::Authorize, Some(200), Cause::ScriptedPage, "titled \"App\""),
        (
            form,
            Reply::page(other_login),
            Step::Authorize,
            Some(200),
            Cause::FormWithoutPassword,
            "the fields username",
        ),
        (form, Reply::page(&huge), Step::Authorize, None, Cause::TooLarge, "larger than 1024 KiB"),
        (form, Reply::plain(429, &huge), Step::Authorize, Some(429), Cause::Throttled, ""),
        (form, Reply::hang(), Step::Authorize, None, Cause::Timeout, "within 0.5 s (dex.host)"),
        (
            form,
            Reply::page("slow, slower").slow(Duration::from_secs(2)),
            Step::Authorize,
            None,
            Cause::Timeout,
            "within 0.5 s",
        ),
        (form, Reply::close(), Step::Authorize, None, Cause::ConnectionClosed, "closed before"),
        (form, Reply::raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Step::Authorize, None, Cause::NotHttp, "not HTTP"),
        (
            form,
            Reply::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
            Step::Authorize,
            None,
            Cause::ConnectionClosed,
            "closed before",
        ),
        (
            callback,
            Reply::redirect("/"),
            Step::Callback,
            Some(302),
            Cause::NoTokenCookie,
            "redirects with status 302",
        ),
        (
            callback,
            secure,
            Step::Callback,
            Some(302),
            Cause::SecureCookieOverHttp,
            "redirects with status 302",
        ),
        (
            callback,
            Reply::plain(500, "failed to save state: EOF\n"),
            Step::Callback,
            Some(500),
            Cause::SessionStore,
            "EOF",
        ),
        (userinfo, Reply::json("{}"), Step::Userinfo, Some(200), Cause::NotLoggedIn, "{}"),
        (userinfo, Reply::page(consent), Step::Userinfo, Some(200), Cause::NotLoggedIn, "OK"),
    ] {
        let fake = Fake::start().always(place, reply);
        let mut options = fake.options();
        options.timeout = Duration::from_millis(500);
        let login = probe::login(&options).await;
        let failure = failure(&login);
        let what = format!("{place}: {failure:?}");
        assert_eq!((failure.step, failure.status, failure.cause), (step, status, cause), "{what}");
        assert!(failure.message.contains(words), "{what}");
        // The marked line of the table is the hop that failed.
        let table = table::render(&login, table::Style::default());
        let marked: Vec<_> = table.lines().filter(|line| line.starts_with('✗')).collect();
        assert_eq!(marked.len(), 1, "{table}");
        assert!(marked[0].contains(step.name()) && table.ends_with(&format!("{}\n", marked[0])), "{table}");
    }
}

#[tokio::test]
async fn after_the_form_another_page_can_come() {
    let form = "dex.host/auth/local/login";
    let consent =
        "<title>Grant</title><form><input type=hidden name=approval value=approve><button>OK</button></form>";
    for (page, status, cause, words) in [
        (consent, 200, Cause::ConsentPage, "a page titled \"Grant\" with a question for consent"),
        ("<form><button>Yes</button></form>", 200, Cause::ConsentPage, "buttons only"),
        ("<p>Account locked</p>", 403, Cause::Unknown, "Account locked"),
        ("<p>Internal Server Error</p>", 500, Cause::Unknown, "Internal Server Error"),
        (
            "<form><input name=u><input name=p type=password></form>",
            200,
            Cause::WrongPassword,
            "form came again",
        ),
        // Keycloak's answer to the right password.
        (
            "<span class=error>Account is disabled, contact your administrator.</span><form><input name=u><input name=p type=password></form>",
            200,
            Cause::AccessDenied,
            "Account is disabled",
        ),
        (
            "<span class=error>Wrong password: two more, and the account is locked</span><form><input name=u><input name=p type=password></form>",
            200,
            Cause::WrongPassword,
            "Wrong password",
        ),
    ] {
        let reply = Reply::new(status, "text/html", page);
        let fake =
            Fake::start().answer(form, move |request, _| (request.method == "POST").then(|| reply.clone()));
        let login = probe::login(&fake.options()).await;
        let failure = failure(&login);
        assert_eq!(
            (failure.step, failure.status, failure.cause),
            (Step::Form, Some(status), cause),
            "{page}"
        );
        assert!(failure.message.contains(words), "{page}: {failure:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_providers_words() {
    let fake = Fake::start();
    let mut options = fake.options();
    options.password = probe::Password::new("wrong");
    let login = probe::login(&options).await;
    let failure = failure(&login);
    assert_eq!((failure.step, failure.status, failure.cause), (Step::Form, Some(401), Cause::WrongPassword));
    assert_eq!(failure.message, "Invalid Email Address and password.");
}

#[tokio::test]
async fn a_cookie_that_is_lost_on_the_way_is_told() {
    // The state cookie is for another path than the callback's.
    let fake = Fake::start().answer("dex.host/auth/local", |_, _| {
        Some(Reply::redirect("http://argocd.host/auth/callback?code=x&state=y"))
    });
    let fake = fake.answer("argocd.host/auth/login", |_, _| {
        let to = "http://dex.host/auth?redirect_uri=http%3A%2F%2Fargocd.host%2Fauth%2Fcallback";
        Some(Reply::redirect(to).header("Set-Cookie", "argocd.oauthstate=abc; Path=/auth/login"))
    });
    let login = probe::login(&fake.options()).await;
    let failure = failure(&login);
    assert_eq!((failure.status, failure.cause), (Some(400), Cause::StateCookieLost));
    assert_eq!(failure.message, "http: named cookie not present");
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    // Kept taken, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let fake = Fake::start();
    let mut options = fake.options();
    options.argocd = format!("http://{address}").parse().unwrap();
    let report = probe::run(&options, &mut |_| {}, std::future::pending()).await;
    assert_eq!(report.verdict, Verdict::Unreachable);
    let group = &report.failures()[0];
    assert_eq!((group.step, group.status, group.answer), (Step::Settings, None, Cause::ConnectionRefused));
    assert_eq!(group.message, format!("connection refused ({address})"));

    // Nor is it refused where the provider is down.
    options = fake.options();
    let dex = options.resolve.iter_mut().filter(|resolve| resolve.host == "dex.host");
    dex.for_each(|resolve| resolve.to = address);
    let report = probe::run(&options, &mut |_| {}, std::future::pending()).await;
    assert_eq!(report.verdict, Verdict::Unreachable);
    let group = &report.failures()[0];
    assert_eq!((group.step, group.answer), (Step::Authorize, Cause::ConnectionRefused));
    assert_eq!(group.message, "connection refused (dex.host)");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    let mut options = Fake::start().options();
    options.argocd = "http://argocd.invalid".parse().unwrap();
    let login = probe::login(&options).await;
    let failure = failure(&login);
    assert_eq!((failure.step, failure.cause), (Step::Settings, Cause::NameNotFound), "{failure:?}");
}

#[tokio::test]
async fn an_override_moves_the_port_and_the_server_hears_the_url() {
    let fake =
        Fake::start().answer("argocd.host/auth/login", |_, _| Some(Reply::plain(404, "404 page not found")));
    let mut options = fake.options();
    options.argocd = "http://argocd.host:8080".parse().unwrap();
    options.resolve = vec![probe::Resolve::new("argocd.host", 8080, fake.address)];
    options.as_curl = true;
    let login = probe::login(&options).await;
    assert_eq!(failure(&login).cause, Cause::SsoOff);
    assert_eq!(fake.seen()[0].host(), "argocd.host:8080");
}

#[tokio::test]
async fn argo_cd_may_have_a_path_of_its_own() {
    let (settings, version) = (r#"{"oidcConfig":{"name":"Dex"}}"#, r#"{"Version":"v3.4.7"}"#);
    let fake = Fake::start()
        .always("argocd.host/root/api/v1/settings", Reply::json(settings))
        .always("argocd.host/root/api/version", Reply::json(version))
        .answer("argocd.host/root/auth/login", |request, _| {
            let page = request.parameter("return_url")?;
            (page == "http://argocd.host/root/applications").then(|| Reply::plain(500, INVALID_CLIENT))
        });
    for url in ["http://argocd.host/root", "http://argocd.host/root/", "http://argocd.host/root/?x=1#y"] {
        let mut options = fake.options();
        options.argocd = url.parse().unwrap();
        assert_eq!(failure(&probe::login(&options).await).status, Some(500), "{url}");
    }
}

#[tokio::test]
async fn over_https_only_known_authorities_are_trusted() {
    let authority = Authority::new();
    let fake = Fake::start_tls(&authority);
    let mut options = fake.options();
    let stranger = probe::login(&options).await;
    let refused = failure(&stranger);
    assert_eq!(
        (refused.step, refused.cause, stranger.answered),
        (Step::Settings, Cause::Certificate, false),
        "{refused:?}"
    );

    options.tls = Tls::with_ca(authority.pem().as_bytes()).unwrap();
    let login = probe::login(&options).await;
    assert!(login.outcome.is_ok(), "{:?}", login.outcome);

    options.tls = Tls::insecure();
    assert!(probe::login(&options).await.outcome.is_ok());

    options.tls = Tls::with_ca(Authority::new().pem().as_bytes()).unwrap();
    assert_eq!(failure(&probe::login(&options).await).cause, Cause::Certificate);
}

#[tokio::test]
async fn a_front_may_send_http_to_https_first() {
    let authority = Authority::new();
    let secure = Fake::start_tls(&authority);
    let to_https = |path: &str| Reply::redirect(&format!("https://argocd.host{path}"));
    let plain = Fake::start()
        .always("argocd.host/api/v1/settings", to_https("/api/v1/settings"))
        .always("argocd.host/auth/login", to_https("/auth/login"));
    let mut options = secure.options();
    options.argocd = plain.url().parse().unwrap();
    options.tls = Tls::with_ca(authority.pem().as_bytes()).unwrap();
    options
        .resolve
        .iter_mut()
        .filter(|resolve| resolve.port == 80)
        .for_each(|resolve| resolve.to = plain.address);
    let login = probe::login(&options).await;
    assert!(login.outcome.is_ok(), "{:?}", login.outcome);
    // From there on the browser is at the other address, and so is where the login ends.
    let places: Vec<_> = login.exchanges.iter().map(|exchange| exchange.url.as_str()).take(4).collect();
    assert_eq!(
        places,
        [
            "http://argocd.host/api/v1/settings",
            "https://argocd.host/api/v1/settings",
            "https://argocd.host/api/version",
            "https://argocd.host/auth/login?return_url=https%3A%2F%2Fargocd.host%2F",
        ]
    );
    options.as_curl = true;
    let login = probe::login(&options).await;
    assert!(login.outcome.is_ok(), "{:?}", login.outcome);
    let steps: Vec<_> = login.exchanges.iter().map(|exchange| exchange.step).collect();
    assert_eq!(steps[..3], [Step::Login, Step::Login, Step::Authorize]);
}

#[tokio::test]
async fn a_login_ends_where_the_page_of_that_release_says() {
    for (version, page) in [
        ("v2.4.2", "http://argocd.host/applications"),
        ("v3.3.6+998fb59", "http://argocd.host/applications"),
        ("v3.4.7", "http://argocd.host/applications"),
        ("v3.5.0-rc1", "http://argocd.host/"),
        ("latest", "http://argocd.host/"),
    ] {
        let said = Reply::json(&format!(r#"{{"Version":"{version}"}}"#));
        let fake = Fake::start().always("argocd.host/api/version", said);
        let login = probe::login(&fake.options()).await;
        assert!(login.outcome.is_ok(), "{version}: {:?}", login.outcome);
        let asked = fake.seen().into_iter().find(|request| request.path() == "/auth/login").unwrap();
        assert_eq!(asked.parameter("return_url").as_deref(), Some(page), "{version}");
        assert_eq!(login.exchanges[0].note, "button \"Log in via Dex\"");
        assert_eq!(login.exchanges[1].note, version);
    }
    // Whatever else knows no version is asked as the newest would be.
    let fake = Fake::start().always("argocd.host/api/version", Reply::plain(404, "no"));
    assert!(probe::login(&fake.options()).await.outcome.is_ok());
}

#[tokio::test]
async fn as_curl_does_without_the_page() {
    // Of an Argo CD that was told of another address.
    let fake = Fake::start().answer("argocd.host/auth/login", |request, _| {
        request.parameter("return_url").map(|_| Reply::plain(400, INVALID_REDIRECT))
    });
    let mut options = fake.options();
    let login = probe::login(&options).await;
    assert_eq!((failure(&login).step, failure(&login).cause), (Step::Login, Cause::InvalidRedirectUrl));
    options.as_curl = true;
    assert!(probe::login(&options).await.outcome.is_ok());
    let mut asked = fake.seen().into_iter().rev().map(|request| request.path().to_owned());
    assert_eq!(asked.nth(6).as_deref(), Some("/auth/login"), "nothing comes before it");
}

#[tokio::test]
async fn a_page_that_does_pkce_by_itself_is_said() {
    let settings = r#"{"oidcConfig":{"name":"Dex","enablePKCEAuthentication":true}}"#;
    for (version, by_script) in [("v2.14.11", true), ("v3.0.0", true), ("v3.1.0", false), ("v3.5.1", false)] {
        let fake = Fake::start()
            .always("argocd.host/api/v1/settings", Reply::json(settings))
            .always("argocd.host/api/version", Reply::json(&format!(r#"{{"Version":"{version}"}}"#)));
        let login = probe::login(&fake.options()).await;
        assert!(login.outcome.is_ok(), "{version}: {:?}", login.outcome);
        assert_eq!(login.exchanges[1].note.contains("PKCE by a script"), by_script, "{version}");
    }
}

#[tokio::test]
async fn no_password_goes_from_a_page_by_https_to_a_form_by_http() {
    let authority = Authority::new();
    let page =
        "<form method=post action=http://dex.host/login><input name=u><input name=p type=password></form>";
    for (action, moved) in [(page.to_owned(), false), (page.replace("http://dex.host", ""), true)] {
        let fake = Fake::start_tls(&authority)
            .answer("dex.host/auth/local/login", move |_, _| Some(Reply::page(&action)));
        // A redirect that keeps the method brings the password along.
        let to = Reply::new(307, "", "").header("Location", "http://dex.host/login");
        let fake = if moved { fake.always("dex.host/login", to) } else { fake };
        let mut options = fake.options();
        options.tls = Tls::with_ca(authority.pem().as_bytes()).unwrap();
        let plain = Fake::start();
        options
            .resolve
            .iter_mut()
            .filter(|resolve| resolve.port == 80)
            .for_each(|resolve| resolve.to = plain.address);
        let login = probe::login(&options).await;
        let failure = failure(&login);
        assert_eq!((failure.step, failure.cause), (Step::Form, Cause::InsecureForm), "{failure:?}");
        assert!(failure.message.contains("by http to dex.host"), "{failure:?}");
        assert!(plain.seen().is_empty());
        assert_eq!(fake.seen().iter().any(|request| request.method == "POST"), moved);
    }
}

#[tokio::test]
async fn a_providers_cookie_that_was_dropped_is_what_its_complaint_is_about() {
    let form = "dex.host/auth/local/login";
    let page = "<form method=post><input name=u><input name=p type=password></form>";
    let complaint = "<p>Restart login cookie not found. You may have gone back.</p>";
    let wrong = "<div role=alert class=error>Wrong password</div>";
    for (status, answer, cause) in [
        (400, complaint.to_owned(), Cause::SecureCookieOverHttp),
        // It begins another login, without a word.
        (200, page.to_owned(), Cause::SecureCookieOverHttp),
        (500, "<p>Oops</p>".to_owned(), Cause::SecureCookieOverHttp),
        (200, format!("{wrong}{page}"), Cause::WrongPassword),
    ] {
        for secure in [true, false] {
            let cookie = if secure { "AUTH_SESSION=abc; Secure; SameSite=None" } else { "AUTH_SESSION=abc" };
            let first = Reply::page(page).header("Set-Cookie", cookie);
            let answer = Reply::new(status, "text/html", &answer);
            let fake = Fake::start().answer(form, move |request, _| {
                Some(if request.method == "GET" { first.clone() } else { answer.clone() })
            });
            let login = probe::login(&fake.options()).await;
            let said = failure(&login).cause == Cause::SecureCookieOverHttp;
            assert_eq!(said, secure && cause == Cause::SecureCookieOverHttp, "{:?}", login.outcome);
        }
    }
}

#[tokio::test]
async fn a_token_that_is_too_large_is_told_in_numbers_and_without_its_claims() {
    let claims = |groups: &str| format!(r#"{{"email":"jane@corp.example","groups":{groups},"sub":"Cg4w"}}"#);
    let why = "the authentication token is 163840 characters long and requires 41 cookies but the max number of \
               cookies is 20. Contact your Argo CD administrator to increase the max number of cookies";
    let many = serde_json::to_string(&vec!["a-team"; 2000]).unwrap();
    for (groups, said) in [
        (many.as_str(), "claims={… 2000 groups …}, err=the authentication token is"),
        // What cannot be read is not shown either.
        ("[\"a-team\", }} jane", "claims={…}, err=the authentication token is"),
    ] {
        let body = format!("claims={}, err={why}\n", claims(groups));
        let fake = Fake::start().always("argocd.host/auth/callback", Reply::plain(500, &body));
        let login = probe::login(&fake.options()).await;
        let failure = failure(&login);
        assert_eq!((failure.step, failure.cause), (Step::Callback, Cause::TooManyCookies));
        assert!(
            failure.message.starts_with(said) && failure.message.contains("requires 41 cookies"),
            "{failure:?}"
        );
        let all = serde_json::to_string(&login).unwrap() + &table::render(&login, table::Style::default());
        assert!(!all.contains("jane") && !all.contains("a-team"), "{all}");
    }

    let page = "<html><head><title>400 Request Header Or Cookie Too Large</title></head><body><center><h1>400 Bad \
                Request</h1></center><center>Request Header Or Cookie Too Large</center></body></html>";
    for reply in [Reply::new(400, "text/html", page), Reply::plain(431, "Request Header Fields Too Large")] {
        let fake = Fake::start().always("argocd.host/api/v1/session/userinfo", reply);
        let report = probe::run(&fake.options(), &mut |_| {}, std::future::pending()).await;
        let group = &report.failures()[0];
        assert_eq!((report.verdict, group.step), (Verdict::Refused, Step::Userinfo));
        assert_eq!(
            (group.answer, group.cause),
            (Cause::CookieTooLarge, Some(probe::CauseId::CookieTooLarge))
        );
        assert!(group.message.contains("a Cookie header of "), "{group:?}");
        assert!(group.message.contains(" bytes; the token is in 1 cookie"), "{group:?}");
    }
}
