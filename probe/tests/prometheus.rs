//! A real Prometheus scrapes `probe serve`, and its promtool reads the metrics. Without the two (Debian: the package
//! `prometheus`) each of these tests is reported as ignored.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use support::exporter::{Exporter, modules};
use support::{Fake, Reply};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let there = |program| Command::new(program).arg("--version").stderr(Stdio::null()).output().is_ok();
    let ignored = !(there("promtool") && there("prometheus"));
    if ignored {
        eprintln!("skipped: no prometheus and promtool on PATH");
    }
    let test = |name: &str, run: fn()| {
        let run = move || {
            run();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let trials = vec![
        test("promtool_finds_no_fault_with_the_metrics", promtool_finds_no_fault_with_the_metrics),
        test("prometheus_scrapes_logins_that_pass_and_fail", prometheus_scrapes_logins_that_pass_and_fail),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn promtool_finds_no_fault_with_the_metrics() {
    let passing = Fake::start();
    let failing = Fake::start().answer("dex.host/auth", |_, _| Some(Reply::plain(429, "slower")));
    for fake in [passing, failing] {
        let exporter = Exporter::start(&modules(&fake, &[fake.url()], ""));
        for text in [exporter.probe(&fake.url()).body, exporter.get("/metrics").body] {
            assert!(text.contains("# HELP probe_"), "{text}");
            let mut promtool = Command::new("promtool");
            promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped());
            let mut promtool = promtool.spawn().unwrap();
            promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let output = promtool.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
        }
    }
}

fn prometheus_scrapes_logins_that_pass_and_fail() {
    let fake = Fake::start().invalid_client(|count| count >= 1);
    let exporter = Exporter::start(&modules(&fake, &[fake.url()], "    interval: 1s\n"));
    let prometheus = Prometheus::start(&exporter, &fake.url());
    prometheus.wait_for("probe_success", &|value, _| value == "1");
    prometheus.wait_for("probe_success", &|value, _| value == "0");
    prometheus.wait_for("probe_login_failure_info", &|value, labels| {
        let label = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
        let found = ["step", "answer", "cause", "instance"].map(label);
        value == "1" && found == ["callback", "invalid-client", "stale-argocd", "http://argocd.host"]
    });
    prometheus
        .wait_for("probe_logins_total", &|value, labels| labels["outcome"] == "refused" && value != "0");
    prometheus.wait_for("probe_login_hop_duration_seconds_bucket", &|_, labels| labels["le"] == "0.005");
    prometheus.wait_for("probe_exporter_scrapes_total", &|value, labels| {
        labels["result"] == "login" && value != "0"
    });
    prometheus.wait_for("up", &|value, labels| value == "1" && labels["job"] == "argocd-logins");
}

/// A Prometheus of a folder of its own that scrapes an exporter.
struct Prometheus {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(exporter: &Exporter, target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        // The sample of docs/monitor.md, with a target and an exporter of here.
        let sample = include_str!("../../docs/monitor.md");
        let sample = sample.split("```yaml\n# prometheus.yml\n").nth(1).unwrap().split("```").next().unwrap();
        let sample = sample.replace("https://argocd.example.com", target);
        let sample = sample.replace("127.0.0.1:9977", &exporter.address.to_string());
        std::fs::write(
            &config,
            sample.replace("scrape_interval: 1m", "scrape_interval: 500ms\n    scrape_timeout: 400ms"),
        )
        .unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.args(["--web.listen-address=127.0.0.1:0", "--log.format=json"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        let address = lines.find_map(|line| {
            said += &format!("{line}\n");
            let line: Value = serde_json::from_str(&line).ok()?;
            (line["msg"] == "Listening on").then(|| line["address"].as_str().unwrap().to_owned())
        });
        let address = address.expect(&said);
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// Asks for a series until one of its values is as wanted.
    fn wait_for(&self, query: &str, is_wanted: &dyn Fn(&str, &Value) -> bool) {
        let begin = Instant::now();
        loop {
            let mut stream = TcpStream::connect(&self.address).unwrap();
            write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let body: Value =
                serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default();
            let results = body["data"]["result"].as_array().cloned().unwrap_or_default();
            let value = |result: &Value| result["value"][1].as_str().unwrap_or_default().to_owned();
            if results.iter().any(|result| is_wanted(&value(result), &result["metric"])) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{query}: {body:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
