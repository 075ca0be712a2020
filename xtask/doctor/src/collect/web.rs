//! Requests of the doctor itself: bounded, never redirected without a look.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use probe::Options;
use probe::http::{Answer, Connections, NoAnswer, Request};
use url::Url;

/// How long one answer may take.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How often a request may be sent on.
const MOST_REDIRECTS: usize = 5;

/// Asks for a document, and follows redirects as Go's client does.
///
/// # Errors
/// Nobody answers, or the redirects do not end.
pub async fn get(options: &Options, url: &Url) -> Result<Answer, NoAnswer> {
    let mut connections = Connections::new(options);
    let mut url = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        let answer = connections.send(Request::get(&url, LIMIT)).await.map_err(|(error, _)| error)?;
        let moved = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
        let to = answer.header("location").filter(|_| moved).and_then(|to| url.join(to).ok());
        match to.filter(|to| matches!(to.scheme(), "http" | "https") && to.has_host()) {
            Some(to) if url.scheme() == "https" && to.scheme() == "http" => {
                return Err(NoAnswer::Other("redirected from https to http".to_owned()));
            }
            Some(to) => url = to,
            None => return Ok(answer),
        }
    }
    Err(NoAnswer::Other(format!("still redirected after {MOST_REDIRECTS} redirects")))
}

/// How far a server's clock is ahead of this machine's, in seconds, by the `Date` of its
/// answer.
pub fn ahead(answer: &Answer) -> Option<i64> {
    let date = answer.header("date")?;
    let time = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(time.as_second() - Timestamp::now().as_second())
}

/// `path` below an address that may have a path of its own.
pub fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}
