use super::*;
use crate::catalogue::Cause;

fn login(number: u32, ms: u64, outcome: Result<User, Failure>) -> Login {
    Login {
        number,
        outcome,
        started: Timestamp::UNIX_EPOCH,
        at: Duration::from_millis(u64::from(number)),
        time: Duration::from_millis(ms),
        waited: Duration::ZERO,
        restarts: 0,
        answered: true,
        exchanges: Vec::new(),
    }
}

fn passed() -> Result<User, Failure> {
    Ok(User {
        username: "admin@example.com".to_owned(),
        groups: Vec::new(),
        claims: Default::default(),
        may_look: None,
    })
}

fn failed(step: Step, status: u16, message: &str, cause: Cause) -> Result<User, Failure> {
    Err(Failure { step, status: Some(status), message: message.to_owned(), cause, restarting: false })
}

fn report(logins: Vec<Login>) -> Report {
    let asked = logins.len() as u32;
    Report::new(logins, asked, Duration::ZERO, Duration::from_secs(1))
}

#[test]
fn serialises_to_the_contract() {
    let invalid = "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"";
    let report = report(vec![
        login(2, 80, failed(Step::Callback, 500, invalid, Cause::InvalidClient)),
        login(1, 70, passed()),
        login(3, 90, failed(Step::Callback, 500, invalid, Cause::InvalidClient)),
    ]);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "verdict": "mixed",
            "logins": { "total": 3, "ok": 1, "failed": 2 },
            "failures": [{
                "step": "callback",
                "status": 500,
                "message": invalid,
                "count": 2,
                "cause": "stale-replica",
                "candidates": ["stale-replica"],
                "explanation": TWO_MINDS,
                "answer": "invalid-client",
            }],
            "latency_ms": { "min": 70.0, "median": 80.0, "p95": 90.0, "max": 90.0 },
            "waited_ms": 0.0,
        })
    );
    assert_eq!(report.logins.iter().map(|login| login.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(report.example().map(|login| login.number), Some(2));
}

#[test]
fn causes_that_look_alike_are_all_named_with_the_check_that_decides() {
    let report =
        report(vec![login(1, 80, failed(Step::Callback, 500, "invalid_client", Cause::InvalidClient))]);
    let failure = &serde_json::to_value(&report).unwrap()["failures"][0];
    assert!(failure["cause"].is_null());
    assert_eq!(failure["candidates"][0], "stale-argocd");
    assert_eq!(failure["candidates"][1], "secret-mismatch");
    assert!(failure["decides"].as_str().unwrap().contains("a code that nobody gave out"), "{failure}");
}

#[test]
fn failures_of_one_kind_are_counted_together() {
    let reset = |port: u16| format!("read tcp 10.0.0.1:{port}->10.0.0.2:80: connection reset");
    let report = report(vec![
        login(1, 1, failed(Step::Callback, 500, &reset(43210), Cause::Unknown)),
        login(2, 1, failed(Step::Login, 404, "404 page not found", Cause::SsoOff)),
        login(3, 1, failed(Step::Login, 403, "403 page not found", Cause::Unknown)),
        login(4, 1, failed(Step::Callback, 500, &reset(43212), Cause::Unknown)),
        login(5, 1, failed(Step::Login, 404, "404 page not found", Cause::SsoOff)),
        login(6, 1, failed(Step::Callback, 500, &reset(51), Cause::Unknown)),
        login(7, 1, failed(Step::Callback, 500, &reset(43213), Cause::Unknown)),
    ]);
    let counts: Vec<_> =
        report.failures().iter().map(|group| (group.step, group.status, group.count)).collect();
    assert_eq!(
        counts,
        [
            (Step::Callback, Some(500), 3),
            (Step::Login, Some(404), 2),
            (Step::Login, Some(403), 1),
            (Step::Callback, Some(500), 1),
        ]
    );
}

#[test]
fn percentiles_are_measured_values() {
    let of = |times: Vec<u64>| Latency::of(times.into_iter().map(Duration::from_millis).collect());
    let latency = |min, median, p95, max| Some(Latency { min, median, p95, max });
    assert_eq!(of(vec![]), None);
    assert_eq!(of(vec![7]), latency(7.0, 7.0, 7.0, 7.0));
    assert_eq!(of(vec![3, 1]), latency(1.0, 1.0, 3.0, 3.0));
    assert_eq!(of(vec![5, 1, 3]), latency(1.0, 3.0, 5.0, 5.0));
    assert_eq!(of((1..=100).rev().collect()), latency(1.0, 50.0, 95.0, 100.0));
    assert_eq!(of((1..=20).collect()), latency(1.0, 10.0, 19.0, 20.0));
}

#[test]
fn logins_that_nobody_answered_have_no_latency() {
    let mut silent = login(1, 5000, failed(Step::Login, 502, "502 Bad Gateway", Cause::FrontWithoutBackend));
    silent.answered = false;
    let report = report(vec![silent]);
    assert_eq!((report.verdict, report.latency()), (Verdict::Unreachable, None));
    assert!(serde_json::to_value(&report).unwrap()["latency_ms"].is_null());
}

#[test]
fn the_summary_says_it_all_in_a_few_lines() {
    let invalid = "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"";
    let mut report = report(vec![
        login(1, 70, passed()),
        login(2, 80, failed(Step::Callback, 500, invalid, Cause::InvalidClient)),
    ]);
    report.waited = Duration::from_millis(1240);
    report.logins[0].restarts = 3;
    report.asked = 5;
    insta::assert_snapshot!(crate::summary::render(&report, crate::table::Style::default()));
}

#[test]
fn a_report_shows_each_way_of_ending_before_the_rest() {
    let refused = |port| {
        failed(Step::Callback, 500, &format!("dial tcp 127.0.0.1:{port}: refused"), Cause::InvalidClient)
    };
    let report = report(vec![
        login(1, 70, passed()),
        login(2, 71, passed()),
        login(3, 80, refused(41_000)),
        login(4, 81, refused(42_000)),
        login(5, 90, failed(Step::Login, 404, "404 page not found", Cause::AccessDenied)),
    ]);
    let numbers = |most| report.shown(most).iter().map(|login| login.number).collect::<Vec<_>>();
    assert_eq!(numbers(50), [1, 3, 5, 2, 4]);
    assert_eq!(numbers(2), [1, 3]);
    let series: Vec<_> = report.series().iter().map(|it| (it.login, it.at_ms, it.ms, it.failure)).collect();
    assert_eq!(
        series,
        [
            (1, 1.0, 70.0, None),
            (2, 2.0, 71.0, None),
            (3, 3.0, 80.0, Some(0)),
            (4, 4.0, 81.0, Some(0)),
            (5, 5.0, 90.0, Some(1))
        ]
    );
}
