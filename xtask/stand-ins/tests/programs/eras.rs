//! What each era of releases makes of settings that change under it. Nothing here
//! asks for a failure: Secrets are written, Dex is restarted, and people log in.

use crate::support::argocd::{ArgoCd, Login, OIDC_CONFIG, Outcome};
use crate::support::{Container, DEX_CONFIG, Place, SECRET};

const NEW: &str = "another-s3cret";

/// Releases by what they make of a changed secret: edges of the ranges.
const NEVER: &[&str] = &["v2.2.16", "v3.3.0", "v3.3.6"];
const RELOADS: &[&str] = &["v2.4.2", "v2.14.0", "v3.2.12", "v3.3.7", "v3.5.1"];
const BOTH_ANSWER: &[&str] = &["v2.4.3", "v2.13.9"];

/// The client secret in Argo CD's Secret.
fn rotate(argocd: &ArgoCd, secret: &str) {
    argocd.secret("argocd-oidc", true, &[("clientSecret", secret)]);
}

/// Dex with another secret: its pod is new.
async fn restart(place: &Place, dex: Container, secret: &str) -> Container {
    dex.end().await;
    place.dex(DEX_CONFIG, secret)
}

/// Waits until the server has started once more in its process.
async fn restarted(argocd: &ArgoCd) {
    argocd.container().logged_times("serving on port", 2).await;
}

/// Each release, and what is seen of it when a secret has changed.
fn releases() -> impl Iterator<Item = (&'static str, Outcome)> {
    let all = |releases: &'static [&str], outcome| releases.iter().map(move |release| (*release, outcome));
    all(NEVER, Outcome::Refused)
        .chain(all(RELOADS, Outcome::LoggedIn))
        .chain(all(BOTH_ANSWER, Outcome::Mixed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret() {
    let place = Place::new().await;
    let (mut now, mut next) = (SECRET, NEW);
    let mut dex = place.dex(DEX_CONFIG, now);
    for (release, expected) in releases() {
        let mut argocd = ArgoCd::objects(&place).await;
        rotate(&argocd, now);
        argocd.run(&place, release);
        argocd.settled().await;
        assert!(Login::run(&place).await.passed(), "{release}");
        rotate(&argocd, next);
        if release != "v2.2.16" {
            restarted(&argocd).await;
        }
        dex = restart(&place, dex, next).await;
        expected.expect(&place, release).await;
        argocd.rollout(&place, release).await;
        assert!(Login::run(&place).await.passed(), "{release} after a rollout");
        argocd.container.take().unwrap().end().await;
        std::mem::swap(&mut now, &mut next);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_comes_after_the_server() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    for (release, expected) in releases() {
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.delete_secret("argocd-oidc");
        argocd.run(&place, release);
        argocd.settled().await;
        assert!(Login::run(&place).await.was_refused(), "{release} without the Secret");
        argocd.next_second().await;
        rotate(&argocd, SECRET);
        if release != "v2.2.16" {
            restarted(&argocd).await;
        }
        expected.expect(&place, release).await;
        argocd.rollout(&place, release).await;
        assert!(Login::run(&place).await.passed(), "{release} after a rollout");
        argocd.container.take().unwrap().end().await;
    }
}

/// Creation times are whole seconds, and an object counts as new only if it was
/// made after the server had read everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_of_the_same_second_is_never_noticed() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    argocd.delete_secret("argocd-oidc");
    loop {
        argocd.next_second().await;
        argocd.run(&place, "v3.5.1");
        argocd.ready().await;
        rotate(&argocd, SECRET);
        if argocd.created("argocd-oidc") == argocd.synced() {
            break;
        }
        // A slow machine: once more.
        argocd.container.take().unwrap().end().await;
        argocd.delete_secret("argocd-oidc");
    }
    Outcome::Refused.expect(&place, "").await;
    // Any later change is.
    argocd.secret("argocd-oidc", true, &[("clientSecret", SECRET), ("other", "key")]);
    restarted(&argocd).await;
    Outcome::LoggedIn.expect(&place, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_era_leaves_its_own_traces_in_the_log() {
    let place = Place::new().await;
    let traces = async |release: &str| {
        let argocd = ArgoCd::start(&place, release).await;
        rotate(&argocd, NEW);
        restarted(&argocd).await;
        let log = argocd.container().log();
        let modified = log.iter().position(|line| line.contains("oidc config modified. restarting")).unwrap();
        let after = |text: &str| log[modified..].iter().any(|line| line.contains(text));
        [
            after("Creating client app (argo-cd)"),
            after("Shut down requested"),
            after("shutdown initiated"),
            after("API Server received signal: GracefulRestartSignal"),
            after("use of closed network connection"),
        ]
    };
    assert_eq!(traces("v2.4.2").await, [true, true, false, false, true]);
    assert_eq!(traces("v2.12.1").await, [true, true, false, false, false]);
    assert_eq!(traces("v3.2.12").await, [true, false, true, true, true]);
    assert_eq!(traces("v3.3.6").await, [false, false, true, true, true]);
    assert_eq!(traces("v3.5.1").await, [true, false, true, true, true]);
}

/// The text of `oidc.config` is what the oldest releases compare.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_text_is_noticed_by_every_era() {
    for release in ["v2.2.16", "v2.4.2", "v3.2.12", "v3.5.1"] {
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let argocd = ArgoCd::start(&place, release).await;
        let _dex = restart(&place, dex, NEW).await;
        let config = OIDC_CONFIG.replace("$argocd-oidc:clientSecret", NEW);
        argocd.config_map(
            "argocd-cm",
            serde_json::json!({ "url": "http://argocd.host", "oidc.config": config }),
        );
        restarted(&argocd).await;
        Outcome::LoggedIn.expect(&place, release).await;
    }
}

/// Argo CD's settings watch looks at other things too, but not at these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_heals_nothing() {
    for (release, expected) in [("v3.3.0", Outcome::Refused), ("v2.12.1", Outcome::Mixed)] {
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let argocd = ArgoCd::start(&place, release).await;
        rotate(&argocd, NEW);
        restarted(&argocd).await;
        let _dex = restart(&place, dex, NEW).await;
        let touched =
            serde_json::json!({ "url": "http://argocd.host", "oidc.config": OIDC_CONFIG, "touched": "yes" });
        argocd.config_map("argocd-cm", touched);
        argocd.secret("cluster-one", false, &[("name", "one")]);
        argocd.delete_secret("cluster-one");
        expected.expect(&place, release).await;
        assert_eq!(argocd.container().count("serving on port"), 2, "{release}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_without_the_label_is_not_there() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    for release in ["v2.12.1", "v3.3.0", "v3.5.1"] {
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.secret("argocd-oidc", false, &[("clientSecret", SECRET)]);
        argocd.run(&place, release);
        argocd.ready().await;
        for _ in 0..2 {
            Outcome::Refused.expect(&place, release).await;
            argocd.rollout(&place, release).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_said_in_the_log() {
    for (release, words) in [
        ("v3.3.6", "config referenced '$argocd-oidc:clientSecret', but key does not exist in secret"),
        ("v3.5.1", "secret key does not exist in secret"),
    ] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.secret("argocd-oidc", true, &[("clientsecret", SECRET)]);
        argocd.run(&place, release);
        argocd.ready().await;
        Outcome::Refused.expect(&place, release).await;
        argocd.container().logged(words).await;
    }
    // One release says it although all is well, and no other does.
    for (release, says) in [("v3.3.0", true), ("v3.2.12", false), ("v3.3.1", false)] {
        let place = Place::new().await;
        let argocd = ArgoCd::start(&place, release).await;
        assert_eq!(argocd.container().count("key does not exist in secret") > 0, says, "{release}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newline_belongs_to_the_secret_only_in_dex() {
    for release in ["v2.12.1", "v3.3.0", "v3.5.1"] {
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        rotate(&argocd, &format!("{SECRET}\n"));
        argocd.run(&place, release);
        argocd.ready().await;
        Outcome::LoggedIn.expect(&place, release).await;
        let _dex = restart(&place, dex, &format!("{SECRET}\n")).await;
        Outcome::Refused.expect(&place, release).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_argocd_secret_is_as_good() {
    let keys = |secret: &'static str| {
        [
            ("admin.password", "$2a$10$hash"),
            ("admin.passwordMtime", "2026-01-01T00:00:00Z"),
            ("server.secretkey", "key-of-the-server"),
            ("oidc.dex.clientSecret", secret),
        ]
    };
    for (release, labelled, expected) in [
        ("v3.2.12", true, Outcome::LoggedIn),
        ("v3.2.12", false, Outcome::LoggedIn),
        ("v3.3.6", true, Outcome::Refused),
        ("v3.5.1", true, Outcome::LoggedIn),
        // From v3.5 a change of what carries no label goes unnoticed.
        ("v3.5.1", false, Outcome::Refused),
    ] {
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        let config = OIDC_CONFIG.replace("$argocd-oidc:clientSecret", "$oidc.dex.clientSecret");
        argocd.config_map(
            "argocd-cm",
            serde_json::json!({ "url": "http://argocd.host", "oidc.config": config }),
        );
        argocd.secret("argocd-secret", labelled, &keys(SECRET));
        argocd.run(&place, release);
        argocd.settled().await;
        Outcome::LoggedIn.expect(&place, release).await;
        argocd.secret("argocd-secret", labelled, &keys(NEW));
        if labelled || release != "v3.5.1" {
            restarted(&argocd).await;
        }
        let _dex = restart(&place, dex, NEW).await;
        expected.expect(&place, &format!("{release} labelled: {labelled}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_secret_goes_unnoticed_until_something_else_changes() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v3.5.1").await;
    argocd.delete_secret("argocd-oidc");
    Outcome::LoggedIn.expect(&place, "").await;
    argocd.secret("argocd-oidc-2", true, &[("clientSecret", SECRET)]);
    argocd.secret("argocd-oidc-2", true, &[("clientSecret", NEW)]);
    restarted(&argocd).await;
    Outcome::Refused.expect(&place, "").await;
}

/// A first rotation begins a restart that waits for an open request; a second one
/// in that time is told to nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_two_rotations_is_lost_while_a_stream_is_open() {
    for release in ["v3.2.12", "v3.5.1"] {
        let place = Place::new().await;
        let dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        // Settings that are read without the mark leave a line in the log.
        argocd.secret(
            "argocd-secret",
            true,
            &[
                ("admin.password", "x"),
                ("admin.passwordMtime", "x"),
                ("server.secretkey", "x"),
                ("webhook.gogs.secret", "$argocd-oidc:mark"),
            ],
        );
        argocd.secret("argocd-oidc", true, &[("clientSecret", SECRET), ("mark", "x")]);
        argocd.run(&place, release);
        argocd.settled().await;
        let stream = Login::run(&place).await.open_stream(&argocd).await;
        argocd.secret("argocd-oidc", true, &[("clientSecret", NEW), ("mark", "x")]);
        argocd.container().logged("shutdown initiated").await;
        assert_eq!(Login::run(&place).await.last().status, 502, "the port refuses");
        assert_eq!(argocd.container().count("key does not exist in secret"), 0);
        rotate(&argocd, "third");
        argocd.container().logged("key does not exist in secret").await;
        let _dex = restart(&place, dex, "third").await;
        drop(stream);
        restarted(&argocd).await;
        Outcome::Refused.expect(&place, release).await;
        argocd.rollout(&place, release).await;
        Outcome::LoggedIn.expect(&place, release).await;
    }
}

/// What a client sees whose connection outlives the listener: the server that
/// accepted it, cut off from its own API.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_to_v2_4_2_open_connections_stay_with_the_old_server() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v2.4.2").await;
    let mut kept = argocd.connect().await;
    assert_eq!(kept.get("/api/version").await.0, 200);
    rotate(&argocd, NEW);
    restarted(&argocd).await;
    let (status, body) = kept.get("/api/version").await;
    assert_eq!(
        (status, body.as_str()),
        (
            408,
            r#"{"error":"grpc: the client connection is closing","code":1,"message":"grpc: the client connection is closing"}"#
        )
    );
    assert_eq!(kept.get("/healthz").await, (200, "ok\n".into()));
    assert_eq!(kept.get("/auth/login").await.0, 303);
    let _dex = restart(&place, dex, NEW).await;
    Outcome::LoggedIn.expect(&place, "").await;
    assert_eq!(argocd.connect().await.get("/api/version").await.0, 200);
}

/// A watch that breaks is taken up again, and what it missed is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_while_the_cluster_is_away_is_noticed_later() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::start(&place, "v3.5.1").await;
    argocd.cluster.away().await;
    rotate(&argocd, NEW);
    let _dex = restart(&place, dex, NEW).await;
    Outcome::Refused.expect(&place, "").await;
    argocd.cluster.back().await;
    restarted(&argocd).await;
    Outcome::LoggedIn.expect(&place, "").await;
}
