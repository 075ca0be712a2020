//! Ranges and parts of the list of releases.

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

/// `i/n`: every n-th row, beginning with the i-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: usize,
    of: usize,
}

impl Shard {
    /// Reads `1/4`.
    ///
    /// # Errors
    /// It is not of that form, or the part is not within.
    pub fn parse(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if part >= 1 && part <= of => Ok(Self { part, of }),
            _ => Err("write it as 1/4: the first of four parts".to_owned()),
        }
    }

    /// The rows of this part.
    pub fn of<T>(self, rows: Vec<T>) -> Vec<T> {
        rows.into_iter().skip(self.part - 1).step_by(self.of).collect()
    }
}
