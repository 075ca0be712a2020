//! What a pasted error, a callback's address, a HAR or lines of a log mean, offline and without a cluster: the
//! causes that fit, in order, each with what tells it from the others ([`pages`]: docs/causes.md). Nothing that
//! was pasted is said again but names of hosts, numbers and the words that are looked for ([`signs`]), so no
//! code, token, cookie or password in it can be.

mod address;
mod har;
mod pages;
mod plain;
mod signs;

use std::borrow::Cow;

use probe::{CauseId, Certainty};
use serde::Serialize;
use serde_json::{Map, Value, json};

use base::{Error, Exit, Result, utf16};

pub use pages::{Page, page};

/// The most that is looked at of one input, in bytes. Exported HARs have tens of megabytes.
pub const MOST: usize = 64 * 1024 * 1024;

/// What was understood of an input.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What the input is.
    pub input: Kind,
    /// The causes that fit, the likeliest first.
    pub causes: Vec<Explained>,
    /// What else was seen, and what could not be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A name of the catalogue.
    Id,
    /// An address out of a browser.
    Address,
    /// What a browser recorded.
    Har,
    /// Anything else: an error, a page, lines of a log.
    Text,
}

/// A cause that fits.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// Its name in the catalogue.
    pub id: CauseId,
    /// How sure that is by the input alone.
    pub confidence: Certainty,
    /// What in the input speaks for it.
    pub evidence: Vec<String>,
    /// Why it gives this symptom.
    pub why: String,
    /// What would tell it from the others.
    pub decides: String,
    /// What to do now.
    pub fix: String,
    /// What to do so that it does not come back.
    pub lasting_fix: String,
}

/// A cause and what speaks for it, before the catalogue's words are added.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fits {
    id: CauseId,
    confidence: Certainty,
    evidence: Vec<String>,
}

impl Fits {
    fn new(id: CauseId, confidence: Certainty, evidence: impl Into<String>) -> Self {
        Self { id, confidence, evidence: vec![evidence.into()] }
    }
}

/// Each cause once, with all that speaks for it.
fn joined(causes: impl IntoIterator<Item = Fits>) -> Vec<Fits> {
    let mut joined: Vec<Fits> = vec![];
    for fits in causes {
        match joined.iter_mut().find(|known| known.id == fits.id) {
            Some(known) => {
                known.confidence = known.confidence.min(fits.confidence);
                // Each of many logins that failed alike says the same again.
                let news = fits.evidence.into_iter().filter(|seen| !known.evidence.contains(seen));
                known.evidence.extend(news.collect::<Vec<_>>());
            }
            None => joined.push(fits),
        }
    }
    joined
}

/// Says what an input means.
///
/// # Errors
/// There is nothing in it, or it is a HAR that cannot be read.
pub fn explain(input: &[u8]) -> Result<Explanation> {
    let text = utf16::text(input).map_or_else(|| String::from_utf8_lossy(input), Cow::Owned);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Error::usage("there is nothing to explain").hint(
            "give it an error, a callback's address, a HAR or lines of a log; `-` reads standard input",
        ));
    }
    if har::is_one(text) {
        let (causes, notes) = har::read(text)?;
        return Ok(Explanation::of(Kind::Har, causes, notes));
    }
    if let Some((causes, notes)) = address::read(text) {
        return Ok(Explanation::of(Kind::Address, causes, notes));
    }
    Ok(Explanation::of(Kind::Text, signs::read(text), vec![]))
}

impl Explanation {
    /// A cause by its name: its page.
    pub fn of_id(id: CauseId) -> Self {
        Self::of(Kind::Id, vec![Fits { id, confidence: Certainty::Certain, evidence: vec![] }], vec![])
    }

    fn of(input: Kind, causes: Vec<Fits>, notes: Vec<String>) -> Self {
        let causes = joined(causes).into_iter().map(|Fits { id, confidence, evidence }| {
            let Page { why, tell, fix, lasting, .. } = page(id);
            Explained { id, confidence, evidence, why, decides: tell, fix, lasting_fix: lasting }
        });
        Self { input, causes: causes.collect(), notes }
    }

    /// For `--format json`: the fields of the command.
    pub fn fields(&self) -> Map<String, Value> {
        match json!(self) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// What the program exits with: 0 a cause is known, 1 none is.
    pub fn exit(&self) -> Exit {
        if self.causes.is_empty() { Exit::Verdict } else { Exit::Done }
    }

    /// The outcome in a line.
    pub fn headline(&self) -> String {
        match (self.input, self.causes.as_slice()) {
            (Kind::Id, [one]) => format!("{}: {}", one.id, page(one.id).summary),
            (_, []) => "not known: nothing in it is one of the failures that are known".to_owned(),
            (_, [one]) => format!("1 cause fits: {}", one.id),
            (_, several) => format!("{} causes fit, the likeliest first", several.len()),
        }
    }

    /// For a person, below the headline.
    pub fn body(&self) -> String {
        if let (Kind::Id, [one]) = (self.input, self.causes.as_slice()) {
            // The summary is the headline.
            let text = page(one.id).text;
            return format!("\n{}\n", text.find("- **").map_or(text, |at| &text[at..]));
        }
        let mut text = String::new();
        for (number, cause) in self.causes.iter().enumerate() {
            text.push_str(&format!("\n{}. {}  ({})\n", number + 1, cause.id, cause.confidence.name()));
            let mut line = |name: &str, said: &str| text.push_str(&format!("   {name:<8} {said}\n"));
            line("what", &page(cause.id).summary);
            for (at, evidence) in cause.evidence.iter().enumerate() {
                line(if at == 0 { "seen" } else { "" }, evidence);
            }
            line("why", &cause.why);
            line("tell by", &cause.decides);
            line("fix", &cause.fix);
            line("lasting", &cause.lasting_fix);
        }
        if !self.notes.is_empty() {
            text.push_str("\nalso\n");
            for note in &self.notes {
                text.push_str(&format!("  {note}\n"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests;
