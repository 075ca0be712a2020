//! The way to a component: ingress, Service, pods.
//!
//! New pods that are ready are not yet pods that are reached. What carries a request
//! (kube-proxy, ingress-nginx, Traefik) learns of them up to some seconds later, and leads
//! to pods that are gone until then. So a step that rolls something out ends only when the
//! whole way has answered, as a login would go it.

mod door;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::console::Running;
use base::{Error, Result};
use cluster::names::{
    ARGOCD_HOST, DEX_CONFIG, DEX_CONFIG_FILE, DEX_HOST, EXPORTER_HOST, Place, Scheme, Workload,
};
use cluster::{ClientSecret, Cluster};

pub use door::Door;

/// Answers that have to come in a row: of several workers or replicas each is met.
const ENOUGH: u32 = 3;
/// The longest that one answer is waited for. An address that is gone may never answer.
const ANSWER: Duration = Duration::from_secs(1);
/// The pause after an answer that was not the one.
const PAUSE: Duration = Duration::from_millis(50);
/// What a status line begins with, to the end of its number.
const STATUS: u64 = "HTTP/1.1 200".len() as u64;

/// A request that needs no login.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    service: &'static str,
    host: &'static str,
    path: String,
}

/// What is in front of a lab's components, and how long it may take to lead to them.
pub struct Front {
    /// Where the lab is.
    pub place: Place,
    /// The ingress.
    pub door: Door,
    /// The longest to wait.
    pub limit: Duration,
}

/// Waits until the ingress leads to a component's new pods, or says itself that there are
/// none. Redis has no way from outside.
///
/// # Errors
/// It did not within the limit, with what was seen last.
pub async fn wait(lab: &Front, cluster: &Cluster, workload: Workload, running: &Running<'_>) -> Result<()> {
    let Some(way) = way(cluster, workload).await? else { return Ok(()) };
    let Front { place, door, limit } = lab;
    let rollout = workload.rollout();
    let seen = Mutex::new(format!("Service {}/{} led to no new pods", rollout.namespace, way.service));
    let see = |what: String| {
        running.waiting(&format!("{}: {what}", door.url(way.host, &way.path)));
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = what;
    };
    let answered = async {
        let pods = cluster.wait_endpoints(way.service, rollout).await?;
        // Argo CD itself says of the Dex inside it that nobody is there.
        let place = if workload == Workload::DexServer { Place::Kind } else { *place };
        answers(door, &way, nobody(pods, place), see).await;
        Ok(())
    };
    let outcome = tokio::time::timeout(*limit, answered).await;
    outcome.unwrap_or_else(|_| {
        let (namespace, seen) = (rollout.namespace, seen.lock().unwrap_or_else(PoisonError::into_inner));
        Err(Error::environment(format!(
            "the way to {namespace}/{} by {} was not there after {} s: {seen}",
            rollout.name,
            door.url(way.host, &way.path),
            limit.as_secs()
        ))
        .hint(format!(
            "`cargo xtask kubectl -- -n {namespace} get ingress,endpoints,pods` shows where it leads"
        )))
    })
}

/// The command that asks the same, for a dry run: over https where there is the file of an
/// authority.
pub fn typed(workload: Workload, port: &str, ca: Option<&str>) -> Option<String> {
    let (host, path) = match workload {
        Workload::Argocd => (ARGOCD_HOST, HEALTH.to_owned()),
        Workload::Dex => (DEX_HOST, DISCOVERY.to_owned()),
        Workload::DexServer => (ARGOCD_HOST, format!("{INSIDE}{DISCOVERY}")),
        Workload::Exporter => {
            return Some(format!("curl http://{EXPORTER_HOST}:{port}{HEALTHY}    # until it is 200"));
        }
        Workload::Redis => return None,
    };
    let (scheme, ca) = (Scheme::of(ca.is_some()), ca.map_or(String::new(), |ca| format!("--cacert {ca} ")));
    Some(format!(
        "curl {ca}--connect-to {host}:{}:127.0.0.1:{port} {}{path}    # until nothing from 502 to 504",
        scheme.port(),
        scheme.url(host)
    ))
}

const HEALTH: &str = "/healthz";
const HEALTHY: &str = "/-/healthy";
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where the Dex inside Argo CD is.
const INSIDE: &str = "/api/dex";

async fn way(cluster: &Cluster, workload: Workload) -> Result<Option<Way>> {
    match workload {
        Workload::Argocd => {
            Ok(Some(Way { service: "argocd-server", host: ARGOCD_HOST, path: HEALTH.to_owned() }))
        }
        Workload::Dex => {
            let file = cluster.secret_key(DEX_CONFIG, DEX_CONFIG_FILE).await?.unwrap_or_default();
            let config: serde_json::Value = serde_yaml::from_slice(&file).unwrap_or_default();
            let issuer: Option<Url> = config["issuer"].as_str().and_then(|issuer| issuer.parse().ok());
            Ok(dex(issuer.as_ref()))
        }
        Workload::DexServer => {
            let path = format!("{INSIDE}{DISCOVERY}");
            Ok(Some(Way { service: "argocd-dex-server", host: ARGOCD_HOST, path }))
        }
        Workload::Exporter => {
            Ok(Some(Way { service: "argocd-logins-exporter", host: EXPORTER_HOST, path: HEALTHY.to_owned() }))
        }
        Workload::Redis => Ok(None),
    }
}

/// The way to Dex's discovery document, which is below its issuer. One that calls itself by a
/// name that is not ours is reached in a way that only its clients know.
fn dex(issuer: Option<&Url>) -> Option<Way> {
    let below = match issuer {
        Some(issuer) if issuer.host_str() != Some(DEX_HOST) => return None,
        Some(issuer) => issuer.path().trim_end_matches('/'),
        None => "",
    };
    Some(Way { service: "dex-host", host: DEX_HOST, path: format!("{below}{DISCOVERY}") })
}

/// The statuses by which a gateway says that nobody is there, if nobody is to be. The local
/// lab's looks at endpoints, so that it knows; one that sends to the Service's address only
/// sees that nobody takes the connection.
fn nobody(pods: usize, place: Place) -> Option<&'static [u16]> {
    match (pods, place) {
        (0, Place::Local) => Some(&[503]),
        (0, Place::Kind) => Some(&[502, 503, 504]),
        _ => None,
    }
}

/// Asks until enough answers in a row are the right ones; `see` hears of each other one.
/// Any that can only be the component's own is right, redirects and errors too. A 404 is
/// that of a gateway that does not know the host yet: the component knows the path.
async fn answers(door: &Door, way: &Way, nobody: Option<&[u16]>, see: impl Fn(String)) {
    let mut row = 0;
    while row < ENOUGH {
        let answer = tokio::time::timeout(ANSWER, ask(door, way)).await;
        let right = |status: &u16| match nobody {
            Some(wanted) => wanted.contains(status),
            None => !matches!(status, 404 | 502..=504),
        };
        let seen = match answer {
            Ok(Ok(status)) if right(&status) => {
                row += 1;
                continue;
            }
            Ok(Ok(status)) => format!("the answer was {status}"),
            Ok(Err(error)) => format!("no answer: {error}"),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        row = 0;
        see(seen);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until the Dex inside Argo CD takes a client secret: shown it by way of Argo CD, with
/// a code that nobody gave out, its token endpoint finds fault with the code.
///
/// # Errors
/// It did not within the limit, with what was seen last.
pub async fn dex_takes(
    door: &Door,
    secret: &ClientSecret,
    limit: Duration,
    running: &Running<'_>,
) -> Result<()> {
    let seen = Mutex::new("there was no answer".to_owned());
    let asking = async {
        loop {
            let answer = tokio::time::timeout(ANSWER, show(door, secret)).await;
            let what = match answer {
                Ok(Ok(answer)) if answer.contains("\"invalid_grant\"") => return,
                Ok(Ok(answer)) => answer.lines().next().unwrap_or_default().trim().to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
            };
            running.waiting(&format!("{}: {what}", door.url(ARGOCD_HOST, &format!("{INSIDE}/token"))));
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = what;
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(limit, asking).await.map_err(|_| {
        let (seconds, seen) = (limit.as_secs(), seen.lock().unwrap_or_else(PoisonError::into_inner));
        Error::environment(format!(
            "the Dex inside Argo CD did not take the client secret of the new server.secretkey within {seconds} s: {seen}"
        ))
        .hint("`cargo xtask kubectl -- -n argocd logs deploy/argocd-dex-server` shows what it says")
    })
}

/// The answer to a client secret with a code that nobody gave out.
async fn show(door: &Door, secret: &ClientSecret) -> std::io::Result<String> {
    // Nothing in it that a form would write otherwise.
    let form = format!(
        "grant_type=authorization_code&code=nobodys&client_id=argo-cd&client_secret={}",
        secret.reveal()
    );
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let more = format!("{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len());
    exchange(door, ARGOCD_HOST, &format!("POST {INSIDE}/token"), &more, 64 * 1024).await
}

/// The status of one answer.
async fn ask(door: &Door, way: &Way) -> std::io::Result<u16> {
    let line = exchange(door, way.host, &format!("GET {}", way.path), "\r\n", STATUS).await?;
    let status = line.rsplit(' ').next().and_then(|status| status.parse().ok());
    status.ok_or_else(|| std::io::Error::other("it is no HTTP"))
}

/// What comes back on a connection of its own, to so many bytes.
async fn exchange(
    door: &Door,
    host: &'static str,
    what: &str,
    more: &str,
    most: u64,
) -> std::io::Result<String> {
    let mut stream = door.connect(host).await?;
    let request = format!("{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = vec![];
    stream.take(most).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;

    /// A gateway that gives these answers, the last one for ever; 0 is none at all.
    async fn gateway(answers: &'static [u16]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut left = answers;
            let mut open = vec![];
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = left[0];
                left = if left.len() > 1 { &left[1..] } else { left };
                if answer > 0 {
                    let mut request = [0; 1024];
                    let length = stream.read(&mut request).await.unwrap();
                    let request = String::from_utf8_lossy(&request[..length]).into_owned();
                    assert!(
                        request.starts_with("GET /healthz HTTP/1.1\r\nHost: argocd.host\r\n"),
                        "{request}"
                    );
                    let text = format!("HTTP/1.1 {answer} x\r\ncontent-length: 0\r\n\r\n");
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
                open.push(stream);
            }
        });
        address
    }

    #[tokio::test]
    async fn a_way_is_there_when_only_the_component_can_have_answered_some_times_in_a_row() {
        let way = Way { service: "argocd-server", host: ARGOCD_HOST, path: HEALTH.into() };
        let none = nobody(0, Place::Local);
        for (given, nobody, seen) in [
            (&[200][..], None, vec![]),
            (&[307], None, vec![]),
            (&[500], None, vec![]),
            (&[503, 404, 200], None, vec!["the answer was 503", "the answer was 404"]),
            // One that got through is no way yet.
            (&[502, 200, 200, 504, 200], None, vec!["the answer was 502", "the answer was 504"]),
            (&[0, 200], None, vec!["no answer within 1 s"]),
            (&[200, 502, 503], none, vec!["the answer was 200", "the answer was 502"]),
        ] {
            let heard = Mutex::new(vec![]);
            let ingress = gateway(given).await;
            answers(&Door::plain(ingress), &way, nobody, |what| heard.lock().unwrap().push(what)).await;
            assert_eq!(*heard.lock().unwrap(), seen, "{given:?}");
        }
    }

    #[test]
    fn dex_is_asked_for_the_document_of_its_own_issuer() {
        let path = |issuer: &str| dex(Some(&issuer.parse().unwrap())).map(|way| way.path);
        assert_eq!(path("http://dex.host").unwrap(), DISCOVERY);
        assert_eq!(path("http://dex.host/dex/").unwrap(), format!("/dex{DISCOVERY}"));
        assert_eq!(path("https://login.example.com"), None);
        assert_eq!(dex(None).unwrap().path, DISCOVERY);
    }
}
