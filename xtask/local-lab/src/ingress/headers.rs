//! The headers that ingress-nginx changes on the way to a server and back.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Scheme;

use local_cluster::store::object;

/// Headers of one connection, which no proxy passes on.
fn is_of_connection(name: &HeaderName, named: &[HeaderName]) -> bool {
    const THESE: [&str; 4] = ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"];
    [&CONNECTION, &TE, &TRAILER, &TRANSFER_ENCODING, &UPGRADE].contains(&name)
        || THESE.contains(&name.as_str())
        || named.contains(name)
}

/// The headers that `Connection` names.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let tokens = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    tokens.flat_map(|value| value.split(',')).filter_map(|token| token.trim().parse().ok()).collect()
}

/// What a request says about the way it came.
pub(super) struct Way<'a> {
    /// The client's address.
    pub(super) client: IpAddr,
    /// What it was sent by.
    pub(super) scheme: &'a Scheme,
    /// The host, as the client wrote it.
    pub(super) host: &'a HeaderValue,
    /// The port that the client meant.
    pub(super) port: u16,
}

/// The headers of a request on its way to a server: the client's in their order,
/// without those of its connection, then those of ingress-nginx.
pub(super) fn to_server(client: &HeaderMap, way: &Way<'_>) -> HeaderMap {
    // What a client may not claim, because the ingress says it.
    const OURS: [&str; 9] = [
        "x-request-id",
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-scheme",
        "x-scheme",
        "x-original-forwarded-for",
    ];
    let named = named(client);
    let chunked = client.contains_key(TRANSFER_ENCODING);
    let mut headers = HeaderMap::with_capacity(client.len() + OURS.len());
    headers.insert(HOST, way.host.clone());
    for (name, value) in client {
        // `Proxy` would be HTTP_PROXY to a CGI program: nginx drops it for that reason.
        let dropped = is_of_connection(name, &named)
            || name == HOST
            || name == EXPECT
            || name.as_str() == "proxy"
            || OURS.contains(&name.as_str())
            // Of two lengths, the one that frames the message is true.
            || (chunked && name == CONTENT_LENGTH);
        if !dropped {
            headers.append(name.clone(), value.clone());
        }
    }
    let mut set =
        |name: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    let address = text(&way.client.to_string());
    let scheme = text(way.scheme.as_str());
    let id = client.get("x-request-id").cloned();
    set("x-request-id", id.unwrap_or_else(|| text(&object::uid().replace('-', ""))));
    set("x-real-ip", address.clone());
    set("x-forwarded-for", address);
    set("x-forwarded-host", way.host.clone());
    set("x-forwarded-port", HeaderValue::from(way.port));
    set("x-forwarded-proto", scheme.clone());
    set("x-forwarded-scheme", scheme.clone());
    set("x-scheme", scheme);
    if let Some(claimed) = client.get("x-forwarded-for") {
        set("x-original-forwarded-for", claimed.clone());
    }
    headers
}

/// The headers of a response on its way to the client.
pub(super) fn to_client(server: &HeaderMap) -> HeaderMap {
    let named = named(server);
    let mut headers = HeaderMap::with_capacity(server.len());
    for (name, value) in server.iter().filter(|(name, _)| !is_of_connection(name, &named)) {
        headers.append(name.clone(), value.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_request_gets_the_headers_of_ingress_nginx() {
        let client = map(&[
            ("host", "a.b"),
            ("accept", "*/*"),
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("proxy", "evil"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-real-ip", "9.9.9.9"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("te", "gzip"),
            ("x-request-id", "mine"),
        ]);
        let host = HeaderValue::from_static("a.b");
        let headers = to_server(
            &client,
            &Way { client: [127, 0, 0, 1].into(), scheme: &Scheme::HTTP, host: &host, port: 80 },
        );
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(
            lines,
            [
                "host: a.b",
                "accept: */*",
                "cookie: a=1",
                "cookie: b=2",
                "x-request-id: mine",
                "x-real-ip: 127.0.0.1",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: a.b",
                "x-forwarded-port: 80",
                "x-forwarded-proto: http",
                "x-forwarded-scheme: http",
                "x-scheme: http",
                "x-original-forwarded-for: 9.9.9.9",
            ]
        );
    }

    #[test]
    fn a_response_loses_the_headers_of_its_connection_and_keeps_its_order() {
        let server = map(&[
            ("connection", "close, x-secret-hop"),
            ("date", "d"),
            ("x-secret-hop", "1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("transfer-encoding", "chunked"),
            ("location", "/x"),
        ]);
        let names: Vec<_> = to_client(&server).iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["date", "set-cookie", "set-cookie", "location"]);
    }
}
