//! Texts that came from a cluster or a server, made fit to be shown.

use base::shown::quoted;
pub use base::shown::{clean, cut, shown};

/// A value that has to be right letter for letter: as it is, or in quotes and with what is odd
/// about it where that cannot be seen.
pub fn exact(text: &str) -> String {
    let odd = odd(text);
    match odd.is_empty() {
        true => shown(text),
        false => {
            let quoted: String = cut(text).chars().flat_map(char::escape_debug).collect();
            let quoted = quoted.replace("\\\"", "\"").replace("\\'", "'");
            format!("\"{quoted}\" ({})", odd.join(", "))
        }
    }
}

/// The white space before a text and at its end, as it is `named`, where there is some; of a text that is nothing else
/// it is all before it.
pub fn white_ends(text: &str, named: impl Fn(&str) -> String) -> Vec<String> {
    let (start, rest) = text.split_at(text.len() - text.trim_start().len());
    let ends = [(start, "before it"), (&rest[rest.trim_end().len()..], "at its end")];
    let ends = ends.into_iter().filter(|(white, _)| !white.is_empty());
    ends.map(|(white, place)| format!("{} {place}", named(white))).collect()
}

/// What of a value is easily overlooked, in words.
fn odd(text: &str) -> Vec<String> {
    let white = |part: &str| match part {
        " " => "a blank".to_owned(),
        "\n" | "\r\n" => "a line break".to_owned(),
        "\t" => "a tabulator".to_owned(),
        one if one.chars().count() == 1 => {
            format!("U+{:04X}", one.chars().next().map_or(0, u32::from))
        }
        _ => format!("{} characters of white space", part.chars().count()),
    };
    let mut odd = white_ends(text, white);
    let inner = text.trim();
    let quote = inner.chars().next().filter(|c| "\"'`‘“".contains(*c) && inner.chars().count() > 1);
    if quote.is_some_and(|_| inner.ends_with(['"', '\'', '`', '’', '”'])) {
        odd.push("the quotes are part of it".to_owned());
    }
    let strange = |(at, c): (usize, char)| {
        let code = u32::from(c);
        match c {
            ' '..='~' | '‘' | '’' | '“' | '”' => None,
            c if c.is_alphanumeric() => Some(format!("the letter in place {} is U+{code:04X}", at + 1)),
            _ => Some(format!("in place {} is U+{code:04X}", at + 1)),
        }
    };
    let first = text.chars().count() - text.trim_start().chars().count();
    let inside = inner.chars().enumerate().map(|(at, c)| (first + at, c));
    odd.extend(inside.filter_map(strange).take(3));
    odd
}

/// An argument as a shell takes it, whole however long it is.
pub fn argument(text: &str) -> String {
    quoted(&clean(text))
}

/// An object of a cluster, as a place: `Secret argocd/argocd-oidc`.
pub fn object(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind} {}/{}", shown(namespace), shown(name))
}

/// A list for a sentence: `a, b and c`; the first few of a long one.
pub fn listed<T: AsRef<str>>(all: &[T]) -> String {
    const MOST: usize = 6;
    let mut names: Vec<String> = all.iter().take(MOST).map(|name| shown(name.as_ref())).collect();
    if all.len() > MOST {
        names.push(format!("{} more", all.len() - MOST));
    }
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_said() {
        for (text, said) in [
            ("argo-cd", "argo-cd"),
            ("", ""),
            ("argo-cd ", "\"argo-cd \" (a blank at its end)"),
            ("\targo-cd\n", "\"\\targo-cd\\n\" (a tabulator before it, a line break at its end)"),
            ("'argo-cd'", "\"'argo-cd'\" (the quotes are part of it)"),
            ("аrgo-cd", "\"аrgo-cd\" (the letter in place 1 is U+0430)"),
            ("argo\u{200b}-cd", "\"argo\\u{200b}-cd\" (in place 5 is U+200B)"),
        ] {
            assert_eq!(exact(text), said);
        }
    }

    #[test]
    fn arguments_are_one_word_to_a_shell() {
        for (text, word) in [
            ("argocd-cm", "argocd-cm"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(argument(text), word);
        }
        assert_eq!(argument(&"x".repeat(500)).len(), 500);
    }

    #[test]
    fn lists_read_as_sentences_do() {
        assert_eq!(listed::<&str>(&[]), "none");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listed(&["1", "2", "3", "4", "5", "6", "7", "8"]), "1, 2, 3, 4, 5, 6 and 2 more");
    }
}
