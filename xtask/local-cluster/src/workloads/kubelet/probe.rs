//! Probes: how a container's health is asked for.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::store::object::{items, port, text};

/// A probe of a container, with its times.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    action: Action,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    /// How often in a row it must pass.
    pub(super) successes: u32,
    /// How often in a row it must fail.
    pub(super) failures: u32,
}

#[derive(Clone, Debug)]
enum Action {
    /// By HTTP, with a path and headers, or else by a mere connection; the port may be a name.
    Ask { port: Value, http: Option<(String, Vec<(HeaderName, HeaderValue)>)> },
    /// What cannot be asked in this lab; the probe fails with these words.
    Impossible(&'static str),
}

/// Where a container's ports really are.
pub(super) struct Ports<'a> {
    pub(super) container: &'a Value,
    pub(super) listening: &'a BTreeMap<u16, SocketAddr>,
}

impl Ports<'_> {
    fn find(&self, wanted: &Value) -> Result<SocketAddr, String> {
        let name = text(wanted);
        let named = || items(&self.container["ports"]).find(|it| it["name"] == name);
        let number = match name.parse().ok().or(port(wanted)) {
            Some(number) => Some(number),
            None => named().and_then(|it| port(&it["containerPort"])),
        };
        let number = number.ok_or_else(|| format!("couldn't find port: {name}"))?;
        // A port that the container does not declare is nowhere: as if nobody listened.
        let nobody = || format!("dial tcp {}:{number}: connect: connection refused", Ipv4Addr::LOCALHOST);
        self.listening.get(&number).copied().ok_or_else(nobody)
    }
}

impl Probe {
    /// The probe that a container's field (`readinessProbe` …) describes.
    pub(super) fn read(container: &Value, field: &str) -> Option<Self> {
        let probe = &container[field];
        if !probe.is_object() {
            return None;
        }
        let seconds = |key: &str, default: u64| {
            Duration::from_secs(probe[key].as_u64().filter(|it| *it > 0).unwrap_or(default))
        };
        let count = |key: &str, default: u32| {
            let count = probe[key].as_u64().and_then(|it| u32::try_from(it).ok());
            count.filter(|it| *it > 0).unwrap_or(default)
        };
        Some(Self {
            action: Action::read(probe),
            initial_delay: seconds("initialDelaySeconds", 0),
            period: seconds("periodSeconds", 10),
            timeout: seconds("timeoutSeconds", 1),
            successes: count("successThreshold", 1),
            failures: count("failureThreshold", 3),
        })
    }

    /// Asks once; the error is the kubelet's text for the event.
    pub(super) async fn ask(&self, ports: &Ports<'_>) -> Result<(), String> {
        let (port, http) = match &self.action {
            Action::Ask { port, http } => (port, http),
            Action::Impossible(why) => return Err((*why).to_owned()),
        };
        let address = ports.find(port)?;
        let url = http.as_ref().map(|(path, _)| format!("http://{address}{path}"));
        let asking = async {
            let stream = TcpStream::connect(address).await.map_err(|error| {
                let refused = format!("dial tcp {address}: connect: {}", words(&error));
                url.as_ref().map_or(refused.clone(), |url| format!("Get {url:?}: {refused}"))
            })?;
            match http {
                Some((path, headers)) => get(stream, address, path, headers).await,
                None => Ok(()),
            }
        };
        match tokio::time::timeout(self.timeout, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(match url {
                Some(url) => format!(
                    "Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                ),
                None => format!("dial tcp {address}: i/o timeout"),
            }),
        }
    }
}

impl Action {
    fn read(probe: &Value) -> Self {
        let (http, tcp) = (&probe["httpGet"], &probe["tcpSocket"]);
        if text(&http["scheme"]).eq_ignore_ascii_case("https") {
            let why = "this lab asks probes over http only (hint: let the server speak plain http)";
            Self::Impossible(why)
        } else if http.is_object() {
            let headers = items(&http["httpHeaders"]).filter_map(|header| {
                let name = HeaderName::try_from(text(&header["name"])).ok()?;
                Some((name, HeaderValue::from_str(text(&header["value"])).ok()?))
            });
            let path = format!("/{}", text(&http["path"]).trim_start_matches('/'));
            Self::Ask { port: http["port"].clone(), http: Some((path, headers.collect())) }
        } else if tcp.is_object() {
            Self::Ask { port: tcp["port"].clone(), http: None }
        } else if probe["exec"].is_object() {
            Self::Impossible("this lab cannot run commands inside containers")
        } else {
            Self::Impossible("this lab knows the probes httpGet and tcpSocket only")
        }
    }
}

/// A request on a connection of its own, as the kubelet sends it. A redirect is a
/// success, as any status from 200 to 399.
async fn get(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
    headers: &[(HeaderName, HeaderValue)],
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("Get \"http://{address}{path}\": {error}");
    let mut request = http::Request::get(path)
        .header(HOST, address.to_string())
        .header(USER_AGENT, "kube-probe/1.34")
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    for (name, value) in headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    // It ends with the answer, or when nobody waits for that any more.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    let answer = answer
        .map_err(|error| if error.is_incomplete_message() { failed(&"EOF") } else { failed(&error) })?;
    let status = answer.status().as_u16();
    if (200..400).contains(&status) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {status}"))
    }
}

/// The system's words for an error, without Rust's "(os error n)".
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        _ => error.to_string(),
    }
}
