//! `pods/NAME/proxy` and `services/NAME/proxy`: a request passed on to a pod.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use serde_json::Value;

use crate::client::connect;
use crate::endpoints::{LISTENING, addresses, container_port, listening};
use crate::serve::{Response, end_to_end};
use crate::store::Key;
use crate::store::object::{self, items, text};

use super::call::Call;
use super::status::Refusal;

/// How long a pod may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a pod's answer may be: as long as a log.
const ANSWER: usize = 16 * 1024 * 1024;

/// Passes a request on.
pub async fn forward(call: &Call<'_>, body: &mut Option<Incoming>) -> Result<Response, Refusal> {
    let (scheme, name, port) = split(call.name())?;
    let address = match call.kind.resource.id().as_str() {
        "pods" => of_pod(call, name, port)?,
        "services" => of_service(call, name, port)?,
        _ => return Err(Refusal::no_such_path()),
    };
    if scheme == "https" {
        return Err(unreachable("the lab reaches its pods by plain HTTP only"));
    }
    let query = call.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let body = body.take().ok_or_else(|| Refusal::internal("the body has been read"))?;
    let rest = if call.target.rest.is_empty() { "/" } else { &call.target.rest };
    let uri: Uri =
        format!("{rest}{query}").parse().map_err(|_| Refusal::bad_request("the path cannot be passed on"))?;
    let mut request = http::Request::new(body);
    *request.method_mut() = call.parts.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = end_to_end(&call.parts.headers);
    // The token is for the API, and only for it.
    request.headers_mut().remove(AUTHORIZATION);
    if let Ok(host) = HeaderValue::from_str(&address.to_string()) {
        request.headers_mut().insert(HOST, host);
    }
    let mut sender = match tokio::time::timeout(CONNECT, connect(address)).await {
        Ok(connected) => connected.map_err(|error| unreachable(&error.to_string()))?,
        Err(_) => return Err(unreachable(&format!("dial tcp {address}: i/o timeout"))),
    };
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error.to_string()))?;
    let (mut head, body) = response.into_parts();
    // One that says beforehand that it is too long is not begun.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|length| length > ANSWER) {
        return Err(unreachable(&format!("the answer is longer than {ANSWER} bytes")));
    }
    head.headers = end_to_end(&head.headers);
    Ok(Response::from_parts(head, Limited::new(body, ANSWER).map_err(io::Error::other).boxed()))
}

/// Streams into pods are not there; where a pod listens can be said all the same.
pub fn no_stream(call: &Call<'_>, what: &str) -> Result<Response, Refusal> {
    let pod = call.found()?;
    let listening = object::annotation(&pod, LISTENING).unwrap_or("{}");
    Err(match what {
        "portforward" => Refusal::not_in_the_lab(
            "port-forward",
            &format!("this machine reaches the pod without it, its ports are {listening}"),
        ),
        what => {
            Refusal::not_in_the_lab(what, "the pod is a task of the lab or its child process: read its log")
        }
    })
}

fn unreachable(why: &str) -> Refusal {
    Refusal::unavailable(format!("error trying to reach service: {why}"))
}

/// `[SCHEME:]NAME[:PORT]`.
fn split(asked: &str) -> Result<(&str, &str, &str), Refusal> {
    let parts: Vec<&str> = asked.split(':').collect();
    match parts.as_slice() {
        [name] => Ok(("", name, "")),
        [name, port] => Ok(("", name, port)),
        [scheme @ ("http" | "https" | ""), name, port] => Ok((scheme, name, port)),
        _ => Err(Refusal::bad_request(format!("invalid pod request {asked:?}"))),
    }
}

fn of_pod(call: &Call<'_>, name: &str, port: &str) -> Result<SocketAddr, Refusal> {
    let pod = call.named(name)?;
    let containers = || items(&pod["spec"]["containers"]);
    let number = match port {
        "" => containers().find_map(|it| object::port(&it["ports"][0]["containerPort"])),
        port => container_port(containers(), &port.into()),
    };
    let number = number.ok_or_else(|| Refusal::unavailable(format!("no port {port:?} in pod {name:?}")))?;
    let address = listening(&pod).get(&number).copied();
    address.ok_or_else(|| {
        let ip = text(&pod["status"]["podIP"]);
        unreachable(&format!("dial tcp {ip}:{number}: connect: connection refused"))
    })
}

fn of_service(call: &Call<'_>, name: &str, port: &str) -> Result<SocketAddr, Refusal> {
    let namespace = call.target.namespace.as_deref().unwrap_or_default();
    let service = call.named(name)?;
    let number = port.parse::<u64>().ok();
    let is_wanted = |it: &&Value| {
        port.is_empty() || it["name"] == port || number.is_some_and(|number| it["port"] == number)
    };
    let wanted = items(&service["spec"]["ports"]).find(is_wanted).ok_or_else(|| {
        Refusal::unavailable(format!("no service port {port:?} found for service {name:?}"))
    })?;
    let endpoints = call.api.store.get(&Key::new("endpoints", namespace, name)).unwrap_or_default();
    addresses(&endpoints, &wanted["name"])
        .first()
        .copied()
        .ok_or_else(|| Refusal::unavailable(format!("no endpoints available for service {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_scheme_and_port() {
        assert_eq!(split("a").unwrap(), ("", "a", ""));
        assert_eq!(split("a:80").unwrap(), ("", "a", "80"));
        assert_eq!(split("http:a:80").unwrap(), ("http", "a", "80"));
        assert_eq!(split("https:a:").unwrap(), ("https", "a", ""));
        assert!(split("ftp:a:80").is_err());
        assert!(split("a:b:c:d").is_err());
    }
}
