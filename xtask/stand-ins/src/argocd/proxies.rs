//! Proxies, as Go takes them from a pod's environment (golang.org/x/net/http/httpproxy).

use std::collections::BTreeMap;

use base::no_proxy::is_direct;
use url::Url;

/// Which requests go through which proxy. Cheap enough to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    /// `NO_PROXY`.
    without: String,
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
        Self {
            http: proxy("HTTP_PROXY"),
            https: proxy("HTTPS_PROXY"),
            without: get("NO_PROXY").cloned().unwrap_or_default(),
        }
    }

    /// The proxy for a URL. Loopback is never asked through one.
    pub(super) fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !is_direct(url, &self.without))
    }
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
