//! Logins against servers that are well, broken, slow, or something else altogether.

mod support;

use probe::{Step, table};
use support::{Fake, USER};

#[tokio::test]
async fn a_login_passes_all_five_steps() {
    let fake = Fake::start();
    let login = probe::login(&fake.options()).await;
    let user = login.outcome.as_ref().unwrap();
    assert_eq!(user.username, USER);
    assert_eq!(user.groups, [USER]);
    let steps: Vec<_> =
        login.exchanges.iter().map(|e| (e.step, e.method, e.place.as_str(), e.status)).collect();
    assert_eq!(
        steps,
        [
            (Step::Login, "GET", "argocd.host/auth/login", Some(303)),
            (Step::Authorize, "GET", "dex.host/auth", Some(302)),
            (Step::Authorize, "GET", "dex.host/auth/local", Some(302)),
            (Step::Authorize, "GET", "dex.host/auth/local/login", Some(200)),
            (Step::Form, "POST", "dex.host/auth/local/login", Some(303)),
            (Step::Callback, "GET", "argocd.host/auth/callback", Some(303)),
            (Step::Userinfo, "GET", "argocd.host/api/v1/session/userinfo", Some(200)),
        ]
    );
    let table = table::render(&login, table::Style::default());
    insta::with_settings!({filters => [(r" +\d+\.\d  ", "  [ms]  ")]}, {
        insta::assert_snapshot!(table);
    });
}
