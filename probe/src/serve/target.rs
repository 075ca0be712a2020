//! One Argo CD that is watched: one login at a time, never faster than its interval, and what came of the last one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::duration;
use base::mutex::lock;
use probe::pace::{self, Backoff, Outcome};
use probe::{Cause, Failure, Login, Options, Password, PasswordHost, PasswordHosts};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use url::Url;

use super::config::Module;
use super::log;
use super::metrics::{Counted, Own, Scrape, Told};

/// What all targets share: how many logins may run at once, which providers are left alone, and what is counted.
pub(super) struct Shared {
    slots: Arc<Semaphore>,
    /// For those that nobody answered the last time: they may hang again, and must not keep the others waiting.
    patient_slots: Arc<Semaphore>,
    /// Until when.
    pauses: Mutex<HashMap<PasswordHost, Instant>>,
    pub(super) own: Own,
}

impl Shared {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            patient_slots: Arc::new(Semaphore::new(concurrency.div_ceil(4))),
            pauses: Mutex::default(),
            own: Own::new(),
        }
    }

    /// Until when one of these providers is to be left alone, if any is.
    fn paused_until(&self, hosts: &[PasswordHost]) -> Option<Instant> {
        let pauses = lock(&self.pauses);
        hosts.iter().filter_map(|host| pauses.get(host)).max().copied()
    }

    /// Leaves providers alone until then: whoever wants fewer requests of one target wants them of all.
    fn pause(&self, hosts: &[PasswordHost], until: Instant) {
        let mut pauses = lock(&self.pauses);
        pauses.extend(hosts.iter().map(|host| (host.clone(), until)));
    }
}

/// A module at work: its password as it was last read, and who has refused it.
pub(super) struct Account {
    pub(super) module: Module,
    options: Options,
    password: Mutex<(Password, PasswordHosts)>,
}

impl Account {
    /// What is known of the password stays known, if `old` logs in as the same user at the same provider.
    pub(super) fn new(module: Module, old: Option<&Self>) -> Result<Self, String> {
        let password = module.password()?;
        let target = module.targets.first().ok_or("targets is empty")?;
        let options = module.options(target, password.clone())?;
        let known = match old {
            Some(old) => lock(&old.password).clone(),
            None => (password, PasswordHosts::new(module.password_hosts.clone())),
        };
        Ok(Self { module, options, password: Mutex::new(known) })
    }

    /// Whether `module` logs in as the same user at the same provider.
    pub(super) fn is_also(&self, module: &Module) -> bool {
        self.module.user == module.user && self.module.password_hosts == module.password_hosts
    }

    /// The options of a login now. A password that is another than before has been refused by nobody.
    fn options(&self, target: &Url, limit: Duration) -> Result<Options, String> {
        let password = self.module.password()?;
        let mut known = lock(&self.password);
        if known.0.reveal() != password.reveal() {
            *known = (password.clone(), PasswordHosts::new(self.module.password_hosts.clone()));
        }
        let mut options = self.options.clone();
        options.argocd = target.clone();
        options.password = password;
        options.password_hosts = Some(known.1.clone());
        options.login_timeout = limit;
        options.timeout = limit;
        Ok(options)
    }
}

/// One target of one module.
pub(super) struct Target {
    url: Url,
    account: Arc<Account>,
    state: Arc<tokio::sync::Mutex<State>>,
}

#[derive(Default)]
struct State {
    counted: Counted,
    began: Option<Instant>,
    last: Option<Last>,
    backoff: Backoff,
    paused_until: Option<Instant>,
}

struct Last {
    login: Login,
    ended: Instant,
}

impl Target {
    /// A target that was one before, of the same account, goes on from there: with its pause, and one login at a time.
    pub(super) fn new(url: Url, account: Arc<Account>, old: Option<&Self>) -> Self {
        let state = old.map(|old| Arc::clone(&old.state)).unwrap_or_default();
        Self { url, account, state }
    }

    /// The metrics of the target, after a login if one is due; within `limit`, and never two logins at once.
    ///
    /// # Errors
    /// Why nothing can be told: one sentence.
    pub(super) async fn scrape(&self, shared: &Arc<Shared>, limit: Duration) -> Result<String, String> {
        let begin = Instant::now();
        let busy = |what: &str| {
            shared.own.scraped(Scrape::Busy);
            format!("{}: {what} for {:.1} s, the limit of this scrape", self.url, limit.as_secs_f64())
        };
        let state = tokio::time::timeout(limit, Arc::clone(&self.state).lock_owned()).await;
        let mut state = state.map_err(|_| busy("another login to it was under way"))?;
        state.paused_until = state.paused_until.max(shared.paused_until(&self.account.module.password_hosts));
        if let Some(text) = state.kept(self.account.module.interval) {
            shared.own.scraped(Scrape::Kept);
            return Ok(text);
        }
        if !state.pause().is_zero() {
            shared.own.scraped(Scrape::Busy);
            let left = duration(state.pause());
            return Err(format!("{}: its provider wants to be left alone for {left} more", self.url));
        }
        let slots = if state.was_unreachable() { &shared.patient_slots } else { &shared.slots };
        let left = limit.saturating_sub(begin.elapsed());
        let slot = tokio::time::timeout(left, Arc::clone(slots).acquire_owned()).await;
        let slot = match (slot, &state.last) {
            (Ok(slot), _) => slot,
            // Old news with its age is better than none.
            (Err(_), Some(last)) => {
                shared.own.scraped(Scrape::Busy);
                return Ok(state.text(last));
            }
            (Err(_), None) => return Err(busy("as many logins as may run at once were under way")),
        };
        let left = limit.saturating_sub(begin.elapsed());
        let options = self.account.options(&self.url, left)?;
        shared.own.scraped(Scrape::Login);
        // Prometheus may go away. What was begun ends, or nobody would know that it was.
        let (shared, account) = (Arc::clone(shared), Arc::clone(&self.account));
        let login = tokio::spawn(async move {
            let _slot = slot;
            log_in(state, &options, &account.module, &shared).await
        });
        // It has a limit of its own; what comes after it, a look at /healthz, may take longer.
        let told = tokio::time::timeout(left + GRACE, login).await;
        told.ok()
            .and_then(Result::ok)
            .ok_or_else(|| format!("{}: the login did not end in its time", self.url))
    }
}

/// How long a login may take to end when its time is over.
const GRACE: Duration = Duration::from_millis(100);

impl State {
    /// What was told last, if it is too early for another login.
    fn kept(&self, interval: Duration) -> Option<String> {
        let early = self.began.is_some_and(|began| began.elapsed() < interval);
        let paused = !self.pause().is_zero();
        self.last.as_ref().filter(|_| early || paused).map(|last| self.text(last))
    }

    fn pause(&self) -> Duration {
        self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    fn was_unreachable(&self) -> bool {
        self.last.as_ref().is_some_and(|last| Outcome::of(&last.login) == Outcome::Unreachable)
    }

    fn text(&self, last: &Last) -> String {
        let withheld =
            |failure: &Failure| failure.cause == Cause::PasswordWithheld || failure.ends_the_password();
        Told {
            login: &last.login,
            counted: &self.counted,
            age: last.ended.elapsed(),
            withheld: last.login.outcome.as_ref().is_err_and(withheld),
            pause: self.pause(),
        }
        .text()
    }
}

/// Logs in, writes down what came of it, and says on standard error what is another outcome than before.
async fn log_in(
    mut state: OwnedMutexGuard<State>,
    options: &Options,
    module: &Module,
    shared: &Shared,
) -> String {
    state.began = Some(Instant::now());
    shared.own.began();
    let login = probe::login(options).await;
    shared.own.ended(&login);
    let kind = |login: &Login| login.outcome.as_ref().err().map(|failure| (failure.step, failure.cause));
    let before = state.last.as_ref().and_then(|last| kind(&last.login));
    if before != kind(&login) {
        log(&format!("{}: {}", options.argocd, pace::in_words(&login)));
    }
    state.counted.add(&login);
    let pause = state.backoff.after(&login);
    state.paused_until = pause.map(|pause| Instant::now() + pause);
    if let (Some(until), Err(failure)) = (state.paused_until, &login.outcome)
        && failure.cause == Cause::Throttled
        && !failure.step.is_argocds()
    {
        shared.pause(&module.password_hosts, until);
    }
    let last = Last { login, ended: Instant::now() };
    let text = state.text(&last);
    state.last = Some(last);
    text
}
