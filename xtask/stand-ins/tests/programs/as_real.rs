//! What few clients ask and the real programs were seen to answer: settings that a login
//! notices only after a change, paths that are not clean, forms in other encodings.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::argocd::{ArgoCd, Login, OIDC_CONFIG};
use crate::support::{DEX_CONFIG, PASSWORD, Place, SECRET, USER};

const HOST: &str = "http://argocd.host";

fn set_oidc(argocd: &ArgoCd, more: &str) {
    argocd.config_map("argocd-cm", json!({ "url": HOST, "oidc.config": format!("{OIDC_CONFIG}{more}\n") }));
}

/// What is compared of a changed `oidc.config` lacks what tokens may be made for: the
/// login is checked with the old list, everything after it with the new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_audiences_alone_are_no_change() {
    for release in ["v2.12.1", "v2.14.1", "v3.2.6", "v3.3.7", "v3.5.1"] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let argocd = ArgoCd::start(&place, release).await;
        assert!(Login::run(&place).await.passed(), "{release}");
        let heard = argocd.container().count("settings subscribers");
        set_oidc(&argocd, "allowedAudiences: [somebody-else]");
        argocd.container().logged_times("settings subscribers", heard + 1).await;
        let login = Login::run(&place).await;
        assert_eq!(login.step("callback").status, 303, "{release}: {login:#?}");
        assert_eq!((login.last().step, login.last().body.as_str()), ("userinfo", "{}"), "{release}");
        // With anything else they are read, by the client app too.
        set_oidc(&argocd, "allowedAudiences: [somebody-else]\nname: Other");
        argocd.container().logged("oidc config modified").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workload_identity_needs_a_token_of_the_cluster() {
    let insecure = ("ARGOCD_SERVER_INSECURE".to_owned(), "true".to_owned());
    let file = ("AZURE_FEDERATED_TOKEN_FILE".to_owned(), "/not/there".to_owned());
    let missing = "AZURE_FEDERATED_TOKEN_FILE env variable not found, make sure workload identity is enabled on the cluster";
    for (release, env, error) in [
        ("v3.5.1", vec![insecure.clone()], Some(missing)),
        (
            "v3.5.1",
            vec![insecure.clone(), file],
            Some("AZURE_FEDERATED_TOKEN_FILE specified file does not exist"),
        ),
        ("v2.14.1", vec![insecure], None),
    ] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        set_oidc(&argocd, "azure: {useWorkloadIdentity: true}");
        argocd.run_with(&place, release, BTreeMap::from_iter(env));
        argocd.ready().await;
        let login = Login::run(&place).await;
        match error {
            Some(error) => {
                let callback = login.step("callback");
                let said = format!("failed to generate client assertion: {error}\n");
                assert_eq!((callback.status, callback.body.as_str()), (500, said.as_str()));
            }
            None => assert!(login.passed(), "{login:#?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_come_from_userinfo_or_nobody_is_logged_in() {
    for (release, status, words) in [
        ("v3.5.1", 401, "invalid session: error fetching user info endpoint: "),
        ("v2.12.1", 500, "invalid userinfo response"),
        ("v2.9.0", 200, ""),
    ] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let mut argocd = ArgoCd::objects(&place).await;
        set_oidc(&argocd, "enableUserInfoGroups: true\nuserInfoPath: /nowhere");
        argocd.run(&place, release);
        argocd.settled().await;
        let mut login = Login::run(&place).await;
        assert_eq!(login.last().step, "userinfo", "{login:#?}");
        assert_eq!(login.passed(), status == 200, "{release}: {login:#?}");
        login.get(&place, "applications", &format!("{HOST}/api/v1/applications")).await;
        assert_eq!(login.last().status, status, "{release}: {login:#?}");
        assert!(login.last().body.contains(words), "{release}: {login:#?}");
    }
    // At the right path the user is known, groups or not.
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let mut argocd = ArgoCd::objects(&place).await;
    set_oidc(&argocd, "enableUserInfoGroups: true\nuserInfoPath: /userinfo");
    argocd.run(&place, "v3.5.1");
    argocd.settled().await;
    let login = Login::run(&place).await;
    assert!(login.passed(), "{login:#?}");
}

/// The head of the answer to a path as it stands.
async fn raw(argocd: &ArgoCd, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(argocd.container().ports[&8080]).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: argocd.host\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_clean_leads_to_the_one_that_is() {
    for (release, status) in [("v3.3.6", "301"), ("v3.3.9", "307"), ("v3.5.1", "307")] {
        let place = Place::new().await;
        let _dex = place.dex(DEX_CONFIG, SECRET);
        let argocd = ArgoCd::start(&place, release).await;
        for path in ["//auth/login?x=1", "/auth/../auth/login?x=1", "/auth/./login?x=1"] {
            let answer = raw(&argocd, path).await;
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{path}: {answer}");
            assert!(answer.contains("\r\nlocation: /auth/login?x=1\r\n"), "{path}: {answer}");
        }
        assert!(
            raw(&argocd, "/auth/login?return_url=http://argocd.host/..").await.starts_with("http/1.1 303")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_form_takes_what_it_can_read() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let _argocd = ArgoCd::start(&place, "v3.3.6").await;
    let post = async |content_type: &str, body: String| {
        let mut login = Login::default();
        login.begin(&place).await;
        let mut at = login.last().location().to_owned();
        for _ in 0..2 {
            login.get(&place, "there", &at).await;
            at = format!("http://dex.host{}", login.last().location());
        }
        let sent = place.client().post(&at).header("content-type", content_type).body(body).send().await;
        let sent = sent.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    };
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!("{}{}--b--\r\n", part("login", USER), part("password", PASSWORD));
    assert_eq!(post("multipart/form-data; boundary=b", body).await.0, 303);
    let form = "application/x-www-form-urlencoded";
    let (status, page) = post(form, format!("login={USER}&password=%zz")).await;
    assert_eq!(status, 401);
    assert!(page.contains("id=\"login-error\""), "{page}");
    assert_eq!(post(form, format!("x=%zz&login={USER}&password={PASSWORD}")).await.0, 303);
}
