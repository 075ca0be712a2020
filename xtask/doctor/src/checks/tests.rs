//! Evidence as it would be read, and what has to be found in it.

use probe::rehearsal::Redeemed;
use probe::{Cause, CauseId, Step};

use super::*;
use crate::evidence::{DeploymentSeen, Discovery, Form, Rehearsed, SecretSeen, Seen};
use crate::finding::Certainty;
use crate::fixtures::*;
use crate::hidden::Fingerprints;

/// All findings as `id certainty when`.
fn found(evidence: &Evidence) -> Vec<String> {
    crate::travel::tests::travels(evidence);
    all(evidence)
        .iter()
        .map(|finding| {
            let when = if finding.when == When::Now { "now" } else { "later" };
            format!("{} {} {when}", finding.id, finding.certainty.name())
        })
        .collect()
}

#[track_caller]
pub(super) fn finds(change: impl FnOnce(&mut Evidence), expected: &[&str]) -> Vec<Finding> {
    let mut evidence = well();
    change(&mut evidence);
    assert_eq!(found(&evidence), expected);
    let findings = all(&evidence);
    for finding in &findings {
        assert!(
            !finding.evidence.is_empty() && !finding.why.is_empty() && !finding.fix.is_empty(),
            "{finding:#?}"
        );
        assert!(!format!("{finding:?}").contains(SECRET), "{finding:#?}");
    }
    findings
}

#[test]
fn nothing_is_found_where_all_is_well_on_any_release() {
    for release in ["v2.0.5", "v2.2.16", "v2.4.2", "v2.12.1", "v3.2.12", "v3.3.0", "v3.3.6", "v3.5.1"] {
        finds(
            |e| {
                e.release = Some(release.parse().unwrap());
                if release == "v2.0.5" {
                    e.settings =
                        Seen::There(settings("http://argocd.host", &CONFIG.replace("argocd-oidc:", "")));
                    e.argocd_secret =
                        Seen::There(secret("argocd-secret", "clientSecret", SECRET, "00:00:01"));
                    let server_key = secret("argocd-secret", "server.secretkey", "key", "00:00:01");
                    if let Seen::There(seen) = &mut e.argocd_secret {
                        seen.keys.extend(server_key.keys);
                    }
                }
                dex(e, SECRET, "00:00:02", "00:00:30");
                outside(e).logins = logins(vec![], Some(user("admin@example.com", &["admin@example.com"])));
            },
            &[],
        );
    }
    // Nothing could be looked at: nothing is said.
    assert_eq!(found(&Evidence::none("argocd", "kubectl", Fingerprints::fixed())), Vec::<String>::new());
}

#[test]
fn a_secret_that_is_newer_than_the_server_is_no_finding_while_logins_pass() {
    // Something else of the Secret was written, or the release took the change over.
    finds(|e| e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00")), &[]);
}

#[test]
fn a_stale_server_is_told_by_what_it_presents() {
    let findings = finds(
        |e| {
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
            e.pods[0].log.as_mut().unwrap().modified = Some(time("12:00:01"));
            refused(e);
        },
        &["stale-argocd certain now"],
    );
    insta::assert_debug_snapshot!(findings);
    // Helm puts its release's name before the Deployment's.
    let findings = finds(
        |e| {
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
            if let Seen::There(server) = &mut e.server {
                server.name = "sso-argocd-server".into();
            }
            refused(e);
        },
        &["stale-argocd certain now"],
    );
    let finding = &findings[0];
    assert_eq!(finding.at, "Deployment argocd/sso-argocd-server");
    for command in [&finding.fix, finding.lasting_fix.as_ref().unwrap()] {
        assert!(command.contains(" deploy/sso-argocd-server"), "{command}");
    }
    // Times alone, where nobody could ask the server.
    let unasked = |e: &mut Evidence| {
        e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
        e.outside = None;
        e.pods[0].rehearsed.clear();
    };
    finds(unasked, &["stale-argocd likely now"]);
    finds(
        |e| {
            unasked(e);
            e.release = Some("v2.12.1".parse().unwrap());
        },
        &["stale-replica likely now"],
    );
    finds(
        |e| {
            unasked(e);
            e.release = Some("v3.5.1".parse().unwrap());
        },
        &[],
    );
    // It looks the same where a reload was lost, on a release that has them.
    finds(
        |e| {
            e.release = Some("v3.5.1".parse().unwrap());
            refused(e);
        },
        &["stale-argocd certain now"],
    );
}

#[test]
fn a_wrong_secret_is_told_by_the_providers_own_word() {
    finds(
        |e| {
            refused(e);
            e.provider.tried = presented(&refuses());
        },
        // Nothing has shown that this provider answers a right one otherwise.
        &["secret-mismatch likely now"],
    );
    // The server still holds the right one.
    finds(|e| e.provider.tried = presented(&refuses()), &["secret-mismatch certain later"]);
    // Both Secrets agree, and Dex has not read its own since.
    let findings = finds(
        |e| {
            refused(e);
            e.provider.tried = presented(&refuses());
            dex(e, SECRET, "12:00:00", "00:00:30");
        },
        &["secret-mismatch certain now"],
    );
    assert!(findings[0].fix.contains("-n dex rollout restart deploy/dex"), "{:?}", findings[0]);
    let findings = finds(
        |e| {
            refused(e);
            e.provider.tried = presented(&refuses());
            dex(e, "another-secret", "00:00:02", "00:00:30");
        },
        &["secret-mismatch certain now"],
    );
    assert!(findings[0].fix.contains("patch secret argocd-oidc"), "{:?}", findings[0]);
}

#[test]
fn where_the_provider_answers_oddly_nothing_is_guessed() {
    let odd = || [Form::Presented, Form::Wrong].map(|form| tried(form, &Err("429".into()))).concat();
    let findings = finds(
        |e| {
            refused(e);
            e.provider.tried = odd();
        },
        &["secret-mismatch possible now"],
    );
    assert_eq!(findings[0].candidates, [CauseId::SecretMismatch, CauseId::SecretWhitespace]);
    assert!(findings[0].decides.is_some());
    let findings = finds(
        |e| {
            refused(e);
            e.provider.tried = odd();
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
        },
        &["stale-argocd likely now"],
    );
    assert!(findings[0].candidates.contains(&CauseId::SecretMismatch));
    // From outside alone, all of them look the same.
    let findings = finds(
        |e| {
            refused(e);
            let outside = e.outside.take();
            *e = Evidence::none("argocd", "kubectl", Fingerprints::fixed());
            e.outside = outside;
        },
        &["stale-argocd possible now"],
    );
    assert_eq!(findings[0].candidates.len(), 6);
}

#[test]
fn two_minds_are_a_stale_replica() {
    let findings = finds(
        |e| {
            e.pods = vec![
                pod("argocd-server-a", "00:01:00", Some(not_taken())),
                pod("argocd-server-b", "12:30:00", Some(taken())),
            ];
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
        },
        &["stale-replica certain now"],
    );
    assert!(findings[0].at.contains("argocd-server-a (since 2026-01-01 00:01:00 UTC)"), "{}", findings[0].at);
    let findings = finds(
        |e| {
            e.release = Some("v2.12.1".parse().unwrap());
            outside(e).rehearsals = vec![rehearsal(Ok(()), taken()), rehearsal(Ok(()), not_taken())];
            e.pods[0].log.as_mut().unwrap().servings = 2;
        },
        &["stale-replica certain now"],
    );
    assert!(findings[0].evidence.iter().any(|it| it.contains("`serving on port` 2 times")), "{findings:#?}");
}

#[test]
fn a_reference_that_leads_nowhere_explains_the_refusal_alone() {
    let unlabelled = |e: &mut Evidence| {
        if let Seen::There(secret) = &mut e.named_secret {
            secret.labelled = false;
        }
    };
    finds(
        |e| {
            unlabelled(e);
            refused(e);
        },
        &["secret-unlabelled certain now"],
    );
    // The label went while the server was up: it still knows the secret.
    finds(unlabelled, &["secret-unlabelled certain later"]);
    let findings = finds(
        |e| {
            e.named_secret = Seen::There(secret("argocd-oidc", "other", SECRET, "00:00:02"));
            e.current = None;
            e.provider.tried = vec![];
            refused(e);
        },
        &["secret-key-missing certain now"],
    );
    assert!(findings[0].evidence[0].contains("the keys are other"), "{findings:#?}");
    let findings = finds(
        |e| {
            let other = secret("argocd-oidc", "other", SECRET, "00:00:02");
            e.named_secret = Seen::There(SecretSeen { labelled: false, ..other });
            e.current = None;
            e.provider.tried = vec![];
            refused(e);
        },
        &["secret-key-missing certain now"],
    );
    let label = "label --overwrite secret argocd-oidc app.kubernetes.io/part-of=argocd";
    assert!(findings[0].evidence[1].starts_with("nor has it the label "), "{findings:#?}");
    assert!(findings[0].fix.contains(label), "{findings:#?}");
    finds(
        |e| {
            e.named_secret = Seen::Absent;
            e.current = None;
            e.provider.tried = vec![];
            refused(e);
        },
        &["secret-key-missing certain now"],
    );
    let wrong_separator = |e: &mut Evidence, meant: bool| {
        let config = CONFIG.replace("argocd-oidc:clientSecret", "argocd-oidc.clientSecret");
        e.settings = Seen::There(settings("http://argocd.host", &config));
        e.named_secret = Seen::NotLooked;
        e.current = None;
        e.provider.tried = vec![];
        if meant {
            e.meant_secret =
                Some((secret("argocd-oidc", "clientSecret", SECRET, "00:00:02"), "clientSecret".into()));
        }
        refused(e);
    };
    finds(|e| wrong_separator(e, true), &["secret-reference certain now"]);
    finds(|e| wrong_separator(e, false), &["secret-key-missing certain now"]);
    finds(
        |e| {
            e.release = Some("v2.0.5".parse().unwrap());
            refused(e);
        },
        &["secret-reference certain now"],
    );
}

#[test]
fn white_space_and_encodings_are_found_by_what_the_provider_takes() {
    for form in [Form::AsStored, Form::WithLineBreak, Form::Decoded, Form::Encoded] {
        finds(
            |e| {
                refused(e);
                e.provider.tried = presented(&refuses());
                e.provider.tried.extend(tried(form, &takes()));
            },
            &["secret-whitespace certain now"],
        );
    }
    // Argo CD trims its own, so that logs in, and waits for somebody to copy it.
    finds(
        |e| {
            let value = format!("{SECRET}\n");
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", &value, "00:00:02"));
        },
        &["secret-whitespace certain later"],
    );
    // The provider cannot be asked, and Dex can be looked at.
    finds(
        |e| {
            refused(e);
            e.provider.tried = vec![];
            dex(e, &format!("{SECRET}\n"), "00:00:02", "00:00:30");
        },
        &["secret-whitespace certain now"],
    );
}

#[test]
fn the_address_is_held_against_what_users_type_and_what_is_registered() {
    let other = |e: &mut Evidence| {
        e.settings = Seen::There(settings("http://other.host", CONFIG));
        outside(e).button = Some(Err(fails(Step::Login, Cause::InvalidRedirectUrl)));
    };
    finds(other, &["argocd-url certain now"]);
    finds(
        |e| {
            other(e);
            ends(e, Step::Authorize, Cause::RedirectElsewhere);
        },
        &["argocd-url certain now"],
    );
    for url in ["", "argocd.host", "ftp://argocd.host"] {
        // The server still has the right one.
        let change = |e: &mut Evidence| e.settings = Seen::There(settings(url, CONFIG));
        finds(change, &["argocd-url certain later"]);
        finds(
            |e| {
                change(e);
                ends(e, Step::Authorize, Cause::RedirectElsewhere);
            },
            &["argocd-url certain now"],
        );
    }
    // Nobody said what users type: the settings may well be right.
    finds(
        |e| {
            other(e);
            outside(e).given = false;
            outside(e).button = None;
        },
        &[],
    );
    finds(|e| ends(e, Step::Authorize, Cause::UnregisteredRedirect), &["redirect-uri certain now"]);
    finds(
        |e| {
            other(e);
            ends(e, Step::Callback, Cause::StateCookieLost);
        },
        &["state-cookie certain now"],
    );
}

#[test]
fn what_argo_cd_says_about_the_provider_decides() {
    for (cause, id) in [
        (Cause::ProviderUnknownHost, "provider-unreachable"),
        (Cause::ProviderBadGateway, "provider-unreachable"),
        (Cause::ProviderCertificate, "provider-ca"),
        (Cause::IssuerMismatch, "issuer-mismatch"),
    ] {
        finds(|e| ends(e, Step::Login, cause), &[&format!("{id} certain now")]);
    }
    finds(|e| ends(e, Step::Authorize, Cause::FrontWithoutBackend), &["provider-unreachable certain now"]);
    // Argo CD itself not answering is nothing about the provider.
    finds(|e| ends(e, Step::Login, Cause::FrontWithoutBackend), &[]);
    // Only this machine cannot reach it, or is turned away there.
    for cause in [Cause::NameNotFound, Cause::ConnectionRefused, Cause::Unknown] {
        finds(|e| ends(e, Step::Authorize, cause), &[]);
    }
    finds(
        |e| {
            e.provider.discovery = Discovery::NoAnswer("no such host".into());
        },
        &[],
    );
    finds(
        |e| {
            if let Discovery::Document(document) = &mut e.provider.discovery {
                document.issuer.push('/');
            }
            e.outside = None;
            e.pods[0].rehearsed.clear();
        },
        &["issuer-mismatch likely now"],
    );
    // Argo CD is content with the provider that it reaches by that name.
    finds(
        |e| {
            if let Discovery::Document(document) = &mut e.provider.discovery {
                document.issuer.push('/');
            }
        },
        &[],
    );
}

#[test]
fn dex_itself_is_looked_at() {
    let two = |e: &mut Evidence| {
        dex(e, SECRET, "00:00:02", "00:00:30");
        if let Seen::There(dex) = &mut e.provider.dex {
            dex.deployment.wanted = 2;
        }
    };
    finds(two, &["code-reused certain now"]);
    finds(
        |e| {
            two(e);
            outside(e).logins = logins(vec![group(Step::Callback, Cause::TokenRejected)], None);
            let why = crate::evidence::Rejected::Signature;
            e.pods[0].log.as_mut().unwrap().rejected = Some((time("00:02:00"), why));
        },
        &["code-reused certain now"],
    );
    finds(
        |e| {
            two(e);
            if let Seen::There(dex) = &mut e.provider.dex {
                dex.config.as_mut().unwrap().storage = "kubernetes".into();
            }
        },
        &[],
    );
    finds(
        |e| {
            dex(e, SECRET, "00:00:02", "00:00:30");
            if let Seen::There(dex) = &mut e.provider.dex {
                dex.config.as_mut().unwrap().id_tokens = Some("1ns".into());
            }
        },
        &["clock likely now"],
    );
}

#[test]
fn a_provider_with_words_of_its_own_is_no_failure() {
    let odd = || Redeemed(fails(Step::Callback, Cause::Unknown));
    let change = |e: &mut Evidence| {
        outside(e).rehearsals = vec![rehearsal(Ok(()), odd())];
        e.pods[0].rehearsed = vec![Rehearsed::Redeemed(odd())];
        e.provider.tried = presented(&Err("status 503".into()));
    };
    finds(change, &[]);
    let mut evidence = well();
    change(&mut evidence);
    assert!(!evidence.fails());
}

#[test]
fn a_namespace_without_argo_cd_has_no_findings() {
    let mut evidence = Evidence::none("elsewhere", "kubectl", Fingerprints::fixed());
    evidence.settings = Seen::Absent;
    evidence.argocd_secret = Seen::Absent;
    evidence.server = Seen::Absent;
    assert_eq!(found(&evidence), Vec::<String>::new());
}

#[test]
fn the_server_by_itself() {
    for cause in [Cause::SsoOff, Cause::FirstStart] {
        finds(
            |e| {
                ends(e, Step::Login, cause);
                outside(e).rehearsals[0].redeemed = None;
            },
            &["first-start certain now"],
        );
    }
    let emptied =
        |e: &mut Evidence| e.argocd_secret = Seen::There(secret("argocd-secret", "x", "y", "00:00:01"));
    finds(emptied, &["server-key-missing certain later"]);
    finds(|e| e.argocd_secret = Seen::Absent, &["server-key-missing certain later"]);
    finds(
        |e| {
            emptied(e);
            outside(e).logins = logins(vec![group(Step::Userinfo, Cause::NotLoggedIn)], None);
        },
        &["server-key-missing certain now"],
    );
    finds(
        |e| {
            let failure = Some(fails(Step::Callback, Cause::ServerKeyChanged));
            e.crossed = vec![("a".into(), "b".into(), failure)];
        },
        &["server-key-changed certain now"],
    );
    finds(
        |e| {
            let redis =
                DeploymentSeen { name: "argocd-redis".into(), wanted: 1, ..DeploymentSeen::default() };
            e.redis = Seen::There(vec![redis]);
        },
        &["redis likely now"],
    );
}

#[test]
fn what_only_logins_show() {
    for (step, cause, expected) in [
        // Some say so of an account that is locked for a while, too.
        (Step::Form, Cause::WrongPassword, "credentials likely now"),
        (Step::Callback, Cause::AccessDenied, "idp-refused certain now"),
        (Step::Callback, Cause::InvalidGrant, "code-reused likely now"),
        (Step::Callback, Cause::TokenExpired, "clock certain now"),
        (Step::Callback, Cause::SessionStore, "redis possible now"),
        (Step::Userinfo, Cause::NotLoggedIn, "stale-session-manager possible now"),
        (Step::Callback, Cause::StateMismatch, "state-mismatch certain now"),
        // A server that ends a callback without a word looks the same at its proxy.
        (Step::Callback, Cause::TokenTooLarge, "token-too-large likely now"),
        (Step::Userinfo, Cause::CookieTooLarge, "cookie-too-large certain now"),
        (Step::Callback, Cause::TooManyCookies, "too-many-cookies certain now"),
    ] {
        finds(|e| outside(e).logins = logins(vec![group(step, cause)], None), &[expected]);
    }
    finds(
        |e| {
            dex(e, SECRET, "00:00:02", "00:00:30");
            outside(e).logins = logins(vec![group(Step::Form, Cause::WrongPassword)], None);
        },
        &["credentials certain now"],
    );
    let user = user("me@example.com", &["dev"]);
    finds(|e| outside(e).logins = logins(vec![], Some(user)), &["no-rights likely now"]);
}

#[test]
fn the_log_says_why_a_token_is_not_taken() {
    use crate::evidence::Rejected;
    for (why, expected) in [
        (Rejected::Expired, "clock certain now"),
        (Rejected::Issuer, "stale-session-manager certain now"),
        (Rejected::Signature, "stale-session-manager certain now"),
        (Rejected::Audience, "audience certain now"),
    ] {
        finds(
            |e| {
                outside(e).logins = logins(vec![group(Step::Userinfo, Cause::NotLoggedIn)], None);
                e.pods[0].log.as_mut().unwrap().rejected = Some((time("00:02:00"), why));
            },
            &[expected],
        );
    }
    finds(
        |e| {
            let config = format!("{CONFIG}allowedAudiences: [other]\n");
            e.settings = Seen::There(settings("http://argocd.host", &config));
            outside(e).logins = logins(vec![group(Step::Callback, Cause::TokenRejected)], None);
            e.pods[0].log.as_mut().unwrap().rejected = Some((time("00:02:00"), Rejected::Audience));
        },
        &["audience certain now"],
    );
}

#[test]
fn two_faults_are_both_found() {
    finds(
        |e| {
            if let Seen::There(secret) = &mut e.named_secret {
                secret.labelled = false;
            }
            refused(e);
            outside(e).rehearsals[0].form = Err(fails(Step::Callback, Cause::InvalidScope));
        },
        &["secret-unlabelled certain now", "scope certain now"],
    );
    finds(
        |e| {
            refused(e);
            ends(e, Step::Authorize, Cause::UnregisteredRedirect);
            outside(e).rehearsals[0].redeemed = Some(not_taken());
        },
        &["stale-argocd certain now", "redirect-uri certain now"],
    );
    // Keycloak answers for a disabled client as for a wrong secret; its page says which.
    let findings = finds(
        |e| {
            e.provider.tried = presented(&refuses());
            outside(e).rehearsals =
                vec![rehearsal(Err(fails(Step::Authorize, Cause::ClientDisabled)), not_taken())];
        },
        &["client-disabled likely now"],
    );
    assert!(findings[0].evidence[0].starts_with("the provider's page says"), "{findings:#?}");
}

#[test]
fn a_rotation_is_foretold_by_release_and_reloader() {
    let foretold = |release: &str, annotation: Option<(&str, &str)>| -> Vec<String> {
        let mut evidence = well();
        evidence.release = Some(release.parse().unwrap());
        if let (Seen::There(server), Some((key, value))) = (&mut evidence.server, annotation) {
            server.annotations.insert(key.into(), value.into());
        }
        before_rotation(&evidence)
            .iter()
            .map(|finding| {
                assert_eq!(finding.when, When::Later);
                format!("{} {}", finding.id, finding.certainty.name())
            })
            .collect()
    };
    let named = Some((crate::advice::RELOADER, "argocd-oidc"));
    let auto = Some(("reloader.stakater.com/auto", "true"));
    for (release, annotation, expected) in [
        ("v3.3.6", None, vec!["stale-argocd certain"]),
        ("v3.3.6", auto, vec!["stale-argocd certain"]),
        ("v3.3.6", named, vec![]),
        ("v2.12.1", None, vec!["stale-replica certain"]),
        ("v2.4.0", None, vec!["stale-argocd likely"]),
        ("v3.5.1", None, vec![]),
    ] {
        assert_eq!(foretold(release, annotation), expected, "{release} {annotation:?}");
    }
}

#[test]
fn certainty_is_never_claimed_without_a_word_of_the_servers() {
    // Everything that Argo CD says is missing: what remains is likely at best.
    let mut evidence = well();
    evidence.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
    evidence.outside = None;
    evidence.pods[0].rehearsed.clear();
    evidence.provider.tried = vec![];
    assert!(all(&evidence).iter().all(|finding| finding.certainty != Certainty::Certain));
}
