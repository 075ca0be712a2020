//! Installations, and what each release does to them.

use probe::{Cause, Step as LoginStep};

use super::*;
use crate::advice;
use crate::evidence::{Rule, Seen};
use crate::fixtures::*;

/// The kinds of what happens from one release to another.
#[track_caller]
fn changes(from: &str, to: &str, ill: impl FnOnce(&mut Evidence)) -> Vec<String> {
    let upgrade = of(from, to, ill);
    assert_eq!(upgrade.unknown, None);
    assert_eq!(upgrade.exit().code(), u8::from(!upgrade.steps.is_empty()));
    let kind = |step: &Step| serde_json::to_value(step.id).unwrap().as_str().unwrap().to_owned();
    upgrade.steps.iter().map(kind).collect()
}

fn of(from: &str, to: &str, ill: impl FnOnce(&mut Evidence)) -> Upgrade {
    let mut evidence = well();
    evidence.release = Some(from.parse().unwrap());
    ill(&mut evidence);
    let upgrade = upgrade(&evidence, &to.parse().unwrap()).unwrap();
    let said = format!("{}{}{:?}", upgrade.headline(), upgrade.body(), upgrade.fields());
    assert!(!said.contains(SECRET), "{said}");
    upgrade
}

fn oidc(e: &mut Evidence, more: &str) {
    e.settings = Seen::There(settings("http://argocd.host", &format!("{CONFIG}{more}")));
}

#[test]
fn a_changed_secret_is_treated_as_the_release_does_it() {
    for (from, to, expected) in [
        ("v3.2.12", "v3.2.12", &[] as &[&str]),
        ("v2.14.0", "v3.2.12", &[]),
        ("v3.2.12", "v3.3.0", &["keeps-old-secret"]),
        ("v3.3.0", "v3.3.6", &[]),
        ("v3.3.6", "v3.3.7", &["takes-over"]),
        ("v2.12.1", "v2.13.9", &[]),
        ("v2.13.9", "v2.14.0", &["takes-over"]),
        ("v2.2.16", "v2.4.2", &["may-hang"]),
        ("v2.4.2", "v2.12.1", &["two-minds"]),
        ("v2.0.5", "v2.2.16", &["references"]),
    ] {
        assert_eq!(changes(from, to, |_| {}), expected, "{from} {to}");
    }
    // Somebody restarts the server then, and a text that is compared is seen.
    let reloader = |e: &mut Evidence| {
        if let Seen::There(server) = &mut e.server {
            server.annotations.insert(advice::RELOADER.into(), "argocd-oidc".into());
        }
    };
    assert_eq!(changes("v3.2.12", "v3.3.6", reloader), [""; 0]);
    let plain = |e: &mut Evidence| {
        let text = CONFIG.replace("$argocd-oidc:clientSecret", SECRET);
        e.settings = Seen::There(settings("http://argocd.host", &text));
    };
    assert_eq!(changes("v2.2.16", "v2.14.0", plain), [""; 0]);
    assert_eq!(changes("v3.2.12", "v3.3.6", plain), ["keeps-old-secret"]);
    let inside = |e: &mut Evidence| bundled(e, "http://argocd.host", "connectors: []\n");
    assert_eq!(changes("v3.2.12", "v3.3.6", inside), ["keeps-old-secret"]);
    let without = |e: &mut Evidence| e.settings = Seen::There(settings("http://argocd.host", ""));
    assert_eq!(changes("v3.2.12", "v3.3.6", without), [""; 0]);
}

#[test]
fn the_steps_say_what_avoids_them() {
    let upgrade = of("v3.2.12", "v3.3.6", |_| {});
    assert_eq!(upgrade.headline(), "argocd v3.2.12 to v3.3.6: 1 thing changes for logins");
    insta::assert_snapshot!(upgrade.body());
    let fields = upgrade.fields();
    assert_eq!(
        (fields["upgrade"]["from"].as_str(), fields["upgrade"]["known"].as_bool()),
        (Some("v3.2.12"), Some(true))
    );
}

#[test]
fn settings_that_a_release_reads_otherwise_are_named() {
    let lacks_key = |e: &mut Evidence| {
        e.files = true;
        e.argocd_secret = Seen::There(secret("argocd-secret", "other", "x", "00:00:01"));
    };
    assert_eq!(changes("v3.3.0", "v3.3.6", lacks_key), ["first-start"]);
    assert_eq!(changes("v3.3.7", "v3.3.8", lacks_key), [""; 0]);
    let pkce = |e: &mut Evidence| oidc(e, "enablePKCEAuthentication: true\n");
    assert_eq!(changes("v2.9.22", "v2.10.20", pkce), ["pkce"]);
    assert_eq!(changes("v3.0.23", "v3.1.0", pkce), ["pkce"]);
    assert_eq!(changes("v3.1.0", "v3.2.12", pkce), [""; 0]);
    let audiences = |e: &mut Evidence| oidc(e, "allowedAudiences: [other]\n");
    assert_eq!(changes("v2.4.19", "v2.4.20", audiences), ["audiences"]);
    assert_eq!(changes("v2.4.20", "v2.6.15", audiences), [""; 0]);
    let references = |e: &mut Evidence| {
        let text = CONFIG.replace("issuer: http://dex.host", "issuer: $argocd-oidc:issuer");
        e.settings = Seen::There(settings("http://argocd.host", &text));
    };
    assert_eq!(changes("v2.7.18", "v2.8.0", references), ["references"]);
    let urls = |e: &mut Evidence| {
        if let Seen::There(settings) = &mut e.settings {
            settings.additional_urls = vec!["http://other.host".into()];
        }
    };
    assert_eq!(changes("v2.12.1", "v2.13.9", urls), ["additional-urls"]);
    let subject = |e: &mut Evidence| {
        bundled(e, "http://argocd.host", "connectors: []\n");
        if let Seen::There(rbac) = &mut e.rbac {
            rbac.rules.push(member("CgR1c2VyEgVsb2NhbA", "role:admin"));
            rbac.rules.push(Rule::Permission { subject: "role:x".into() });
        }
    };
    let upgrade = of("v2.14.0", "v3.0.0", subject);
    assert_eq!(upgrade.steps[0].id, Change::Subjects);
    assert_eq!(upgrade.steps[0].avoid.as_deref(), Some("add to policy.csv: g, user, role:admin"));
    assert_eq!(changes("v3.0.0", "v3.1.0", subject), [""; 0]);
    let unlabelled = |e: &mut Evidence| {
        let text = CONFIG.replace("$argocd-oidc:clientSecret", "$clientSecret");
        e.settings = Seen::There(settings("http://argocd.host", &text));
        if let Seen::There(secret) = &mut e.argocd_secret {
            secret.keys.extend(crate::fixtures::secret("s", "clientSecret", SECRET, "00:00:01").keys);
            secret.labelled = false;
        }
    };
    assert_eq!(changes("v3.4.7", "v3.5.0", unlabelled), ["labels"]);
    let long = |e: &mut Evidence| {
        outside(e).logins = logins(vec![group(LoginStep::Callback, Cause::TokenTooLarge)], None);
    };
    assert_eq!(changes("v2.7.18", "v2.8.2", long), ["cookies"]);
}

#[test]
fn servers_that_start_anew_read_what_is_set_now() {
    // It runs with an older secret, which the provider still takes.
    let ahead = |e: &mut Evidence| e.provider.tried = presented(&refuses());
    assert_eq!(changes("v3.3.0", "v3.3.6", ahead), ["starts-anew"]);
    // And one that runs with an older one that it does not take is healed.
    let stale = |e: &mut Evidence| {
        e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
        refused(e);
    };
    assert_eq!(changes("v3.3.0", "v3.3.6", stale), ["starts-anew"]);
    let lost = |e: &mut Evidence| {
        if let Seen::There(secret) = &mut e.named_secret {
            secret.labelled = false;
        }
    };
    let upgrade = of("v3.3.0", "v3.3.6", lost);
    assert!(upgrade.steps[0].avoid.as_ref().unwrap().contains("label"), "{:?}", upgrade.steps);
}

#[test]
fn what_nobody_knows_is_said() {
    for (from, to) in [("v3.5.1", "v3.99.0"), ("v3.3.6", "v4.0.0"), ("v2.13.8", "v2.13.99")] {
        let upgrade = of(from, to, |_| {});
        assert_eq!((upgrade.exit().code(), upgrade.fields()["upgrade"]["known"].as_bool()), (3, Some(false)));
        assert!(upgrade.body().contains("is no release that this program knows"), "{}", upgrade.body());
    }
    assert_eq!(of("v3.2.12", "v3.3.6", |e| e.release = None).exit().code(), 3);
    assert_eq!(of("v3.2.12", "v3.3.6", |e| e.settings = Seen::NotLooked).exit().code(), 3);
    let mut evidence = well();
    evidence.release = Some("v3.3.6".parse().unwrap());
    let older = upgrade(&evidence, &"v3.3.5".parse().unwrap()).unwrap_err();
    assert_eq!((older.exit.code(), older.message()), (2, "v3.3.5 is older than v3.3.6, which runs"));
}
