//! One file: resumed, streamed, held against its SHA-256.

use std::io;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Response, StatusCode, Url};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::artifact::Downloads;
use super::cache::Part;
use super::client::Ask;
use super::progress::Progress;
use super::sha256::{Hasher, Sha256};
use super::trouble::{Failure, Got, Trouble};

/// How many times a download goes on after it broke off with some progress. A server
/// that ends each connection after a few bytes is not worth more.
const BREAKS: u32 = 50;

/// A file to download.
pub struct Wanted<'a> {
    /// In words, for progress.
    pub what: &'a str,
    /// From where.
    pub url: &'a Url,
    /// What it has to be.
    pub sha256: Sha256,
    /// How many bytes it has to have, if that is known.
    pub size: Option<u64>,
    /// How many bytes it has at most.
    pub limit: u64,
    /// What the server wants to see as authorization.
    pub bearer: Option<&'a str>,
}

impl Downloads {
    /// Downloads a file into `part`, going on with what is there, until it is complete
    /// and has the right SHA-256.
    ///
    /// # Errors
    /// [`Failure`]. What is wrong is removed, what is incomplete is kept for the next run.
    pub async fn fetch(
        &self,
        wanted: &Wanted<'_>,
        part: &Part,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let (mut breaks, mut pauses) = (0, self.settings.pauses.iter());
        let mut here = part.here();
        let mut resumed = here > 0;
        loop {
            let Err(failure) = self.fetch_once(wanted, part, progress).await else { return Ok(()) };
            let now = part.here();
            match &failure.trouble {
                Trouble::Mismatch { .. } | Trouble::WrongSize { .. } | Trouble::TooLarge(_) => {
                    part.remove()?;
                    // What an earlier run or request left may be what is wrong: once more, all of it.
                    if !std::mem::take(&mut resumed) {
                        return Err(failure);
                    }
                }
                trouble if trouble.passes() && now > here && breaks < BREAKS => breaks += 1,
                trouble if trouble.passes() => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(failure),
                },
                _ => return Err(failure),
            }
            here = part.here();
            resumed |= here > 0;
        }
    }

    async fn fetch_once(
        &self,
        wanted: &Wanted<'_>,
        part: &Part,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let here = part.here();
        // A part may be whole already: a run can end between the last byte and the check.
        if wanted.size == Some(here) && verify(wanted, part).await.is_ok() {
            return Ok(());
        }
        // The bytes on disk are those that have the SHA-256: no compression on the way.
        let mut ask = Ask::get(wanted.url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(bearer) = wanted.bearer {
            ask = ask.header(AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if here > 0 {
            ask = ask.header(RANGE, format!("bytes={here}-"));
        }
        let response = match self.open(&ask).await {
            Err(Failure { trouble: Trouble::Status(status), .. }) if status.code == 416 && here > 0 => {
                // The file ends where the part does: either it is whole or it is of another file.
                return verify(wanted, part).await;
            }
            opened => opened?,
        };
        let from = start(&response, here)?;
        self.stream(wanted, part, progress, response, from).await
    }

    async fn stream(
        &self,
        wanted: &Wanted<'_>,
        part: &Part,
        progress: &dyn Progress,
        mut response: Response,
        from: u64,
    ) -> Result<(), Failure> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let page = kind.is_some_and(|kind| kind.starts_with("text/html"));
        let total = response.content_length().map(|rest| from + rest);
        let url = response.url().clone();
        if let (Some(expected), Some(got)) = (wanted.size, total)
            && expected != got
        {
            return Err(Trouble::WrongSize { expected, got }.at(&url));
        }
        if total.is_some_and(|total| total > wanted.limit) {
            return Err(Trouble::TooLarge(wanted.limit).at(&url));
        }
        let mut hasher = match from {
            0 => Hasher::default(),
            _ => hash(part).await?,
        };
        let disk = |error: io::Error| Failure::from(Trouble::disk(part.path(), &error));
        // In large pieces: each is written by another thread, as a disk may be slow.
        let mut file = BufWriter::with_capacity(1 << 20, File::from_std(part.open(from)?));
        let mut bytes = from;
        progress.at(wanted.what, bytes, total);
        let streamed = async {
            while let Some(chunk) = self.chunk(&mut response, Got { bytes, total }).await? {
                bytes += chunk.len() as u64;
                if bytes > wanted.size.unwrap_or(wanted.limit) {
                    return Err(Trouble::TooLarge(wanted.limit).at(&url));
                }
                hasher.update(&chunk);
                file.write_all(&chunk).await.map_err(disk)?;
                progress.at(wanted.what, bytes, total);
            }
            Ok(())
        };
        let streamed = streamed.await;
        // Also after a failure: the next attempt goes on from there.
        file.flush().await.map_err(disk)?;
        streamed?;
        if let Some(expected) = wanted.size.filter(|size| *size != bytes) {
            return Err(Trouble::WrongSize { expected, got: bytes }.at(&url));
        }
        match hasher.finish() {
            got if got == wanted.sha256 => Ok(()),
            got => Err(Trouble::Mismatch { expected: wanted.sha256, got, page }.at(&url)),
        }
    }
}

/// Where in the file the answer starts.
fn start(response: &Response, here: u64) -> Result<u64, Failure> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(0);
    }
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok());
    match start {
        Some(start) if start == here => Ok(here),
        _ => Err(Trouble::Nonsense("another range of the file than was asked for".into()).at(response.url())),
    }
}

async fn verify(wanted: &Wanted<'_>, part: &Part) -> Result<(), Failure> {
    match hash(part).await?.finish() {
        got if got == wanted.sha256 => Ok(()),
        got => Err(Trouble::Mismatch { expected: wanted.sha256, got, page: false }.at(wanted.url)),
    }
}

async fn hash(part: &Part) -> Result<Hasher, Failure> {
    let path = part.path().to_owned();
    let hashed = tokio::task::spawn_blocking(move || Hasher::over_file(&path)).await;
    let hashed = hashed.map_err(io::Error::other).and_then(|hashed| hashed);
    hashed.map_err(|error| Trouble::disk(part.path(), &error).into())
}
