//! The Dex inside Argo CD: every mistake of the table that was made by hand on real programs, each with a cause of
//! its own.

use probe::{Cause, Failure, Step};

use super::tests::finds;
use super::*;
use crate::evidence::{Bundled, Seen, Unresolved};
use crate::fixtures::*;

const URL: &str = "http://argocd.host";
const GOOD: &str =
    "connectors:\n- type: mockPassword\n  id: mock\n  name: Mock\n  config: {username: u, password: p}\n";

fn fails_with(evidence: &mut Evidence, step: Step, status: u16, words: &str, cause: Cause) {
    let failure = Failure::new(step, Some(status), words, cause);
    let mut rehearsal = rehearsal(Err(failure), taken());
    rehearsal.asked = None;
    if step == Step::Login {
        rehearsal.redeemed = None;
        evidence.pods[0].rehearsed.clear();
        evidence.provider.tried.clear();
    }
    outside(evidence).rehearsals = vec![rehearsal];
}

fn deployment(evidence: &mut Evidence, wanted: i32, ready: i32) {
    if let Seen::There(dex) = &mut evidence.bundled.deployment {
        (dex.wanted, dex.ready) = (wanted, ready);
    }
}

#[test]
fn a_healthy_one_has_no_findings_on_any_release() {
    for release in ["v2.12.1", "v3.3.6", "v3.5.1"] {
        finds(
            |e| {
                bundled(e, URL, GOOD);
                e.release = Some(release.parse().unwrap());
                outside(e).logins = logins(vec![], Some(user("kilgore", &["admin@example.com"])));
            },
            &[],
        );
    }
}

#[test]
fn configuration_that_argo_cd_cannot_use_is_said_with_its_line() {
    let off = |e: &mut Evidence| fails_with(e, Step::Login, 404, "404 page not found", Cause::SsoOff);
    let findings = finds(
        |e| {
            bundled(e, URL, "connectors:\n- type: a: b\n");
            off(e);
        },
        &["dex-config certain now"],
    );
    assert!(findings[0].at.ends_with("dex.config, line 2"), "{}", findings[0].at);
    let findings = finds(
        |e| {
            bundled(e, URL, "enablePasswordDB: true\n");
            e.bundled.trouble = Some(("dex-a".into(), "malformed Dex configuration found".into()));
            fails_with(e, Step::Login, 503, "no backend", Cause::FrontWithoutBackend);
        },
        &["dex-config certain now"],
    );
    assert!(findings[0].evidence[0].contains("connectors"), "{findings:#?}");
    finds(
        |e| {
            bundled(e, "", GOOD);
            off(e);
        },
        &["argocd-url certain now"],
    );
    // v2.12.1 words it so.
    finds(
        |e| {
            bundled(e, "", GOOD);
            deployment(e, 1, 0);
            let words = "failed to query provider \"/api/dex\": connection refused";
            fails_with(e, Step::Login, 500, words, Cause::ProviderRefusesConnections);
        },
        &["argocd-url certain now", "provider-unreachable certain now"],
    );
    finds(|e| bundled(e, URL, "connectors: []\nenablePasswordDB: true\n"), &["dex-connector certain now"]);
}

#[test]
fn what_argo_cd_cannot_reach_is_told_apart() {
    let query = |url: &str, words: &str| format!("failed to query provider \"{url}/api/dex\": {words}");
    let refused =
        "Get \"https://argocd-dex-server:5556/x\": dial tcp 10.0.0.1:5556: connect: connection refused";
    let findings = finds(
        |e| {
            bundled(e, URL, GOOD);
            deployment(e, 1, 0);
            let words = "error parse config file /tmp/dex.yaml: unknown connector type \"nosuch\"";
            e.bundled.trouble = Some(("argocd-dex-server-a".into(), words.into()));
            fails_with(e, Step::Login, 500, &query(URL, refused), Cause::ProviderRefusesConnections);
        },
        &["dex-down certain now"],
    );
    assert!(findings[0].evidence.iter().any(|it| it.contains("unknown connector type")), "{findings:#?}");
    let findings = finds(
        |e| {
            bundled(e, URL, GOOD);
            deployment(e, 0, 0);
            fails_with(e, Step::Login, 500, &query(URL, refused), Cause::ProviderRefusesConnections);
        },
        &["dex-down certain now"],
    );
    assert!(findings[0].fix.contains("scale deploy/argocd-dex-server --replicas=1"), "{findings:#?}");
    finds(
        |e| {
            bundled(e, URL, GOOD);
            e.bundled = Bundled { deployment: Seen::Absent, ..Bundled::default() };
            fails_with(e, Step::Login, 500, &query(URL, refused), Cause::ProviderRefusesConnections);
        },
        &["dex-down certain now"],
    );
    let words = "400 Bad Request: Client sent an HTTP request to an HTTPS server.";
    finds(
        |e| {
            bundled(e, URL, GOOD);
            fails_with(e, Step::Login, 500, &query(URL, words), Cause::ProviderUnreachable);
        },
        &["dex-tls certain now"],
    );
    let findings = finds(
        |e| {
            bundled(e, &format!("{URL}/"), GOOD);
            let words = query(&format!("{URL}/"), "404 Not Found: <html>");
            fails_with(e, Step::Login, 500, &words, Cause::ProviderUnreachable);
        },
        &["argocd-url certain now"],
    );
    assert!(findings[0].fix.contains("\"url\":\"http://argocd.host\""), "{findings:#?}");
}

#[test]
fn another_url_that_dex_alone_took_over_is_no_matter_of_an_issuer() {
    let moved = |e: &mut Evidence| {
        bundled(e, "http://other.host", GOOD);
        let words = r#"failed to query provider "http://argocd.host/api/dex": oidc: issuer did not match the issuer returned by provider, expected "http://argocd.host/api/dex" got "http://other.host/api/dex""#;
        fails_with(e, Step::Login, 500, words, Cause::IssuerMismatch);
    };
    let findings = finds(
        |e| {
            moved(e);
            let outside = outside(e);
            outside.address = "http://other.host".parse().unwrap();
            outside.given = true;
        },
        &["stale-argocd certain now"],
    );
    assert!(findings[0].fix.ends_with("rollout restart deploy/argocd-server"), "{findings:#?}");
    // Users come by the address of before: it is `url` that is wrong.
    let findings = finds(
        |e| {
            moved(e);
            outside(e).given = true;
        },
        &["argocd-url likely now"],
    );
    assert!(findings[0].fix.contains("\"url\":\"http://argocd.host\""), "{findings:#?}");
}

#[test]
fn clients_references_and_callbacks_are_looked_at() {
    finds(
        |e| {
            bundled(e, URL, &format!("{GOOD}staticClients:\n- id: argo-cd\n  secret: x\n"));
            let words = "Unregistered redirect_uri (\"http://argocd.host/auth/callback\").";
            fails_with(e, Step::Authorize, 400, words, Cause::UnregisteredRedirect);
        },
        &["dex-client certain now"],
    );
    finds(
        |e| {
            bundled(e, URL, GOOD);
            let reference = "$nosuch:key".to_owned();
            e.bundled.unresolved =
                vec![Unresolved { field: "connectors[0].config.password".into(), reference }];
            outside(e).logins = logins(vec![group(Step::Form, Cause::WrongPassword)], None);
        },
        &["dex-reference likely now"],
    );
    finds(
        |e| {
            bundled(
                e,
                URL,
                &GOOD.replace("{username: u", "{redirectURI: http://b/api/dex/callback, username: u"),
            )
        },
        &["redirect-uri likely later"],
    );
    finds(
        |e| {
            bundled(e, URL, GOOD);
            deployment(e, 2, 2);
        },
        &["code-reused certain now"],
    );
}

#[test]
fn a_changed_server_key_leaves_one_side_behind() {
    let findings = finds(
        |e| {
            bundled(e, URL, GOOD);
            refused(e);
            e.argocd_secret = Seen::There(secret("argocd-secret", "server.secretkey", "key", "12:00:00"));
        },
        &["stale-argocd certain now"],
    );
    assert!(findings[0].evidence.iter().any(|it| it.contains("12:00:00 UTC by m")), "{findings:#?}");
    assert!(findings[0].lasting_fix.as_ref().unwrap().contains("argocd-secret"), "{findings:#?}");
    let findings = finds(
        |e| {
            bundled(e, URL, GOOD);
            refused(e);
            e.provider.tried = presented(&refuses());
            // It is this cluster's Dex that answers at `url`, and its words are known.
            e.bundled.same_keys = Some(true);
        },
        &["secret-mismatch certain now"],
    );
    assert!(findings[0].fix.contains("restart deploy/argocd-dex-server"), "{findings:#?}");
}
