//! A login that nobody does: up to the provider's form without a user, then back at Argo CD with a code that
//! nobody gave out. Argo CD redeems that code with its client secret, and hands on the words in which the
//! provider refuses it: other words for a secret that it takes than for one that it does not, with most
//! providers `invalid_grant` and `invalid_client`. So what a server really holds in its memory is put to the
//! test without a password.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::cause::{self, Circumstances};
use crate::http::parameter;
use crate::login::{Arrived, Attempt, Failure};
use crate::options::Options;
use crate::redact::Redactor;
use crate::token_answer::TokenAnswer;
use crate::trace::{Exchange, Step};
use crate::words;

/// The code. No provider gives out one like it.
pub const CODE: &str = "a-code-that-nobody-gave-out";

/// What a rehearsal showed.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Rehearsal {
    /// Whether the way to a page of the provider is open, whatever kind of page it is, or where it ends.
    pub form: Result<(), Failure>,
    /// What Argo CD asked the provider for, if it got that far.
    pub asked: Option<Asked>,
    /// What became of the code; None if there was no way to bring it.
    pub redeemed: Option<Redeemed>,
    /// The exchanges in their order, secrets masked.
    pub exchanges: Vec<Exchange>,
}

impl Rehearsal {
    /// Where it ended: nobody ever logs in with such a code.
    pub fn failure(&self) -> Option<&Failure> {
        self.form.as_ref().err().or(self.redeemed.as_ref().map(|redeemed| &redeemed.0))
    }
}

/// What Argo CD asks a provider for, as the authorize request says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Asked {
    /// Where the provider is: the authorize request without its query.
    #[serde(with = "crate::as_text")]
    pub provider: Url,
    /// `client_id`.
    pub client_id: String,
    /// `redirect_uri`.
    pub redirect_uri: String,
    /// `scope`.
    pub scopes: Vec<String>,
}

/// What came of redeeming a code that nobody gave out: the failure in which Argo CD's callback ends. What it
/// says of the client secret, only the same provider's answers to known secrets show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Redeemed(pub Failure);

impl Redeemed {
    /// What an answer of Argo CD's callback to the code shows.
    pub fn of(status: u16, body: &str) -> Self {
        Self(failure(Step::Callback, status, body))
    }

    /// What Argo CD says that the provider's token endpoint answered; `None` if it did not get as far as that.
    pub fn answer(&self) -> Option<TokenAnswer> {
        TokenAnswer::in_words(&self.0.message)
    }
}

impl Asked {
    /// Reads an authorize request.
    pub fn of(authorize: &Url) -> Self {
        let value = |name| parameter(authorize.query().unwrap_or_default(), name).unwrap_or_default();
        let mut provider = authorize.clone();
        provider.set_query(None);
        Self {
            provider,
            client_id: value("client_id"),
            redirect_uri: value("redirect_uri"),
            scopes: value("scope").split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// The failure that an answer of Argo CD at a step shows, for whoever asked it by another way.
pub fn failure(step: Step, status: u16, body: &str) -> Failure {
    let seen = Circumstances { status: Some(status), body, ..Circumstances::default() };
    let message = words::shorten(&Redactor::new().text(&words::of_text(body)));
    let message = if message.is_empty() { format!("status {status} with an empty body") } else { message };
    Failure::new(step, Some(status), message, cause::of_answer(step, &seen))
}

/// Where a callback with the code that nobody gave out goes, for an authorize request.
/// None if the request names no web address to go back to.
pub fn callback(authorize: &Url) -> Option<Url> {
    callback_with(authorize, &parameter(authorize.query()?, "state")?)
}

/// The same with a state that nobody gave out: Argo CD then reads its cookie, says that the two differ, and asks
/// the provider for nothing.
pub fn callback_of_nobody(authorize: &Url) -> Option<Url> {
    callback_with(authorize, "a-state-that-nobody-gave-out")
}

fn callback_with(authorize: &Url, state: &str) -> Option<Url> {
    let mut url: Url = parameter(authorize.query()?, "redirect_uri")?.parse().ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    url.query_pairs_mut().append_pair("code", CODE).append_pair("state", state);
    url.set_fragment(None);
    Some(url)
}

/// One rehearsal, on connections and cookies of its own. It waits for nobody: an Argo CD that does not answer
/// is part of what it shows.
pub async fn rehearse(options: &Options) -> Rehearsal {
    let mut attempt = Attempt::new(options);
    let mut rehearsal = Rehearsal { form: Ok(()), asked: None, redeemed: None, exchanges: Vec::new() };
    match attempt.login(None).await {
        Err(failure) => rehearsal.form = Err(failure),
        Ok(authorize) => {
            rehearsal.asked = Some(Asked::of(&authorize));
            let back = callback(&authorize);
            let arrived = attempt.authorize(authorize).await;
            // Before anything else comes back: Argo CD takes its cookie of this login only once.
            if let Some(back) = back {
                rehearsal.redeemed = attempt.callback(back).await.err().map(Redeemed);
            }
            rehearsal.form = match arrived {
                Ok(Arrived::AtForm(_)) => Ok(()),
                // A provider that sends people straight back does so with an error, which Argo CD words.
                Ok(Arrived::AtCallback(url)) => attempt.callback(url).await.map(drop),
                // A page that this program could not log in at is a page all the same.
                Err(Failure { step: Step::Authorize, status: Some(200..=299), .. }) => Ok(()),
                Err(failure) => Err(failure),
            };
        }
    }
    rehearsal.exchanges = std::mem::take(&mut attempt.exchanges);
    rehearsal
}

/// Asks Argo CD for a login that is to end at one of its pages, as the button on its own page does.
///
/// # Errors
/// It refuses to begin one.
pub async fn knock(options: &Options, page: &Url) -> Result<(), Failure> {
    Attempt::new(options).login(Some(page)).await.map(drop)
}
