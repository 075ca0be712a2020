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
    /// How long the container has to stop after a failed liveness probe, if the probe says.
    pub(super) grace: Option<Duration>,
}

#[derive(Clone, Debug)]
enum Action {
    Http {
        port: Port,
        path: String,
        headers: Vec<(HeaderName, HeaderValue)>,
    },
    Tcp {
        port: Port,
    },
    /// What cannot be asked in this lab; the probe fails with these words.
    Impossible(&'static str),
}

#[derive(Clone, Debug)]
enum Port {
    Number(u16),
    Name(String),
}

/// Where a container's ports really are.
pub(super) struct Ports<'a> {
    pub(super) container: &'a Value,
    pub(super) listening: &'a BTreeMap<u16, SocketAddr>,
}

impl Ports<'_> {
    fn find(&self, port: &Port) -> Result<SocketAddr, String> {
        let number = match port {
            Port::Number(number) => *number,
            Port::Name(name) => {
                let ports = self.container["ports"].as_array().into_iter().flatten();
                let named = ports
                    .filter(|it| it["name"] == name.as_str())
                    .find_map(|it| number(&it["containerPort"]));
                named.ok_or_else(|| format!("couldn't find port: {name}"))?
            }
        };
        // A port that the container does not declare is nowhere: as if nobody listened.
        let nobody = || format!("dial tcp {}:{number}: connect: connection refused", Ipv4Addr::LOCALHOST);
        self.listening.get(&number).copied().ok_or_else(nobody)
    }
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|number| u16::try_from(number).ok())
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
            grace: probe["terminationGracePeriodSeconds"].as_u64().map(Duration::from_secs),
        })
    }

    /// Asks once; the error is the kubelet's text for the event.
    pub(super) async fn ask(&self, ports: &Ports<'_>) -> Result<(), String> {
        let (port, http) = match &self.action {
            Action::Http { port, path, headers } => (port, Some((path, headers))),
            Action::Tcp { port } => (port, None),
            Action::Impossible(why) => return Err((*why).to_owned()),
        };
        let address = ports.find(port)?;
        let url = http.map(|(path, _)| format!("http://{address}{path}"));
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
        let port = |value: &Value| match value {
            Value::String(name) => name.parse().map_or_else(|_| Port::Name(name.clone()), Port::Number),
            value => Port::Number(number(value).unwrap_or(0)),
        };
        if let http @ Value::Object(_) = &probe["httpGet"] {
            if http["scheme"].as_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
                return Self::Impossible(
                    "this lab asks probes over http only (hint: let the server speak plain http)",
                );
            }
            let path = http["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("/");
            let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
            let headers = http["httpHeaders"].as_array().into_iter().flatten().filter_map(|header| {
                let name = HeaderName::try_from(header["name"].as_str()?).ok()?;
                Some((name, HeaderValue::from_str(header["value"].as_str()?).ok()?))
            });
            return Self::Http { port: port(&http["port"]), path, headers: headers.collect() };
        }
        if let tcp @ Value::Object(_) = &probe["tcpSocket"] {
            return Self::Tcp { port: port(&tcp["port"]) };
        }
        if probe["exec"].is_object() {
            return Self::Impossible("this lab cannot run commands inside containers");
        }
        Self::Impossible("this lab knows the probes httpGet and tcpSocket only")
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
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = connection => match ended {
            // The answer, if there is one, is known right after.
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
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
