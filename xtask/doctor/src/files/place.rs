//! Where in a file a field stands. Files are looked through as text: whatever the format, a field has its name before
//! a colon, and what is below it is indented.

use std::ops::Range;

/// The line, from 1, of what a finding calls its place: `oidc.config issuer`, `key clientSecret`, `url`, `dex.config,
/// line 3`. `within` are the lines of the object, from 1.
pub fn line(text: &str, within: Range<usize>, name: &str, place: &str) -> usize {
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(at, line)| (at + 1, line)).collect();
    let last = within.end.saturating_sub(1).min(lines.len());
    let object = &lines[within.start.saturating_sub(1).min(last)..last];
    let (fields, offset) = parts(place);
    let mut found = None;
    let mut rest = object;
    for field in fields {
        // `metadata.labels` is a field in a field; `oidc.config` is one.
        let whole = find(rest, field).is_some();
        let inner = field.split('.').map(|part| part.split('[').next().unwrap_or(part));
        for part in if whole { vec![field] } else { inner.collect() } {
            let Some((number, line, below)) = find(rest, part) else { continue };
            (found, rest) = (Some((number, line)), below);
        }
    }
    match (found, offset) {
        (Some((number, line)), Some(offset)) if line.contains(['|', '>']) => {
            (number + offset).min(last.max(number))
        }
        (Some((number, _)), _) => number,
        (None, _) => {
            let is_name = |(_, line): &&(usize, &str)| {
                value(line, "name").is_some_and(|value| value.trim_matches(['"', '\'', ',', ' ']) == name)
            };
            let own = || {
                let (number, _, below) = find(object, "metadata")?;
                Some(find(below, "name").map_or(number, |(number, ..)| number))
            };
            let found = object.iter().find(is_name).map(|(number, _)| *number).or_else(own);
            found.unwrap_or(within.start)
        }
    }
}

/// The fields of a place from the outer to the inner, and the line of its text that it speaks of.
fn parts(place: &str) -> (Vec<&str>, Option<usize>) {
    let mut words = place.split([' ', ',']).filter(|word| !word.is_empty());
    let (mut fields, mut offset) = (vec![], None);
    while let Some(word) = words.next() {
        match word {
            "and" => break,
            "key" => {}
            "line" => offset = words.next().and_then(|number| number.parse().ok()),
            word => fields.push(word),
        }
    }
    (fields, offset)
}

/// A line and its number, from 1.
type Line<'a> = (usize, &'a str);

/// The outermost field of this name: its line, and the lines below it.
fn find<'a, 'b>(lines: &'b [Line<'a>], field: &str) -> Option<(usize, &'a str, &'b [Line<'a>])> {
    let named = lines.iter().enumerate().filter(|(_, (_, line))| value(line, field).is_some());
    let (at, (number, line)) = named.min_by_key(|(_, (_, line))| indent(line))?;
    let below = &lines[at + 1..];
    let inner = |(_, it): &&Line<'_>| it.trim().is_empty() || indent(it) > indent(line);
    let end = below.iter().take_while(inner).count();
    Some((*number, line, &below[..end]))
}

/// Blanks before a line, and the dash of an item.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-', '\t']).len()
}

/// What stands behind the name of a field, if the line begins with it; the case of letters is Go's affair.
fn value<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let line = line.trim_start_matches([' ', '-', '\t']);
    let (name, value) = line.split_once(':').filter(|(name, _)| name.len() <= field.len() + 3)?;
    name.trim().trim_matches(['"', '\'']).eq_ignore_ascii_case(field).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  labels:\n    a: b\ndata:\n  dex.config: |\n    connectors:\n    - type: github\n      config:\n        url: x\n        clientSecret: $a:b\n  oidc.config: |\n    name: x\n\n    issuer: http://dex\n    ClientSecret: $c:d\n  url: http://a\n";

    #[test]
    fn a_place_is_the_line_of_its_innermost_field() {
        let lines = TEXT.lines().count() + 1;
        for (place, expected) in [
            ("oidc.config issuer", 17),
            ("oidc.config clientSecret", 18),
            ("oidc.config requestedScopes", 14),
            ("oidc.config, line 3", 17),
            ("dex.config connectors[0].config.clientSecret", 13),
            ("dex.config and oidc.config", 8),
            ("dex.config connectors, github", 9),
            ("url", 19),
            ("metadata.labels", 5),
            ("key nobody", 4),
            ("", 4),
        ] {
            assert_eq!(line(TEXT, 1..lines, "argocd-cm", place), expected, "{place}");
        }
        let json = "{\n  \"kind\": \"ConfigMap\",\n  \"data\": {\n    \"oidc.config\": \"issuer: a\",\n    \"url\": \"b\"\n  }\n}\n";
        assert_eq!(line(json, 1..8, "argocd-cm", "url"), 5);
        assert_eq!(line(json, 1..8, "argocd-cm", "oidc.config issuer"), 4);
        for odd in [0..0, 90..99] {
            line(TEXT, odd, "argocd-cm", "url");
        }
    }
}
