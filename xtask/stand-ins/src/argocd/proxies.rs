//! Proxies, as Go takes them from a pod's environment (golang.org/x/net/http/httpproxy).

use std::collections::BTreeMap;
use std::net::IpAddr;

use url::{Host, Url};

/// Which requests go through which proxy. Cheap enough to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    /// What NO_PROXY names, in lower case.
    without: Vec<String>,
}

impl Proxies {
    /// Those of an environment. A name in capitals comes first; what is no address is none.
    pub(super) fn of(env: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| {
            let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase()))
        };
        let proxy = |name: &str| {
            let text = get(name)?;
            let full = if text.contains("://") { text.clone() } else { format!("http://{text}") };
            Url::parse(&full).ok().filter(Url::has_host)
        };
        let without = get("NO_PROXY").map(String::as_str).unwrap_or_default().to_ascii_lowercase();
        Self {
            http: proxy("HTTP_PROXY"),
            https: proxy("HTTPS_PROXY"),
            without: without.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect(),
        }
    }

    /// The proxy for a URL. Loopback is never asked through one.
    pub(super) fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        let port = url.port_or_known_default()?;
        let direct = match url.host()? {
            Host::Domain(name) => {
                name == "localhost" || self.without.iter().any(|entry| names(entry, name, port))
            }
            Host::Ipv4(ip) => self.is_direct(ip.into(), port),
            Host::Ipv6(ip) => self.is_direct(ip.into(), port),
        };
        proxy.as_ref().filter(|_| !direct)
    }

    fn is_direct(&self, ip: IpAddr, port: u16) -> bool {
        ip.is_loopback() || self.without.iter().any(|entry| covers(entry, ip, port))
    }
}

/// An entry without its port, if it has none or this one.
fn of_port(entry: &str, port: u16) -> Option<&str> {
    match entry.rsplit_once(':') {
        Some((host, number)) if !host.contains(':') || host.ends_with(']') => {
            (number.parse() == Ok(port)).then_some(host)
        }
        _ => Some(entry),
    }
}

/// `example.com` is that host and all below it, `.example.com` and `*.example.com` all below it.
fn names(entry: &str, host: &str, port: u16) -> bool {
    let Some(entry) = of_port(entry, port) else { return false };
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    match entry.strip_prefix('*').unwrap_or(entry) {
        "" => true,
        domain => match domain.strip_prefix('.') {
            Some(domain) => below(domain),
            None => host == domain || below(domain),
        },
    }
}

/// An address, or a network as `10.0.0.0/8`.
fn covers(entry: &str, ip: IpAddr, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, length)) = entry.split_once('/') {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
            IpAddr::V6(ip) => (ip.to_bits(), 128),
        };
        let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
            return false;
        };
        let ((network, size), (ip, own)) = (bits(network), bits(ip));
        let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
        return size == own && length <= size && network & mask == ip & mask;
    }
    let entry = of_port(entry, port).unwrap_or_default();
    entry.trim_matches(['[', ']']).parse() == Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_taken_as_go_takes_them() {
        const BOTH: [(&str, &str); 2] = [("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "p:2")];
        let without = |list| [BOTH.as_slice(), &[("NO_PROXY", list)]].concat();
        let table = [
            (vec![], "http://dex.host/", None),
            (BOTH.to_vec(), "http://dex.host/", Some("http://p:1/")),
            (BOTH.to_vec(), "https://dex.host/", Some("http://p:2/")),
            (BOTH[..1].to_vec(), "https://dex.host/", None),
            (vec![("http_proxy", "p"), ("HTTP_PROXY", "")], "http://dex.host/", Some("http://p/")),
            (vec![("HTTP_PROXY", "://")], "http://dex.host/", None),
            (BOTH.to_vec(), "http://localhost:5556/", None),
            (BOTH.to_vec(), "https://127.0.0.2/", None),
            (BOTH.to_vec(), "https://[::1]/", None),
            (without("*"), "https://dex.host/", None),
            (without("a, DEX.host"), "https://dex.host/", None),
            (without("dex.host"), "https://a.dex.host/", None),
            (without("dex.host"), "https://adex.host/", Some("http://p:2/")),
            (without(".dex.host"), "https://dex.host/", Some("http://p:2/")),
            (without("*.dex.host"), "https://a.dex.host/", None),
            (without("dex.host:443"), "https://dex.host/", None),
            (without("dex.host:80"), "https://dex.host/", Some("http://p:2/")),
            (without("10.0.0.0/8"), "http://10.1.2.3/", None),
            (without("10.0.0.0/16"), "http://10.1.2.3/", Some("http://p:1/")),
            (without("fe80::/10"), "http://[fe80::1]/", None),
            (without("0.0.0.0/0"), "http://[fe80::1]/", Some("http://p:1/")),
            (without("10.1.2.3:80,[fe80::1]:81"), "http://10.1.2.3/", None),
            (without("10.1.2.3:80,[fe80::1]:81"), "http://[fe80::1]:81/", None),
        ];
        for (env, url, proxy) in table {
            let map = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let proxies = Proxies::of(&map);
            assert_eq!(proxies.for_url(&url.parse().unwrap()).map(Url::as_str), proxy, "{env:?} {url}");
        }
    }
}
