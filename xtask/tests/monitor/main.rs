//! The exporter on Kubernetes and in the lab: the kustomization by the real kubectl, its rules by promtool, and a real
//! Prometheus whose alert fires on `break` and resolves on `fix`. What needs a program that this machine does not have
//! is reported as ignored.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod alerts;
mod manifests;
mod prometheus;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use support::Lab;

/// A test by its name, with the programs that it needs.
type Test = (&'static str, &'static [&'static str], fn());

const TESTS: [Test; 10] = [
    ("the_goal_puts_an_exporter_into_the_lab", &[], in_the_lab),
    ("an_exporter_over_https_is_asked_by_plain_http", &[], over_tls),
    ("alerts_say_what_is_there", &[], alerts::say_what_is_there),
    ("the_operators_rules_are_prometheus_rules", &[], alerts::are_the_same_for_the_operator),
    ("kubectl_makes_the_kustomization", &["kubectl"], manifests::kustomized),
    ("a_cluster_takes_its_objects", &["kubectl"], manifests::taken_by_a_cluster),
    ("the_pages_own_kustomization_is_made", &["kubectl"], manifests::of_the_page),
    ("the_components_fit_what_they_watch", &["kubectl"], manifests::components),
    ("promtool_finds_nothing_in_the_rules", &["promtool"], prometheus::rules),
    (
        "a_broken_login_is_an_alert_until_it_is_fixed",
        &["prometheus", "promtool"],
        prometheus::breaks_and_heals,
    ),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Several bring up a lab.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let trials = TESTS.map(|(name, needs, test)| {
        let ignored = !needs.iter().all(|program| support::has(program, name));
        let trial = Trial::test(name, move || {
            test();
            Ok(())
        });
        trial.with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn in_the_lab() {
    let lab = Lab::new();
    let missing = lab.expect(3, &["monitor"]);
    assert!(missing.error().contains("no lab is up"), "{missing}");
    let document = lab.json(0, &["working", "monitor"]);
    let exporter = &document["goals"][1]["exporter"];
    let address = exporter["address"].as_str().unwrap();
    let pods = || lab.kubectl(&["-n", "monitor", "get", "pods", "-o", "name"]).stdout;
    let first = pods();
    // Asked twice it is the same, and another pod only where something is other.
    let again = lab.expect(0, &["monitor"]);
    assert!(again.stderr.contains("no NetworkPolicy, a kind that this lab's API does not have"), "{again}");
    assert!(
        again.stdout.starts_with("global: {") && again.stdout.contains("job_name: argocd-logins"),
        "{again}"
    );
    assert_eq!(pods(), first);
    let (status, text) = prometheus::get(address, "/probe?target=http://argocd.host");
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\nprobe_success 1\n"), "{text}");
    let status = lab.json(0, &["status"]);
    assert_eq!(&status["goals"][0]["exporter"], exporter);
    let shown = lab.expect(0, &["status"]);
    assert!(shown.stdout.contains(exporter["login"].as_str().unwrap()), "{shown}");
    lab.expect(0, &["down"]);
    assert!(std::net::TcpStream::connect(address.trim_start_matches("http://")).is_err(), "{address}");
    let refused = lab.expect(2, &["--lab", "local", "--probe-image", "probe:mine", "monitor"]);
    assert!(refused.error().contains("--probe-image is of the kind lab"), "{refused}");
}

fn over_tls() {
    let lab = Lab::new();
    let document = lab.json(0, &["--tls", "--provider", "bundled", "working", "monitor"]);
    let exporter = &document["goals"][1]["exporter"];
    assert_eq!(exporter["target"], "https://argocd.host");
    let (status, text) = prometheus::get(
        exporter["address"].as_str().unwrap(),
        "/probe?target=https://argocd.host&module=lab",
    );
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\nprobe_success 1\n"), "{text}");
    assert!(text.contains("probe_certificate_expiry_timestamp_seconds{server=\"argocd\"}"), "{text}");
}
