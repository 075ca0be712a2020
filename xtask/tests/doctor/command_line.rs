//! The command line's login: the probe plays it in the lab, each of its faults is named, and the web's login passes.

use probe::{CauseId, Options, Password, Resolve};

use super::diagnosis;
use crate::support::Lab;

/// A login as the command line's.
fn as_cli(lab: &Lab) -> probe::Login {
    let status = lab.json(0, &["status"]);
    let address = status["goals"][0]["address"].as_str().unwrap().parse().unwrap();
    let mut options =
        Options::new("http://argocd.host/".parse().unwrap(), "admin@example.com", Password::new("password"));
    options.resolve = vec![Resolve::new("*", 80, address)];
    options.as_cli = true;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(probe::login(&options))
}

#[test]
fn the_lab_lets_the_command_line_in() {
    for provider in ["dex", "bundled"] {
        let lab = Lab::new();
        lab.expect(0, &["--provider", provider, "working"]);
        let user = as_cli(&lab).outcome.unwrap();
        assert_eq!(user.claims["aud"], "argo-cd-cli", "{provider}");
    }
    // A stale secret does not touch it.
    let lab = Lab::new();
    lab.expect(0, &["working", "break"]);
    assert_eq!(lab.verdict(&["--logins", "2"]), "refused");
    as_cli(&lab).outcome.unwrap();
}

#[test]
fn its_faults_are_named_and_not_said_to_be_the_webs() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    for (fault, step, words) in [
        ("cli-redirect-uri", "authorize", "Unregistered redirect_uri"),
        ("cli-no-client", "token", "invalid_client"),
        ("cli-client-type", "token", "invalid_client"),
        ("cli-client-id", "authorize", "Invalid client_id"),
        ("cli-audience", "userinfo", "{}"),
    ] {
        lab.expect(0, &["break", "--fault", fault]);
        let login = as_cli(&lab);
        let failure = login.outcome.unwrap_err();
        assert_eq!(failure.step.name(), step, "{fault}: {failure:?}");
        assert!(failure.message.contains(words), "{fault}: {failure:?}");
        let named: Vec<&str> =
            failure.cause.candidates(false).ids.iter().map(|id: &CauseId| id.name()).collect();
        assert_eq!(named[0], fault, "{failure:?}");
        assert_eq!(lab.verdict(&["--logins", "2"]), "logged-in", "{fault}");
        let document = diagnosis(&lab, &[]);
        let findings = document["goals"][0]["findings"].as_array().unwrap();
        let seen: Vec<_> = findings
            .iter()
            .map(|it| [&it["id"], &it["when"], &it["certainty"]].map(|it| it.as_str().unwrap()))
            .collect();
        assert_eq!(seen, [[fault, "later", "certain"]], "{document:#}");
        let asked = document["goals"][0]["asked"]["by_doctor"].as_u64().unwrap();
        assert!(asked <= 19, "{fault}: asked {asked} times");
        lab.expect(0, &["fix"]);
        assert_eq!(super::found(&lab, &[]), Vec::<String>::new(), "{fault}, healed");
        as_cli(&lab).outcome.unwrap();
    }
}
