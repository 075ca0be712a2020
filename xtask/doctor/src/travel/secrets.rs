//! Secrets in a file of evidence: never themselves. Each is told by its length, its shape and how it is made from
//! an earlier one, so that whoever reads the file gets other values of which the same can be said. A [`Hidden`]
//! can be written inside of [`Describing::of`] and read inside of [`reading`] only; anywhere else that fails.

use std::cell::RefCell;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hidden::{Fingerprints, Hidden};
use crate::mask::Mask;
use crate::shown::shown;

/// What a file says of one secret.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Description {
    id: String,
    /// As findings show it.
    fingerprint: String,
    bytes: usize,
    characters: usize,
    /// Marks in it that settings may take for the sign of a reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    has: Vec<char>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<Made>,
}

/// How a secret is made from an earlier one of the list.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Made {
    /// It is the other one with this white space around it.
    WhiteSpace { of: String, before: String, after: String },
    /// It is the base64 of the other one.
    Base64 { of: String },
}

/// How a value stands in the evidence: as it is where it is no secret, else by its number.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Text(String),
    Secret(String),
}

/// Marks that are said of a secret.
const MARKS: [char; 2] = ['$', ':'];
/// All that a file may make its reader hold in place of secrets, in bytes. A Secret has a megabyte at most.
const MOST: usize = 8 << 20;

enum Page {
    Writing(Describing),
    Reading(Vec<(String, Hidden)>),
}

thread_local! {
    /// What is written or read by this thread at the moment.
    static PAGE: RefCell<Option<Page>> = const { RefCell::new(None) };
}

/// Describes secrets.
pub struct Describing {
    fingerprints: Fingerprints,
    mask: Mask,
    secrets: Vec<Hidden>,
    open: Vec<Hidden>,
    known: Vec<Hidden>,
    described: Vec<Description>,
}

impl Describing {
    /// For the secrets that were seen. `open` are values that may be written as they are, unless one of the secrets
    /// is in them.
    pub fn new(fingerprints: Fingerprints, mask: Mask, secrets: Vec<Hidden>, open: Vec<Hidden>) -> Self {
        Self { fingerprints, mask, secrets, open, known: vec![], described: vec![] }
    }

    /// Does what writes, and gives what it gave beside the descriptions.
    pub fn of<T>(self, write: impl FnOnce() -> T) -> (T, Vec<Description>) {
        PAGE.set(Some(Page::Writing(self)));
        let written = write();
        match PAGE.take() {
            Some(Page::Writing(it)) => (written, it.described),
            _ => (written, vec![]),
        }
    }

    fn write(&mut self, value: &Hidden) -> Written {
        let text = value.text();
        let mut masked = text.clone();
        self.mask.apply(&mut masked);
        let is_open = self.open.contains(value) && !self.secrets.contains(value) && masked == text;
        if value.is_empty() || is_open { Written::Text(text) } else { Written::Secret(self.id(value)) }
    }

    fn id(&mut self, value: &Hidden) -> String {
        if let Some(at) = self.known.iter().position(|known| known == value) {
            return self.described[at].id.clone();
        }
        let made = self.made(value);
        let text = value.text();
        let id = format!("s{}", self.known.len() + 1);
        self.known.push(value.clone());
        self.described.push(Description {
            id: id.clone(),
            fingerprint: self.fingerprints.of(value),
            bytes: value.len(),
            characters: text.chars().count(),
            has: MARKS.into_iter().filter(|mark| text.contains(*mark)).collect(),
            made,
        });
        id
    }

    /// What it is made from comes into the list before it.
    fn made(&mut self, value: &Hidden) -> Option<Made> {
        let text = std::str::from_utf8(value.reveal()).ok()?;
        let inner = text.trim();
        if inner.len() < text.len() {
            let start = text.len() - text.trim_start().len();
            let (before, after) = (&text[..start], &text[start + inner.len()..]);
            let (before, after) = (before.to_owned(), after.to_owned());
            return Some(Made::WhiteSpace { of: self.id(&Hidden::new(inner)), before, after });
        }
        let decoded = value.decoded().filter(|decoded| decoded.encoded() == *value)?;
        Some(Made::Base64 { of: self.id(&decoded) })
    }
}

/// Reads with other values in the place of those that were described, and gives what was read and the fingerprints
/// of the values that were.
///
/// # Errors
/// One cannot be as it is described, in a sentence's part.
pub fn reading<T>(
    described: &[Description],
    read: impl FnOnce() -> T,
) -> Result<(T, Fingerprints), &'static str> {
    let mut all: Vec<(String, Hidden)> = vec![];
    let mut held = 0;
    for (number, it) in described.iter().enumerate() {
        let earlier = |id: &str| {
            let found = all.iter().find(|(known, _)| known == id).map(|(_, value)| value);
            found.ok_or("a secret is said to be made from one that was not described before it")
        };
        let is_white = |text: &str| text.chars().all(char::is_whitespace);
        let value = match &it.made {
            Some(Made::WhiteSpace { of, before, after }) if is_white(before) && is_white(after) => {
                Hidden::new([before.as_bytes(), earlier(of)?.reveal(), after.as_bytes()].concat())
            }
            Some(Made::WhiteSpace { .. }) => return Err("the white space around a secret is none"),
            Some(Made::Base64 { of }) => earlier(of)?.encoded(),
            None if it.bytes > MOST || it.characters > it.bytes => return Err("a secret has no such length"),
            None => in_place_of(number, it),
        };
        held += value.len();
        if held > MOST {
            return Err("its secrets are longer than those of a cluster");
        }
        all.push((it.id.clone(), value));
    }
    let fingerprints =
        described.iter().zip(&all).map(|(it, (_, value))| (value.clone(), shown(&it.fingerprint)));
    let fingerprints = Fingerprints::Written(fingerprints.collect());
    PAGE.set(Some(Page::Reading(all)));
    let read = read();
    PAGE.set(None);
    Ok((read, fingerprints))
}

/// A value that nobody has as a secret, and no sentence has by chance: of the same length, and another one for each
/// number.
fn in_place_of(number: usize, it: &Description) -> Hidden {
    const DIGITS: &str = "~!#%&()*+,-./0123456789;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcde";
    let kinds = [u32::from('~'), 0x100, 0xe000, 0xf_0000];
    let (mut number, mut more) = (number, it.bytes - it.characters);
    let mark = |mark: char| it.has.contains(&mark).then_some(mark);
    let mut text: String = mark('$').into_iter().collect();
    for _ in it.has.len()..it.characters {
        let (digit, wider) = (number % DIGITS.len(), more.min(3));
        (number, more) = (number / DIGITS.len(), more - wider);
        let plain = DIGITS.chars().nth(digit).unwrap_or('~');
        // As wide as it has to be, so that letters that are no ASCII are counted as such.
        let wide = || char::from_u32(kinds[wider] + u32::try_from(digit).unwrap_or(0));
        text.push(if wider == 0 { plain } else { wide().unwrap_or(plain) });
    }
    text.extend(mark(':'));
    Hidden::new(text)
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = PAGE.with_borrow_mut(|page| match page {
            Some(Page::Writing(describing)) => Some(describing.write(self)),
            _ => None,
        });
        written.ok_or_else(|| S::Error::custom("a secret is written nowhere else"))?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = match Written::deserialize(deserializer)? {
            Written::Text(text) => return Ok(Self::new(text)),
            Written::Secret(id) => id,
        };
        let found = PAGE.with_borrow(|page| match page {
            Some(Page::Reading(all)) => all.iter().find(|(known, _)| *known == id).map(|(_, it)| it.clone()),
            _ => None,
        });
        found.ok_or_else(|| D::Error::custom("a secret is named that is not described"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values as somebody else gets them, and the text of the descriptions.
    fn travelled(values: &[Hidden], open: &[Hidden]) -> (Vec<Hidden>, String) {
        let fingerprints = Fingerprints::fixed();
        let mask = Mask::new(values);
        let describing = Describing::new(fingerprints, mask, vec![], open.to_vec());
        let (written, described) = describing.of(|| serde_json::to_value(values).unwrap());
        let text = serde_json::to_string(&described).unwrap();
        let (read, _) = reading(&described, || serde_json::from_value(written).unwrap()).unwrap();
        (read, text)
    }

    #[test]
    fn the_same_can_be_said_of_what_travelled_and_nothing_of_it_is_written() {
        let words =
            ["hunter2", "s3cr3t-väl🔑", "x", "$argocd-oidc.clientSecret", "a$b:c", "czNjcjN0LXZhbHVl", "äö"];
        let mut values: Vec<Hidden> = words.map(Hidden::new).to_vec();
        for word in words {
            let plain = Hidden::new(word);
            values.extend([
                plain.with_line_break(),
                plain.encoded(),
                plain.encoded().with_line_break(),
                Hidden::new(format!(" \t{word}\r\n")),
            ]);
        }
        values.extend([Hidden::default(), Hidden::new("\n"), Hidden::new(vec![0xff, 0xfe, b'a'])]);
        let (read, text) = travelled(&values, &[]);
        for (one, other) in values.iter().zip(&read) {
            let said = |it: &Hidden| {
                let text = it.text();
                let marks = MARKS.map(|mark| text.contains(mark));
                (text.chars().count(), it.white_space(), it.decoded().is_some(), marks, it.is_empty())
            };
            assert_eq!(said(one), said(other), "{}", one.text());
            assert!(std::str::from_utf8(one.reveal()).is_err() || one.len() == other.len(), "{}", one.text());
            for (third, fourth) in values.iter().zip(&read) {
                assert_eq!(one == third, other == fourth, "{} {}", one.text(), third.text());
                let of = |one: &Hidden, other: &Hidden| {
                    // Shorter ones are not taken for encoded.
                    let encoded = one.len() > 3 && one.encoded() == *other;
                    (one.trimmed() == other.trimmed(), encoded, one.with_line_break() == *other)
                };
                assert_eq!(of(one, third), of(other, fourth), "{} {}", one.text(), third.text());
            }
        }
        for word in words.iter().filter(|word| word.len() > 1) {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_written_as_it_is_unless_a_secret_is_in_it() {
        let [issuer, secret] = ["http://dex.host", "hunter2"].map(Hidden::new);
        let with = Hidden::new("http://hunter2.host");
        let mask = Mask::new([&secret]);
        let open = vec![issuer.clone(), secret.clone(), with.clone()];
        let describing = Describing::new(Fingerprints::fixed(), mask, vec![secret.clone()], open);
        let (written, described) = describing.of(|| serde_json::to_string(&[issuer, secret, with]).unwrap());
        assert_eq!(written, r#"[{"text":"http://dex.host"},{"secret":"s1"},{"secret":"s2"}]"#);
        assert_eq!(described.len(), 2);
    }

    #[test]
    fn a_secret_is_written_and_read_nowhere_else() {
        assert!(serde_json::to_string(&Hidden::new("hunter2")).is_err());
        assert!(serde_json::from_str::<Hidden>(r#"{"secret": "s1"}"#).is_err());
    }

    #[test]
    fn descriptions_that_nothing_can_be_are_refused() {
        for text in [
            r#"{"bytes": 99999999999, "characters": 1}"#,
            r#"{"bytes": 1, "characters": 2}"#,
            r#"{"bytes": 1, "characters": 1, "made": {"base64": {"of": "s1"}}}"#,
            r#"{"bytes": 1, "characters": 1, "made": {"white_space": {"of": "s0", "before": "x", "after": ""}}}"#,
        ] {
            let mut it: serde_json::Value = serde_json::from_str(text).unwrap();
            (it["id"], it["fingerprint"]) = ("s1".into(), "f".into());
            let first = serde_json::json!({"id": "s0", "fingerprint": "f", "bytes": 1, "characters": 1});
            let all: Vec<Description> = serde_json::from_value(serde_json::json!([first, it])).unwrap();
            assert!(reading(&all, || ()).is_err(), "{text}");
        }
        // Each is a third longer than the one before.
        let made = |at: usize| match at {
            0 => serde_json::json!({"id": "s0", "fingerprint": "", "bytes": 1000, "characters": 1000}),
            _ => serde_json::json!({"id": format!("s{at}"), "fingerprint": "", "bytes": 0, "characters": 0,
                                    "made": {"base64": {"of": format!("s{}", at - 1)}}}),
        };
        let all: Vec<Description> = (0..100).map(|at| serde_json::from_value(made(at)).unwrap()).collect();
        assert!(reading(&all, || ()).is_err());
    }
}
