use super::*;

/// The moment of every test, in the middle of the recordings.
fn now() -> Timestamp {
    "2026-11-23T22:36:40Z".parse().unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn jar(cookies: &[(&str, &str)]) -> Jar {
    let mut jar = Jar::new();
    for (from, header) in cookies {
        jar.store(&url(from), header, now());
    }
    jar
}

#[test]
fn a_cookie_goes_where_a_browser_sends_it() {
    let login = "http://argocd.host/auth/login";
    for (from, header, to, sent) in [
        // Without a path it belongs to everything beside the page.
        (login, "s=1", "http://argocd.host/auth/callback?code=x", true),
        (login, "s=1", "http://argocd.host/auth", true),
        (login, "s=1", "http://argocd.host/", false),
        (login, "s=1", "http://argocd.host/authority", false),
        ("http://argocd.host/login", "s=1", "http://argocd.host/anything", true),
        ("http://argocd.host", "s=1", "http://argocd.host/", true),
        (login, "s=1; path=/", "http://argocd.host/api/v1/session/userinfo", true),
        (login, "s=1; Path=/api", "http://argocd.host/api/v1", true),
        (login, "s=1; Path=/api/", "http://argocd.host/api", false),
        (login, "s=1; Path=/api", "http://argocd.host/apiv1", false),
        (login, "s=1; Path=relative", "http://argocd.host/auth/x", true),
        (login, "s=1; Path=", "http://argocd.host/", false),
        // Without a domain it stays on its host; with one it goes below it, too.
        (login, "s=1; Path=/", "http://sub.argocd.host/", false),
        (login, "s=1; Path=/; Domain=argocd.host", "http://sub.argocd.host/", true),
        (login, "s=1; Path=/; Domain=.ARGOCD.host", "http://sub.argocd.host/", true),
        (login, "s=1; Path=/; Domain=argocd.host", "http://notargocd.host/", false),
        ("http://a.corp.example/", "s=1; Domain=corp.example", "http://b.corp.example/", true),
        ("http://a.corp.example/", "s=1; Domain=", "http://a.corp.example/", true),
        // Ports do not divide cookies, hosts do.
        ("http://127.0.0.1:8080/", "s=1", "http://127.0.0.1:9090/", true),
        (login, "s=1; Path=/", "http://dex.host/", false),
        // Secure is for https alone.
        ("https://argocd.host/", "s=1; Secure", "https://argocd.host/", true),
        ("https://argocd.host/", "s=1; Secure", "http://argocd.host/", false),
        // On this machine itself nobody listens, by its own words at least.
        ("http://127.0.0.1:8080/", "s=1; Secure", "http://127.0.0.1:8080/", true),
        ("http://127.8.8.8/", "s=1; Secure; SameSite=None", "http://127.8.8.8/", true),
        ("http://[::1]/", "s=1; Secure", "http://[::1]/", true),
        ("http://localhost/", "s=1; Secure", "http://localhost/", true),
        ("http://a.localhost/", "__Host-s=1; Secure; Path=/", "http://a.localhost/", true),
        ("https://argocd.host/", "s=1", "http://argocd.host/", true),
        // Names of attributes do not care about case, unknown ones count for nothing.
        (login, "s=1; pATH=/; httpOnly; SameSite=lax; Priority=High", "http://argocd.host/", true),
    ] {
        let header_sent = jar(&[(from, header)]).header(&url(to), now());
        assert_eq!(header_sent.is_some(), sent, "{header:?} from {from} to {to}");
    }
}

#[test]
fn a_cookie_ends_when_it_says() {
    let page = "http://argocd.host/";
    for (header, kept) in [
        ("s=1", Kept::Kept),
        ("s=1; Expires=Mon, 23 Nov 2026 22:41:40 GMT", Kept::Kept),
        ("s=1; Expires=Mon, 23 Nov 2026 22:36:40 GMT", Kept::Removed),
        ("s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Kept::Removed),
        ("s=1; Expires=nonsense", Kept::Kept),
        ("s=1; Max-Age=300", Kept::Kept),
        ("s=1; Max-Age=0", Kept::Removed),
        ("s=1; Max-Age=-1", Kept::Removed),
        ("s=1; Max-Age=soon", Kept::Kept),
        ("s=1; Max-Age=99999999999999999999", Kept::Kept),
        // Max-Age counts, whatever Expires says and wherever it stands.
        ("s=1; Max-Age=300; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Kept::Kept),
        ("s=1; Expires=Mon, 23 Nov 2026 22:41:40 GMT; Max-Age=0", Kept::Removed),
    ] {
        let mut jar = Jar::new();
        assert_eq!(jar.store(&url(page), header, now()), ("s".to_owned(), kept.clone()), "{header:?}");
        assert_eq!(jar.header(&url(page), now()).is_some(), kept == Kept::Kept, "{header:?}");
    }
}

#[test]
fn a_cookie_kept_is_gone_after_its_time() {
    let page = url("http://argocd.host/auth/login");
    let mut jar = Jar::new();
    jar.store(&page, "state=1; Max-Age=300", now());
    let before = now() + jiff::SignedDuration::from_secs(299);
    let after = now() + jiff::SignedDuration::from_secs(300);
    assert_eq!(jar.header(&page, before).as_deref(), Some("state=1"));
    assert_eq!(jar.header(&page, after), None);
}

#[test]
fn refuses_what_a_browser_refuses() {
    let long = format!("s={}", "x".repeat(4096));
    for (from, header, reason) in [
        ("http://argocd.host/", "s=1; Secure", "over http"),
        ("http://localhost.argocd.host/", "s=1; Secure", "over http"),
        ("http://128.0.0.1/", "s=1; Secure", "over http"),
        ("http://argocd.host/", "s=1; Domain=dex.host", "not one of the host"),
        ("http://argocd.host/", "s=1; Domain=sub.argocd.host", "not one of the host"),
        ("http://argocd.host/", "s=1; Domain=host", "top-level"),
        ("http://127.0.0.1/", "s=1; Domain=0.0.1", "not the address"),
        ("https://argocd.host/", "__Secure-s=1", "__Secure-"),
        ("https://argocd.host/", "__Host-s=1; Secure; Path=/; Domain=argocd.host", "__Host-"),
        ("https://argocd.host/x/y", "__Host-s=1; Secure", "__Host-"),
        ("http://argocd.host/", "=", "neither"),
        ("http://argocd.host/", "", "neither"),
        ("http://argocd.host/", "s=a\u{1}b", "control"),
        ("http://argocd.host/", &long, "4096"),
    ] {
        let mut jar = Jar::new();
        match jar.store(&url(from), header, now()).1 {
            Kept::Refused(why) => assert!(why.contains(reason), "{header:?}: {why}"),
            kept => panic!("{header:?} was {kept:?}"),
        }
        assert_eq!(jar.header(&url(from), now()), None);
    }
    let good = jar(&[("https://argocd.host/x", "__Host-s=1; Secure; Path=/")]);
    assert_eq!(good.names(&url("https://argocd.host/"), now()), ["__Host-s"]);
}

#[test]
fn http_cannot_hide_what_https_has_set() {
    let mut jar = jar(&[("https://argocd.host/", "s=good; Secure; Path=/")]);
    let (_, kept) = jar.store(&url("http://argocd.host/auth/x"), "s=evil", now());
    assert!(matches!(kept, Kept::Refused(_)), "{kept:?}");
    assert_eq!(jar.header(&url("https://argocd.host/auth/x"), now()).as_deref(), Some("s=good"));
}

#[test]
fn the_same_cookie_replaces_itself_and_another_path_does_not() {
    let page = "http://argocd.host/auth/login";
    let jar = jar(&[
        (page, "a=1; Path=/"),
        (page, "b=1; Path=/"),
        (page, "a=2; Path=/"),
        (page, "a=3; Path=/auth"),
        (page, "a=4; Path=/; Domain=argocd.host"),
    ]);
    // Longer paths first, then the order in which they first came.
    assert_eq!(jar.header(&url(page), now()).as_deref(), Some("a=3; a=2; b=1; a=4"));
}

#[test]
fn deleting_takes_the_same_name_path_and_domain() {
    let page = "http://argocd.host/auth/login";
    let over = "Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    for (deletion, left) in [
        (format!("s=; {over}"), None),
        (format!("s=; Path=/auth; {over}"), None),
        (format!("s=; Path=/; {over}"), Some("s=1")),
        (format!("t=; {over}"), Some("s=1")),
        ("s=; Max-Age=0".to_owned(), None),
        // This is how Argo CD empties its state cookie: nothing but an empty value.
        ("s=; HttpOnly; SameSite=Lax".to_owned(), Some("s=")),
    ] {
        let jar = jar(&[(page, "s=1"), ("http://argocd.host/auth/callback", &deletion)]);
        assert_eq!(jar.header(&url(page), now()).as_deref(), left, "{deletion}");
    }
}

#[test]
fn values_are_sent_as_they_came() {
    let page = "http://argocd.host/";
    for (header, sent) in [
        ("s = a b ", "s=a b"),
        ("s=\"quoted\"", "s=\"quoted\""),
        ("s=a=b==", "s=a=b=="),
        ("s=", "s="),
        ("lonely", "lonely"),
        ("=nameless", "nameless"),
    ] {
        assert_eq!(jar(&[(page, header)]).header(&url(page), now()).as_deref(), Some(sent), "{header:?}");
    }
}

#[test]
fn showing_a_jar_shows_names_only() {
    let jar = jar(&[("http://argocd.host/", "argocd.token=eyJhbGciOi")]);
    assert_eq!(format!("{jar:?}"), "[\"argocd.token\"]");
}
