//! Debian's Prometheus, beside a lab.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Ended, Lab, ports};
use crate::{alerts, root};

/// The longest that Prometheus may take to see something.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// One answer: its status and its body.
#[track_caller]
pub fn get(address: &str, path: &str) -> (u16, String) {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("{address}: {error}"));
    // With HTTP/1.0 the connection's end is the body's.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A Prometheus. Dropping it ends it.
struct Prometheus {
    process: Child,
    address: String,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// One with the configuration that the goal has shown, but that alerts do not wait.
    fn start(lab: &Lab, shown: &str) -> Self {
        let mut rules = alerts::rules();
        // What tells a mixture from an outage with an end is how long it lasts.
        for rule in alerts::each_mut(&mut rules).filter(|rule| rule["alert"] != "ArgocdLoginMixed") {
            rule["for"] = "0s".into();
        }
        let rules = lab.file("rules.yml", &rules.to_string());
        let mut config: Value = serde_yaml::from_str(shown).unwrap();
        config["rule_files"] = json!([rules]);
        config["global"]["evaluation_interval"] = "1s".into();
        let config = lab.file("prometheus.yml", &config.to_string());
        let data = lab.home().join("prometheus");
        let address = format!("127.0.0.1:{}", ports::free());
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args([&format!("--web.listen-address={address}"), "--log.level=error"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, address }
    }

    fn ask(&self, path: &str) -> Option<Value> {
        // It listens a moment after it has begun.
        TcpStream::connect(&self.address).ok()?;
        let (status, body) = get(&self.address, path);
        (status == 200).then(|| serde_json::from_str::<Value>(&body).unwrap()["data"].take())
    }

    /// The alerts that fire.
    fn alerts(&self) -> Option<Vec<Value>> {
        let alerts = self.ask("/api/v1/alerts")?;
        let firing = alerts["alerts"].as_array()?.iter().filter(|alert| alert["state"] == "firing");
        Some(firing.cloned().collect())
    }

    /// The value of a metric that has one series.
    fn value(&self, query: &str) -> Option<String> {
        let answer = self.ask(&format!("/api/v1/query?query={query}"))?;
        answer["result"][0]["value"][1].as_str().map(str::to_owned)
    }

    /// Waits until something is so, and gives it.
    #[track_caller]
    fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(since.elapsed() < LIMIT, "{what}: {:?} {:?}", self.value("probe_success"), self.alerts());
            std::thread::sleep(PAUSE);
        }
    }

    #[track_caller]
    fn until_well(&self) {
        let none = |it: &Self| it.alerts().is_some_and(|alerts| alerts.is_empty());
        self.until("all is well", |it| {
            (it.value("probe_success").as_deref() == Some("1") && none(it)).then_some(())
        });
    }
}

pub fn rules() {
    let folder = root().join("manifests/monitor");
    for args in [["check", "rules", "rules.yaml"], ["test", "rules", "rules.test.yaml"]] {
        let ended = Ended::of(Command::new("promtool").args(args).current_dir(&folder));
        assert!(ended.status == 0 && ended.stdout.contains("SUCCESS"), "{ended}");
    }
}

pub fn breaks_and_heals() {
    let lab = Lab::new();
    let document = lab.json(0, &["working", "monitor"]);
    let exporter = &document["goals"][1]["exporter"];
    let prometheus = Prometheus::start(&lab, exporter["prometheus"].as_str().unwrap());
    prometheus.until_well();

    lab.expect(0, &["break"]);
    let alert = prometheus.until("the alert fires", |it| {
        it.alerts()?.into_iter().find(|alert| alert["labels"]["alertname"] == "ArgocdLoginClientRefused")
    });
    let labels = &alert["labels"];
    assert_eq!(
        (&labels["instance"], &labels["step"]),
        (&exporter["target"], &json!("callback")),
        "{alert:#}"
    );
    assert_eq!((&labels["answer"], &labels["cause"]), (&json!("invalid-client"), &json!("stale-argocd")));
    let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
    assert!(runbook.ends_with("/docs/causes.md#stale-argocd"), "{runbook}");

    // What it is told from is right by form, and tells no secret.
    let address = exporter["address"].as_str().unwrap();
    let secrets =
        [lab.secret("dex", "dex-clients", "argo-cd"), lab.secret("argocd", "argocd-oidc", "clientSecret")];
    for path in ["/probe?target=http://argocd.host", "/metrics"] {
        let (status, text) = get(address, path);
        assert_eq!(status, 200, "{text}");
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        let file = lab.file("metrics", &text);
        let checked = Ended::of(
            Command::new("promtool").args(["check", "metrics"]).stdin(std::fs::File::open(file).unwrap()),
        );
        assert!(checked.status == 0 && checked.both().is_empty(), "{path}: {checked}\n{text}");
    }

    lab.expect(0, &["fix"]);
    prometheus.until_well();
}
