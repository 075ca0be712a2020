//! Faults by their names on the command line.

use clap::ValueEnum as _;
use serde_json::{Value, json};
use strsim::levenshtein as distance;

use super::{Fault, Seen};

/// What `--fault` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// That fault.
    One(Fault),
    /// List them.
    List,
}

impl Choice {
    /// Reads it.
    ///
    /// # Errors
    /// There is no such fault; the nearest name is said.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "list" {
            return Ok(Self::List);
        }
        Fault::from_str(text, false).map(Self::One).map_err(|_| {
            let nearest = nearest(text).map_or_else(String::new, |name| format!("did you mean {name}? "));
            format!("there is no such fault ({nearest}`cargo xtask break --fault list` lists them)")
        })
    }
}

/// All faults with what each changes and where it shows, for `--format json`.
pub fn catalogue() -> Value {
    let entry = |fault: &Fault| {
        let (releases, why) = match fault.seen() {
            Seen::Everywhere => (None, None),
            Seen::On(releases) => (Some(releases), None),
            Seen::RealOnly(why) => (None, Some(why)),
        };
        json!({"name": fault.name(), "what": fault.what(), "shows_on": releases, "real_only": why})
    };
    Fault::all().iter().map(entry).collect()
}

/// How much of a word is looked at.
const LONGEST: usize = 64;

/// The name that a mistyped one most likely stands for, if it is near one at all.
fn nearest(text: &str) -> Option<&'static str> {
    let text: String = text.chars().take(LONGEST).collect();
    let names = Fault::all().iter().map(|fault| fault.name());
    let (distance, name) = names.map(|name| (distance(&text, name), name)).min()?;
    (distance <= (name.len() + 2) / 4).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_gets_the_nearest_one_and_any_other_word_none() {
        for (text, name) in [
            ("rotat", Some("rotate")),
            ("rotate_twice", Some("rotate-twice")),
            ("secret-mismach", Some("secret-mismatch")),
            ("frist-start", Some("first-start")),
            ("everything", None),
            ("", None),
        ] {
            assert_eq!(nearest(text), name, "{text}");
        }
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
