//! What the stand-ins' pages have in common: a page that can be read on a phone and in the
//! dark, without a script, a picture or a request of its own, and that says at its top which
//! program it stands in for.

use minijinja::{Environment, Error, ErrorKind};
use serde_json::{Value, json};

use crate::go_http::escape_html;

/// The whole page. `template` is what stands in it, with `content`, which is escaped.
pub(crate) fn page(program: &str, title: &str, template: &str, content: Value) -> String {
    let body = rendered(template, content);
    let style = include_str!("pages/page.css");
    let around = json!({ "program": program, "title": title, "style": style, "body": body });
    rendered(include_str!("pages/page.html"), around) + "\n"
}

fn rendered(template: &str, content: Value) -> String {
    let mut environment = Environment::new();
    environment.set_formatter(|out, _, value| {
        let written = match value.is_safe() {
            true => out.write_str(&value.to_string()),
            false => out.write_str(&escape_html(&value.to_string())),
        };
        written.map_err(|error| Error::from(ErrorKind::WriteFailure).with_source(error))
    });
    let page = environment.render_str(template, minijinja::value::Serde(content));
    // The templates are a part of the program, and know every field that they name.
    page.unwrap_or_else(|error| escape_html(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_it_stands_in_for_and_asks_for_nothing() {
        let page = page("Dex", "<script>", "<p>{{ x }}</p>", json!({ "x": "<script>'" }));
        assert!(page.contains("This is a stand-in for Dex") && page.contains("&lt;script&gt;"), "{page}");
        assert!(page.contains("<p>&lt;script&gt;&#39;</p>"), "{page}");
        for word in ["<script", "http:", "https:", "src=", "url(", "@import"] {
            assert!(!page.contains(word), "{word}: {page}");
        }
    }
}
