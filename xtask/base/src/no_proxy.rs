//! What `NO_PROXY` leaves to no proxy, by the rules of Go's HTTP client (golang.org/x/net/http/httpproxy).

use std::net::IpAddr;

use url::{Host, Url};

/// Whether a URL is asked without a proxy: it is on this machine, or a list with commas between its entries names its
/// host. What has no host or no port is asked by nobody.
pub fn is_direct(url: &Url, no_proxy: &str) -> bool {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return true };
    let list = no_proxy.to_ascii_lowercase();
    let mut entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let ip: IpAddr = match host {
        Host::Domain(name) => {
            return name == "localhost" || entries.any(|entry| entry == "*" || names(entry, name, port));
        }
        Host::Ipv4(ip) => ip.into(),
        Host::Ipv6(ip) => ip.into(),
    };
    ip.is_loopback() || entries.any(|entry| entry == "*" || covers(entry, ip, port))
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
    match entry.strip_prefix("*.").or(entry.strip_prefix('.')) {
        Some(domain) => below(domain),
        None => host == entry || below(entry),
    }
}

/// An address, with a port or without, or a network.
fn covers(entry: &str, ip: IpAddr, port: u16) -> bool {
    let entry = if entry.contains('/') { entry } else { of_port(entry, port).unwrap_or_default() };
    is_in(ip, entry.trim_matches(['[', ']']))
}

/// Whether an address is `network`, or in it (`10.0.0.0/8`).
pub fn is_in(address: IpAddr, network: &str) -> bool {
    let Some((network, length)) = network.split_once('/') else { return network.parse() == Ok(address) };
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let ((network, size), (ip, own)) = (bits(network), bits(address));
    let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
    size == own && length <= size && network & mask == ip & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_asked_directly() {
        for (host, no_proxy, direct) in [
            ("dex.host", "", false),
            ("dex.host", "*", true),
            ("10.1.2.3", "a,*", true),
            ("dex.host", "a, Dex.Host", true),
            ("a.dex.host", "dex.host", true),
            ("adex.host", "dex.host", false),
            ("dex.host", ".dex.host", false),
            ("a.dex.host", ".dex.host", true),
            ("a.dex.host", "*.dex.host", true),
            ("dex.host", "*dex.host", false),
            ("dex.host", "dex.host:80", true),
            ("dex.host", "dex.host:443", false),
            ("dex.argocd.svc", ".svc,.cluster.local", true),
            ("dex.argocd", ".svc", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.0.0.0/16", false),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("dex.host", "10.0.0.0/8", false),
            ("[fe80::1]", "fe80::/10", true),
            ("[fe80::1]", "0.0.0.0/0", false),
            ("10.1.2.3", "10.1.2.3:80,[fe80::1]:81", true),
            ("[fe80::1]:81", "10.1.2.3:80,[fe80::1]:81", true),
            ("localhost", "", true),
            ("127.0.0.2", "", true),
            ("[::1]", "", true),
        ] {
            let url = format!("http://{host}/x").parse().unwrap();
            assert_eq!(is_direct(&url, no_proxy), direct, "{host} {no_proxy}");
        }
    }
}
