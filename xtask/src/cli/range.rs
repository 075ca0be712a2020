//! Ranges of the list of releases.

use releases::Release;

/// `v3.2.6..v3.3.7`: a release of the old behaviour and one of the new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The old behaviour.
    pub first: Release,
    /// The new one.
    pub last: Release,
}

impl Range {
    /// Reads `A..B`.
    ///
    /// # Errors
    /// It is not of that form, or B is not after A.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").ok_or("write it as v3.2.6..v3.3.7")?;
        let release = |text: &str| Release::parse(text).map_err(|error| error.to_string());
        let (first, last) = (release(first)?, release(last)?);
        if first >= last {
            return Err(format!("{last} does not come after {first}"));
        }
        Ok(Self { first, last })
    }
}
