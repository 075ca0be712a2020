//! The Dex inside Argo CD: who runs it, who leads to it, and what a changed key makes of it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::argocd::{ArgoCd, Login, OIDC_CONFIG, Outcome};
use crate::support::{Container, DEX_CONFIG, Place, SECRET, Spec};

const DEX: &str = "connectors: [{type: mockPassword, id: mock, name: Mock, config: {username: admin@example.com, password: password}}]";

/// argocd-dex of a release.
fn rundex(place: &Place, argocd: &ArgoCd, release: &str) -> Container {
    let spec = Spec {
        image: format!("{}:{release}", stand_ins::argocd::rundex::IMAGE),
        namespace: "argocd",
        args: vec!["rundex".into()],
        env: BTreeMap::from([("ARGOCD_DEX_SERVER_DISABLE_TLS".into(), "true".into())]),
        files: BTreeMap::new(),
        ports: vec![5556, 5557, 5558],
        cluster: argocd.cluster.access.clone(),
    };
    place.run(&stand_ins::argocd::rundex::program(), spec)
}

fn settings(argocd: &ArgoCd, oidc: &str, dex: &str) {
    argocd.config_map(
        "argocd-cm",
        json!({"url": "http://argocd.host", "oidc.config": oidc, "dex.config": dex}),
    );
}

fn key(argocd: &ArgoCd, key: &str) {
    let password = [("admin.password", "$2a$10$hash"), ("admin.passwordMtime", "2026-01-01T00:00:00Z")];
    argocd.secret("argocd-secret", true, &[&password[..], &[("server.secretkey", key)]].concat());
}

/// Starts the server beside its Dex.
async fn serve(place: &Place, argocd: &mut ArgoCd, release: &str, dex: &Container) {
    let address = format!("http://{}", dex.ports[&5556]);
    let env = [("ARGOCD_SERVER_INSECURE", "true"), ("ARGOCD_SERVER_DEX_SERVER", &address)];
    argocd.run_with(place, release, env.map(|(name, value)| (name.into(), value.into())).into());
    argocd.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_is_a_changed_client_secret() {
    for (release, expected) in [("v3.3.6", Outcome::Refused), ("v3.3.7", Outcome::LoggedIn)] {
        let place = Place::new().await;
        let mut argocd = ArgoCd::objects(&place).await;
        settings(&argocd, "", DEX);
        let dex = rundex(&place, &argocd, release);
        dex.logged("listening on").await;
        serve(&place, &mut argocd, release, &dex).await;
        let login = Login::run(&place).await;
        assert!(login.passed() && login.last().body.contains("kilgore@kilgore.trout"), "{login:#?}");
        assert!(login.step("login").location().starts_with("http://argocd.host/api/dex/auth?"), "{login:#?}");
        key(&argocd, "another-key");
        dex.logged("dex config modified. restarting dex").await;
        dex.logged_times("listening on", 4).await;
        argocd.container().logged("dex config modified. restarting").await;
        argocd.container().logged_times("serving on port", 2).await;
        expected.expect(&place, release).await;
        // What has nothing to do with Dex leaves it as it is. A Secret of the second of the start would be no news.
        argocd.next_second().await;
        argocd.secret("argocd-other", true, &[("a", "b")]);
        dex.logged("dex config unmodified").await;
        argocd.container.take().unwrap().end().await;
        serve(&place, &mut argocd, release, &dex).await;
        assert!(Login::run(&place).await.passed(), "{release} after a rollout");
        assert_eq!(dex.end().await.code, 143);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_its_configuration() {
    let place = Place::new().await;
    let mut argocd = ArgoCd::objects(&place).await;
    settings(&argocd, "", "connectors: [");
    let dex = rundex(&place, &argocd, "v3.3.6");
    dex.logged("invalid dex yaml config: error converting YAML to JSON: ").await;
    dex.logged("dex is not configured").await;
    serve(&place, &mut argocd, "v3.3.6", &dex).await;
    let mut login = Login::default();
    login.begin(&place).await;
    assert_eq!((login.last().status, login.last().body.as_str()), (404, "404 page not found\n"));
    // It runs as soon as there is something to run, and ends by itself with what it cannot read.
    settings(&argocd, "", &DEX.replace("mockPassword", "carrierPigeon"));
    dex.logged("unknown connector type \"carrierPigeon\"").await;
    // Two changes in one reload would be one, and before the server listens to them they are none.
    argocd.container().logged_times("subscribed to settings updates", 2).await;
    settings(&argocd, "", DEX);
    dex.logged("listening on").await;
    argocd.container().logged_times("subscribed to settings updates", 3).await;
    settings(&argocd, "", "enablePasswordDB: true");
    for container in [argocd.container.take().unwrap(), dex] {
        container.logged("malformed Dex configuration found").await;
        assert_eq!(container.task.await.unwrap().code, 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_oidc_config_tokens_are_held_against_its_keys() {
    let place = Place::new().await;
    let _own = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    settings(&argocd, OIDC_CONFIG, DEX);
    let dex = rundex(&place, &argocd, "v3.3.6");
    dex.logged("listening on").await;
    serve(&place, &mut argocd, "v3.3.6", &dex).await;
    let login = Login::run(&place).await;
    assert_eq!(login.step("callback").status, 303, "{login:#?}");
    assert_eq!(login.last().body, "{}", "{login:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_it_a_login_says_where_it_was_looked_for() {
    let place = Place::new().await;
    let mut argocd = ArgoCd::objects(&place).await;
    settings(&argocd, "", DEX);
    argocd.run(&place, "v3.3.6");
    argocd.settled().await;
    let mut login = Login::default();
    login.begin(&place).await;
    let says = r#"failed to query provider "http://argocd.host/api/dex": Get "https://argocd-dex-server:5556/api/dex/.well-known/openid-configuration": "#;
    assert_eq!(login.last().status, 500);
    assert!(login.last().body.starts_with(says), "{login:#?}");
    login.get(&place, "dex", "http://argocd.host/api/dex/auth").await;
    assert_eq!((login.last().status, login.last().body.as_str()), (502, ""));
    login.get(&place, "settings", "http://argocd.host/api/v1/settings").await;
    let connectors = r#""dexConfig":{"connectors":[{"name":"Mock","type":"mockPassword"}]}"#;
    assert!(login.last().body.contains(connectors), "{login:#?}");
}
