//! Stays on Argo CD's page of applications after a login, as a browser tab does: with one request that
//! does not end.

use std::time::Duration;

use jiff::Timestamp;

use crate::http::{Asked, Connections, NoAnswer, Request, explain};
use crate::login::{Attempt, Failure, below};
use crate::options::Options;

/// How long the head of the answer is waited for. A server may have nothing to say for hours.
const FIRST_WORD: Duration = Duration::from_millis(250);

/// A page that stays open until it is dropped.
pub struct Page {
    _open: Open,
}

/// What keeps it open.
#[expect(dead_code, reason = "only held")]
enum Open {
    Asked(Asked),
    Answered(reqwest::Response),
}

/// Why no page is open.
#[derive(Debug)]
pub enum NotOpen {
    /// The login did not pass.
    Login(Failure),
    /// The page could not be asked for.
    NoAnswer(NoAnswer),
    /// It was answered with this status.
    Status(u16),
}

/// Logs in and opens the stream that the page of applications listens to.
///
/// # Errors
/// [`NotOpen`].
pub async fn open_page(options: &Options) -> Result<Page, NotOpen> {
    let mut attempt = Attempt::new(options);
    attempt.run().await.map_err(NotOpen::Login)?;
    let url = below(&options.argocd, "api/v1/stream/applications");
    let cookies = attempt.cookies(&url, Timestamp::now());
    let request = Request { cookies, ..Request::get(&url, FIRST_WORD) };
    let mut asked = Connections::new(options).begin(request).map_err(NotOpen::NoAnswer)?;
    let open = match tokio::time::timeout(FIRST_WORD, &mut asked).await {
        // It is open and has nothing to say yet.
        Err(_) => Open::Asked(asked),
        Ok(Ok(answer)) if answer.status() == reqwest::StatusCode::OK => Open::Answered(answer),
        Ok(Ok(answer)) => return Err(NotOpen::Status(answer.status().as_u16())),
        Ok(Err(error)) => return Err(NotOpen::NoAnswer(explain(&error))),
    };
    Ok(Page { _open: open })
}
