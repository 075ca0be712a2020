//! The headers that ingress-nginx changes on the way to a server.

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::Scheme;

use local_cluster::serve::end_to_end;
use local_cluster::store::object;

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
    let chunked = client.contains_key(TRANSFER_ENCODING);
    let mut headers = HeaderMap::with_capacity(client.len() + OURS.len());
    headers.insert(HOST, way.host.clone());
    for (name, value) in &end_to_end(client) {
        // `Proxy` would be HTTP_PROXY to a CGI program: nginx drops it for that reason.
        let dropped = name == HOST
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
}
