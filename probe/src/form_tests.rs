use super::*;

const PAGE: &str = "https://idp.host/realms/one/login?x=1#top";

fn fill(html: &str) -> Filled {
    let page = Page::parse(html);
    let form = LoginForm::of(&page).expect(html);
    form.fill(&PAGE.parse().unwrap(), page.base.as_deref(), "me@x", "p&w=1 é").expect(html)
}

#[test]
fn sends_the_fields_that_a_browser_sends() {
    let user_and_password = "user=me%40x&pw=p%26w%3D1+%C3%A9";
    for (fields, body) in [
        ("<input name=user><input name=pw type=password>", user_and_password.to_owned()),
        (
            "<input type=hidden name=csrf value='a b'><input name=user type=email><input name=pw type=password>",
            format!("csrf=a+b&{user_and_password}"),
        ),
        // What stands in the field already is written over.
        ("<input name=user value=old><input name=pw type=password value=old>", user_and_password.to_owned()),
        (
            "<input name=user><input name=pw type=password><input type=checkbox name=keep><input type=checkbox \
             name=stay checked><input type=radio name=r value=1><input type=radio name=r value=2 checked>",
            format!("{user_and_password}&stay=on&r=2"),
        ),
        // The first button is the one that Enter presses.
        (
            "<input name=user><input name=pw type=password><input type=submit name=login value='Sign In'><button \
             name=other value=1>Other</button>",
            format!("{user_and_password}&login=Sign+In"),
        ),
        (
            "<input name=user><input name=pw type=password><button>Go</button><button name=other value=1>x</button>",
            user_and_password.to_owned(),
        ),
        (
            "<input name=user><input name=pw type=password><input name=off disabled value=1><input value=nameless>\
             <input type=button name=b value=1><input type=reset name=r><input type=file name=f>",
            user_and_password.to_owned(),
        ),
        (
            "<input name=user><input name=pw type=password><select name=tenant><option value=a>A<option value=b \
             selected>B</select><textarea name=note>hi</textarea>",
            format!("{user_and_password}&tenant=b&note=hi"),
        ),
        // A search field before it, but the user name is marked.
        (
            "<input name=q type=search><input name=user autocomplete='section-a username'><input name=pw type=password>",
            format!("q=&{user_and_password}"),
        ),
        ("<input name=user type=tel><input name=pw type=password>", user_and_password.to_owned()),
    ] {
        let filled = fill(&format!("<form method=post>{fields}</form>"));
        assert_eq!(filled.body, body, "{fields}");
        assert!(filled.post);
    }
}

#[test]
fn goes_where_a_browser_goes() {
    for (head, form, target) in [
        ("", "method=post", "https://idp.host/realms/one/login?x=1"),
        ("", "method=post action=''", "https://idp.host/realms/one/login?x=1"),
        ("", "method=post action=' /auth?a=1&amp;b=2 '", "https://idp.host/auth?a=1&b=2"),
        ("", "method=post action=next", "https://idp.host/realms/one/next"),
        ("", "method=post action=../two", "https://idp.host/realms/two"),
        ("", "method=post action='?y=2'", "https://idp.host/realms/one/login?y=2"),
        ("", "method=post action='//other.host/x#f'", "https://other.host/x"),
        ("", "method=post action='http://other.host:8080/x'", "http://other.host:8080/x"),
        ("<base href='/base/'>", "method=post action=next", "https://idp.host/base/next"),
        ("<base href='/base/'>", "method=post", "https://idp.host/realms/one/login?x=1"),
        ("", "action=/get", "https://idp.host/get?u=me%40x&p=p%26w%3D1+%C3%A9"),
        ("", "method=dialog action='/get?lost=1'", "https://idp.host/get?u=me%40x&p=p%26w%3D1+%C3%A9"),
    ] {
        let html = format!("{head}<form {form}><input name=u><input name=p type=password></form>");
        let filled = fill(&html);
        assert_eq!(filled.url.as_str(), target, "{html}");
        assert_eq!(filled.post, form.contains("post"), "{html}");
    }
}

#[test]
fn picks_the_form_that_logs_in() {
    let page = "<form action=/search><input name=q></form>\
        <form action=/register><input name=u><input type=password name=p><input type=password name=again></form>\
        <form action=/login><input name=u><input type=password name=p></form>";
    assert_eq!(fill(&page.replace("<form", "<form method=post")).url.path(), "/login");
}

#[test]
fn a_page_without_such_a_form_has_none() {
    for html in [
        "",
        "<form><input name=user></form>",
        "<form><input type=password name=p></form>",
        "<form><input type=hidden name=u><input type=password name=p></form>",
        "<form><input name=u><input type=password></form>",
        "<form><input name=u><input type=password name=p disabled></form>",
        "<input name=u><input type=password name=p>",
        "<script>document.write('<form><input name=u><input type=password name=p></form>')</script>",
        "<!-- <form><input name=u><input type=password name=p></form> -->",
    ] {
        assert!(LoginForm::of(&Page::parse(html)).is_none(), "{html}");
    }
}

#[test]
fn an_action_that_is_no_web_address_is_an_error() {
    for action in ["javascript:login()", "mailto:me@x", "https://"] {
        let html = format!("<form action='{action}'><input name=u><input type=password name=p></form>");
        let page = Page::parse(&html);
        let form = LoginForm::of(&page).unwrap();
        assert!(form.fill(&PAGE.parse().unwrap(), None, "u", "p").is_err(), "{action}");
    }
}

#[test]
fn showing_a_filled_form_shows_names_only() {
    let shown = format!("{:?}", fill("<form><input name=u><input name=p type=password></form>"));
    assert_eq!(shown, r#"Filled { post: false, fields: ["u", "p"], .. }"#);
}

#[test]
fn the_forms_of_real_providers_are_known() {
    for (recorded, user, password) in [
        (include_str!("../tests/providers/dex.json"), "login", "password"),
        (include_str!("../tests/providers/keycloak.json"), "username", "password"),
        (include_str!("../tests/providers/oidc-provider.json"), "login", "password"),
        (include_str!("../tests/providers/django-oauth-toolkit.json"), "username", "password"),
    ] {
        let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let page = Page::parse(recorded["page"].as_str().unwrap());
        let form = LoginForm::of(&page).unwrap_or_else(|| panic!("{}", recorded["provider"]));
        assert_eq!((form.user_field(), form.password_field()), (user, password), "{}", recorded["provider"]);
    }
}
