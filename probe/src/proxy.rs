//! Proxies as curl takes them from the environment: `http_proxy` (in small letters only, since a server's CGI
//! programs get `HTTP_PROXY` from whoever asks), `https_proxy`, `all_proxy`, and `no_proxy` for the hosts that
//! are asked without one. This machine itself is never asked by a proxy.

use base::no_proxy::is_in;
use reqwest::Proxy;
use url::{Host, Url};

use crate::jar::is_loopback;

/// The port of a proxy that names none, as in curl.
const PORT: u16 = 1080;

/// The proxies that the environment names.
#[derive(Clone, Default)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    without: Vec<String>,
}

impl Proxies {
    /// Those of this process's environment.
    pub fn from_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// Those of an environment. An empty variable is one that is not set.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let either = |name: &str| set(name).or_else(|| set(&name.to_ascii_uppercase()));
        let all = either("all_proxy");
        let without = either("no_proxy").unwrap_or_default();
        let without = without.split([',', ' ']).map(str::trim).filter(|it| !it.is_empty());
        Self {
            http: set("http_proxy").or_else(|| all.clone()),
            https: either("https_proxy").or(all),
            without: without.map(str::to_ascii_lowercase).collect(),
        }
    }

    /// The proxy for a URL, if there is one.
    ///
    /// # Errors
    /// It is of a kind that cannot be used here: one sentence.
    pub(crate) fn for_url(&self, url: &Url) -> Result<Option<Url>, String> {
        let named = if url.scheme() == "https" { &self.https } else { &self.http };
        let Some(named) = named.as_ref().filter(|_| !is_loopback(url) && !self.goes_without(url)) else {
            return Ok(None);
        };
        let full = if named.contains("://") { named.clone() } else { format!("http://{named}") };
        // Its user and password stay out of what is said.
        let shown = full.rsplit_once('@').map_or(full.as_str(), |(_, host)| host);
        let unusable = || format!("the proxy {shown} that the environment names is none of http or https");
        let mut proxy: Url = full.parse().map_err(|_| unusable())?;
        if !matches!(proxy.scheme(), "http" | "https") || !proxy.has_host() {
            return Err(unusable());
        }
        let port_written = full
            .rsplit(['@', '/'])
            .find(|part| !part.is_empty())
            .is_some_and(|host| host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()));
        if proxy.scheme() == "http" && !port_written {
            proxy.set_port(Some(PORT)).map_err(|()| unusable())?;
        }
        Ok(Some(proxy))
    }

    /// Whether `no_proxy` names the host: by itself, by a domain above it, or by a network that its address
    /// is in.
    fn goes_without(&self, url: &Url) -> bool {
        self.without.iter().any(|entry| {
            if entry == "*" {
                return true;
            }
            match url.host() {
                Some(Host::Domain(host)) => {
                    let (host, entry) = (host.trim_end_matches('.'), entry.trim_matches('.'));
                    let above = host.strip_suffix(entry).is_some_and(|below| below.ends_with('.'));
                    !entry.is_empty() && (host == entry || above)
                }
                Some(Host::Ipv4(address)) => is_in(address.into(), entry),
                Some(Host::Ipv6(address)) => is_in(address.into(), entry.trim_matches(['[', ']'])),
                None => false,
            }
        })
    }
}

/// The names of the proxies may hold passwords.
impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set = (self.http.is_some(), self.https.is_some());
        f.debug_struct("Proxies").field("http, https", &set).field("without", &self.without).finish()
    }
}

/// A proxy for everything that a client sends.
///
/// # Errors
/// The library does not take its address.
pub(crate) fn of_client(proxy: &Url) -> reqwest::Result<Proxy> {
    Proxy::all(proxy.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::of(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
        proxies(variables).for_url(&url.parse().unwrap()).unwrap().map(Into::into)
    }

    #[test]
    fn each_scheme_has_its_variables() {
        for (variables, url, expected) in [
            (vec![("http_proxy", "http://p:3128")], "http://a.example/", Some("http://p:3128/")),
            (vec![("http_proxy", "http://p:3128")], "https://a.example/", None),
            // In capitals it is whatever header a stranger sent.
            (vec![("HTTP_PROXY", "http://p:3128")], "http://a.example/", None),
            (vec![("HTTPS_PROXY", "http://p:3128")], "https://a.example/", Some("http://p:3128/")),
            (
                vec![("https_proxy", "http://small:1"), ("HTTPS_PROXY", "http://p:2")],
                "https://a.example/",
                Some("http://small:1/"),
            ),
            (
                vec![("https_proxy", ""), ("ALL_PROXY", "p:8080")],
                "https://a.example/",
                Some("http://p:8080/"),
            ),
            (vec![("all_proxy", "p")], "http://a.example/", Some("http://p:1080/")),
            (vec![("all_proxy", "http://me:pass@p")], "http://a.example/", Some("http://me:pass@p:1080/")),
            (vec![("all_proxy", "http://p:80/")], "http://a.example/", Some("http://p/")),
            (vec![("all_proxy", "https://p")], "http://a.example/", Some("https://p/")),
            (vec![("all_proxy", "p")], "http://127.0.0.1:8080/", None),
            (vec![("all_proxy", "p")], "http://[::1]/", None),
            (vec![("all_proxy", "p")], "http://argocd.localhost/", None),
        ] {
            assert_eq!(proxy(&variables, url).as_deref(), expected, "{variables:?} {url}");
        }
        let socks = proxies(&[("all_proxy", "socks5://me:secret@p:1080")]);
        let error = socks.for_url(&"http://a.example".parse().unwrap()).unwrap_err();
        assert!(error.contains("p:1080") && !error.contains("secret"), "{error}");
        assert!(!format!("{socks:?}").contains("secret"));
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        for (without, url, direct) in [
            ("*", "http://a.example", true),
            ("example", "http://a.example", true),
            (".example", "http://a.example", true),
            (".a.example", "http://a.example", true),
            ("ample", "http://a.example", false),
            ("b.example, A.Example", "http://a.example", true),
            ("b.example a.example", "http://a.example", true),
            ("a.example", "http://a.example.", true),
            ("a.example:80", "http://a.example", false),
            ("10.1.2.3", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/16", "http://10.1.2.3", false),
            ("0.0.0.0/0", "http://10.1.2.3", true),
            ("10.0.0.0/33", "http://10.1.2.3", false),
            ("fe80::/10", "http://[fe80::1]", true),
            ("[fe80::1]", "http://[fe80::1]", true),
            ("10.0.0.0/8", "http://[fe80::1]", false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let found = proxy(&[("all_proxy", "p:1"), (name, without)], url);
                assert_eq!(found.is_none(), direct, "{without} {url}");
            }
        }
    }
}
