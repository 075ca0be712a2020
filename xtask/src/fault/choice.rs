//! What `--fault` takes.

use clap::ValueEnum as _;
use probe::usage::nearest;

use super::Fault;

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
        // By the cause that it is the first story of, too.
        let name = if text == "stale-argocd" { "rotate" } else { text };
        Fault::from_str(name, false).map(Self::One).map_err(|_| {
            let nearest =
                nearest(text, names()).map_or_else(String::new, |name| format!("did you mean {name}? "));
            format!("there is no such fault ({nearest}`cargo xtask break --fault list` lists them)")
        })
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    Fault::all().iter().map(|fault| fault.name())
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
            assert_eq!(nearest(text, names()), name, "{text}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for fault in Fault::all() {
            assert_eq!(Choice::parse(fault.name()), Ok(Choice::One(*fault)));
        }
        assert_eq!(Choice::parse("stale-argocd"), Ok(Choice::One(Fault::Rotate)));
        assert_eq!(Choice::parse("list"), Ok(Choice::List));
        assert!(Choice::parse("gremlins").is_err());
    }
}
