//! What the stand-ins' pages have in common: a page that can be read on a phone and in the
//! dark, without a script, a picture or a request of its own, and that says at its top which
//! program it stands in for.

use crate::go_http::escape_html;

/// The whole page. `body` is HTML already; nothing of a request gets into it unescaped.
pub(crate) fn page(program: &str, title: &str, body: &str) -> String {
    let title = escape_html(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} (stand-in for {program})</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><b>This is a stand-in for {program}</b>, a small program of a lab on this machine</header>\n\
         <main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

/// What has just happened, as a list of steps; each is HTML already.
pub(crate) fn steps(heading: &str, steps: &[String]) -> String {
    let steps: String = steps.iter().map(|step| format!("<li>{step}</li>\n")).collect();
    format!("<h2>{heading}</h2>\n<ol>\n{steps}</ol>")
}

/// Colours have a contrast of at least 4.5 to 1 on what they stand on, in both schemes.
const STYLE: &str = "
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1c2128;--quiet:#57606a;--line:#c9d1d9;
--link:#0757b5;--good:#116329;--bad:#a40e26;--tint:#fff1f0}
@media(prefers-color-scheme:dark){:root{--page:#0f1318;--card:#1a2028;--text:#e6e9ee;--quiet:#a3adb8;
--line:#3a434e;--link:#79b8ff;--good:#6fdd8b;--bad:#ff9a9a;--tint:#2d1c1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
header{padding:.6rem 1rem;text-align:center;font-size:.9rem;color:var(--quiet);border-bottom:1px solid var(--line)}
main{max-width:34rem;margin:2rem auto;padding:1.5rem 2rem 2rem;background:var(--card);
border:1px solid var(--line);border-radius:10px;overflow-wrap:anywhere}
h1{margin:0 0 .75rem;font-size:1.5rem;line-height:1.25}
h2{margin:1.75rem 0 .25rem;font-size:1rem}
p,ol{margin:.5rem 0}
ol{padding-left:1.4rem;font-size:.95rem;color:var(--quiet)}
a{color:var(--link)}
code{font:.92em ui-monospace,monospace}
label{display:block;margin-top:1rem;font-weight:600}
input{width:100%;margin-top:.25rem;padding:.55rem .7rem;font:inherit;color:inherit;background:var(--page);
border:1px solid var(--quiet);border-radius:6px}
button,.button{display:inline-block;margin-top:1rem;padding:.6rem 1.4rem;font:inherit;font-weight:600;
color:var(--card);background:var(--link);border:0;border-radius:6px;text-decoration:none;cursor:pointer}
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:1rem 0}
dt{color:var(--quiet)}
dd{margin:0}
.good{color:var(--good)}
.bad{color:var(--bad)}
div.bad,p.bad{padding:.6rem .8rem;background:var(--tint);border-left:4px solid var(--bad);border-radius:4px}
div.bad h1{margin:0}
@media(max-width:36rem){main{margin:0;border-width:0 0 1px;border-radius:0;padding:1.25rem 1rem 1.75rem}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_it_stands_in_for_and_asks_for_nothing() {
        let page = page("Dex", "<script>", "<p>x</p>");
        assert!(page.contains("This is a stand-in for Dex") && page.contains("&lt;script&gt;"), "{page}");
        for word in ["<script", "http:", "https:", "src=", "url(", "@import"] {
            assert!(!page.contains(word), "{word}: {page}");
        }
    }
}
