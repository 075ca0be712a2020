//! The first step of a login: what Argo CD's own page asks before anybody presses its button, and what follows
//! from it: whether there is a button, and at which address of the page the login is to end.

use serde_json::Value;
use url::Url;

use crate::catalogue::Cause;
use crate::login::{Attempt, Failure, below, is_moved};
use crate::trace::Step;
use crate::words;

/// From this release on the page asks before it shows anything, so that its address is still the one that was
/// typed; before, it had gone to the list of applications already.
const ASKS_FIRST: (u32, u32) = (3, 5);

/// From this release on the server does PKCE; before, a script in the page did the whole login by itself.
const SERVER_DOES_PKCE: (u32, u32) = (3, 1);

impl Attempt<'_> {
    /// What Argo CD tells everybody of its settings, at the address where it is.
    pub(crate) async fn public_settings(&mut self) -> Result<Value, Failure> {
        let step = Step::Settings;
        let mut url = below(&self.argocd, "api/v1/settings");
        let hop = loop {
            let hop = self.get(step, &url).await?;
            match self.redirect(step, &hop)?.filter(|next| is_moved(&url, &next.url)) {
                Some(next) => url = next.url,
                None => break hop,
            }
        };
        let argocd = url.path().strip_suffix("api/v1/settings").unwrap_or("/").to_owned();
        url.set_path(&argocd);
        self.argocd = url;
        let settings: Option<Value> = serde_json::from_slice(&hop.answer.body).ok().filter(Value::is_object);
        match settings.filter(|_| hop.answer.status == 200) {
            Some(settings) => Ok(settings),
            None => Err(self.refused(step, &hop)),
        }
    }

    /// Asks as the page does; gives the address at which the login is to end.
    pub(crate) async fn settings(&mut self) -> Result<Url, Failure> {
        let step = Step::Settings;
        let settings = self.public_settings().await?;
        let Some(button) = button(&settings) else {
            let message = "no button: neither oidcConfig nor a connector in dexConfig";
            return Err(self.failure(step, Some(200), message.to_owned(), Cause::NoButton));
        };
        self.note(|_| format!("button \"{}\"", words::shorten(&button)));
        let hop = self.get(step, &below(&self.argocd, "api/version")).await?;
        if hop.answer.status >= 500 {
            return Err(self.refused(step, &hop));
        }
        let version: Value = serde_json::from_slice(&hop.answer.body).unwrap_or_default();
        let version = words::shorten(version["Version"].as_str().unwrap_or_default());
        let release = release(&version);
        let is_before = |first| release.is_some_and(|release| release < first);
        let pkce = settings["oidcConfig"]["enablePKCEAuthentication"] == true && is_before(SERVER_DOES_PKCE);
        self.note(|_| match pkce {
            true => format!(
                "{version}: its page does PKCE by a script, and logs in without the client secret; what follows is \
                 the server's own way"
            ),
            false => version.clone(),
        });
        Ok(below(&self.argocd, if is_before(ASKS_FIRST) { "applications" } else { "" }))
    }
}

/// The words on the page's button; None where it shows none.
fn button(settings: &Value) -> Option<String> {
    let name = |of: &Value| format!("Log in via {}", of["name"].as_str().unwrap_or_default());
    if settings["oidcConfig"].is_object() {
        return Some(name(&settings["oidcConfig"]));
    }
    match settings["dexConfig"]["connectors"].as_array()?.as_slice() {
        [] => None,
        [only] => Some(name(only)),
        _ => Some("SSO Login".to_owned()),
    }
}

/// The first two numbers of a release: `v3.3.6+998fb59` is 3.3.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_button_is_there_and_named_as_on_the_page() {
        for (settings, words) in [
            (json!({"url": "http://a"}), None),
            (json!({"dexConfig": {}}), None),
            (json!({"dexConfig": {"connectors": []}}), None),
            (json!({"dexConfig": {"connectors": [{"name": "GitHub"}]}}), Some("Log in via GitHub")),
            (json!({"dexConfig": {"connectors": [{"name": "a"}, {"name": "b"}]}}), Some("SSO Login")),
            (json!({"oidcConfig": {"name": "Dex"}, "dexConfig": {}}), Some("Log in via Dex")),
        ] {
            assert_eq!(button(&settings).as_deref(), words, "{settings}");
        }
    }

    #[test]
    fn a_release_is_known_by_its_first_two_numbers() {
        for (version, numbers) in [
            ("v3.3.6+998fb59", Some((3, 3))),
            ("v3.5.0-rc1", Some((3, 5))),
            ("v2.14.11", Some((2, 14))),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(release(version), numbers, "{version}");
        }
    }
}
