//! The way from argocd-server's pods to the provider: the proxy that they are told to use, by the rules of Go's
//! HTTP client; the names that they are given an address for; and the policies of the network that hold for them.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{DeploymentSeen, EnvSeen};
use base::no_proxy::is_direct;

/// A proxy by which a server asks for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// The variable that says so.
    pub variable: &'static str,
    /// The proxy, without a user and a password.
    pub proxy: String,
    /// `NO_PROXY`, if there is one.
    pub no_proxy: Option<String>,
}

/// A policy of the network that holds for argocd-server's pods and restricts whom they reach.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Restricting {
    /// Its name.
    pub name: String,
    /// Whether it lets them reach nobody at all.
    pub nobody: bool,
}

/// The proxy by which the pods of `server` ask for `url`; nothing if they ask themselves, or a variable is not text.
pub fn proxied(server: &DeploymentSeen, url: &Url) -> Option<Proxied> {
    let text = |name: &str| match server.env.get(name)? {
        EnvSeen::Text(text) if !text.is_empty() => Some(text.text()),
        _ => None,
    };
    let variables = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy"],
        _ => ["HTTP_PROXY", "http_proxy"],
    };
    let (variable, proxy) = variables.into_iter().find_map(|name| Some((name, text(name)?)))?;
    let no_proxy = text("NO_PROXY").or_else(|| text("no_proxy"));
    if is_direct(url, no_proxy.as_deref().unwrap_or_default()) {
        return None;
    }
    let whole = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
    let proxy = match whole.parse::<Url>() {
        Ok(mut address) => {
            let _ = address.set_username("");
            let _ = address.set_password(None);
            address.as_str().trim_end_matches('/').to_owned()
        }
        Err(_) => "something that is no address".to_owned(),
    };
    Some(Proxied { variable, proxy, no_proxy })
}

/// Whether a proxy may be set that was not seen: by a ConfigMap or a Secret.
pub fn may_be_unseen(server: &DeploymentSeen) -> bool {
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    let elsewhere = |name: &str| server.env.get(name).is_some_and(|it| !matches!(it, EnvSeen::Text(_)));
    server.env_from || names.into_iter().any(elsewhere)
}

/// The policies that hold for pods with these labels and restrict whom they reach.
pub fn restricting(policies: &[NetworkPolicy], server: &DeploymentSeen) -> Vec<Restricting> {
    let restricts = |policy: &NetworkPolicy| {
        let spec = policy.spec.as_ref()?;
        let selector = spec.pod_selector.as_ref();
        let labels = selector.and_then(|it| it.match_labels.as_ref());
        let mut wanted = labels.into_iter().flatten();
        let selected = selector.is_none_or(|it| it.match_expressions.as_ref().is_none_or(Vec::is_empty))
            && wanted.all(|(name, value)| server.labels.get(name) == Some(value));
        let types = spec.policy_types.as_deref().unwrap_or_default();
        let of_egress = types.iter().any(|it| it == "Egress") || (types.is_empty() && spec.egress.is_some());
        // A rule without a word lets everything through.
        let open = spec.egress.iter().flatten().any(|rule| rule.to.is_none() && rule.ports.is_none());
        (selected && of_egress && !open).then(|| Restricting {
            name: policy.metadata.name.clone().unwrap_or_default(),
            nobody: spec.egress.as_ref().is_none_or(Vec::is_empty),
        })
    };
    policies.iter().filter_map(restricts).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hidden::Hidden;

    fn server(env: &[(&str, &str)]) -> DeploymentSeen {
        let text = |value: &str| EnvSeen::Text(Hidden::new(value));
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let labels = [("app.kubernetes.io/name".to_owned(), "argocd-server".to_owned())].into();
        DeploymentSeen { env, labels, ..DeploymentSeen::default() }
    }

    #[test]
    fn a_proxy_is_taken_as_go_takes_it() {
        let by = |url: &str, env: &[(&str, &str)]| proxied(&server(env), &url.parse().unwrap());
        let found = by("http://dex.host", &[("HTTP_PROXY", "http://me:hunter2@proxy:3128/")]).unwrap();
        assert_eq!((found.variable, found.proxy.as_str()), ("HTTP_PROXY", "http://proxy:3128"));
        assert_eq!(
            by("https://dex.host", &[("https_proxy", "proxy:3128")]).unwrap().proxy,
            "http://proxy:3128"
        );
        assert_eq!(by("https://dex.host", &[("HTTP_PROXY", "proxy")]), None);
        assert_eq!(by("http://127.0.0.1:5556", &[("HTTP_PROXY", "proxy")]), None);
        for (host, no_proxy, exempt) in [
            ("dex.host", "", false),
            ("dex.host", "*", true),
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
            ("11.1.2.3", "10.0.0.0/8", false),
            ("dex.host", "10.0.0.0/8", false),
        ] {
            let url = format!("http://{host}/x");
            let found = by(&url, &[("HTTP_PROXY", "proxy"), ("NO_PROXY", no_proxy)]);
            assert_eq!(found.is_none(), exempt, "{host} {no_proxy}");
        }
    }

    #[test]
    fn policies_that_hold_for_the_server_are_told_from_others() {
        let policy = |name: &str, spec: serde_json::Value| -> NetworkPolicy {
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
        };
        let all = [
            policy("deny", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
            policy(
                "dns",
                json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "argocd-server"}},
                                 "egress": [{"ports": [{"port": 53}]}]}),
            ),
            policy(
                "others",
                json!({"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Egress"]}),
            ),
            policy("ingress", json!({"podSelector": {}, "ingress": []})),
            policy("open", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]})),
        ];
        let found = restricting(&all, &server(&[]));
        let found: Vec<(&str, bool)> = found.iter().map(|it| (it.name.as_str(), it.nobody)).collect();
        assert_eq!(found, [("deny", true), ("dns", false)]);
    }
}
