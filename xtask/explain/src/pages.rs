//! docs/causes.md, which this program carries with it: one section a cause.

use probe::CauseId;

const CAUSES: &str = include_str!("../../../docs/causes.md");

/// A section.
#[derive(Clone, Debug)]
pub struct Page {
    /// The whole, as it is written.
    pub text: &'static str,
    /// What it is, in a sentence.
    pub summary: String,
    /// Why it gives its symptom.
    pub why: String,
    /// How to tell it from what looks the same.
    pub tell: String,
    /// What to do now.
    pub fix: String,
    /// What to do so that it does not come back.
    pub lasting: String,
}

/// The section of a cause.
pub fn page(id: CauseId) -> Page {
    let text = section(id).unwrap_or_default();
    let up_to_next = |text: &str| in_line(text.split("\n- **").next().unwrap_or_default());
    let part = |name: &str| {
        let found = text.split_once(&format!("\n- **{name}** "));
        found.map_or_else(String::new, |(_, rest)| up_to_next(rest))
    };
    let summary = up_to_next(text);
    Page {
        text,
        summary,
        why: part("Why"),
        tell: part("How to tell"),
        fix: part("Fix"),
        lasting: part("Lasting fix"),
    }
}

/// What stands below a cause's heading.
fn section(id: CauseId) -> Option<&'static str> {
    let heading = format!("\n## `{id}`\n");
    let start = CAUSES.find(&heading)? + heading.len();
    let rest = CAUSES.get(start..)?;
    Some(rest.find("\n## ").map_or(rest, |end| &rest[..end]).trim())
}

/// A paragraph on one line, and of its links the words.
fn in_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(start) = plain.rfind('[') {
            plain.remove(start);
        }
        plain.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_link_its_words_are_shown() {
        assert_eq!(in_line("As for [`a`](#a),\n  ([b.md](b.md)) c"), "As for `a`, (b.md) c");
    }

    #[test]
    fn every_cause_has_its_page_with_every_part() {
        for id in CauseId::ALL {
            let page = page(*id);
            for (name, part) in [
                ("summary", &page.summary),
                ("Why", &page.why),
                ("How to tell", &page.tell),
                ("Fix", &page.fix),
                ("Lasting fix", &page.lasting),
            ] {
                assert!(!part.is_empty(), "{id}: {name}");
            }
            for name in ["People see", "Since", "Upstream"] {
                assert!(page.text.contains(&format!("- **{name}** ")), "{id}: {name}");
            }
        }
    }
}
