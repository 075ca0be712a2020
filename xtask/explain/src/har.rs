//! What a browser recorded (HAR 1.2): which hop of the login failed, with which words, and what became of its
//! cookies. Chrome leaves cookies out unless it is told otherwise; then they are not recorded, and nothing is
//! said of them.

use base::shown::shown;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use probe::{CauseId, Certainty};
use serde_json::Value;
use url::Url;

use super::plain::entra;
use super::{Fits, address, signs};
use base::Error;

/// The cookie that ties a login together, and the one that is the session.
const STATE: &str = "argocd.oauthstate";
const TOKEN: &str = "argocd.token";
/// The length of a request's headers that nginx takes if nothing else is set.
const NGINX: usize = 8 * 1024;
/// So many visits of one address in a row are a loop.
const LOOP: usize = 4;

/// A hop of a login. Tools fill in fields in many ways: what is not as HAR has it counts as nothing.
struct Hop {
    url: Url,
    place: Place,
    method: String,
    request: Message,
    /// There is none where the browser gave up: 0.
    status: i64,
    response: Message,
    /// The answer's body.
    text: String,
    /// Chrome's word where there was no answer.
    error: String,
}

/// The part of a request or an answer that both have.
struct Message {
    headers: Vec<(String, String)>,
    /// The names of its cookies.
    cookies: Vec<String>,
}

impl Message {
    fn of(message: &Value) -> Self {
        let items = |list: &str| -> Vec<(String, String)> {
            let items = message[list].as_array().into_iter().flatten().filter(|item| item.is_object());
            items.map(|item| (text(&item["name"]), text(&item["value"]))).collect()
        };
        Self { headers: items("headers"), cookies: items("cookies").into_iter().map(|it| it.0).collect() }
    }

    /// The values of a header.
    fn values(&self, header: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(header));
        named.map(|(_, value)| value.as_str())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whose a hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Settings,
    Login,
    Callback,
    Userinfo,
    Provider,
    Other,
}

/// Whether a text is meant to be a HAR, also one that was cut off.
pub fn is_one(text: &str) -> bool {
    let start: String = text.chars().take(4096).filter(|c| !c.is_whitespace()).collect();
    start.starts_with("{\"log\":{")
}

/// What it shows.
///
/// # Errors
/// It is no JSON.
pub fn read(text: &str) -> base::Result<(Vec<Fits>, Vec<String>)> {
    let har: Value = serde_json::from_str(text).map_err(|error| {
        // What the parser says may quote what was recorded.
        let what = match error.is_eof() {
            true => "the HAR ends in the middle".to_owned(),
            false => format!("the HAR cannot be read at line {}, column {}", error.line(), error.column()),
        };
        Error::environment(what)
            .hint("export it again from the browser's developer tools, as *Save all as HAR*")
    })?;
    let entries = har["log"]["entries"].as_array().into_iter().flatten();
    let hops: Vec<Hop> = entries.filter_map(Hop::of).collect();
    let mut notes = vec![];
    if !hops.iter().any(|hop| matches!(hop.place, Place::Login | Place::Callback)) {
        notes.push(
            "no /auth/login and no /auth/callback was recorded: begin to record on Argo CD's login page, with the \
             log preserved over pages, and log in"
                .to_owned(),
        );
    }
    let recorded = hops.iter().any(Hop::has_cookies);
    if !hops.is_empty() && !recorded {
        notes.push(
            "cookies are not recorded in it (Chrome leaves them out; *Allow to generate HAR with sensitive data* is \
             in the settings of its developer tools), so nothing is said of them"
                .to_owned(),
        );
    }
    let mut causes: Vec<Fits> = looped(&hops).into_iter().collect();
    causes.extend(hops.iter().flat_map(|hop| failed(hop, &hops)));
    if recorded {
        causes.extend(state_cookie(&hops).into_iter().flatten());
        causes.extend(hops.iter().filter_map(long_header));
    }
    if causes.is_empty() {
        causes.extend(not_taken(&hops).into_iter().flatten());
    }
    let logged_in = |hop: &&Hop| hop.place == Place::Userinfo && hop.logged_in() == Some(true);
    if let Some(hop) = hops.iter().rev().find(logged_in) {
        notes.push(format!("{}: logged in", hop.named()));
    }
    let unanswered = |hop: &&Hop| hop.place != Place::Other && hop.status == 0;
    if let Some(hop) = hops.iter().rev().find(unanswered) {
        let error: String = hop.error.chars().filter(|c| c.is_ascii_uppercase() || *c == '_').collect();
        let why = if error.is_empty() { String::new() } else { format!(" ({error})") };
        notes.push(format!("{}: the browser got no answer, or went elsewhere before{why}", hop.named()));
    }
    Ok((causes, notes))
}

impl Hop {
    fn of(entry: &Value) -> Option<Self> {
        let (request, response) = (&entry["request"], &entry["response"]);
        let url = request["url"].as_str()?.parse::<Url>().ok().filter(Url::has_host)?;
        let ends = |end: &str| url.path().ends_with(end);
        let asks_provider = url.query_pairs().any(|(name, _)| name == "client_id" || name == "SAMLRequest");
        let place = match () {
            () if ends("/api/v1/settings") => Place::Settings,
            () if ends("/api/v1/session/userinfo") => Place::Userinfo,
            () if ends("/api/dex/callback") => Place::Provider,
            () if ends("/auth/callback") || ends("/pkce/verify") => Place::Callback,
            () if ends("/auth/login") => Place::Login,
            () if asks_provider || url.path().contains("/api/dex/") || ends("/token") => Place::Provider,
            () => Place::Other,
        };
        let content = &response["content"];
        let mut body = text(&content["text"]);
        if content["encoding"] == "base64"
            && place != Place::Other
            && let Ok(bytes) = BASE64_STANDARD.decode(body.trim_end())
        {
            body = String::from_utf8_lossy(&bytes).into_owned();
        }
        Some(Self {
            url,
            place,
            method: text(&request["method"]),
            request: Message::of(request),
            status: response["status"].as_i64().unwrap_or_default(),
            response: Message::of(response),
            text: body,
            error: text(&response["_error"]),
        })
    }

    /// The hop as people speak of it, without its query.
    fn named(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let method: String = self.method.chars().filter(char::is_ascii_alphabetic).take(10).collect();
        // Paths may hold a request's or a session's name.
        let path = match self.place {
            Place::Provider | Place::Other => "/…",
            _ => self.url.path(),
        };
        let status = if self.status == 0 { String::new() } else { format!(" {}", self.status) };
        format!("{method} {}{}{status}", shown(host), shown(path))
    }

    fn has_cookies(&self) -> bool {
        [&self.request, &self.response].into_iter().any(|message| {
            let mut headers = message.values("cookie").chain(message.values("set-cookie"));
            !message.cookies.is_empty() || headers.next().is_some()
        })
    }

    /// Whether the request brought a cookie whose name begins so.
    fn brings(&self, name: &str) -> bool {
        let in_headers = self.request.values("cookie").flat_map(|value| value.split(';'));
        let cookies = self.request.cookies.iter().map(String::as_str);
        in_headers.map(str::trim_start).chain(cookies).any(|cookie| cookie.starts_with(name))
    }

    /// The attributes of a cookie that the answer sets, if it sets one that has a value.
    fn sets(&self, name: &str) -> Option<String> {
        // Browsers put several into one, a line each.
        let cookies = self.response.values("set-cookie").flat_map(str::lines);
        let mut set = cookies.filter_map(|cookie| cookie.trim_start().strip_prefix(name)?.strip_prefix('='));
        set.find(|cookie| !cookie.starts_with(';') && !cookie.is_empty()).map(|cookie| {
            cookie.split_once(';').map_or("", |(_, attributes)| attributes).to_ascii_lowercase()
        })
    }

    fn logged_in(&self) -> Option<bool> {
        let body: Value = serde_json::from_str(&self.text).ok()?;
        Some(body["loggedIn"] == true)
    }
}

/// What a hop says of why it failed.
fn failed(hop: &Hop, hops: &[Hop]) -> Vec<Fits> {
    let mut causes = address::of(&hop.url);
    let denied = hop.status == 403 && hop.url.path().contains("/api/v1/");
    if causes.is_empty() && (hop.place != Place::Other || denied) {
        causes = match hop.status {
            // A page of Entra's refuses with 200.
            200..=299 if hop.place == Place::Provider => signs::read(&entra(&hop.text)),
            400.. => signs::read(&hop.text),
            _ => vec![],
        };
        let by_its_front = (502..=504).contains(&hop.status);
        let others = || hops.iter().any(|it| it.url.host() == hop.url.host() && it.status < 500);
        if hop.place == Place::Callback && by_its_front && others() {
            let seen = "the front answers for the callback alone, and hands on everything else";
            causes = vec![Fits::new(CauseId::TokenTooLarge, Certainty::Likely, seen)];
        }
        if hop.place == Place::Settings && hop.status == 200 {
            causes = no_button(hop);
        }
    }
    for cause in &mut causes {
        cause.evidence.insert(0, hop.named());
    }
    causes
}

/// Settings that give the page no button. Where the answer's text was not recorded, nothing is said of it.
fn no_button(hop: &Hop) -> Vec<Fits> {
    if hop.text.is_empty() {
        return vec![];
    }
    let Ok(settings) = serde_json::from_str::<Value>(&hop.text) else {
        return vec![Fits::new(CauseId::AuthProxy, Certainty::Possible, "what answers there is not Argo CD")];
    };
    let connectors = settings["dexConfig"]["connectors"].as_array().is_some_and(|all| !all.is_empty());
    if !settings.is_object() || settings["oidcConfig"].is_object() || connectors {
        return vec![];
    }
    let seen = "the settings have no oidcConfig and no connector in dexConfig: the page shows no button";
    let causes = [CauseId::OidcConfig, CauseId::DexConnector, CauseId::ArgocdUrl];
    causes.map(|id| Fits::new(id, Certainty::Possible, seen)).into()
}

/// A state cookie that was set and did not come back.
fn state_cookie(hops: &[Hop]) -> Option<Vec<Fits>> {
    let after = &hops[hops.iter().position(|hop| hop.place == Place::Login)?..];
    let (login, attributes) = (&after[0], after[0].sets(STATE)?);
    let callback = after.iter().find(|hop| hop.place == Place::Callback).filter(|it| !it.brings(STATE))?;
    let hosts = [&login.url, &callback.url].map(|url| shown(url.host_str().unwrap_or_default()));
    if hosts[0] != hosts[1] {
        let seen = format!("the login began at {} and was called back at {}", hosts[0], hosts[1]);
        let causes = [CauseId::ArgocdUrl, CauseId::StateCookie];
        return Some(causes.map(|id| Fits::new(id, Certainty::Likely, seen.clone())).into());
    }
    let why = match attributes.split(';').any(|it| it.trim() == "secure") && login.url.scheme() == "http" {
        true => format!("{STATE} was set as Secure over plain http, and no browser takes that"),
        false => format!("{STATE} was set by /auth/login and did not come back with the callback"),
    };
    Some(vec![Fits::new(CauseId::StateCookie, Certainty::Likely, why)])
}

/// Request headers longer than a front takes, where it refused them.
fn long_header(hop: &Hop) -> Option<Fits> {
    let length: usize = hop.request.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let refused = matches!(hop.status, 400 | 413 | 431 | 494);
    let seen = format!("{}: the request has {length} bytes of headers", hop.named());
    (refused && length > NGINX).then(|| Fits::new(CauseId::CookieTooLarge, Certainty::Likely, seen))
}

/// One address over and over.
fn looped(hops: &[Hop]) -> Option<Fits> {
    let redirects = |hop: &Hop| (300..400).contains(&hop.status);
    let looping = hops.windows(LOOP).find(|window| {
        let address = |hop: &Hop| (hop.url.host_str().map(str::to_owned), hop.url.path().to_owned());
        window.iter().all(|hop| redirects(hop) && address(hop) == address(&window[0]))
    });
    let seen = format!("{}: {LOOP} times and more in a row", looping?[0].named());
    Some(Fits::new(CauseId::RedirectLoop, Certainty::Likely, seen))
}

/// A login that went through, and whose token then was not taken.
fn not_taken(hops: &[Hop]) -> Option<Vec<Fits>> {
    let at = hops.iter().position(|hop| hop.place == Place::Callback && (300..400).contains(&hop.status))?;
    let not_known = |hop: &&Hop| hop.status == 401 || hop.logged_in() == Some(false);
    let refused = hops[at..].iter().filter(|hop| hop.place == Place::Userinfo).find(not_known)?;
    let mut seen = format!("the callback went through, and {} does not know the user", refused.named());
    if hops.iter().any(Hop::has_cookies) && !refused.brings(TOKEN) {
        seen.push_str("; the request did not bring the cookie argocd.token");
        return Some(vec![Fits::new(CauseId::OldCookie, Certainty::Possible, seen)]);
    }
    let causes = [CauseId::StaleSessionManager, CauseId::TwoProviders, CauseId::Audience, CauseId::Clock];
    Some(causes.map(|id| Fits::new(id, Certainty::Possible, seen.clone())).into())
}
