//! What each era of releases makes of a client secret that changes under it.

#![allow(clippy::unwrap_used)]

mod standin_support;

use standin_support::argocd::{ArgoCd, Login};
use standin_support::{Container, DEX_CONFIG, Place, SECRET};

const NEW: &str = "another-s3cret";

/// Both Secrets get a new value and Dex is restarted, Argo CD is not.
async fn rotate(place: &Place, argocd: &ArgoCd, dex: Container, secret: &str) -> Container {
    argocd.secret("argocd-oidc", true, &[("clientSecret", secret)]);
    dex.end().await;
    place.dex(DEX_CONFIG, secret)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fairness() {
    let place = Place::new().await;
    let dex = place.dex(DEX_CONFIG, SECRET);
    let argocd = ArgoCd::start(&place, "v2.12.1").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let _dex = rotate(&place, &argocd, dex, NEW).await;
    argocd.container().logged_times("serving on port", 2).await;
    let mut s = String::new();
    for _ in 0..40 {
        let login = Login::run(&place).await;
        s.push(if login.passed() {
            '+'
        } else {
            assert!(login.was_refused());
            '-'
        });
    }
    println!("{s}");
}
