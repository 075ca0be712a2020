//! What only the real programs can show. They are given by the environment:
//! `LAB_ARGOCD_BINS`, a folder of `argocd-vX.Y.Z`, and `LAB_DEX_BIN`, a Dex. Without them
//! each of these tests is reported as ignored.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

#[path = "support/cli.rs"]
mod cli;
mod support;

use std::path::Path;
use std::process::{Command, ExitCode};

use cli::Cli;
use libtest_mimic::{Arguments, Trial};
use releases::Release;
use serde_json::{Value, json};
use support::programs::{EACH_ERA, Real, measured};
use support::{Ended, Lab, processes_of};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each brings up labs of several processes.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let real = Real::of_environment();
    if real.is_none() {
        eprintln!("skipped: LAB_ARGOCD_BINS and LAB_DEX_BIN name no real programs");
    }
    let releases = match &real {
        Some(real) => real.releases(),
        None => EACH_ERA.map(|name| Release::parse(name).unwrap()).to_vec(),
    };
    let newest = releases.last().cloned().unwrap_or_default();
    let mut trials: Vec<Trial> = releases
        .into_iter()
        .map(|release| {
            let real = real.clone();
            Trial::test(format!("stories_and_first_start_of_{release}"), move || {
                stories(&real.unwrap(), &release);
                Ok(())
            })
        })
        .collect();
    let releases: Vec<(Release, &str)> = ["v2.12.1", "v3.3.6", "v3.3.7", "v3.5.1"]
        .into_iter()
        .zip(["mixed", "refused", "logged-in", "logged-in"])
        .filter_map(|(name, verdict)| Some((Release::parse(name).ok()?, verdict)))
        .filter(|(release, _)| real.as_ref().is_none_or(|real| real.argocd(release).exists()))
        .collect();
    trials.extend(releases.into_iter().map(|(release, verdict)| {
        let real = real.clone();
        Trial::test(format!("stories_of_the_dex_inside_{release}"), move || {
            inside(&real.unwrap(), &release, verdict);
            Ok(())
        })
    }));
    let others: [(&str, Test); 7] = [
        ("the_second_of_two_rotations_is_lost", second_rotation),
        ("the_stand_ins_answer_as_the_real_programs", compared),
        ("one_real_program_and_one_stand_in_log_in", mixed_labs),
        ("a_killed_lab_leaves_no_process", killed),
        ("nothing_of_the_lab_is_in_an_argv", arguments_of_processes),
        ("the_cli_logs_in_and_fails_as_the_catalogue_says", command_line),
        ("logs_reach_kubectl_and_the_doctor_finds_the_cause", logs_and_doctor),
    ];
    trials.extend(others.map(|(name, test)| {
        let (real, newest) = (real.clone(), newest.clone());
        Trial::test(name, move || {
            test(&real.unwrap(), &newest);
            Ok(())
        })
    }));
    let ignored = real.is_none();
    let trials = trials.into_iter().map(|trial| trial.with_ignored_flag(ignored)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What is looked at of the newest release.
type Test = fn(&Real, &Release);

fn stories(real: &Real, release: &Release) {
    let lab = Lab::new();
    let mut command = lab.command(&["--format", "json", "--dex-bin"]);
    command.arg(&real.dex).args(["matrix", "--argocd-bins"]).arg(&real.folder).arg(release.to_string());
    let ended = Ended::of(&mut command);
    assert_eq!(ended.status, 0, "{ended}");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let row = &document["goals"][0]["releases"][0];
    assert_eq!((&row["kind"], &row["dex"]["kind"]), (&json!("real"), &json!("real")), "{row:#}");
    assert_eq!(row["version"], release.to_string());
    assert_eq!((&row["working"], &row["fix"]), (&json!("logged-in"), &json!("logged-in")), "{row:#}");
    if let Some(verdict) = measured(release.era()) {
        assert_eq!((&row["break"], &row["broken"]), (&json!(verdict), &json!(verdict)), "{row:#}");
    }
    let lost = ["v3.2.7..v3.2.9", "v3.3.1..v3.3.7"].iter().any(|range| within(range, release));
    let first_start = if lost { "refused" } else { "logged-in" };
    assert_eq!(row["first_start"], first_start, "{row:#}");
}

/// The Dex inside Argo CD, which is a program of Argo CD's that runs the real one.
fn inside(real: &Real, release: &Release, expected: &str) {
    let lab = Lab::new();
    let ended = real.expect(0, &lab, release, &["--provider", "bundled", "--format", "json", "reproduce"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&document["dex"]["kind"], &document["argocd"]["kind"]), (&json!("real"), &json!("real")));
    let rows = document["goals"][0]["stories"].as_array().unwrap();
    let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["logged-in", expected, "logged-in", expected, "logged-in"], "{release}");
    // A machine has one place for its configuration, and nothing of it stays there.
    let other = Lab::new();
    let ended = real.expect(3, &other, release, &["--provider", "bundled", "--wait", "60", "working"]);
    assert!(ended.error().contains("another lab on this machine has a real Dex inside Argo CD"), "{ended}");
    assert!(!Path::new("/tmp/dex.yaml").exists());
}

fn within(range: &str, release: &Release) -> bool {
    let (first, last) = range.split_once("..").unwrap();
    (&Release::parse(first).unwrap()..=&Release::parse(last).unwrap()).contains(&release)
}

fn second_rotation(real: &Real, release: &Release) {
    let lab = Lab::new();
    real.expect(0, &lab, release, &["working", "break", "--fault", "rotate-twice"]);
    let ended = lab.expect(1, &["test"]);
    assert!(ended.stdout.contains("refused at callback: 0 of "), "{ended}");
    let doctor = lab.json(1, &["doctor"]);
    assert_eq!(doctor["goals"][0]["findings"][0]["id"], "stale-argocd", "{doctor:#}");
    lab.expect(0, &["fix", "test"]);
}

fn compared(real: &Real, release: &Release) {
    let lab = Lab::new();
    let ended = real.expect(0, &lab, release, &["compare"]);
    assert!(ended.stdout.contains(" differences, ") && ended.stdout.contains(", 0 without"), "{ended}");
}

fn mixed_labs(real: &Real, release: &Release) {
    let lab = Lab::new();
    let run = |option: &str, path: &Path| {
        let mut command = lab.command(&["--format", "json", option]);
        let ended = Ended::of(command.arg(path).args(["working", "test"]));
        assert_eq!(ended.status, 0, "{ended}");
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        [&document["argocd"]["kind"], &document["dex"]["kind"]].map(|kind| kind.as_str().unwrap().to_owned())
    };
    assert_eq!(run("--argocd-bin", &real.argocd(release)), ["real", "stand-in"]);
    lab.expect(0, &["down"]);
    assert_eq!(run("--dex-bin", &real.dex), ["stand-in", "real"]);
}

fn killed(real: &Real, release: &Release) {
    let lab = Lab::new();
    let real = real.linked(&lab, release);
    real.expect(0, &lab, release, &["working"]);
    let running = || [processes_of(&real.argocd(release)), processes_of(&real.dex)].concat();
    assert_eq!(running().len(), 2);
    let status = Command::new("kill").args(["-KILL", &lab.pid().to_string()]).status().unwrap();
    assert!(status.success());
    while !running().is_empty() {
        std::thread::yield_now();
    }
}

fn arguments_of_processes(real: &Real, release: &Release) {
    let lab = Lab::new();
    let real = real.linked(&lab, release);
    real.expect(0, &lab, release, &["working"]);
    let pids = [processes_of(&real.argocd(release)), processes_of(&real.dex)].concat();
    let arguments = pids.iter().map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap());
    let said = String::from_utf8_lossy(&arguments.collect::<Vec<_>>().concat()).into_owned();
    let folder = lab.path().display().to_string();
    let secrets = [
        lab.secret("argocd", "argocd-oidc", "clientSecret"),
        lab.secret("argocd", "argocd-secret", "server.secretkey"),
        folder,
    ];
    for secret in secrets {
        assert!(!secret.is_empty() && !said.contains(&secret), "{said}");
    }
}

fn logs_and_doctor(real: &Real, release: &Release) {
    let lab = Lab::new();
    real.expect(0, &lab, release, &["working"]);
    assert_eq!(lab.expect(0, &["doctor"]).status, 0);
    let logs = lab.kubectl(&["-n", "argocd", "logs", "deploy/argocd-server"]);
    assert!(logs.stdout.contains(&format!("argocd {release}")), "{logs}");
    real.expect(0, &lab, release, &["break", "--fault", "secret-mismatch"]);
    let doctor = lab.json(1, &["doctor"]);
    assert_eq!(doctor["goals"][0]["findings"][0]["id"], "secret-mismatch", "{doctor:#}");
}

/// `argocd login --sso` of the release itself. It listens on port 8085 of this machine.
fn command_line(real: &Real, release: &Release) {
    const PASSED: &str = "'admin@example.com' logged in successfully";
    let lab = Lab::new();
    real.expect(0, &lab, release, &["working"]);
    let cli = Cli::of(&lab, &real.argocd(release));
    let (ended, page) = cli.login();
    assert!(ended.status == 0 && ended.stdout.contains(PASSED), "{ended}");
    assert!(page.text().contains("Authentication successful"), "{}", page.text());
    let info = cli.user_info();
    assert!(info.stdout.contains("Logged In: true"), "{info}");
    for (fault, says) in [
        ("cli-redirect-uri", "Unregistered redirect_uri"),
        ("cli-no-client", "oauth2: \"invalid_client\" \"Invalid client credentials.\""),
        ("cli-client-type", "oauth2: \"invalid_client\" \"Invalid client credentials.\""),
        ("cli-client-id", "Invalid client_id"),
        ("cli-audience", "Authentication successful"),
    ] {
        real.expect(0, &lab, release, &["break", "--fault", fault]);
        let (ended, page) = cli.login();
        // The page of the command has its words as HTML.
        let page = page.text().replace("&#34;", "\"");
        assert!(page.contains(says), "{fault}: {page}\n{ended}");
        assert_eq!(ended.status == 0, fault == "cli-audience", "{fault}: {ended}");
        if ended.status == 0 {
            assert!(ended.stdout.contains(PASSED), "{fault}: {ended}");
            let info = cli.user_info();
            assert!(info.stdout.contains("Logged In: false"), "{fault}: {info}");
        }
        lab.expect(0, &["test", "fix"]);
    }
    let (ended, _) = cli.login();
    assert_eq!(ended.status, 0, "{ended}");
}
