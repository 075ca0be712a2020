//! The first start on an argocd-secret that nobody has filled: the server fills it,
//! and what it had read before decides how it runs.

use crate::support::argocd::{ArgoCd, Login, Outcome};
use crate::support::{DEX_CONFIG, Place, SECRET};

async fn first_start(place: &Place, release: &str) -> ArgoCd {
    let mut argocd = ArgoCd::objects(place).await;
    argocd.secret("argocd-secret", true, &[]);
    argocd.run(place, release);
    argocd.settled().await;
    argocd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_fills_what_is_missing() {
    let place = Place::new().await;
    let argocd = first_start(&place, "v3.5.1").await;
    let value = |key| argocd.secret_value("argocd-secret", key).unwrap();
    assert!(
        bcrypt::verify(
            argocd.secret_value("argocd-initial-admin-secret", "password").unwrap(),
            &value("admin.password")
        )
        .unwrap()
    );
    assert!(value("admin.passwordMtime").parse::<jiff::Timestamp>().is_ok());
    assert_eq!(value("server.secretkey").len(), 44);
    let log = argocd.container().log().join("\n");
    for words in ["Initialized admin password", "Initialized server signature"] {
        assert!(log.contains(words), "{log}");
    }
    let password = argocd.secret_value("argocd-initial-admin-secret", "password").unwrap();
    assert!(!log.contains(&password) && !log.contains(&value("server.secretkey")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_that_read_the_secret_first_run_without_sso_afterwards() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    for (release, works) in [
        ("v2.12.1", true),
        ("v3.2.7", false),
        ("v3.2.12", true),
        ("v3.3.0", true),
        ("v3.3.1", false),
        ("v3.3.6", false),
        ("v3.3.7", false),
        ("v3.3.8", true),
        ("v3.5.1", true),
    ] {
        let argocd = first_start(&place, release).await;
        if works {
            Outcome::LoggedIn.expect(&place, release).await;
            continue;
        }
        argocd.container().logged("(url: , tls: false, namespace: argocd, sso: false)").await;
        let mut login = Login::run(&place).await;
        assert_eq!(
            (login.last().status, login.last().body.as_str()),
            (404, "404 page not found\n"),
            "{release}"
        );
        // The settings are there, and so is the button.
        login.get(&place, "settings", "http://argocd.host/api/v1/settings").await;
        assert!(login.last().body.contains(r#""oidcConfig":{"name":"Dex""#), "{login:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_change_makes_it_worse_and_a_rollout_heals() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = first_start(&place, "v3.3.6").await;
    argocd.secret("argocd-oidc", true, &[("clientSecret", SECRET), ("other", "key")]);
    argocd.container().logged_times("serving on port", 2).await;
    let login = Login::run(&place).await;
    assert_eq!(
        (login.last().status, login.last().body.as_str()),
        (
            500,
            "failed to query provider \"\": Get \"/.well-known/openid-configuration\": unsupported protocol scheme \"\"\n"
        )
    );
    argocd.rollout(&place, "v3.3.6").await;
    Outcome::LoggedIn.expect(&place, "").await;
}

/// A release that makes its client app anew with each run makes a good one then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_change_heals_those_that_make_the_client_app_anew() {
    for release in ["v3.2.7", "v3.3.7"] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let argocd = first_start(&place, release).await;
        assert_eq!(Login::run(&place).await.last().status, 404, "{release}");
        argocd.secret("argocd-oidc", true, &[("clientSecret", SECRET), ("other", "key")]);
        argocd.container().logged_times("serving on port", 2).await;
        Outcome::LoggedIn.expect(&place, release).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_objects_it_ends_at_once() {
    let place = Place::new().await;
    for (name, resource) in [("argocd-cm", "configmaps"), ("argocd-secret", "secrets")] {
        let mut argocd = ArgoCd::objects(&place).await;
        argocd.cluster.store.remove(&local_cluster::store::Key::new(resource, "argocd", name)).unwrap();
        argocd.run(&place, "v3.3.6");
        let exit = argocd.container.take().unwrap().task.await.unwrap();
        assert_eq!(exit.code, 20);
        assert!(exit.message.contains(name) && exit.message.contains("not found"), "{exit:?}");
    }
}
