//! What a series of logins needs to know beforehand.

use std::time::Duration;

use url::Url;

use crate::lockout::{self, Sign};
use crate::password_hosts::PasswordHosts;
use crate::proxy::Proxies;
use crate::redact::Password;
use crate::resolve::Resolve;
use crate::tls::Tls;
use crate::trace::Step;

/// Everything a series of logins is told; [`Options::new`] fills in the usual limits.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address of Argo CD as a user types it; a path is kept (`https://host/argocd`).
    pub argocd: Url,
    /// The user name given to the identity provider's form.
    pub user: String,
    /// The password given to the identity provider's form.
    pub password: Password,
    /// The hosts that the password is for; None gives it to whoever shows the form.
    pub password_hosts: Option<PasswordHosts>,
    /// Begin at `/auth/login` and send no `return_url`, as a script does and a link; Argo CD's page asks for
    /// its settings first, and says where the login is to end.
    pub as_curl: bool,
    /// Log in as the command line does (`argocd login --sso`): another client, by PKCE and without a secret.
    pub as_cli: bool,
    /// Ask Argo CD at the end whether the user may look at applications.
    pub ask_rights: bool,
    /// How many logins to do; at least one is done.
    pub logins: u32,
    /// Go on to so many logins at most while all of them end alike. Servers that take turns do so in
    /// streaks, and a few logins may all meet the same one; so before each further login, requests for
    /// `/healthz` use up some turns.
    pub up_to: u32,
    /// The signs of a lock-out, at the step that gave them, after which no login begins, and those that run are dropped:
    /// those that end the password.
    pub ends_at: fn(Step, Sign) -> bool,
    /// How many logins may run at the same time.
    pub concurrency: u32,
    /// At most so many logins begin in a second.
    pub rate: Option<f64>,
    /// How much later the first of them begins where there is a rate: others begin theirs meanwhile.
    pub begin_after: Duration,
    /// Tell of each exchange when it is over; that costs a copy of it.
    pub each_exchange: bool,
    /// The longest that one exchange may take, its body included.
    pub timeout: Duration,
    /// The longest that one login may take.
    pub login_timeout: Duration,
    /// How long a login may wait for an Argo CD that is not answering (refused, closed, 502, 503 or 504)
    /// before that counts as its outcome. Zero does not wait at all.
    pub startup_grace: Duration,
    /// Overrides of name resolution; the first that fits is used.
    pub resolve: Vec<Resolve>,
    /// The proxies that requests go by, but for hosts that `resolve` names and for this machine.
    pub proxies: Proxies,
    /// Whom to trust over HTTPS.
    pub tls: Tls,
    /// How many redirects one login may be sent through.
    pub max_redirects: u32,
    /// The largest body that is read, in bytes.
    pub max_body: usize,
}

impl Options {
    /// Five logins, one after another, with the limits that suit a person who waits, and the environment's
    /// proxies.
    pub fn new(argocd: Url, user: impl Into<String>, password: Password) -> Self {
        Self {
            argocd,
            user: user.into(),
            password,
            password_hosts: None,
            as_curl: false,
            as_cli: false,
            ask_rights: false,
            logins: 5,
            up_to: 0,
            ends_at: lockout::ends_the_password,
            concurrency: 1,
            rate: None,
            begin_after: Duration::ZERO,
            each_exchange: false,
            timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(60),
            startup_grace: Duration::from_secs(30),
            resolve: Vec::new(),
            proxies: Proxies::from_environment(),
            tls: Tls::default(),
            max_redirects: 20,
            max_body: 1024 * 1024,
        }
    }
}
