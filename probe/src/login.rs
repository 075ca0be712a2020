//! One login, step by step, each redirect followed by hand.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::catalogue::Cause;
use crate::cause::{self, Circumstances};
use crate::form::LoginForm;
use crate::http::{Accept, Answer, Connections, NoAnswer, Request, authority, parameter};
use crate::id_token;
use crate::jar::{Jar, Kept, is_trustworthy};
use crate::lockout::{self, Sign};
use crate::options::Options;
use crate::page::Page;
use crate::password_hosts::Leave;
use crate::redact::Redactor;
use crate::trace::{Exchange, SetCookie, Step};
use crate::words;

/// Who was logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name that Argo CD knows the user by.
    pub username: String,
    /// The groups that Argo CD takes from the token.
    pub groups: Vec<String>,
    /// The claims of the token, by name; null if it could not be read. They are the user's own, and in no report.
    #[serde(skip)]
    pub claims: serde_json::Value,
    /// Whether they may look at all applications, in Argo CD's own word; None if it was not asked, or did not say.
    #[serde(skip)]
    pub may_look: Option<bool>,
}

/// What Argo CD is asked of a user's rights, beside `/api/v1/session/userinfo`.
pub const MAY_LOOK: &str = "../account/can-i/applications/get/*/*";

/// What it answers to that.
pub fn may_look(body: &[u8]) -> Option<bool> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    match answer["value"].as_str()? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Where and why a login ended early. What is written follows in part from the kind of answer, and is found anew when
/// it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// The step that did not do what it should.
    pub step: Step,
    /// The status of the answer; None when there was none.
    pub status: Option<u16>,
    /// The server's own words, shortened and redacted; the probe's where there is no answer.
    pub message: String,
    /// What it means.
    #[serde(rename = "answer")]
    pub cause: Cause,
    /// Whether who was asked may be on its way: Argo CD refused or closed the connection, or a gateway said
    /// 502, 503 or 504 for Argo CD or the provider.
    #[serde(skip)]
    pub(crate) restarting: bool,
}

impl Failure {
    /// A failure that somebody else saw: at a step, with the words of an answer.
    pub fn new(step: Step, status: Option<u16>, message: impl Into<String>, cause: Cause) -> Self {
        Self { step, status, message: message.into(), cause, restarting: false }
    }

    /// Why another login with the same password had better not be tried, if anything speaks against it.
    pub fn sign(&self) -> Option<Sign> {
        lockout::sign(self.step, self.status, &self.message, self.cause)
    }

    /// Whether the provider's answer to its form says that this password had better not be sent again at all.
    pub fn ends_the_password(&self) -> bool {
        self.sign().is_some_and(|sign| lockout::ends_the_password(self.step, sign))
    }

    /// The sign of a lock-out at which a series with these options ends, if this failure is one.
    pub fn ends(&self, options: &Options) -> Option<Sign> {
        self.sign().filter(|sign| (options.ends_at)(self.step, *sign))
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Alone it knows nothing of other logins.
        let candidates = self.cause.candidates(false);
        let mut fields = serializer.serialize_struct("Failure", 6)?;
        fields.serialize_field("step", &self.step)?;
        fields.serialize_field("status", &self.status)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("cause", &candidates.only())?;
        fields.serialize_field("candidates", candidates.ids)?;
        fields.serialize_field("answer", &self.cause)?;
        fields.end()
    }
}

/// One attempt at a login: its state from the first request to the last.
pub(crate) struct Attempt<'a> {
    options: &'a Options,
    connections: Connections<'a>,
    jar: Jar,
    pub(crate) redactor: Redactor,
    pub(crate) exchanges: Vec<Exchange>,
    /// Who is told of each exchange.
    pub(crate) heard: Option<&'a (dyn Fn(&Exchange) + Sync)>,
    redirects: u32,
    pub(crate) began: Instant,
    deadline: Instant,
    /// Where Argo CD asks to be called back, as the authorize request says.
    redirect_uri: Option<Url>,
    /// Whether that is another address than the one it was asked at, or none at all.
    called_back_elsewhere: bool,
    /// The address of Argo CD as a browser shows it: a front may send http to https, or a host to its
    /// other name.
    pub(crate) argocd: Url,
}

/// An answer together with the URL that gave it.
pub(crate) struct Hop {
    pub(crate) url: Url,
    pub(crate) answer: Answer,
}

/// Where the provider's redirects ended.
pub(crate) enum Arrived {
    AtForm(Box<(Hop, Page)>),
    AtCallback(Url),
}

/// What a redirect leads to.
pub(crate) struct Next {
    pub(crate) url: Url,
    /// Whether method and body go along (307, 308).
    keeps_method: bool,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        let began = Instant::now();
        Self {
            options,
            connections: Connections::new(options),
            jar: Jar::new(),
            redactor: Redactor::new(),
            exchanges: Vec::with_capacity(8),
            heard: None,
            redirects: 0,
            began,
            deadline: began + options.login_timeout,
            redirect_uri: None,
            called_back_elsewhere: false,
            argocd: options.argocd.clone(),
        }
    }

    /// The cookies that a browser would send to `url` after this attempt.
    pub(crate) fn cookies(&self, url: &Url, now: Timestamp) -> Option<String> {
        self.jar.header(url, now)
    }

    /// Whether an attempt with this outcome ended on an answer of Argo CD's or the provider's own.
    pub(crate) fn was_answered(&self, outcome: &Result<User, Failure>) -> bool {
        let nobody = |failure: &Failure| {
            matches!(
                failure.cause,
                Cause::FrontWithoutBackend
                    | Cause::ConnectionRefused
                    | Cause::ConnectionClosed
                    | Cause::NameNotFound
                    | Cause::Timeout
            )
        };
        if outcome.as_ref().is_err_and(nobody) {
            return false;
        }
        let own = |exchange: &Exchange| exchange.status.is_some_and(|status| !(502..=504).contains(&status));
        self.exchanges.iter().any(|exchange| exchange.step.is_argocds() && own(exchange))
    }

    pub(crate) async fn run(&mut self) -> Result<User, Failure> {
        if self.options.as_cli {
            return self.run_as_cli().await;
        }
        let page = match self.options.as_curl {
            true => None,
            false => Some(self.settings().await?),
        };
        let to_provider = self.login(page.as_ref()).await?;
        let callback = match self.authorize(to_provider).await? {
            Arrived::AtForm(form) => self.form(&form.0, &form.1).await?,
            Arrived::AtCallback(url) => url,
        };
        let argocd = self.callback(callback).await?;
        self.userinfo(argocd).await
    }

    /// `GET /auth/login`, for a login that ends at `page`; gives where the redirect to the identity
    /// provider leads.
    pub(crate) async fn login(&mut self, page: Option<&Url>) -> Result<Url, Failure> {
        let mut url = below(&self.argocd, "auth/login");
        if let Some(page) = page {
            url.query_pairs_mut().append_pair("return_url", page.as_str());
        }
        loop {
            let hop = self.get(Step::Login, &url).await?;
            match self.redirect(Step::Login, &hop)? {
                Some(next) if is_moved(&url, &next.url) => url = next.url,
                Some(next) => {
                    self.note(|hosts| format!("to {}", hosts.to(&next.url)));
                    return Ok(next.url);
                }
                None => return Err(self.refused(Step::Login, &hop)),
            }
        }
    }

    /// From the provider's address to its form; or straight to the callback, which is how a provider
    /// reports an error, or a login it still remembers.
    pub(crate) async fn authorize(&mut self, first: Url) -> Result<Arrived, Failure> {
        let step = Step::Authorize;
        let redirect_uri = parameter(first.query().unwrap_or_default(), "redirect_uri");
        self.called_back_elsewhere = redirect_uri.is_some();
        self.redirect_uri = redirect_uri.and_then(|value| value.parse().ok());
        if let Some(uri) = &self.redirect_uri {
            self.called_back_elsewhere = uri.origin() != self.argocd.origin();
        }
        let mut url = first;
        loop {
            if self.is_callback(&url) {
                return Ok(Arrived::AtCallback(url));
            }
            let hop = self.get(step, &url).await?;
            if let Some(next) = self.redirect(step, &hop)? {
                self.note(|hosts| format!("to {}", hosts.to(&next.url)));
                url = next.url;
                continue;
            }
            let status = hop.answer.status;
            if !is_html(&hop.answer) {
                let found = words::kind_of(hop.answer.header("content-type"));
                return Err(match status {
                    200..=299 => self.failure(step, Some(status), found, Cause::NotHtml),
                    _ => self.refused(step, &hop),
                });
            }
            let page = Page::parse(&hop.answer.text());
            // Some providers show their form with status 401.
            if let Some(form) = LoginForm::of(&page).filter(|_| status < 500 && status != 429) {
                let fields = format!("{}, {}", form.user_field(), form.password_field());
                self.note(|_| format!("login form (fields {fields})"));
                return Ok(Arrived::AtForm(Box::new((hop, page))));
            }
            return Err(match status {
                200..=299 => {
                    let (found, cause) = words::found(&page);
                    self.failure(step, Some(status), found, cause)
                }
                _ => self.refused(step, &hop),
            });
        }
    }

    /// Fills in the form and sends it; gives the callback it leads to.
    pub(crate) async fn form(&mut self, hop: &Hop, page: &Page) -> Result<Url, Failure> {
        let password = self.options.password.reveal();
        // What the provider said before it was told the password is no secret, even if it is the same word.
        if !hop.answer.text().contains(password) {
            self.redactor.learn(password);
        }
        let filled = match LoginForm::of(page) {
            Some(form) => form.fill(&hop.url, page.base.as_deref(), &self.options.user, password),
            None => Err(String::new()),
        };
        let filled = filled.map_err(|action| {
            let message = format!("the form's action is no address to send it to: {action}");
            self.failure(Step::Form, Some(hop.answer.status), message, Cause::NoForm)
        })?;
        let mut url = filled.url;
        self.keeps_the_password_safe(hop, &url)?;
        let leave = self.leave_for_the_password(hop, &url).await?;
        let mut body = filled.post.then_some(filled.body);
        loop {
            let hop = self.send(Step::Form, &url, body.as_deref(), &filled.fields).await?;
            if let Some(next) = self.redirect(Step::Form, &hop)? {
                self.note(|hosts| format!("to {}", hosts.to(&next.url)));
                if self.is_callback(&next.url) {
                    leave.iter().for_each(Leave::taken);
                    return Ok(next.url);
                }
                body = body.filter(|_| next.keeps_method);
                if body.is_some() {
                    self.keeps_the_password_safe(&hop, &next.url)?;
                }
                url = next.url;
                continue;
            }
            let failure = self.after_form(&hop);
            if failure.ends_the_password() {
                leave.iter().for_each(Leave::refused);
            }
            return Err(failure);
        }
    }

    /// A browser warns before it sends by http what was typed into a page that came by https; a probe, which
    /// nobody can ask, does not send it.
    fn keeps_the_password_safe(&mut self, page: &Hop, to: &Url) -> Result<(), Failure> {
        if let Some(hosts) = &self.options.password_hosts {
            let by_https = self.exchanges.iter().any(|exchange| exchange.url.starts_with("https:"));
            hosts.allow(to, by_https).map_err(|cause| self.withheld(page, to, cause))?;
        }
        if page.url.scheme() != "https" || is_trustworthy(to) {
            return Ok(());
        }
        let message =
            format!("the page came by https, and the password would go by http to {}", authority(to));
        Err(self.failure(Step::Form, Some(page.answer.status), message, Cause::InsecureForm))
    }

    /// Leave to send the password, where it is kept whom it was sent to. Somebody else's login may find out first
    /// whether the provider takes it.
    async fn leave_for_the_password(&mut self, page: &Hop, to: &Url) -> Result<Option<Leave>, Failure> {
        let Some(hosts) = &self.options.password_hosts else { return Ok(None) };
        let limit = self.limit();
        let leave = tokio::time::timeout(limit, hosts.leave(to)).await.unwrap_or(Err(Cause::Timeout));
        leave.map(Some).map_err(|cause| self.withheld(page, to, cause))
    }

    /// The password was not sent.
    fn withheld(&mut self, page: &Hop, to: &Url, cause: Cause) -> Failure {
        let place = authority(to);
        let message = match cause {
            Cause::PasswordElsewhere => {
                format!(
                    "the form leads to {place}, which is none of the hosts that the password is for; it was not sent"
                )
            }
            Cause::PasswordWithheld => format!(
                "{place} has refused this password before; it was not sent again, so that nobody's account is locked"
            ),
            Cause::Timeout => {
                format!("{place} has not told another login in time whether it takes the password")
            }
            _ => format!(
                "the login came by https, and the password would go by http to {place}; it was not sent"
            ),
        };
        self.failure(Step::Form, Some(page.answer.status), message, cause)
    }

    /// What it means that a page came where the way back to Argo CD should have been.
    fn after_form(&mut self, hop: &Hop) -> Failure {
        let status = hop.answer.status;
        let is_page = is_html(&hop.answer) && (status < 400 || matches!(status, 400 | 401 | 403 | 422));
        if !is_page {
            return self.refused(Step::Form, hop);
        }
        let page = Page::parse(&hop.answer.text());
        if LoginForm::of(&page).is_some() {
            // Without the cookies of its own login, a provider begins another.
            let lost = page.error.is_none() && self.lost_a_secure_cookie();
            let message = page.error.clone().unwrap_or_else(|| "the login form came again".to_owned());
            // One that warns of a lock-out to come speaks of the password too.
            let locked = lockout::is_locked(&message) && !message.to_lowercase().contains("password");
            let cause = match lost {
                true => Cause::SecureCookieOverHttp,
                false if locked => Cause::AccessDenied,
                false => Cause::WrongPassword,
            };
            return self.failure(Step::Form, Some(status), message, cause);
        }
        if status >= 400 {
            return self.refused(Step::Form, hop);
        }
        let (found, cause) = words::found(&page);
        // With the password accepted, a form of buttons only is a question to the user.
        let cause = if cause == Cause::FormWithoutPassword { Cause::ConsentPage } else { cause };
        self.failure(Step::Form, Some(status), found, cause)
    }

    /// Back at Argo CD; gives the address of Argo CD that the token belongs to.
    pub(crate) async fn callback(&mut self, mut url: Url) -> Result<Url, Failure> {
        loop {
            self.redactor.learn_url(&url);
            let hop = self.get(Step::Callback, &url).await?;
            let next = self.redirect(Step::Callback, &hop)?;
            if let Some(next) = &next
                && is_moved(&url, &next.url)
            {
                url = next.url.clone();
                continue;
            }
            let argocd = match url.path().strip_suffix("auth/callback") {
                Some(base) => {
                    let mut argocd = url.clone();
                    argocd.set_path(base);
                    argocd.set_query(None);
                    argocd
                }
                None => self.argocd.clone(),
            };
            let api = below(&argocd, "api/v1/session/userinfo");
            let names = self.jar.names(&api, Timestamp::now());
            // A long token is cut into argocd.token, argocd.token-1 and so on.
            if hop.answer.status < 400 && names.iter().any(|name| name.starts_with("argocd.token")) {
                return Ok(api);
            }
            return Err(self.refused(Step::Callback, &hop));
        }
    }

    /// The proof: Argo CD's API takes the token.
    async fn userinfo(&mut self, url: Url) -> Result<User, Failure> {
        let hop = self.get(Step::Userinfo, &url).await?;
        let claims = id_token::sent_claims(&self.jar, &url);
        let mut user = self.user(&hop, claims)?;
        if self.options.ask_rights {
            user.may_look = self.may_look(&url).await;
        }
        Ok(user)
    }

    /// What Argo CD says of a right that every role of its own has.
    async fn may_look(&mut self, userinfo: &Url) -> Option<bool> {
        let url = userinfo.join(MAY_LOOK).ok()?;
        let hop = self.get(Step::Userinfo, &url).await.ok()?;
        may_look(&hop.answer.body)
    }

    /// Who is logged in, by an answer of Argo CD's API to a token with these claims.
    pub(crate) fn user(&mut self, hop: &Hop, claims: serde_json::Value) -> Result<User, Failure> {
        let info: serde_json::Value = serde_json::from_slice(&hop.answer.body).unwrap_or_default();
        let username = info["username"].as_str().unwrap_or_default();
        if hop.answer.status != 200 || info["loggedIn"] != true || username.is_empty() {
            return Err(self.refused(Step::Userinfo, hop));
        }
        let groups = info["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
        let groups = groups.iter().filter_map(|group| group.as_str()).map(str::to_owned).collect();
        let user =
            User { username: words::shorten(&self.redactor.text(username)), groups, claims, may_look: None };
        self.note(|_| format!("logged in as {}", user.username));
        Ok(user)
    }

    pub(crate) async fn get(&mut self, step: Step, url: &Url) -> Result<Hop, Failure> {
        self.send(step, url, None, &[]).await
    }

    /// One exchange: sends the cookies that belong to it, keeps the ones that come, writes it down.
    async fn send(
        &mut self,
        step: Step,
        url: &Url,
        form: Option<&str>,
        fields: &[String],
    ) -> Result<Hop, Failure> {
        let now = Timestamp::now();
        let accept = if step.is_argocds() { Accept::Anything } else { Accept::Page };
        let cookies_sent = self.jar.names(url, now);
        let cookies = self.jar.header(url, now);
        let request = Request { form, cookies, from_page: true, accept, ..Request::get(url, self.limit()) };
        let exchanged = self.exchange(step, request, fields).await;
        if let Some(last) = self.exchanges.last_mut() {
            last.cookies_sent = cookies_sent;
        }
        exchanged
    }

    /// How long an exchange may still take.
    pub(crate) fn limit(&self) -> Duration {
        self.options.timeout.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// One exchange as it stands in `request`: keeps the cookies that come, writes it down.
    pub(crate) async fn exchange(
        &mut self,
        step: Step,
        request: Request<'_>,
        fields: &[String],
    ) -> Result<Hop, Failure> {
        let (url, is_form) = (request.url, request.form.is_some());
        let at = self.began.elapsed();
        let answer = self.connections.send(request).await;
        let mut exchange = Exchange {
            step,
            method: if is_form { "POST" } else { "GET" },
            url: self.redactor.url(url),
            place: self.redactor.text(&format!("{}{}", authority(url), url.path())),
            cookies_sent: Vec::new(),
            fields_sent: if is_form { fields.to_vec() } else { Vec::new() },
            status: None,
            at,
            time: Duration::ZERO,
            headers: Vec::new(),
            bytes: 0,
            cookies: Vec::new(),
            location: None,
            note: String::new(),
            certificate: None,
        };
        match answer {
            Ok(answer) => {
                exchange.status = Some(answer.status);
                exchange.time = answer.time;
                exchange.certificate = answer.certificate;
                exchange.bytes = answer.body.len();
                exchange.cookies = self.keep_cookies(url, &answer);
                exchange.headers = answer
                    .headers
                    .iter()
                    .map(|(name, value)| {
                        let value = String::from_utf8_lossy(value.as_bytes());
                        (name.to_string(), self.redactor.header(name.as_str(), &value, url))
                    })
                    .collect();
                let location = exchange.headers.iter().find(|(name, _)| name == "location");
                exchange.location = location.map(|(_, to)| to.clone());
                self.keep(exchange);
                Ok(Hop { url: url.clone(), answer })
            }
            Err((no_answer, time)) => {
                exchange.time = time;
                exchange.note = self.redactor.text(&no_answer.message());
                self.keep(exchange);
                let message = format!("{} ({})", no_answer.message(), self.connections.way(url));
                let cause = cause::of_no_answer(&no_answer);
                let mut failure = self.failure(step, None, message, cause);
                let down = matches!(no_answer, NoAnswer::Refused | NoAnswer::Closed);
                // Where a redirect led elsewhere, it was answered by somebody who is up.
                let asked = url.origin() == self.options.argocd.origin();
                failure.restarting = step.is_argocds() && asked && down;
                Err(failure)
            }
        }
    }

    fn keep_cookies(&mut self, url: &Url, answer: &Answer) -> Vec<SetCookie> {
        let now = Timestamp::now();
        let mut set = Vec::new();
        for header in answer.headers.get_all("set-cookie") {
            let header = String::from_utf8_lossy(header.as_bytes());
            let value = header.split(';').next().unwrap_or_default();
            let value = value.split_once('=').map_or(value, |(_, value)| value).trim();
            if value.len() >= 8 {
                self.redactor.learn(value);
            }
            let (name, kept) = self.jar.store(url, &header, now);
            set.push(SetCookie { name: self.redactor.text(&name), kept, empty: value.is_empty() });
        }
        set
    }

    /// Where an answer redirects to, if it does.
    pub(crate) fn redirect(&mut self, step: Step, hop: &Hop) -> Result<Option<Next>, Failure> {
        let status = hop.answer.status;
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = hop.answer.header("location") else {
            return Ok(None);
        };
        let target =
            hop.url.join(location.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(mut url) = target.filter(|url| url.has_host()) else {
            let message = format!("redirects to {location}, which is no web address");
            return Err(self.failure(step, Some(status), message, Cause::Unknown));
        };
        url.set_fragment(None);
        self.redirects += 1;
        if self.redirects > self.options.max_redirects {
            let message = format!(
                "still redirecting after {} redirects, now to {}{}",
                self.options.max_redirects,
                authority(&url),
                url.path()
            );
            return Err(self.failure(step, Some(status), message, Cause::RedirectLoop));
        }
        Ok(Some(Next { url, keeps_method: matches!(status, 307 | 308) }))
    }

    fn is_callback(&self, url: &Url) -> bool {
        let same = |asked: &Url| {
            asked.origin() == url.origin()
                && asked.path().trim_end_matches('/') == url.path().trim_end_matches('/')
        };
        self.redirect_uri.as_ref().is_some_and(same) || same(&below(&self.argocd, "auth/callback"))
    }

    /// Whether a Secure cookie that came by http was dropped, as a browser would.
    fn lost_a_secure_cookie(&self) -> bool {
        let lost = |cookie: &SetCookie| matches!(cookie.kept, Kept::Refused(why) if why.contains("Secure"));
        self.exchanges.iter().any(|exchange| exchange.cookies.iter().any(lost))
    }

    /// A failure that the server's answer tells about.
    pub(crate) fn refused(&mut self, step: Step, hop: &Hop) -> Failure {
        let body = hop.answer.text();
        let query: String = url::form_urlencoded::parse(hop.url.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| format!("{name}={value}&"))
            .collect();
        let status = hop.answer.status;
        let seen = Circumstances {
            status: Some(status),
            body: &body,
            query: &query,
            secure_cookie_refused: self.lost_a_secure_cookie(),
            called_back_elsewhere: self.called_back_elsewhere,
        };
        let cause = cause::of_answer(step, &seen);
        let mut message = words::of_answer(&hop.answer);
        if cause == Cause::CookieTooLarge {
            message = format!("{message} ({})", id_token::sent(&self.jar, &hop.url));
        }
        let mut failure = self.failure(step, Some(status), message, cause);
        failure.restarting = hop.answer.is_from_a_front_alone() && cause == Cause::FrontWithoutBackend;
        failure
    }

    fn keep(&mut self, exchange: Exchange) {
        if let Some(heard) = self.heard {
            heard(&exchange);
        }
        self.exchanges.push(exchange);
    }

    pub(crate) fn failure(
        &mut self,
        step: Step,
        status: Option<u16>,
        message: String,
        cause: Cause,
    ) -> Failure {
        let message = words::shorten(&self.redactor.text(&message));
        if let Some(last) = self.exchanges.last_mut()
            && last.note.is_empty()
        {
            last.note.clone_from(&message);
        }
        Failure { step, status, message, cause, restarting: false }
    }

    /// Writes down what came of the last exchange.
    pub(crate) fn note(&mut self, note: impl FnOnce(&Hosts) -> String) {
        if let Some(last) = self.exchanges.last_mut() {
            let host = last.place.split('/').next().unwrap_or_default().to_owned();
            last.note = self.redactor.text(&note(&Hosts { host }));
        }
    }
}

/// Shows where a redirect leads, seen from a host.
pub(crate) struct Hosts {
    host: String,
}

impl Hosts {
    fn to(&self, url: &Url) -> String {
        let host = authority(url);
        if host == self.host { url.path().to_owned() } else { format!("{host}{}", url.path()) }
    }
}

/// Whether a redirect leads to the same place at another address: a front that sends http to https, or a
/// host to its other name.
pub(crate) fn is_moved(asked: &Url, to: &Url) -> bool {
    asked.path() == to.path() && asked.query() == to.query()
}

/// `path` below an address that may have a path of its own.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn is_html(answer: &Answer) -> bool {
    match answer.header("content-type") {
        Some(kind) => kind.to_ascii_lowercase().contains("html"),
        None => answer.body.trim_ascii_start().starts_with(b"<"),
    }
}
