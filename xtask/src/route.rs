//! The way to a component: ingress, Service, pods.
//!
//! New pods that are ready are not yet pods that are reached. What carries a request
//! (kube-proxy, ingress-nginx, Traefik) learns of them up to some seconds later, and leads
//! to pods that are gone until then. So a step that rolls something out ends only when the
//! whole way has answered, as a login would go it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::mutex::lock;
use probe::Options;
use probe::http::{Answer, Connections, Request};
use url::Url;

use crate::console::Running;
use base::{Error, Result};
use cluster::names::{
    ARGOCD_HOST, DEX_CONFIG, DEX_CONFIG_FILE, DEX_HOST, EXPORTER_HOST, Place, Scheme, Workload,
};
use cluster::{ClientSecret, Cluster};

/// Answers that have to come in a row: of several workers or replicas each is met.
const ENOUGH: u32 = 3;
/// The longest that one answer is waited for. An address that is gone may never answer.
const ANSWER: Duration = Duration::from_secs(1);
/// The pause after an answer that was not the one.
const PAUSE: Duration = Duration::from_millis(50);

/// A request that needs no login.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    service: &'static str,
    url: String,
}

/// What is in front of a lab's components, and how long it may take to lead to them.
pub struct Front {
    /// Where the lab is.
    pub place: Place,
    /// How a login gets to its ingress.
    pub options: Options,
    /// What it is spoken to by.
    pub scheme: Scheme,
    /// The longest to wait.
    pub limit: Duration,
}

/// Waits until the ingress leads to a component's new pods, or says itself that there are
/// none. Redis has no way from outside.
///
/// # Errors
/// It did not within the limit, with what was seen last.
pub async fn wait(lab: &Front, cluster: &Cluster, workload: Workload, running: &Running<'_>) -> Result<()> {
    let Some(way) = way(cluster, workload, lab.scheme).await? else { return Ok(()) };
    let Front { place, options, limit, .. } = lab;
    let (rollout, url) = (workload.rollout(), way.url.as_str());
    let seen =
        Seen::new(running, url, &format!("Service {}/{} led to no new pods", rollout.namespace, way.service));
    let answered = async {
        let pods = cluster.wait_endpoints(way.service, rollout).await?;
        // Argo CD itself says of the Dex inside it that nobody is there.
        let place = if workload == Workload::DexServer { Place::Kind } else { *place };
        answers(options, &way, nobody(pods, place), |what| seen.add(what)).await;
        Ok(())
    };
    tokio::time::timeout(*limit, answered).await.unwrap_or_else(|_| {
        let (namespace, seconds, seen) = (rollout.namespace, limit.as_secs(), seen.last());
        Err(Error::environment(format!(
            "the way to {namespace}/{} by {url} was not there after {seconds} s: {seen}",
            rollout.name
        ))
        .hint(format!(
            "`cargo xtask kubectl -- -n {namespace} get ingress,endpoints,pods` shows where it leads"
        )))
    })
}

/// What was seen last by a step that waits for an address, and says so.
struct Seen<'a> {
    running: &'a Running<'a>,
    url: &'a str,
    last: Mutex<String>,
}

impl<'a> Seen<'a> {
    fn new(running: &'a Running<'a>, url: &'a str, nothing: &str) -> Self {
        Self { running, url, last: Mutex::new(nothing.to_owned()) }
    }

    fn add(&self, what: String) {
        self.running.waiting(&format!("{}: {what}", self.url));
        *lock(&self.last) = what;
    }

    fn last(self) -> String {
        self.last.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The command that asks the same, for a dry run: over https where there is the file of an
/// authority.
pub fn typed(workload: Workload, port: &str, ca: Option<&str>) -> Option<String> {
    let (_, host, path) = asked(workload, None)?;
    if workload == Workload::Exporter {
        return Some(format!("curl http://{host}:{port}{path}    # until it is 200"));
    }
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

/// The Service of a component, and what is asked of it: a host and a path. Dex's discovery document is below its
/// issuer; one that calls itself by a name that is not ours is reached in a way that only its clients know.
fn asked(workload: Workload, issuer: Option<&Url>) -> Option<(&'static str, &'static str, String)> {
    Some(match workload {
        Workload::Argocd => ("argocd-server", ARGOCD_HOST, HEALTH.to_owned()),
        Workload::Dex => {
            let below = match issuer {
                Some(issuer) if issuer.host_str() != Some(DEX_HOST) => return None,
                Some(issuer) => issuer.path().trim_end_matches('/'),
                None => "",
            };
            ("dex-host", DEX_HOST, format!("{below}{DISCOVERY}"))
        }
        Workload::DexServer => ("argocd-dex-server", ARGOCD_HOST, format!("{INSIDE}{DISCOVERY}")),
        Workload::Exporter => ("argocd-logins-exporter", EXPORTER_HOST, HEALTHY.to_owned()),
        Workload::Redis => return None,
    })
}

async fn way(cluster: &Cluster, workload: Workload, scheme: Scheme) -> Result<Option<Way>> {
    let mut issuer: Option<Url> = None;
    if workload == Workload::Dex {
        let file = cluster.secret_key(DEX_CONFIG, DEX_CONFIG_FILE).await?.unwrap_or_default();
        let config: serde_json::Value = serde_yaml::from_slice(&file).unwrap_or_default();
        issuer = config["issuer"].as_str().and_then(|issuer| issuer.parse().ok());
    }
    // Prometheus asks the exporter by plain http, also where the lab is spoken to by https.
    let scheme = if workload == Workload::Exporter { Scheme::Http } else { scheme };
    let way = |(service, host, path)| Way { service, url: format!("{}{path}", scheme.url(host)) };
    Ok(asked(workload, issuer.as_ref()).map(way))
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
async fn answers(options: &Options, way: &Way, nobody: Option<&[u16]>, see: impl Fn(String)) {
    let right = |answer: &Answer| match nobody {
        Some(wanted) => wanted.contains(&answer.status),
        None => !matches!(answer.status, 404 | 502..=504),
    };
    until(ENOUGH, async || ask(options, &way.url, None, right).await, see).await;
}

/// Asks until so many answers in a row are right; `see` hears what each other one was.
async fn until(enough: u32, asking: impl AsyncFn() -> Result<(), String>, see: impl Fn(String)) {
    let mut row = 0;
    while row < enough {
        match asking().await {
            Ok(()) => row += 1,
            Err(seen) => {
                row = 0;
                see(seen);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Asks once, by a connection of its own, and with a form by POST. Says what came back where that is not right.
async fn ask(
    options: &Options,
    url: &str,
    form: Option<&str>,
    right: impl Fn(&Answer) -> bool,
) -> Result<(), String> {
    let url: Url = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    let request = Request { form, ..Request::get(&url, ANSWER) };
    let answer = Connections::new(options).send(request).await.map_err(|(why, _)| why.message())?;
    if right(&answer) { Ok(()) } else { Err(format!("the answer was {}", answer.status)) }
}

/// Waits until the Dex inside Argo CD takes a client secret: shown it by way of Argo CD, with
/// a code that nobody gave out, its token endpoint finds fault with the code.
///
/// # Errors
/// It did not within the limit, with what was seen last.
pub async fn dex_takes(lab: &Front, secret: &ClientSecret, running: &Running<'_>) -> Result<()> {
    let url = format!("{}{INSIDE}/token", lab.scheme.url(ARGOCD_HOST));
    let seen = Seen::new(running, &url, "there was no answer");
    // Nothing in it that a form would write otherwise.
    let form = format!(
        "grant_type=authorization_code&code=nobodys&client_id=argo-cd&client_secret={}",
        secret.reveal()
    );
    let right = |answer: &Answer| answer.text().contains("\"invalid_grant\"");
    let asking = async || ask(&lab.options, &url, Some(&form), right).await;
    let taken = tokio::time::timeout(lab.limit, until(1, asking, |what| seen.add(what))).await;
    taken.map_err(|_| {
        let (seconds, seen) = (lab.limit.as_secs(), seen.last());
        Error::environment(format!(
            "the Dex inside Argo CD did not take the client secret of the new server.secretkey within {seconds} s: {seen}"
        ))
        .hint("`cargo xtask kubectl -- -n argocd logs deploy/argocd-dex-server` shows what it says")
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use probe::{Password, Resolve};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
                    assert!(request.starts_with("GET /healthz HTTP/1.1\r\n"), "{request}");
                    assert!(request.contains("\r\nhost: argocd.host\r\n"), "{request}");
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
        let way = Way { service: "argocd-server", url: format!("http://{ARGOCD_HOST}{HEALTH}") };
        let none = nobody(0, Place::Local);
        for (given, nobody, seen) in [
            (&[200][..], None, vec![]),
            (&[307], None, vec![]),
            (&[500], None, vec![]),
            (&[503, 404, 200], None, vec!["the answer was 503", "the answer was 404"]),
            // One that got through is no way yet.
            (&[502, 200, 200, 504, 200], None, vec!["the answer was 502", "the answer was 504"]),
            (&[0, 200], None, vec!["no complete answer within 1 s"]),
            (&[200, 502, 503], none, vec!["the answer was 200", "the answer was 502"]),
        ] {
            let heard = Mutex::new(vec![]);
            let ingress = gateway(given).await;
            let mut options = Options::new(way.url.parse().unwrap(), "u", Password::new("p"));
            options.resolve = vec![Resolve::new("*", 80, ingress)];
            answers(&options, &way, nobody, |what| heard.lock().unwrap().push(what)).await;
            assert_eq!(*heard.lock().unwrap(), seen, "{given:?}");
        }
    }

    #[test]
    fn dex_is_asked_for_the_document_of_its_own_issuer() {
        let dex = |issuer: Option<&Url>| asked(Workload::Dex, issuer).map(|(.., path)| path);
        let path = |issuer: &str| dex(Some(&issuer.parse().unwrap()));
        assert_eq!(path("http://dex.host").unwrap(), DISCOVERY);
        assert_eq!(path("http://dex.host/dex/").unwrap(), format!("/dex{DISCOVERY}"));
        assert_eq!(path("https://login.example.com"), None);
        assert_eq!(dex(None).unwrap(), DISCOVERY);
    }
}
