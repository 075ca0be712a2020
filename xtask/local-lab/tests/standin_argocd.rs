//! The stand-in for argocd-server in front of the stand-in for Dex: logins, and what
//! is said when something is wrong.

#![allow(clippy::unwrap_used)]

mod standin_support;

use standin_support::argocd::{ArgoCd, Login};
use standin_support::{DEX_CONFIG, Place, SECRET};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_ends_with_a_user() {
    let place = Place::new().await;
    let _dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v3.3.6").await;
    let login = Login::run(&place).await;
    assert!(login.passed(), "{login:#?}\n{}", argocd.container().log().join("\n"));
}
