//! Makes one plain text of what people paste: a page, a line of JSON, an address, a log.

/// As much of a text as is searched: its start and its end, which of a log are its oldest and newest lines.
const MOST: usize = 1024 * 1024;

/// Small letters, one blank between words, no markup, no escapes of JSON, of HTML or of addresses.
pub fn plain(text: &str) -> String {
    let text = match text.len() > 2 * MOST {
        true => format!("{} {}", &text[..floor(text, MOST)], &text[floor(text, text.len() - MOST)..]),
        false => text.to_owned(),
    };
    // An address in an address is encoded twice.
    let text = decoded(&decoded(&text.to_ascii_lowercase()));
    let text =
        if text.contains("</") || text.contains("<br") { without_tags(&text) + &entra(&text) } else { text };
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let may_stand = matches!(c, '\\' | '&' | '“' | '”' | '’');
        let entity = ENTITIES.iter().filter(|_| may_stand).find(|(entity, _)| rest.starts_with(entity));
        let (word, length) = match entity {
            Some((entity, word)) => (*word, entity.len()),
            None if c.is_whitespace() || c.is_control() => (' ', c.len_utf8()),
            None => (c, c.len_utf8()),
        };
        rest = &rest[length..];
        if word != ' ' || !plain.ends_with(' ') {
            plain.push(word);
        }
    }
    plain
}

/// What stands for a character, and for which.
const ENTITIES: [(&str, char); 17] = [
    ("\\\\\"", '"'),
    ("\\\"", '"'),
    ("\\n", ' '),
    ("\\r", ' '),
    ("\\t", ' '),
    ("\\u0026", '&'),
    ("\\u003c", '<'),
    ("\\u003e", '>'),
    ("&quot;", '"'),
    ("&#34;", '"'),
    ("&#39;", '\''),
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("“", '"'),
    ("”", '"'),
    ("’", '\''),
];

/// The last place at or before `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// `%3A` and the like, where they stand for a printable character.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split('%');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|code| (0x20..0x7f).contains(code)) {
            Some(code) => {
                plain.push(char::from(code).to_ascii_lowercase());
                plain.push_str(&part[2..]);
            }
            None => {
                plain.push('%');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// The codes by which Entra ID names what failed, in small letters: its pages are answered with 200, and have them
/// in a script alone.
pub fn entra(text: &str) -> String {
    let text = text.to_lowercase();
    let code = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        (end > 0).then(|| format!(" aadsts{}", &rest[..end]))
    };
    text.split("aadsts").skip(1).filter_map(code).take(16).collect()
}

/// A page without its tags, scripts and styles.
fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        plain.push_str(&rest[..at]);
        plain.push(' ');
        rest = &rest[at..];
        let end = match ["script", "style"].iter().find(|name| rest[1..].starts_with(**name)) {
            Some(name) => rest.find(&format!("</{name}")),
            None if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!".contains(c)) => {
                rest.find('>').map(|end| end + 1)
            }
            // A bracket that opens nothing.
            None => {
                plain.push('<');
                Some(1)
            }
        };
        rest = end.map_or("", |end| &rest[end..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_becomes_plain() {
        for (pasted, text) in [
            ("Failed  to\nget\ttoken", "failed to get token"),
            (r#"{"msg":"oauth2: \"invalid_client\" \u003cx"}"#, r#"{"msg":"oauth2: "invalid_client" <x"}"#),
            (
                "Response: {&#34;error&#34;:&#34;invalid_client&#34;}",
                r#"response: {"error":"invalid_client"}"#,
            ),
            ("a<br>b <b class='x'>bold</b> 1 < 2", "a b bold 1 < 2"),
            ("<p>x</p><script>if (a</b) invalid_client</script>y", " x y"),
            ("return_url=https%3A%2F%2Fa%252Fb", "return_url=https://a/b"),
            ("100% %zz %", "100% %zz %"),
            ("oauth2: “invalid_client”", "oauth2: \"invalid_client\""),
            ("<unclosed", "<unclosed"),
            ("<p>x</p><script>s='AADSTS50011: AADSTSx'</script>", " x aadsts50011"),
        ] {
            assert_eq!(plain(pasted), text, "{pasted}");
        }
    }

    #[test]
    fn a_long_text_is_searched_at_its_start_and_its_end() {
        let text = format!("ERSTE{}LETZTE", "ä".repeat(2 * MOST));
        let plain = plain(&text);
        assert!(plain.len() <= 2 * MOST + 8, "{}", plain.len());
        assert!(plain.starts_with("erste") && plain.ends_with("letzte"));
    }
}
