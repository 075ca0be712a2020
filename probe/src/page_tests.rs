use super::*;

fn names(form: &Form) -> Vec<(&str, &str)> {
    form.fields.iter().map(|field| (field.name.as_deref().unwrap_or("-"), field.kind.as_str())).collect()
}

#[test]
fn reads_title_text_and_forms() {
    let page = Page::parse(
        r#"<!doctype html><HTML><head><TITLE> Log in &amp; go
        </TITLE><style>p { content: "hidden" }</style><script>var x = "<form><input name=fake>";</script></head>
        <body><!-- <form><input name=comment></form> --><p>Log in to&nbsp;dex</p>
        <FORM ID=f METHOD=Post ACTION='/a?b=1&amp;c=2'>
          <INPUT NAME=user><input type=PASSWORD name="pass&#119;ord"><input type="hidden" name=h value="a&quot;b">
          <select name=s><option value=1>one<option value=2 selected>two</select>
          <textarea name=t>
&lt;kept&gt;</textarea>
          <button>Go</button>
        </FORM></body></HTML>"#,
    );
    assert_eq!(page.title.as_deref(), Some("Log in & go"));
    assert_eq!(page.text, "Log in to dex one two Go");
    assert_eq!((page.scripts, page.forms.len(), page.stray_password), (1, 1, false));
    let form = &page.forms[0];
    assert_eq!(form.action.as_deref(), Some("/a?b=1&c=2"));
    assert_eq!(form.method.as_deref(), Some("Post"));
    assert_eq!(
        names(form),
        [
            ("user", "text"),
            ("password", "password"),
            ("h", "hidden"),
            ("s", "select"),
            ("t", "textarea"),
            ("-", "submit")
        ]
    );
    assert_eq!(form.fields[2].value.as_deref(), Some("a\"b"));
    assert_eq!(form.fields[3].value.as_deref(), Some("2"));
    assert_eq!(form.fields[4].value.as_deref().map(str::trim), Some("<kept>"));
}

#[test]
fn fields_belong_to_the_form_they_name() {
    let page = Page::parse(
        "<input form=b name=early><form id=a><input name=one><form id=nested><input name=two></form>\
         <input name=stray type=password><form id=b></form><input form=gone name=x>",
    );
    assert_eq!(page.forms.len(), 2);
    assert_eq!(names(&page.forms[0]), [("one", "text"), ("two", "text")]);
    assert_eq!(names(&page.forms[1]), [("early", "text")]);
    assert!(page.stray_password);
}

#[test]
fn finds_the_words_of_an_error() {
    for (html, error) in [
        (
            "<div id='login-error'>\n  Invalid Email Address and password.\n</div>",
            Some("Invalid Email Address and password."),
        ),
        (
            "<div class='kc alert-error'><span></span><span>Invalid <b>username</b></span></div> more",
            Some("Invalid username"),
        ),
        ("<p role=ALERT>No <p>way</p></p>", Some("No way")),
        ("<div id=login-error>never closed", Some("never closed")),
        ("<div id=login-error></div><div class=error>second</div>", Some("second")),
        ("<input class=error><p>fine</p>", None),
        ("<p>no error</p>", None),
    ] {
        assert_eq!(Page::parse(html).error.as_deref(), error, "{html}");
    }
}

#[test]
fn any_bytes_are_a_page() {
    for html in [
        "",
        "<",
        "<form",
        "<form><input",
        "</form></form>",
        "<title>",
        "<select><option>",
        "\u{0}<a\u{0}b>",
        "<!--",
    ] {
        let page = Page::parse(html);
        assert!(page.forms.len() <= 1, "{html:?}");
    }
    let many = "<form><input name=a>".repeat(10_000);
    assert_eq!(Page::parse(&many).forms.len(), 1);
    for long in
        ["wörd ".repeat(100_000), "<b>ö</b>".repeat(100_000), format!("<p class=error>{}", "ö".repeat(9999))]
    {
        let page = Page::parse(&long);
        assert!(!page.text.is_empty() && page.text.len() <= MOST_TEXT);
        assert!(page.error.is_none_or(|error| error.len() <= MOST_TEXT));
    }
}
