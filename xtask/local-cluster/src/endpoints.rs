//! Where pods and Services really are: every pod has the machine's loopback address, and ports of
//! its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use crate::store::object::{self, items, port, text};

/// The annotation on a pod that says where its container ports really listen, as JSON:
/// `{"8080":"127.0.0.1:41234"}`.
pub(crate) const LISTENING: &str = "oidc-lab/listening";

/// The container port that is meant by a number, or by the name that one of these containers
/// gives it.
pub(crate) fn container_port<'a>(
    containers: impl IntoIterator<Item = &'a Value>,
    wanted: &Value,
) -> Option<u16> {
    let name = text(wanted);
    port(wanted).or_else(|| name.parse().ok()).or_else(|| {
        let mut ports = containers.into_iter().flat_map(|it| items(&it["ports"]));
        ports.find(|it| it["name"] == name).and_then(|it| port(&it["containerPort"]))
    })
}

/// Where the pod's container ports really listen.
pub(crate) fn listening(pod: &Value) -> BTreeMap<u16, SocketAddr> {
    let text = object::annotation(pod, LISTENING).unwrap_or("{}");
    let ports: BTreeMap<String, SocketAddr> = serde_json::from_str(text).unwrap_or_default();
    ports.into_iter().filter_map(|(port, address)| Some((port.parse().ok()?, address))).collect()
}

/// All ready addresses.
pub(crate) fn all(endpoints: &Value) -> impl Iterator<Item = SocketAddr> {
    let names = items(&endpoints["subsets"]).flat_map(|it| items(&it["ports"]).map(|it| &it["name"]));
    names.flat_map(|name| addresses(endpoints, name))
}

/// The ready addresses behind a Service's port of this name (`null` if it has none).
pub fn addresses(endpoints: &Value, name: &Value) -> Vec<SocketAddr> {
    let mut found = vec![];
    for subset in items(&endpoints["subsets"]) {
        let named = items(&subset["ports"]).filter(|it| it["name"] == *name);
        for number in named.filter_map(|it| port(&it["port"])) {
            let ips = items(&subset["addresses"]).filter_map(|it| text(&it["ip"]).parse().ok());
            found.extend(ips.map(|ip| SocketAddr::new(ip, number)));
        }
    }
    found
}
