//! Series of logins: how many, how fast, on which connections, and what is waited for.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use probe::{Cause, Event, Options, Report, Step, Verdict};
use support::{BAD_GATEWAY, Fake, INVALID_CLIENT, Reply};

async fn series(options: &Options) -> (Report, Vec<String>) {
    let mut events = Vec::new();
    let mut observer = |event: Event<'_>| {
        events.push(match event {
            Event::Waiting { step, .. } => format!("waiting at {step}"),
            Event::Answering { .. } => "answering".to_owned(),
            Event::Finished(login) => format!("finished {}", login.number),
        });
    };
    let report = probe::run(options, &mut observer, std::future::pending()).await;
    (report, events)
}

fn bad_gateway() -> Reply {
    Reply::new(502, "text/html", BAD_GATEWAY)
}

#[tokio::test]
async fn no_connection_serves_two_logins() {
    let fake = Fake::start();
    let mut options = fake.options();
    options.logins = 4;
    let (report, events) = series(&options).await;
    assert_eq!((report.verdict, report.ok()), (Verdict::LoggedIn, 4));
    assert_eq!(events, ["finished 1", "finished 2", "finished 3", "finished 4"]);
    let mut login = 0;
    let mut used_by: HashMap<usize, usize> = HashMap::new();
    for request in fake.seen() {
        login += usize::from(request.path() == "/api/v1/settings");
        assert_eq!(*used_by.entry(request.connection).or_insert(login), login, "{request:?}");
    }
    assert_eq!(login, 4);
}

#[tokio::test]
async fn no_cookie_goes_from_one_login_to_the_next() {
    let fake = Fake::start();
    let mut options = fake.options();
    options.logins = 3;
    series(&options).await;
    for request in fake.seen().iter().filter(|request| request.path() == "/api/v1/settings") {
        assert_eq!(request.header("cookie"), None);
    }
    let callbacks = fake.seen().into_iter().filter(|request| request.path() == "/auth/callback");
    assert_eq!(callbacks.filter(|request| request.cookie("argocd.token").is_none()).count(), 3);
}

#[tokio::test]
async fn runs_as_many_at_a_time_as_it_is_told() {
    // The first three logins meet here, and nobody goes on before all of them have come.
    let barrier = Arc::new(std::sync::Barrier::new(3));
    let fake = Fake::start().answer("argocd.host/auth/login", move |_, count| {
        if count < 3 {
            barrier.wait();
        }
        None
    });
    let mut options = fake.options();
    (options.logins, options.concurrency) = (9, 3);
    let (report, _) = series(&options).await;
    assert_eq!((report.verdict, report.ok()), (Verdict::LoggedIn, 9));
    assert_eq!(fake.most_open(), 3);
}

#[tokio::test]
async fn goes_on_while_all_logins_end_alike_and_no_further_than_told() {
    // The server that refuses has its turn at the eighth login.
    let fake = Fake::start().answer("argocd.host/auth/callback", |_, count| {
        (count >= 7).then(|| Reply::new(500, "text/plain; charset=utf-8", INVALID_CLIENT))
    });
    let mut options = fake.options();
    (options.logins, options.up_to) = (3, 20);
    let (report, _) = series(&options).await;
    assert_eq!((report.verdict, report.ok(), report.logins.len()), (Verdict::Mixed, 7, 8));

    let fake = Fake::start();
    let mut options = fake.options();
    (options.logins, options.up_to) = (3, 5);
    let (report, _) = series(&options).await;
    assert_eq!((report.verdict, report.logins.len()), (Verdict::LoggedIn, 5));
    let knocks = fake.seen().iter().filter(|request| request.path() == "/healthz").count();
    assert_eq!(knocks, 2 * 50, "before each of the two further logins others have their turn");
}

#[tokio::test]
async fn keeps_to_its_rate() {
    let fake = Fake::start();
    let mut options = fake.options();
    (options.logins, options.concurrency, options.rate) = (5, 5, Some(40.0));
    let start = Instant::now();
    let (report, _) = series(&options).await;
    assert_eq!(report.ok(), 5);
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn some_failures_make_it_mixed() {
    let fake = Fake::start().invalid_client(|count| count % 3 != 0);
    let mut options = fake.options();
    options.logins = 6;
    let (report, _) = series(&options).await;
    assert_eq!((report.verdict, report.ok(), report.failed()), (Verdict::Mixed, 2, 4));
    let groups = report.failures();
    assert_eq!((groups.len(), groups[0].count, groups[0].answer), (1, 4, Cause::InvalidClient));
    assert_eq!(report.example().map(|login| login.number), Some(2));
}

#[tokio::test]
async fn a_restart_of_argo_cd_is_waited_out_and_said() {
    for (place, step) in [
        ("argocd.host/api/v1/settings", Step::Settings),
        ("argocd.host/api/version", Step::Settings),
        ("argocd.host/auth/login", Step::Login),
        ("argocd.host/auth/callback", Step::Callback),
        ("argocd.host/api/v1/session/userinfo", Step::Userinfo),
    ] {
        for down in [bad_gateway(), Reply::new(503, "", ""), Reply::close()] {
            let fake = Fake::start().answer(place, move |_, count| (count < 3).then(|| down.clone()));
            let mut options = fake.options();
            options.logins = 2;
            options.startup_grace = Duration::from_secs(20);
            let (report, events) = series(&options).await;
            assert_eq!(report.verdict, Verdict::LoggedIn, "{place}: {:?}", report.failures());
            let waiting = format!("waiting at {step}");
            assert_eq!(events, [waiting.as_str(), "answering", "finished 1", "finished 2"], "{place}");
            assert_eq!((report.logins[0].restarts, report.logins[1].restarts), (3, 0));
            assert!(report.waited >= Duration::from_millis(200), "{:?}", report.waited);
            // Every try began from the start, with an empty jar.
            let tries = fake.seen().into_iter().filter(|request| request.path() == "/api/v1/settings");
            assert_eq!(tries.filter(|request| request.header("cookie").is_none()).count(), 5, "{place}");
        }
    }
}

#[tokio::test]
async fn waiting_has_a_limit_that_is_not_paid_by_each_login() {
    let fake = Fake::start().always("argocd.host/api/v1/settings", bad_gateway());
    let mut options = fake.options();
    options.logins = 50;
    options.startup_grace = Duration::from_millis(300);
    let start = Instant::now();
    let (report, events) = series(&options).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((report.verdict, report.failed()), (Verdict::Unreachable, 50));
    assert_eq!(events.iter().filter(|event| event.starts_with("waiting")).count(), 1);
    let group = &report.failures()[0];
    assert_eq!((group.status, group.answer, group.count), (Some(502), Cause::FrontWithoutBackend, 50));
}

#[tokio::test]
async fn a_login_that_was_answered_is_never_done_again() {
    for (place, reply) in [
        (
            "argocd.host/auth/login",
            Reply::plain(500, "failed to query provider \"http://dex.host\": 502 Bad Gateway\n"),
        ),
        ("argocd.host/auth/login", Reply::plain(404, "404 page not found\n")),
        ("argocd.host/auth/callback", support::invalid_client()),
        ("argocd.host/api/v1/session/userinfo", Reply::plain(401, "no session information\n")),
        // The provider is not Argo CD, whatever it says.
        ("dex.host/auth", bad_gateway()),
        ("dex.host/auth", Reply::close()),
        ("dex.host/auth/local/login", bad_gateway()),
    ] {
        let fake = Fake::start().always(place, reply);
        let mut options = fake.options();
        options.logins = 2;
        options.startup_grace = Duration::from_secs(20);
        let (report, events) = series(&options).await;
        assert_eq!((report.verdict, report.failed()), (Verdict::Refused, 2), "{place}");
        assert_eq!(events, ["finished 1", "finished 2"], "{place}");
        let tries = fake.seen().into_iter().filter(|request| request.path() == "/auth/login").count();
        assert_eq!((tries, report.waited), (2, Duration::ZERO), "{place}");
    }
}

#[tokio::test]
async fn a_login_has_a_time_limit_over_all_its_exchanges() {
    let fake = Fake::start().answer("dex.host/auth", |request, count| {
        std::thread::sleep(Duration::from_millis(60));
        Some(Reply::redirect(&format!("/auth?{count}&{}", request.query().len())))
    });
    let mut options = fake.options();
    options.login_timeout = Duration::from_millis(200);
    let login = probe::login(&options).await;
    let failure = login.outcome.unwrap_err();
    assert_eq!((failure.step, failure.cause), (Step::Authorize, Cause::Timeout));
    assert!(fake.seen().len() < 10);
}

#[tokio::test]
async fn a_cancelled_series_tells_of_what_was_done() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let (hanging, count) = (Arc::clone(&asked), AtomicUsize::new(0));
    let fake = Fake::start().answer("argocd.host/auth/login", move |_, _| {
        (count.fetch_add(1, Ordering::SeqCst) == 2).then(|| {
            hanging.notify_one();
            Reply::hang()
        })
    });
    let mut options = fake.options();
    options.logins = 100;
    let report = probe::run(&options, &mut |_| {}, asked.notified()).await;
    assert_eq!((report.asked, report.logins.len(), report.verdict), (100, 2, Verdict::LoggedIn));
}

#[tokio::test]
async fn nothing_that_is_kept_has_a_secret_in_it() {
    // A server that tells everything it knows, in its own words and in its headers.
    let tell = |request: &support::Request| {
        let said = format!(
            "no: {} cookie {} target {} token=abcdefg",
            support::PASSWORD,
            request.header("cookie").unwrap_or_default(),
            request.target
        );
        Some(Reply::plain(500, &said).header("X-Debug", &said).header("Location", &request.target))
    };
    let place = |path: &'static str| Fake::start().answer(path, move |request, _| tell(request));
    for fake in [
        Fake::start(),
        place("argocd.host/auth/callback"),
        place("argocd.host/api/v1/session/userinfo"),
        Fake::start().answer("dex.host/auth/local/login", move |request, _| {
            (request.method == "POST").then(|| tell(request)).flatten()
        }),
    ] {
        let mut options = fake.options();
        options.logins = 2;
        let (report, _) = series(&options).await;
        let mut kept = format!("{options:?}\n{report:#?}\n{}", serde_json::to_string(&report).unwrap());
        kept += &probe::summary::render(&report, probe::table::Style::default());
        for login in &report.logins {
            kept += &serde_json::to_string_pretty(login).unwrap();
            kept += &probe::table::render(login, probe::table::Style::default());
        }
        assert!(kept.contains("argocd.oauthstate"));
        let secrets = fake.secrets();
        assert!(secrets.len() > 4);
        for secret in secrets {
            assert!(!kept.contains(&secret), "{secret} is in\n{kept}");
        }
        assert!(!kept.contains("abcdefg"), "{kept}");
    }
}
