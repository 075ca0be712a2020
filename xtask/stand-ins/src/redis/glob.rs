//! Redis' patterns: `*`, `?`, `[a-z]`, `[^a]`, `\`.

/// Whether a pattern matches the whole of a text, in time that grows with the product of
/// their lengths at most.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on if what came after the last star was too little.
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        match (one(pattern, text.first().copied()), text.split_first()) {
            (Some(rest), Some((_, left))) => (pattern, text) = (rest, left),
            _ if pattern.is_empty() && text.is_empty() => return true,
            _ => match star {
                Some((rest, [_, left @ ..])) => {
                    star = Some((rest, left));
                    (pattern, text) = (rest, left);
                }
                _ => return false,
            },
        }
    }
}

/// The rest of a pattern whose first element takes this byte.
fn one(pattern: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let byte = byte?;
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [b'[', set @ ..] => {
            let end = set.iter().skip(1).position(|it| *it == b']').map_or(set.len(), |it| it + 1);
            let (set, rest) = (&set[..end], set.get(end + 1..).unwrap_or_default());
            let (not, mut set) = set.strip_prefix(b"^").map_or((false, set), |set| (true, set));
            let mut found = false;
            while let [first, more @ ..] = set {
                if let [b'-', last, more @ ..] = more {
                    found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                    set = more;
                } else {
                    found |= *first == byte;
                    set = more;
                }
            }
            (found != not).then_some(rest)
        }
        [first, rest @ ..] => (*first == byte).then_some(rest),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "any", true),
            ("", "", true),
            ("", "a", false),
            ("revoked-token|*", "revoked-token|x", true),
            ("revoked-token|*", "other", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hxllo", true),
            ("h[a-c]", "hb", true),
            ("h[c-a]", "hb", true),
            ("h[a", "ha", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("**a", "ba", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
        let (pattern, text) = ("*a".repeat(200) + "b", "a".repeat(20_000));
        assert!(!matches(pattern.as_bytes(), text.as_bytes()));
    }
}
