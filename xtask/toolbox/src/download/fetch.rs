//! One file: resumed, streamed, held against its SHA-256.

use std::io;
use std::path::Path;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Response, StatusCode, Url};
use ring::digest::Context;
use tokio::fs::OpenOptions;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::cache::{bytes_of, remove};
use super::client::Downloads;
use super::progress::Progress;
use super::sha256::{Sha256, hasher, over_file};
use super::trouble::{Failure, Status, Trouble};

/// A file to download.
pub struct Wanted<'a> {
    /// In words, for progress.
    pub what: &'a str,
    /// From where.
    pub url: &'a Url,
    /// What it has to be.
    pub sha256: Sha256,
    /// How many bytes it has at most.
    pub limit: u64,
    /// What the server wants to see as authorization.
    pub bearer: Option<&'a str>,
    /// Who hears how much of it is here.
    pub progress: &'a dyn Progress,
}

impl Downloads {
    /// Downloads a file into `part`, going on with what is there, until it is complete
    /// and has the right SHA-256.
    ///
    /// # Errors
    /// [`Failure`]. What is wrong is removed, what is incomplete is kept for the next run.
    pub async fn fetch(&self, wanted: &Wanted<'_>, part: &Path) -> Result<(), Failure> {
        let mut pauses = self.settings.pauses.iter();
        let mut here = bytes_of(part);
        let mut resumed = here > 0;
        loop {
            let Err(failure) = self.fetch_once(wanted, part).await else { return Ok(()) };
            match &failure.trouble {
                Trouble::Mismatch { .. } | Trouble::TooLarge(_) => {
                    remove(part)?;
                    // What an earlier run or request left may be what is wrong: once more, all of it.
                    if !std::mem::take(&mut resumed) {
                        return Err(failure);
                    }
                }
                trouble if !trouble.passes() => return Err(failure),
                _ if bytes_of(part) > here => {}
                _ => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(failure),
                },
            }
            here = bytes_of(part);
            resumed |= here > 0;
        }
    }

    async fn fetch_once(&self, wanted: &Wanted<'_>, part: &Path) -> Result<(), Failure> {
        let here = bytes_of(part);
        // A part may be whole already: a run can end between the last byte and the check.
        if here == wanted.limit && Sha256::by(hash(part).await?) == wanted.sha256 {
            return Ok(());
        }
        // The bytes on disk are those that have the SHA-256: no compression on the way.
        let mut headers = vec![(ACCEPT_ENCODING, "identity".to_owned())];
        headers.extend(wanted.bearer.map(|bearer| (AUTHORIZATION, format!("Bearer {bearer}"))));
        headers.extend((here > 0).then(|| (RANGE, format!("bytes={here}-"))));
        let mut response = match self.open(wanted.url, &headers).await {
            Err(Failure { trouble: Trouble::Status(Status { code: 416, .. }), .. }) if here > 0 => {
                // The file ends where the part does: either it is whole or it is of another file.
                return Ok(Trouble::unless(wanted.sha256, Sha256::by(hash(part).await?))?);
            }
            opened => opened?,
        };
        let from = start(&response, here)?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let page = kind.is_some_and(|kind| kind.starts_with("text/html"));
        let total = response.content_length().map(|rest| from + rest);
        let url = response.url().clone();
        if total.is_some_and(|total| total > wanted.limit) {
            return Err(Trouble::TooLarge(wanted.limit).at(&url));
        }
        let mut hasher = if from == 0 { hasher() } else { hash(part).await? };
        let disk = |error: io::Error| Failure::from(Trouble::disk(part, &error));
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600).write(true).append(from > 0).truncate(from == 0);
        // In large pieces: each is written by another thread, as a disk may be slow.
        let mut file = BufWriter::with_capacity(1 << 20, options.open(part).await.map_err(disk)?);
        let mut bytes = from;
        wanted.progress.at(wanted.what, bytes, total);
        let streamed = async {
            while let Some(chunk) = self.chunk(&mut response, bytes, total).await? {
                bytes += chunk.len() as u64;
                if bytes > wanted.limit {
                    return Err(Trouble::TooLarge(wanted.limit).at(&url));
                }
                hasher.update(&chunk);
                file.write_all(&chunk).await.map_err(disk)?;
                wanted.progress.at(wanted.what, bytes, total);
            }
            Ok(())
        };
        let streamed = streamed.await;
        // Also after a failure: the next attempt goes on from there.
        file.flush().await.map_err(disk)?;
        streamed?;
        match Sha256::by(hasher) {
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
        _ => Err(Trouble::nonsense("another range of the file than was asked for").at(response.url())),
    }
}

async fn hash(part: &Path) -> Result<Context, Trouble> {
    let path = part.to_owned();
    let hashed = tokio::task::spawn_blocking(move || over_file(&path)).await;
    let hashed = hashed.map_err(io::Error::other).and_then(|hashed| hashed);
    hashed.map_err(|error| Trouble::disk(part, &error))
}
