//! Logging in to the lab, as its one user: below goals and steps, which both do it.

use probe::{Password, Resolve};

use crate::names::{ARGOCD_HOST, PASSWORD, USER};
use crate::session::Session;
use base::{Error, Result};

/// The options of a login into the lab. Its ingress is all that there is: every name leads
/// there, and never to a stranger who has it on the internet.
///
/// # Errors
/// No lab is up.
pub async fn options(session: &Session) -> Result<probe::Options> {
    let access = session.access().await?;
    let url = format!("http://{ARGOCD_HOST}/");
    let url = url.parse().map_err(|error| Error::environment(format!("{url} is no URL: {error}")))?;
    let mut options = probe::Options::new(url, USER, Password::new(PASSWORD));
    options.resolve = [80, 443].map(|port| Resolve::new("*", port, access.ingress)).to_vec();
    Ok(options)
}

/// Logs in once. Says whether that passed.
///
/// # Errors
/// No lab is up.
pub async fn once(session: &Session) -> Result<bool> {
    Ok(probe::login(&options(session).await?).await.outcome.is_ok())
}
