//! Secret values: what may be known of one without showing it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use ring::digest::{Context, SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::shown::white_ends;
use base::{Error, Result};

/// The bytes of a secret. They cannot be printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden(Vec<u8>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(********)")
    }
}

impl Hidden {
    /// Hides bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// A random value, which is nobody's secret.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self> {
        Ok(Self(hex(&random::<20>()?).into_bytes()))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes themselves, for a request to the provider and for masking, nothing else.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// As Argo CD reads a value behind a `$`: text, without white space around it.
    pub fn trimmed(&self) -> Self {
        let text = String::from_utf8_lossy(&self.0);
        Self(text.trim().as_bytes().to_vec())
    }

    /// The white space around the value, named: `a line break at its end`.
    pub fn white_space(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.0);
        let named = |part: &str| match part {
            "\n" => "a line break".to_owned(),
            "\r\n" => "a line break of Windows".to_owned(),
            " " => "a space".to_owned(),
            other => format!("{} characters of white space", other.chars().count()),
        };
        Some(white_ends(&text, named)).filter(|ends| !ends.is_empty()).map(|ends| ends.join(" and "))
    }

    /// The value with a line break at its end, as `echo` writes one.
    pub fn with_line_break(&self) -> Self {
        Self([&self.0, b"\n".as_slice()].concat())
    }

    /// What the value is the base64 of, if that is a text that could be a secret itself.
    pub fn decoded(&self) -> Option<Self> {
        let text = self.trimmed();
        let bytes = BASE64_STANDARD.decode(&text.0).ok()?;
        let printable = |text: &str| text.trim_end().chars().all(|c| !c.is_control());
        let text = String::from_utf8(bytes).ok()?;
        (text.trim().len() >= 4 && printable(&text)).then(|| Self(text.into_bytes()))
    }

    /// The base64 of the value: what a provider holds that was given the text of a manifest.
    pub fn encoded(&self) -> Self {
        Self(BASE64_STANDARD.encode(&self.0).into_bytes())
    }

    /// The client secret that Argo CD and the Dex inside it derive from `server.secretkey`.
    pub fn derived(&self) -> Self {
        let hash = digest(&SHA256, &self.0);
        Self(BASE64_URL_SAFE.encode(hash.as_ref()).into_bytes().into_iter().take(40).collect())
    }

    /// The value as text. Bytes that are no text become what Go makes of them.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| Error::environment("the system gives no random numbers"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes fingerprints that can be compared within one run and with nothing else.
#[derive(Clone)]
pub enum Fingerprints {
    /// With this salt.
    Salted([u8; 32]),
    /// Those that were made on another machine: of what, and each in words.
    Written(Vec<(Hidden, String)>),
}

impl Default for Fingerprints {
    fn default() -> Self {
        Self::Written(vec![])
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints(..)")
    }
}

impl Fingerprints {
    /// With a salt that nobody gets to know.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new() -> Result<Self> {
        random().map(Self::Salted)
    }

    #[cfg(test)]
    pub fn fixed() -> Self {
        Self::Salted([7; 32])
    }

    /// `43 bytes, #3fa91c02`.
    pub fn of(&self, value: &Hidden) -> String {
        let salt = match self {
            Self::Salted(salt) => salt,
            Self::Written(all) => {
                let written = all.iter().find(|(known, _)| known == value).map(|(_, words)| words.clone());
                return written.unwrap_or_else(|| "a value that was not seen".to_owned());
            }
        };
        let mut context = Context::new(&SHA256);
        context.update(salt);
        context.update(&value.0);
        let hex = hex(&context.finish().as_ref()[..4]);
        let bytes = if value.len() == 1 { "byte" } else { "bytes" };
        format!("{} {bytes}, #{hex}", value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_shows_its_length_and_a_fingerprint_and_nothing_else() {
        let value = Hidden::new("correct horse");
        assert_eq!(format!("{value:?}"), "Hidden(********)");
        let (one, other) = (Fingerprints::new().unwrap(), Fingerprints::new().unwrap());
        assert_eq!(one.of(&value), one.of(&value.clone()));
        assert_ne!(one.of(&value), one.of(&value.with_line_break()));
        assert_ne!(one.of(&value), other.of(&value), "the salt is of this run");
        assert!(one.of(&value).starts_with("13 bytes, #"));
        assert!(!format!("{one:?}").chars().any(|c| c.is_ascii_digit()));
    }

    #[test]
    fn white_space_is_named_by_where_it_is() {
        for (value, named) in [
            ("s", None),
            ("", None),
            ("s s", None),
            ("s\n", Some("a line break at its end")),
            ("s\r\n", Some("a line break of Windows at its end")),
            (" s", Some("a space before it")),
            (" s\t\t", Some("a space before it and 2 characters of white space at its end")),
            ("\n", Some("a line break before it")),
        ] {
            assert_eq!(Hidden::new(value).white_space().as_deref(), named, "{value:?}");
        }
    }

    #[test]
    fn a_value_that_was_encoded_twice_is_known_as_such() {
        let secret = Hidden::new("s3cr3t-value");
        assert_eq!(secret.encoded().decoded(), Some(secret.clone()));
        assert_eq!(Hidden::new("czNjcjN0LXZhbHVlCg==\n").decoded(), Some(secret.with_line_break()));
        for other in ["", "abc", "not base64!", "AAAA", "/wD/AP8A"] {
            assert_eq!(Hidden::new(other).decoded(), None, "{other}");
        }
    }

    #[test]
    fn the_bundled_dexs_secret_is_derived_as_argo_cd_does_it() {
        let derived = Hidden::new("server-secret-key").derived();
        assert_eq!(derived.text(), "v9E_nVGR7b-hazqrg9y1XPk8N88d5E3g9j3osS7F");
    }

    #[test]
    fn odd_bytes_are_taken_as_they_come() {
        let odd = Hidden::new(vec![0xff, 0xfe, b'\n', 0]);
        assert_eq!(odd.len(), 4);
        let _ = (odd.trimmed(), odd.white_space(), odd.decoded(), odd.encoded(), odd.text());
    }
}
