//! The hosts that a password is for: it goes to these and to no other, never by http where the login came by https,
//! and to nobody who has refused it before.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base::mutex::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::catalogue::Cause;

/// One host, and its port where that is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PasswordHost {
    host: String,
    port: Option<u16>,
}

impl PasswordHost {
    fn is_of(&self, url: &Url) -> bool {
        let port =
            self.port == url.port() || (self.port.is_some() && self.port == url.port_or_known_default());
        port && url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
    }
}

impl FromStr for PasswordHost {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{given}` is no host of a provider; write it as in dex.example.com or dex.example.com:8443"
            )
        };
        // A scheme that has no port of its own keeps whatever was written.
        let url: Url = format!("any://{given}").parse().map_err(|_| wrong())?;
        let host = url.host_str().filter(|host| !host.is_empty() && *host != "*").ok_or_else(wrong)?;
        let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() || given.ends_with(':') {
            return Err(wrong());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port: url.port() })
    }
}

impl fmt::Display for PasswordHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// How many logins may send a host the password at once that it took before: so often it is sent at the most once it is
/// wrong there. Whoever counts attempts allows more.
const AT_ONCE: usize = 3;

/// To whom one password may be sent. Clones share what became of it: as long as nobody knows whether a host takes it,
/// one login at a time finds out, so that a wrong one is sent there once.
#[derive(Debug, Clone, Default)]
pub struct PasswordHosts {
    hosts: Vec<PasswordHost>,
    met: Arc<Mutex<HashMap<String, Arc<Met>>>>,
}

/// What a host made of the password.
#[derive(Debug)]
struct Met {
    /// One, until the host took the password.
    leaves: Arc<Semaphore>,
    took: AtomicBool,
    refused: AtomicBool,
}

/// Leave to send the password once; held until it is known what came of it.
#[derive(Debug)]
pub(crate) struct Leave {
    met: Arc<Met>,
    _permit: OwnedSemaphorePermit,
}

impl Leave {
    /// The host took the password: from now on several logins may send it at once.
    pub(crate) fn taken(&self) {
        if !self.met.took.swap(true, Ordering::Relaxed) {
            self.met.leaves.add_permits(AT_ONCE - 1);
        }
    }

    /// The host refused it, and gets it no more.
    pub(crate) fn refused(&self) {
        self.met.refused.store(true, Ordering::Relaxed);
    }
}

impl Met {
    fn new() -> Arc<Self> {
        let leaves = Arc::new(Semaphore::new(1));
        Arc::new(Self { leaves, took: AtomicBool::new(false), refused: AtomicBool::new(false) })
    }
}

impl PasswordHosts {
    /// A password for these hosts, which none of them has seen.
    pub fn new(hosts: Vec<PasswordHost>) -> Self {
        Self { hosts, met: Arc::default() }
    }

    /// Whether the password may go to `url`, in a login that came by https or not; why not.
    pub(crate) fn allow(&self, url: &Url, by_https: bool) -> Result<(), Cause> {
        match self.hosts.iter().any(|host| host.is_of(url)) {
            false => Err(Cause::PasswordElsewhere),
            true if by_https && url.scheme() != "https" => Err(Cause::InsecureForm),
            true => Ok(()),
        }
    }

    /// Waits for leave to send the password to `url`, which is allowed; why there is none.
    pub(crate) async fn leave(&self, url: &Url) -> Result<Leave, Cause> {
        let place = url.origin().ascii_serialization();
        let met = {
            let mut met = lock(&self.met);
            Arc::clone(met.entry(place).or_insert_with(Met::new))
        };
        // It is never closed.
        let permit = Arc::clone(&met.leaves).acquire_owned().await.map_err(|_| Cause::PasswordWithheld)?;
        if met.refused.load(Ordering::Relaxed) {
            return Err(Cause::PasswordWithheld);
        }
        Ok(Leave { met, _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(given: &[&str]) -> PasswordHosts {
        PasswordHosts::new(given.iter().map(|host| host.parse().unwrap()).collect())
    }

    #[test]
    fn a_host_is_a_host_and_perhaps_a_port() {
        for given in ["dex.example.com", "dex.example.com:8443", "127.0.0.1:5556", "[::1]:5556", "[::1]"] {
            assert_eq!(given.parse::<PasswordHost>().unwrap().to_string(), given);
        }
        for given in
            ["", "*", "https://dex.example.com", "dex.example.com/", "me@dex", "dex:", "dex:port", "a b"]
        {
            let error = given.parse::<PasswordHost>().unwrap_err();
            assert!(error.contains("no host of a provider"), "{given}: {error}");
        }
    }

    #[test]
    fn the_password_goes_to_its_hosts_alone() {
        let hosts = hosts(&["dex.example.com", "login.example.com:8443", "own.example.com:443"]);
        for (url, by_https, cause) in [
            ("https://dex.example.com/auth", true, None),
            ("https://DEX.example.com:443/auth", true, None),
            ("https://login.example.com:8443/", true, None),
            ("https://own.example.com/", true, None),
            ("http://own.example.com/", false, Some(Cause::PasswordElsewhere)),
            // Who has http alone is asked by http.
            ("http://dex.example.com/auth", false, None),
            ("http://dex.example.com/auth", true, Some(Cause::InsecureForm)),
            ("https://dex.example.com:8443/", true, Some(Cause::PasswordElsewhere)),
            ("https://login.example.com/", true, Some(Cause::PasswordElsewhere)),
            ("https://dex.example.com.evil.example/", true, Some(Cause::PasswordElsewhere)),
            ("https://evil.example/dex.example.com", true, Some(Cause::PasswordElsewhere)),
            ("https://dex.example.com@evil.example/", true, Some(Cause::PasswordElsewhere)),
        ] {
            let found = hosts.allow(&url.parse().unwrap(), by_https).err();
            assert_eq!(found, cause, "{url}");
        }
    }

    #[tokio::test]
    async fn what_was_refused_is_refused_to_all_and_to_that_host_alone() {
        let (hosts, url) = (hosts(&["a", "b"]), "https://a/login".parse().unwrap());
        let leave = hosts.leave(&url).await.unwrap();
        // A second login does not get leave while the first finds out.
        let second = hosts.clone();
        let waiting =
            tokio::spawn(async move { second.leave(&"https://a/".parse().unwrap()).await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        leave.refused();
        drop(leave);
        assert_eq!(waiting.await.unwrap(), Err(Cause::PasswordWithheld));
        assert!(hosts.leave(&"https://b/".parse().unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn whoever_took_it_gets_it_from_few_at_once() {
        let (hosts, url) = (hosts(&["a"]), "https://a/login".parse().unwrap());
        hosts.leave(&url).await.unwrap().taken();
        let mut leaves = vec![];
        for _ in 0..AT_ONCE {
            let leave = hosts.leave(&url).await.unwrap();
            leave.taken();
            leaves.push(leave);
        }
        // It has become wrong meanwhile: the others do not send it any more.
        let other = tokio::spawn(async move { hosts.leave(&url).await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        leaves[0].refused();
        drop(leaves);
        assert_eq!(other.await.unwrap(), Err(Cause::PasswordWithheld));
    }
}
