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
    let mut observer = |event: &Event| {
        events.push(match event {
            Event::Waiting { step, .. } => format!("waiting at {step}"),
            Event::Answering { .. } => "answering".to_owned(),
            Event::Exchange { login, exchange } => format!("{} of {login}", exchange.step),
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
async fn each_exchange_is_told_as_soon_as_it_is_over_to_who_asks() {
    let fake = Fake::start();
    let mut options = fake.options();
    (options.logins, options.each_exchange) = (1, true);
    let (report, events) = series(&options).await;
    let mut told: Vec<String> =
        report.logins[0].exchanges.iter().map(|exchange| format!("{} of 1", exchange.step)).collect();
    told.push("finished 1".to_owned());
    assert_eq!(events, told);
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
            let all_down = down.clone();
            let fake = Fake::start()
                .answer(place, move |_, count| (count < 3).then(|| down.clone()))
                .answer("argocd.host/healthz", move |_, count| (count < 3).then(|| all_down.clone()));
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
        ("dex.host/auth", Reply::plain(500, "Internal Server Error")),
        ("dex.host/auth/local/login", Reply::plain(400, "no")),
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
async fn a_gateway_before_the_provider_is_waited_out_for_a_short_time() {
    for (place, step) in [("dex.host/auth", Step::Authorize), ("dex.host/auth/local/login", Step::Authorize)]
    {
        let fake = Fake::start().answer(place, |_, count| (count < 3).then(bad_gateway));
        let mut options = fake.options();
        options.logins = 2;
        options.startup_grace = Duration::from_secs(20);
        let (report, events) = series(&options).await;
        assert_eq!(report.verdict, Verdict::LoggedIn, "{place}: {:?}", report.failures());
        let waiting = format!("waiting at {step}");
        assert_eq!(events, [waiting.as_str(), "answering", "finished 1", "finished 2"], "{place}");
    }
    // Nobody's own answer was met, however well Argo CD is.
    let fake = Fake::start().always("dex.host/auth", bad_gateway());
    let mut options = fake.options();
    options.logins = 20;
    options.startup_grace = Duration::from_millis(300);
    let (report, events) = series(&options).await;
    assert_eq!((report.verdict, report.failed()), (Verdict::Unreachable, 20));
    assert_eq!(events.iter().filter(|event| event.starts_with("waiting")).count(), 1);
}

#[tokio::test]
async fn who_met_nobodys_answer_was_not_refused() {
    for (place, reply, verdict, cause) in [
        ("dex.host/auth", Reply::close(), Verdict::Unreachable, Cause::ConnectionClosed),
        ("dex.host/auth", Reply::hang(), Verdict::Unreachable, Cause::Timeout),
        ("dex.host/auth/local/login", bad_gateway(), Verdict::Unreachable, Cause::FrontWithoutBackend),
        ("argocd.host/auth/login", bad_gateway(), Verdict::Unreachable, Cause::FrontWithoutBackend),
        ("argocd.host/auth/login", Reply::hang(), Verdict::Unreachable, Cause::Timeout),
        // Argo CD's own words about its provider, and words of the provider's own.
        (
            "argocd.host/auth/login",
            Reply::plain(500, "failed to query provider \"http://dex.host\": 503 Service Unavailable\n"),
            Verdict::Refused,
            Cause::ProviderBadGateway,
        ),
        ("dex.host/auth", Reply::plain(500, "Internal Server Error"), Verdict::Refused, Cause::Unknown),
    ] {
        let fake = Fake::start().always(place, reply);
        let mut options = fake.options();
        (options.logins, options.timeout) = (2, Duration::from_millis(500));
        let (report, _) = series(&options).await;
        let group = &report.failures()[0];
        assert_eq!((report.verdict, group.answer), (verdict, cause), "{place}: {group:?}");
    }
    // One login that ended on an answer decides.
    let fake = Fake::start()
        .answer("dex.host/auth", |_, count| (count > 0).then(bad_gateway))
        .invalid_client(|_| true);
    let mut options = fake.options();
    options.logins = 3;
    assert_eq!(series(&options).await.0.verdict, Verdict::Refused);
}

#[tokio::test]
async fn a_callback_that_is_too_large_for_the_proxy_is_no_restart() {
    let too_large = |page: &'static str| {
        Fake::start()
            .answer("argocd.host/auth/callback", |_, _| Some(bad_gateway()))
            .always("argocd.host/healthz", Reply::plain(200, page))
    };
    let fake = too_large("ok");
    let mut options = fake.options();
    options.logins = 2;
    options.startup_grace = Duration::from_secs(20);
    let start = Instant::now();
    let (report, events) = series(&options).await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let group = &report.failures()[0];
    assert_eq!((report.verdict, group.count, group.status), (Verdict::Refused, 2, Some(502)));
    assert_eq!((group.answer, group.cause), (Cause::TokenTooLarge, Some(probe::CauseId::TokenTooLarge)));
    assert_eq!((events, report.waited), (vec!["finished 1".into(), "finished 2".into()], Duration::ZERO));
    let callbacks = fake.seen().into_iter().filter(|request| request.path() == "/auth/callback");
    assert_eq!(callbacks.count(), 4, "each login is tried a second time");

    // A restart that is over by the time that /healthz is asked.
    let fake = Fake::start()
        .answer("argocd.host/auth/callback", |_, count| (count == 0).then(bad_gateway))
        .always("argocd.host/healthz", Reply::plain(200, "ok"));
    let mut options = fake.options();
    options.startup_grace = Duration::from_secs(20);
    assert_eq!(series(&options).await.0.verdict, Verdict::LoggedIn);

    // One of several that is down is met by others as well.
    let fake = Fake::start()
        .always("argocd.host/auth/callback", bad_gateway())
        .answer("argocd.host/healthz", |_, count| {
            Some(if count % 2 == 0 { Reply::plain(200, "ok") } else { bad_gateway() })
        });
    let mut options = fake.options();
    options.startup_grace = Duration::from_millis(300);
    let (report, _) = series(&options).await;
    assert_eq!(report.verdict, Verdict::Unreachable);
    assert_eq!(report.failures()[0].answer, Cause::FrontWithoutBackend);
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
