//! Names that resolve where the user says, as with curl's `--resolve`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One override: connections to `host:port` go to `to` instead of what DNS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// The host name of the URL, in lower case; `*` stands for every host.
    pub host: String,
    /// The port of the URL, written or implied by the scheme.
    pub port: u16,
    /// Where the connection really goes.
    pub to: SocketAddr,
}

/// Why an override could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not HOST:PORT:ADDR or HOST:PORT:ADDR:TOPORT: {reason}")]
pub struct ResolveError {
    given: String,
    reason: &'static str,
}

impl Resolve {
    /// An override of `host:port` that leads to `to`.
    pub fn new(host: &str, port: u16, to: SocketAddr) -> Self {
        Self { host: host.to_ascii_lowercase(), port, to }
    }

    /// Whether this override speaks about `host` and `port`.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.port == port && (self.host == "*" || self.host.eq_ignore_ascii_case(host))
    }
}

impl FromStr for Resolve {
    type Err = ResolveError;

    fn from_str(given: &str) -> Result<Self, ResolveError> {
        let wrong = |reason| ResolveError { given: given.to_owned(), reason };
        let (host, rest) = given.split_once(':').ok_or_else(|| wrong("there is no `:`"))?;
        if host.is_empty() {
            return Err(wrong("the host is empty"));
        }
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
            return Err(wrong("the host is an address, which is never looked up"));
        }
        let (port, address) = rest.split_once(':').ok_or_else(|| wrong("the address is missing"))?;
        let port: u16 = port.parse().map_err(|_| wrong("the port is not a number from 0 to 65535"))?;
        let to = address_of(address, port)
            .ok_or_else(|| wrong("the address is not an IP address (IPv6 in brackets if a port follows)"))?;
        Ok(Self::new(host, port, to))
    }
}

impl fmt::Display for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host, self.port, self.to)
    }
}

/// Reads `ADDR`, `[ADDR]`, `ADDR:PORT` and `[ADDR]:PORT`.
fn address_of(address: &str, port: u16) -> Option<SocketAddr> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match bare.parse::<IpAddr>() {
        Ok(ip) => Some(SocketAddr::new(ip, port)),
        Err(_) => address.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_curl_reads_and_a_port_to_go_to() {
        for (given, host, port, to) in [
            ("argocd.host:80:127.0.0.1", "argocd.host", 80, "127.0.0.1:80"),
            ("argocd.host:80:127.0.0.1:43211", "argocd.host", 80, "127.0.0.1:43211"),
            ("Argocd.HOST:443:[::1]", "argocd.host", 443, "[::1]:443"),
            ("argocd.host:443:::1", "argocd.host", 443, "[::1]:443"),
            ("argocd.host:443:[::1]:8443", "argocd.host", 443, "[::1]:8443"),
            ("*:80:127.0.0.1", "*", 80, "127.0.0.1:80"),
        ] {
            let read: Resolve = given.parse().expect(given);
            assert_eq!((read.host.as_str(), read.port), (host, port), "{given}");
            assert_eq!(read.to, to.parse().unwrap(), "{given}");
            assert_eq!(
                read.to_string().parse::<Resolve>().as_ref(),
                Ok(&read),
                "{given} does not survive printing"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (given, reason) in [
            ("", "no `:`"),
            ("argocd.host", "no `:`"),
            ("argocd.host:80", "address is missing"),
            (":80:127.0.0.1", "host is empty"),
            ("argocd.host:http:127.0.0.1", "port is not a number"),
            ("argocd.host:70000:127.0.0.1", "port is not a number"),
            ("argocd.host:80:localhost", "not an IP address"),
            ("argocd.host:80:127.0.0.1:", "not an IP address"),
            ("argocd.host:80:127.0.0.1:99999", "not an IP address"),
            ("[::1]:80:127.0.0.1", "never looked up"),
            ("10.0.0.1:80:127.0.0.1", "never looked up"),
        ] {
            let error = given.parse::<Resolve>().expect_err(given).to_string();
            assert!(error.contains(reason), "{given}: {error}");
        }
    }

    #[test]
    fn speaks_only_about_its_own_host_and_port() {
        let one: Resolve = "argocd.host:80:127.0.0.1".parse().unwrap();
        assert!(one.matches("ARGOCD.host", 80));
        assert!(!one.matches("argocd.host", 443));
        assert!(!one.matches("dex.host", 80));
        let every: Resolve = "*:80:127.0.0.1".parse().unwrap();
        assert!(every.matches("dex.host", 80));
        assert!(!every.matches("dex.host", 443));
    }
}
