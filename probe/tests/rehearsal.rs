//! Rehearsals: what can be learnt of a login without a user.

mod support;

use probe::rehearsal::{Redeemed, knock};
use probe::{Cause, Step, TokenAnswer, rehearse};
use support::{Fake, Reply, invalid_client};

/// The error's name in what Argo CD says that the token endpoint answered.
fn error(redeemed: Option<Redeemed>) -> Option<String> {
    redeemed.and_then(|redeemed| redeemed.answer()).and_then(|answer: TokenAnswer| answer.error)
}

const TAKEN: Option<&str> = Some("invalid_grant");
const REFUSED: Option<&str> = Some("invalid_client");

#[tokio::test]
async fn a_secret_that_the_provider_takes_is_told_from_one_that_it_does_not() {
    let fake = Fake::start();
    let rehearsal = rehearse(&fake.options()).await;
    assert_eq!((rehearsal.form, error(rehearsal.redeemed).as_deref()), (Ok(()), TAKEN));
    let asked = rehearsal.asked.unwrap();
    assert_eq!(asked.provider.as_str(), "http://dex.host/auth");
    assert_eq!(asked.client_id, "argo-cd");
    assert_eq!(asked.redirect_uri, "http://argocd.host/auth/callback");
    assert_eq!(asked.scopes, ["openid", "profile", "email"]);
    // Nobody logged in, and no code of the provider's was used up.
    assert!(fake.seen().iter().all(|request| request.method == "GET"));

    let fake = Fake::start().invalid_client(|_| true);
    assert_eq!(error(rehearse(&fake.options()).await.redeemed).as_deref(), REFUSED);
}

#[tokio::test]
async fn each_rehearsal_is_on_connections_of_its_own() {
    let fake = Fake::start()
        .answer("argocd.host/auth/callback", |request, _| (request.connection % 4 < 2).then(invalid_client));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(error(rehearse(&fake.options()).await.redeemed));
    }
    assert_eq!(fake.connections(), 8, "one to each host and rehearsal");
    let has = |wanted: Option<&str>| seen.iter().any(|error| error.as_deref() == wanted);
    assert!(has(TAKEN) && has(REFUSED), "{seen:?}");
}

#[tokio::test]
async fn a_way_that_ends_early_says_where_and_the_code_is_brought_all_the_same() {
    let unregistered = "<p>Unregistered redirect_uri (\"http://argocd.host/auth/callback\").</p>";
    let fake = Fake::start().always("dex.host/auth", Reply::new(400, "text/html", unregistered));
    let rehearsal = rehearse(&fake.options()).await;
    let failure = rehearsal.form.unwrap_err();
    assert_eq!((failure.step, failure.cause), (Step::Authorize, Cause::UnregisteredRedirect));
    assert_eq!(error(rehearsal.redeemed).as_deref(), TAKEN);

    let back = "http://argocd.host/auth/callback?error=invalid_scope&error_description=no&state=x";
    let fake = Fake::start().always("dex.host/auth", Reply::redirect(back));
    let rehearsal = rehearse(&fake.options()).await;
    let failure = rehearsal.form.unwrap_err();
    assert_eq!((failure.step, failure.cause), (Step::Callback, Cause::InvalidScope));
    assert_eq!(error(rehearsal.redeemed).as_deref(), TAKEN);

    let script = "<title>App</title><div id=root></div><script src=/app.js></script>";
    let fake = Fake::start().always("dex.host/auth", Reply::new(200, "text/html", script));
    assert_eq!(rehearse(&fake.options()).await.form, Ok(()), "a page by JavaScript is a page");

    let fake = Fake::start().always("argocd.host/auth/login", Reply::plain(404, "404 page not found\n"));
    let rehearsal = rehearse(&fake.options()).await;
    assert_eq!(rehearsal.form.unwrap_err().cause, Cause::SsoOff);
    assert_eq!((rehearsal.asked, rehearsal.redeemed), (None, None));
}

#[tokio::test]
async fn other_words_are_not_guessed_at() {
    let fake = Fake::start().always("argocd.host/auth/callback", Reply::plain(500, "EOF\n"));
    match rehearse(&fake.options()).await.redeemed {
        Some(redeemed) => assert_eq!((redeemed.0.cause, redeemed.answer()), (Cause::SessionStore, None)),
        None => panic!("nothing came of it"),
    }
    // A provider that lets anybody in with any code has shown nothing about the secret.
    let token = Reply::redirect("/").header("Set-Cookie", "argocd.token=abcdefgh; path=/");
    let fake = Fake::start().always("argocd.host/auth/callback", token);
    assert_eq!(rehearse(&fake.options()).await.redeemed, None);
}

#[tokio::test]
async fn nothing_secret_is_kept_of_it() {
    let fake = Fake::start();
    let rehearsal = rehearse(&fake.options()).await;
    let shown = format!("{:?} {:?}", rehearsal.exchanges, rehearsal.asked);
    for secret in fake.secrets() {
        assert!(!shown.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn a_page_that_is_not_argo_cds_is_refused_at_the_door() {
    let words = "Invalid redirect URL: the protocol and host (including port) must match\n";
    let fake = Fake::start().answer("argocd.host/auth/login", move |request, _| {
        let page = request.parameter("return_url")?;
        (!page.starts_with("http://argocd.host/")).then(|| Reply::plain(400, words))
    });
    let options = fake.options();
    assert_eq!(knock(&options, &"http://argocd.host/applications".parse().unwrap()).await, Ok(()));
    let refused = knock(&options, &"http://other.host/applications".parse().unwrap()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::InvalidRedirectUrl);
}
