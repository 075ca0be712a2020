//! An address out of a browser's line: where a login stopped, and what the provider said there.

use probe::{CauseId, Certainty};
use url::Url;

use super::{Fits, signs};

/// What an address says, if the input is one and nothing else.
pub fn read(text: &str) -> Option<(Vec<Fits>, Vec<String>)> {
    let url = Some(text).filter(|text| !text.contains(char::is_whitespace))?.parse::<Url>().ok()?;
    if !url.has_host() {
        return None;
    }
    let mut causes = of(&url);
    let has = |name: &str| url.query_pairs().any(|(key, _)| key == name);
    if causes.is_empty() {
        causes = signs::read(text);
    }
    let mut notes = vec![];
    if causes.is_empty() && has("code") {
        notes.push(
            "the provider let the user in and sent them back with a code: what fails comes after, and stands on \
             the page or in argocd-server's log"
                .to_owned(),
        );
    }
    if causes.is_empty() && has("has_sso_error") {
        notes.push(
            "Argo CD's page only says that the login failed: the reason stands in argocd-server's log, or in the \
             answer of /auth/callback in the browser's developer tools"
                .to_owned(),
        );
    }
    Some((causes, notes))
}

/// What the parts of an address show by themselves.
pub fn of(url: &Url) -> Vec<Fits> {
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    if value("client_id").is_some_and(|id| id.starts_with('$')) {
        let seen = "the address has a reference (`$…`) as client_id, not what it stands for";
        return vec![Fits::new(CauseId::SecretReference, Certainty::Likely, seen)];
    }
    let said: String =
        ["error", "error_description"].into_iter().filter_map(value).collect::<Vec<_>>().join(" ");
    let mut causes = signs::read(&said);
    if causes.is_empty() && !said.is_empty() {
        let seen = "the provider sent the user back with an `error` of its own";
        causes.push(Fits::new(CauseId::IdpRefused, Certainty::Possible, seen));
    }
    causes
}
