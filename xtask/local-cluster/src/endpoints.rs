//! Reading Endpoints.

use std::net::SocketAddr;

use serde_json::Value;

/// All ready addresses.
pub(crate) fn all(endpoints: &Value) -> impl Iterator<Item = SocketAddr> {
    let subsets = endpoints["subsets"].as_array().into_iter().flatten();
    let names = subsets.flat_map(|it| it["ports"].as_array().into_iter().flatten().map(|it| &it["name"]));
    names.flat_map(|name| addresses(endpoints, name))
}

/// The ready addresses behind a Service's port of this name (`null` if it has none).
pub fn addresses(endpoints: &Value, port: &Value) -> Vec<SocketAddr> {
    let mut found = vec![];
    for subset in endpoints["subsets"].as_array().into_iter().flatten() {
        for port in subset["ports"].as_array().into_iter().flatten().filter(|it| it["name"] == *port) {
            let Some(number) = port["port"].as_u64().and_then(|it| u16::try_from(it).ok()) else { continue };
            for address in subset["addresses"].as_array().into_iter().flatten() {
                if let Some(ip) = address["ip"].as_str().and_then(|ip| ip.parse().ok()) {
                    found.push(SocketAddr::new(ip, number));
                }
            }
        }
    }
    found
}
