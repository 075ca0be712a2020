//! Runs whose every word was said by somebody who means harm, and whose numbers cannot be: no live
//! markup, nothing that a terminal obeys, no broken XML, no page that is too large.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use serde_json::{Map, Value, json};
use support::{FIXTURES, document, is_har, is_junit, pictures, written};

/// What somebody may say.
fn words() -> Vec<(&'static str, String)> {
    vec![
        ("markup", r#"<script>alert(1)</script><img src=x onerror=alert(1)> "' onload=x "#.into()),
        ("end of a style", "</style></title></svg></pre>]]><!--".into()),
        ("template", "{{ 7 * 7 }}{% for x in y %}".into()),
        ("terminal", "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{8}".into()),
        ("direction", "\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}".into()),
        ("no text", "\u{0}\u{1}\u{b}\u{7f}\u{fffe}\u{ffff}\u{85}".into()),
        ("lines", "one\r\ntwo\u{2028}three\n\n\n".into()),
        ("a megabyte", "<&\"".repeat(350_000)),
        ("a wide megabyte", "𒐫".repeat(262_144)),
        ("entities", "&lt;script&gt;&amp;#x3c;".into()),
        ("markdown", "[x](http://evil.example) @everyone `a` | **b** <details> #1".into()),
        ("nothing", String::new()),
    ]
}

/// Puts words into every text but those that say what kind of entry this is.
fn filled(value: &Value, with: &str) -> Value {
    match value {
        Value::String(_) => with.into(),
        Value::Array(list) => list.iter().map(|it| filled(it, with)).collect(),
        Value::Object(fields) => {
            let told = ["goal", "verdict", "step", "answer", "kind", "method"];
            let fill = |(name, it): (&String, &Value)| match told.contains(&name.as_str()) {
                true => (name.clone(), it.clone()),
                false => (name.clone(), filled(it, with)),
            };
            fields.iter().map(fill).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Every text, the names of things included.
fn all_filled(value: &Value, with: &str) -> Value {
    match value {
        Value::String(_) => with.into(),
        Value::Array(list) => list.iter().map(|it| all_filled(it, with)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, it)| (name.clone(), all_filled(it, with))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// What nobody may find in a file.
#[track_caller]
fn is_tame(what: &str, text: &str) {
    let obeyed = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
    };
    assert_eq!(text.chars().find(|c| obeyed(*c)), None, "{what}");
}

/// A page whose every mark is one of the template's.
#[track_caller]
fn is_tame_page(what: &str, page: &str) {
    is_tame(what, page);
    assert!(page.len() <= 1_000_000, "{what}: {} bytes", page.len());
    assert!(!page.contains("7 * 7") || page.contains("{{ 7 * 7 }}"), "{what}: a template of others ran");
    let known = [
        "!doctype",
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "main",
        "footer",
        "section",
        "p",
        "h1",
        "h2",
        "h3",
        "span",
        "div",
        "figure",
        "figcaption",
        "svg",
        "desc",
        "rect",
        "path",
        "text",
        "details",
        "summary",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "pre",
        "blockquote",
        "strong",
        "article",
        "dl",
        "dt",
        "dd",
        "ul",
        "ol",
        "li",
    ];
    for part in page.split('<').skip(1) {
        let tag = part.trim_start_matches('/').split([' ', '>', '\n']).next().unwrap();
        assert!(known.contains(&tag), "{what}: <{tag}");
        let marks = part.split('>').next().unwrap();
        assert!(
            !marks.contains(" on") && !marks.contains("src=") && !marks.contains("href="),
            "{what}: {marks}"
        );
    }
}

fn holds(what: &str, run: &Value) {
    let files = written(run);
    is_tame_page(what, &files.page);
    for (name, text) in [("junit.xml", &files.junit), ("trace.har", &files.har), ("run.json", &files.run)] {
        is_tame(&format!("{what}: {name}"), text);
    }
    assert_eq!(serde_json::from_str::<Value>(&files.run).unwrap(), *run, "{what}");
    is_junit(&files.junit);
    is_har(&files.har);
    for (name, svg) in pictures(run) {
        is_tame(&format!("{what}: {name}"), &svg);
        roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
        assert!(!svg.contains("<script") && !svg.contains("<img"), "{what}: {name}");
    }
    is_tame(what, &report::markdown(run));
}

#[test]
fn whatever_is_said_the_files_are_as_they_should_be() {
    for (what, said) in words() {
        for name in FIXTURES {
            // A megabyte in each of a thousand texts is nothing that a run could hold.
            let run = if said.len() > 500_000 {
                few_long(document(name), &said)
            } else {
                filled(&document(name), &said)
            };
            holds(&format!("{what} in {name}"), &run);
        }
        if said.len() < 500_000 {
            let mut run = all_filled(&document("probe"), &said);
            run["verdict"] = "refused".into();
            holds(&format!("{what} everywhere"), &run);
        }
    }
}

/// Puts a long text where servers speak.
fn few_long(mut run: Value, said: &str) -> Value {
    fn fill(value: &mut Value, said: &str, left: &mut usize) {
        match value {
            Value::Object(fields) => {
                for (name, it) in fields {
                    if it.is_string()
                        && *left > 0
                        && ["message", "note", "why", "symptom", "version", "url", "place"]
                            .contains(&name.as_str())
                    {
                        *it = said.into();
                        *left -= 1;
                    } else {
                        fill(it, said, left);
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|it| fill(it, said, left)),
            _ => {}
        }
    }
    fill(&mut run, said, &mut 8);
    run
}

#[test]
fn what_markdown_would_obey_is_only_words() {
    let said = words().into_iter().find(|(what, _)| *what == "markdown").unwrap().1;
    let text = report::markdown(
        &json!({"goals": [{"goal": "test", "verdict": "refused", "logins": {"total": 1, "failed": 1},
        "failures": [{"step": "callback", "status": 500, "message": said}]}], "exit": 1}),
    );
    let at = text.find("callback with 500").unwrap();
    assert!(text[at..].starts_with(r"callback with 500: \[x\](http&#58;//evil.example) &#64;everyone \`a\` \| \*\*b\*\* &lt;details&gt; &#35;1"), "{text}");
}

#[test]
fn numbers_that_cannot_be_are_not_shown() {
    fn numbers(value: &mut Value, number: &Value) {
        match value {
            Value::Number(_) => *value = number.clone(),
            Value::Object(fields) => fields.values_mut().for_each(|it| numbers(it, number)),
            Value::Array(list) => list.iter_mut().for_each(|it| numbers(it, number)),
            _ => {}
        }
    }
    for number in [
        json!(-1),
        json!(1e300),
        json!(-1e300),
        json!(0),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.000_000_1),
        json!("7"),
        json!(null),
        json!([]),
    ] {
        for name in FIXTURES {
            let mut run = document(name);
            numbers(&mut run, &number);
            holds(&format!("{number} in {name}"), &run);
        }
    }
}

#[test]
fn fields_of_another_kind_are_passed_over() {
    for name in ["broken-test", "doctor", "matrix", "faults", "reproduce"] {
        let whole = document(name);
        for other in [json!("text"), json!([[]]), json!({"a": {}})] {
            for field in
                whole.as_object().unwrap().keys().filter(|field| *field != "goals" && *field != "goal")
            {
                let mut run = whole.clone();
                run[field] = other.clone();
                holds(&format!("{other} for {field} in {name}"), &run);
            }
            for field in whole["goals"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_object)
                .flat_map(Map::keys)
            {
                let mut run = whole.clone();
                for entry in run["goals"].as_array_mut().unwrap() {
                    entry[field] = other.clone();
                }
                holds(&format!("{other} for {field} of the goals in {name}"), &run);
            }
        }
    }
}

#[test]
fn there_may_be_any_number_of_everything() {
    /// Lists of things as long as they may be; a pair stays a pair.
    fn more(value: &mut Value, times: usize) {
        match value {
            Value::Array(list) if list.len() != 2 || !list[0].is_string() => {
                list.iter_mut().for_each(|it| more(it, times));
                *list = list.iter().cycle().take(list.len() * times).cloned().collect();
            }
            Value::Object(fields) => fields.values_mut().for_each(|it| more(it, times)),
            _ => {}
        }
    }
    for name in FIXTURES {
        let mut run = document(name);
        more(&mut run, 4);
        holds(name, &run);
        // Long words in all of it.
        let run = filled(&run, &"<&\"'".repeat(50));
        let page = written(&run).page;
        is_tame_page(name, &page);
        assert!(page.contains("more"), "{name}: it is said that something was left out");
    }
}

#[test]
fn the_least_that_is_shown_of_a_finding_says_why_and_where() {
    let mut run = document("doctor");
    let goals = run["goals"].as_array_mut().unwrap();
    let doctor = goals.iter_mut().find(|entry| entry["goal"] == "doctor").unwrap();
    let finding = &mut doctor["findings"][0];
    let fields = ["candidates", "change", "decides", "file", "lasting_fix", "evidence", "fix", "line"];
    fields.iter().for_each(|field| finding[field] = Value::from(vec!["<".repeat(300); 20]));
    (finding["why"], finding["where"]) = ("Because.".into(), "Somewhere.".into());
    for field in ["fix", "change", "lasting_fix"] {
        finding[field] = vec!["<".repeat(300); 20].join("\n").into();
    }
    doctor["findings"] = vec![doctor["findings"][0].clone(); 20].into();
    run["goals"] = vec![run["goals"].as_array().unwrap().last().unwrap().clone(); 30].into();
    let page = written(&run).page;
    is_tame_page("findings", &page);
    assert!(page.contains("Because.") && page.contains("Somewhere."));
}

#[test]
fn lists_of_lists_are_passed_over() {
    let mut deep = json!("deep");
    (0..3).for_each(|_| deep = vec![deep.clone(); 10].into());
    let mut run = document("doctor");
    for entry in run["goals"].as_array_mut().unwrap().iter_mut().filter(|it| it["goal"] == "doctor") {
        entry["findings"][0]["why"] = deep.clone();
        entry["findings"][0]["evidence"] = deep.clone();
    }
    let page = written(&run).page;
    is_tame_page("a deep list", &page);
    assert!(!page.contains("deep"));
}
