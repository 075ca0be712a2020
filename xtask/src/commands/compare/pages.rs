//! What a person reads on a page: headings, sentences, labels. How it looks, and what a
//! stand-in says of itself in small print, is left out.

/// The elements whose text a person acts on.
const READ: [&str; 6] = ["h1", "h2", "p", "label", "button", "div id=\"login-error\""];

/// The text of a page that a person would notice, one element a line.
pub fn text(page: &str) -> String {
    let mut rest = page.split_once("<body").map_or(page, |(_, body)| body);
    let mut lines = vec![];
    while let Some((_, after)) = rest.split_once('<') {
        rest = after;
        let Some(kind) = READ.iter().find(|kind| is(after, kind)) else { continue };
        let tag = kind.split(' ').next().unwrap_or_default();
        let Some((_, inside)) = after.split_once('>') else { break };
        let inside = inside.split_once(&format!("</{tag}>")).map_or(inside, |(inside, _)| inside);
        let line = plain(inside);
        if !line.is_empty() && !inside.trim_start().starts_with("<small") && lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Whether a tag begins here.
fn is(text: &str, kind: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.strip_prefix(kind).is_some_and(|rest| rest.starts_with(['>', ' ', '\n', '\t']))
}

/// Without tags, with single spaces.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text = text.replace("&#39;", "'").replace("&#34;", "\"").replace("&quot;", "\"");
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_stands_in_headings_sentences_labels_and_errors() {
        let real = "<html><head><title>dex</title><style>p { }</style></head>\n<body class=\"theme-body\"><div class=\"theme-navbar\"><img src=x></div>\n<h2 class=\"theme-heading\">Bad  Request</h2>\n<p>Unregistered &#34;x&#34;.</p></body>";
        let ours = "<!DOCTYPE html><head><title>t</title></head><body>\n<h1>Bad Request</h1>\n<p>Unregistered &#34;x&#34;.</p>\n<p><small>This is a stand-in</small></p></body>";
        assert_eq!(text(real), "Bad Request\nUnregistered \"x\".");
        assert_eq!(text(real), text(ours));
        let form = "<body><pre>no</pre><form><p><label for=\"login\">Email</label><input></p><div id=\"login-error\" class=\"x\">\n Invalid Email. </div><button type=submit>Log in</button></form>";
        assert_eq!(text(form), "Email\nInvalid Email.\nLog in");
        assert_eq!(text("no page"), "");
    }
}
