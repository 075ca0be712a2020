//! The server's own words: short enough for one line, and what there is of them in a page.

use crate::catalogue::Cause;
use crate::http::Answer;
use crate::page::{Page, collapse};

/// The longest message, in characters.
const LONGEST: usize = 300;

/// What an answer says to people: its text, the error inside its JSON, or the words of its page.
pub(crate) fn of_answer(answer: &Answer) -> String {
    let text = answer.text();
    let words = match answer.header("content-type").unwrap_or_default().to_ascii_lowercase() {
        kind if kind.contains("json") => of_json(&text).unwrap_or_else(|| of_text(&text)),
        kind if kind.contains("html") => of_page(&Page::parse(&text)),
        _ => of_text(&text),
    };
    let words = shorten(&words);
    match (words.is_empty(), answer.header("location")) {
        (false, _) => words,
        (true, Some(_)) => format!("redirects with status {} and no words", answer.status),
        (true, None) => format!("status {} with an empty body", answer.status),
    }
}

pub(crate) fn of_text(text: &str) -> String {
    let text = &without_claims(text);
    // Argo CD quotes whole pages of a front behind its own words.
    let own = ["<html", "<!doctype", "<HTML", "<!DOCTYPE"].iter().filter_map(|start| text.find(start)).min();
    let own = match own {
        Some(start) if start > 0 => &text[..start],
        _ => text,
    };
    let lines = own.lines().map(str::trim).filter(|line| !line.is_empty()).take(3);
    let words = lines.collect::<Vec<_>>().join(" ");
    words.trim_end_matches(':').to_owned()
}

/// A text without the claims of a token that it quotes (`claims={…}`), and with how many groups were among them.
fn without_claims(text: &str) -> String {
    const START: &str = "claims={";
    let Some(at) = text.find(START).map(|at| at + START.len() - 1) else { return text.to_owned() };
    let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<serde_json::Value>();
    let claims = values.next().and_then(Result::ok);
    let rest = match &claims {
        Some(_) => &text[at + values.byte_offset()..],
        // No claims that can be read, and so nothing of them may be shown: what Argo CD says comes after all.
        None => text.rfind(", err=").map_or("", |err| &text[err.max(at)..]),
    };
    let groups = claims.as_ref().and_then(|claims| claims["groups"].as_array());
    let groups = groups.map_or_else(String::new, |groups| format!(" {} groups …", groups.len()));
    format!("{}{{…{groups}}}{rest}", &text[..at])
}

fn of_json(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let word = |name: &str| json[name].as_str().filter(|word| !word.is_empty());
    let (error, message) = (word("error"), word("message").or_else(|| word("error_description")));
    match (error, message) {
        (Some(error), Some(message)) if error != message => Some(format!("{error}: {message}")),
        (Some(one), _) | (None, Some(one)) => Some(one.to_owned()),
        (None, None) => Some(text.trim().to_owned()),
    }
}

fn of_page(page: &Page) -> String {
    match (&page.error, page.text.is_empty(), &page.title) {
        (Some(error), ..) => error.clone(),
        (None, false, _) => page.text.clone(),
        (None, true, Some(title)) => title.clone(),
        (None, true, None) => String::new(),
    }
}

/// Cuts a message to what fits a line or two, between characters.
pub(crate) fn shorten(words: &str) -> String {
    let words = collapse(words);
    match words.char_indices().nth(LONGEST) {
        None => words,
        Some((end, _)) => format!("{} …", words[..end].trim_end()),
    }
}

/// What kind of page stands where a login form should be: in words, and what it means.
pub(crate) fn found(page: &Page) -> (String, Cause) {
    let title = page.title.as_deref().map_or_else(String::new, |title| format!(" titled \"{title}\""));
    let of_a_page = |what: &str| format!("no login form: a page{title} with {what}");
    let mut fields = page.forms.iter().flat_map(|form| &form.fields);
    let has_buttons = fields.clone().any(|field| field.kind == "submit");
    let asks = |name: &str| ["approval", "consent", "accept"].iter().any(|it| it.eq_ignore_ascii_case(name));
    if fields.any(|field| field.name.as_deref().is_some_and(asks)) {
        return (of_a_page("a question for consent"), Cause::ConsentPage);
    }
    if page.stray_password {
        return (of_a_page("a password field outside of any form"), Cause::ScriptedPage);
    }
    if let Some(form) = page.forms.iter().find(|form| form.fields.iter().any(|field| field.kind != "hidden"))
    {
        let names: Vec<&str> = form
            .fields
            .iter()
            .filter(|field| field.kind != "hidden")
            .filter_map(|field| field.name.as_deref())
            .collect();
        let what = match names.is_empty() {
            true if has_buttons => "a form that has buttons only".to_owned(),
            true => "a form without named fields".to_owned(),
            false => format!("a form of the fields {}, without user name and password", names.join(", ")),
        };
        return (of_a_page(&what), Cause::FormWithoutPassword);
    }
    if page.forms.iter().any(|form| !form.fields.is_empty()) && page.scripts > 0 {
        return (of_a_page("a hidden form that a script sends"), Cause::ScriptedPage);
    }
    if page.refreshes {
        return (of_a_page("a refresh to another page"), Cause::ScriptedPage);
    }
    if page.links > 1 && page.text.len() < 1000 && page.scripts == 0 {
        return (of_a_page(&format!("{} links to choose from", page.links)), Cause::SeveralConnectors);
    }
    if page.scripts > 0 {
        let scripts =
            if page.scripts == 1 { "a script".to_owned() } else { format!("{} scripts", page.scripts) };
        return (of_a_page(&format!("{scripts} and no form in it")), Cause::ScriptedPage);
    }
    match page.text.is_empty() {
        true => (format!("no login form: an empty page{title}"), Cause::NoForm),
        false => (format!("no login form: a page{title} that says: {}", page.text), Cause::NoForm),
    }
}

/// What came instead of a page.
pub(crate) fn kind_of(content_type: Option<&str>) -> String {
    match content_type {
        Some(kind) => format!("no login form: the answer is {kind}, not a page"),
        None => "no login form: the answer is not a page and does not say what it is".to_owned(),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
