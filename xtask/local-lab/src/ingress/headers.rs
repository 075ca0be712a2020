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
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    let (address, scheme) = (text(&way.client.to_string()), text(way.scheme.as_str()));
    let id = client.get("x-request-id").cloned();
    // What a client may not claim, because the ingress says it.
    let ours = [
        ("x-request-id", Some(id.unwrap_or_else(|| text(&object::uid().replace('-', ""))))),
        ("x-real-ip", Some(address.clone())),
        ("x-forwarded-for", Some(address)),
        ("x-forwarded-host", Some(way.host.clone())),
        ("x-forwarded-port", Some(way.port.into())),
        ("x-forwarded-proto", Some(scheme.clone())),
        ("x-forwarded-scheme", Some(scheme.clone())),
        ("x-scheme", Some(scheme)),
        ("x-original-forwarded-for", client.get("x-forwarded-for").cloned()),
    ];
    let chunked = client.contains_key(TRANSFER_ENCODING);
    let dropped = |name: &HeaderName| {
        // `Proxy` would be HTTP_PROXY to a CGI program: nginx drops it for that reason.
        [HOST.as_str(), EXPECT.as_str(), "proxy"].contains(&name.as_str())
            || ours.iter().any(|(ours, _)| name == ours)
            // Of two lengths, the one that frames the message is true.
            || (chunked && name == CONTENT_LENGTH)
    };
    let passed = end_to_end(client);
    let passed =
        passed.iter().filter(|(name, _)| !dropped(name)).map(|(name, value)| (name.clone(), value.clone()));
    let said = ours.iter().filter_map(|(name, value)| Some((HeaderName::from_static(name), value.clone()?)));
    std::iter::once((HOST, way.host.clone())).chain(passed).chain(said).collect()
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
