//! Probes: how a container's health is asked for.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http_body_util::Empty;
use serde_json::Value;

use crate::client::connect;
use crate::endpoints::container_port;
use crate::store::object::{items, text};

/// A probe of a container, with its times.
pub(super) struct Probe<'a> {
    /// As it stands in the container.
    spec: &'a Value,
    container: &'a Value,
    /// Where the container's ports really are.
    listening: &'a BTreeMap<u16, SocketAddr>,
    pub(super) initial_delay: Duration,
    pub(super) period: Duration,
    pub(super) timeout: Duration,
    /// How often in a row it must pass.
    pub(super) successes: u64,
    /// How often in a row it must fail.
    pub(super) failures: u64,
}

impl<'a> Probe<'a> {
    /// The probe that a container's field (`readinessProbe` …) describes.
    pub(super) fn read(
        container: &'a Value,
        field: &str,
        listening: &'a BTreeMap<u16, SocketAddr>,
    ) -> Option<Self> {
        let spec = container.get(field).filter(|it| it.is_object())?;
        let number = |key: &str, default| spec[key].as_u64().filter(|it| *it > 0).unwrap_or(default);
        let seconds = |key: &str, default| Duration::from_secs(number(key, default));
        Some(Self {
            spec,
            container,
            listening,
            initial_delay: seconds("initialDelaySeconds", 0),
            period: seconds("periodSeconds", 10),
            timeout: seconds("timeoutSeconds", 1),
            successes: number("successThreshold", 1),
            failures: number("failureThreshold", 3),
        })
    }

    /// Asks once; the error is the kubelet's text for the event.
    pub(super) async fn ask(&self) -> Result<(), String> {
        let (http, tcp) = (&self.spec["httpGet"], &self.spec["tcpSocket"]);
        if text(&http["scheme"]).eq_ignore_ascii_case("https") {
            Err("this lab asks probes over http only (hint: let the server speak plain http)".into())
        } else if http.is_object() {
            self.get(self.address(&http["port"])?, http).await
        } else if tcp.is_object() {
            let address = self.address(&tcp["port"])?;
            match tokio::time::timeout(self.timeout, connect::<Empty<Bytes>>(address)).await {
                Ok(connected) => connected.map(drop).map_err(|error| error.to_string()),
                Err(_) => Err(format!("dial tcp {address}: i/o timeout")),
            }
        } else if self.spec["exec"].is_object() {
            Err("this lab cannot run commands inside containers".into())
        } else {
            Err("this lab knows the probes httpGet and tcpSocket only".into())
        }
    }

    /// Where a port is, which may be a name.
    fn address(&self, wanted: &Value) -> Result<SocketAddr, String> {
        let number = container_port([self.container], wanted)
            .ok_or_else(|| format!("couldn't find port: {}", text(wanted)))?;
        // A port that the container does not declare is nowhere: as if nobody listened.
        let nobody = || format!("dial tcp {}:{number}: connect: connection refused", Ipv4Addr::LOCALHOST);
        self.listening.get(&number).copied().ok_or_else(nobody)
    }

    /// A request on a connection of its own, as the kubelet sends it. A redirect is a
    /// success, as any status from 200 to 399.
    async fn get(&self, address: SocketAddr, spec: &Value) -> Result<(), String> {
        let path = format!("/{}", text(&spec["path"]).trim_start_matches('/'));
        let failed = |error: &dyn Display| format!("Get \"http://{address}{path}\": {error}");
        let mut request = http::Request::get(&path)
            .header(HOST, address.to_string())
            .header(USER_AGENT, "kube-probe/1.34")
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(&error))?;
        for header in items(&spec["httpHeaders"]) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(text(&header["name"])), HeaderValue::from_str(text(&header["value"])))
            {
                request.headers_mut().insert(name, value);
            }
        }
        let asking = async {
            let mut sender = connect(address).await.map_err(|error| failed(&error))?;
            let answer = sender.send_request(request).await;
            answer
                .map_err(|error| if error.is_incomplete_message() { failed(&"EOF") } else { failed(&error) })
        };
        let answer = tokio::time::timeout(self.timeout, asking).await.map_err(|_| {
            failed(&"context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        })??;
        match answer.status().as_u16() {
            200..400 => Ok(()),
            status => Err(format!("HTTP probe failed with statuscode: {status}")),
        }
    }
}
