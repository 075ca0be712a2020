use super::*;

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("content-type", content_type.parse().unwrap());
    Answer {
        status,
        headers,
        body: body.as_bytes().to_vec(),
        time: std::time::Duration::ZERO,
        certificate: None,
    }
}

#[test]
fn keeps_the_servers_words() {
    for (status, kind, body, words) in [
        (500, "text/plain", "failed to get token: x\n", "failed to get token: x"),
        (500, "text/plain", "one\n\n two \nthree\nfour", "one two three"),
        (
            500,
            "text/plain; charset=utf-8",
            "failed to query provider \"http://dex.host\": 502 Bad Gateway: <html>\n<head><title>502</title>",
            "failed to query provider \"http://dex.host\": 502 Bad Gateway",
        ),
        (
            502,
            "text/html",
            "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1><hr>nginx</body>",
            "502 Bad Gateway nginx",
        ),
        (502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (401, "text/html", "<body>Hello<div id=login-error>wrong</div></body>", "wrong"),
        (401, "application/json", r#"{"error":"e","code":16,"message":"m"}"#, "e: m"),
        (401, "application/json", r#"{"error":"same","code":16,"message":"same"}"#, "same"),
        (400, "application/json", r#"{"error":"e","error_description":"d"}"#, "e: d"),
        (200, "application/json", "{}", "{}"),
        (200, "application/json", "not json", "not json"),
        (500, "text/plain", "", "status 500 with an empty body"),
        (500, "text/html", "<html></html>", "status 500 with an empty body"),
    ] {
        assert_eq!(of_answer(&answer(status, kind, body)), words, "{kind} {body}");
    }
    let mut redirect = answer(303, "text/plain", "");
    redirect.headers.insert("location", "/".parse().unwrap());
    assert_eq!(of_answer(&redirect), "redirects with status 303 and no words");
}

#[test]
fn long_words_are_cut_between_characters() {
    let cut = shorten(&"ö".repeat(1000));
    assert_eq!(cut.chars().count(), LONGEST + 2);
    assert!(cut.ends_with("ö …"));
    assert_eq!(shorten("  a \n b  "), "a b");
}

#[test]
fn says_what_kind_of_page_it_found() {
    for (html, part, cause) in [
        (
            "<title>Grant Access</title><form method=post><input type=hidden name=req value=x><input type=hidden \
             name=approval value=approve><button>Grant</button></form>",
            "a page titled \"Grant Access\" with a question for consent",
            Cause::ConsentPage,
        ),
        (
            "<title>Sign in</title><form><input name=username><button>Next</button></form>",
            "a form of the fields username, without",
            Cause::FormWithoutPassword,
        ),
        ("<form><button>Yes</button></form>", "a form that has buttons only", Cause::FormWithoutPassword),
        (
            "<title>App</title><div id=root></div><script src=a.js></script><script>b()</script>",
            "2 scripts and no form",
            Cause::ScriptedPage,
        ),
        ("<input name=u><input type=password>", "a password field outside of any form", Cause::ScriptedPage),
        (
            "<body onload='f()'><form method=post action=/cb><input type=hidden name=code value=x></form><script>f()</script>",
            "a hidden form that a script sends",
            Cause::ScriptedPage,
        ),
        ("<meta http-equiv=refresh content='0; url=/x'>", "a refresh to another page", Cause::ScriptedPage),
        (
            "<title>dex</title><h2>Log in to dex</h2><a href=/auth/ldap>LDAP</a><a href=/auth/github>GitHub</a>",
            "2 links to choose from",
            Cause::SeveralConnectors,
        ),
        ("<title>Hello</title><p>It works!</p>", "titled \"Hello\" that says: It works!", Cause::NoForm),
        ("", "an empty page", Cause::NoForm),
    ] {
        let (words, meaning) = found(&Page::parse(html));
        assert!(words.contains(part), "{words}");
        assert_eq!(meaning, cause, "{html}");
    }
}
