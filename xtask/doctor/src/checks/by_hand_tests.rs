//! Faults as people make them by hand, and fixes that can be typed as they are printed.

use probe::rehearsal::Redeemed;
use probe::{Cause, Step};

use super::tests::finds;
use super::*;
use crate::evidence::{DexSeen, DexSettings, Form, Rbac, Seen, Source};
use crate::fixtures::*;
use crate::hidden::Hidden;

fn dex_seen(evidence: &mut Evidence) -> &mut DexSeen {
    match &mut evidence.provider.dex {
        Seen::There(dex) => dex,
        other => panic!("{other:?}"),
    }
}

/// Dex with a secret that it was started with, and the provider's word on Argo CD's.
fn dex_takes(evidence: &mut Evidence, value: &str, answer: &Answer) {
    dex(evidence, value, "00:00:02", "00:00:30");
    evidence.provider.tried = presented(answer);
}

#[test]
fn white_space_anywhere_around_dexs_secret_is_named_where_it_stands_and_cut_off() {
    for value in [format!(" {SECRET}"), format!("{SECRET}\r\n"), format!("\t{SECRET}  ")] {
        let findings = finds(
            |e| {
                refused(e);
                dex_takes(e, &value, &refuses());
            },
            &["secret-whitespace certain now"],
        );
        assert_eq!(findings[0].at, "Secret argocd/dex-clients, key argo-cd");
        let fix = &findings[0].fix;
        assert!(fix.contains(r#"gsub("\\A\\s+|\\s+\\z"; "")"#), "{fix}");
        assert!(fix.contains("rollout restart deploy/dex") && !fix.contains("argocd-oidc"), "{fix}");
    }
}

#[test]
fn white_space_in_both_secrets_is_cut_off_in_both() {
    let value = format!("  {SECRET} ");
    let findings = finds(
        |e| {
            refused(e);
            dex_takes(e, &value, &refuses());
            e.provider.tried.extend(tried(Form::AsStored, &takes()));
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", &value, "00:00:02"));
        },
        &["secret-whitespace certain now"],
    );
    for secret in ["patch secret argocd-oidc", "patch secret dex-clients"] {
        assert!(findings[0].fix.contains(secret), "{}", findings[0].fix);
    }
}

#[test]
fn what_dex_will_read_at_its_next_start_bites_later() {
    for (value, id) in [("another", "secret-mismatch"), (" the-client-secret", "secret-whitespace")] {
        let findings = finds(
            |e| {
                dex_takes(e, value, &takes());
                dex(e, value, "12:00:00", "00:00:30");
            },
            &[&format!("{id} certain later")],
        );
        assert!(findings[0].fix.contains("restart deploy/dex"), "{}", findings[0].fix);
    }
    // Dex was started after that and takes the secret: it has it from elsewhere.
    finds(|e| dex_takes(e, "another", &takes()), &[]);
}

#[test]
fn an_empty_issuer_is_no_lost_first_start() {
    let findings = finds(
        |e| {
            e.settings =
                Seen::There(settings("http://argocd.host", &CONFIG.replace("http://dex.host", "''")));
            e.provider = Default::default();
            dex(e, SECRET, "00:00:02", "00:00:30");
            ends(e, Step::Login, Cause::FirstStart);
        },
        &["issuer-mismatch certain now"],
    );
    assert!(findings[0].fix.contains("issuer: http://dex.host"), "{}", findings[0].fix);
}

#[test]
fn an_issuer_at_which_nobody_answers_is_held_against_dex_in_the_cluster() {
    let elsewhere = |e: &mut Evidence, ready| {
        dex(e, SECRET, "00:00:02", "00:00:30");
        dex_seen(e).deployment.ready = ready;
        e.provider.issuer = "https://dex.host".into();
        e.provider.discovery = Default::default();
        ends(e, Step::Login, Cause::ProviderBadGateway);
    };
    finds(|e| elsewhere(e, 1), &["issuer-mismatch likely now"]);
    // Another host may be another provider's.
    finds(
        |e| {
            elsewhere(e, 1);
            e.provider.issuer = "https://idp.example.com".into();
        },
        &["issuer-mismatch possible now"],
    );
    // A Dex that is down may be the right one.
    finds(|e| elsewhere(e, 0), &["provider-unreachable certain now"]);
    // A Dex that does not know the client is another one.
    finds(
        |e| {
            elsewhere(e, 1);
            dex_seen(e).config.as_mut().unwrap().client = None;
        },
        &["provider-unreachable certain now"],
    );
}

#[test]
fn a_path_in_url_below_which_nobody_answers_is_no_matter_of_registration() {
    let unregistered = |e: &mut Evidence, url: &str, status: u16| {
        e.settings = Seen::There(settings(url, CONFIG));
        dex(e, SECRET, "00:00:02", "00:00:30");
        let form = Err(fails(Step::Authorize, Cause::UnregisteredRedirect));
        let nobody = probe::Failure::new(Step::Callback, Some(status), "404 page not found", Cause::Unknown);
        outside(e).rehearsals = vec![rehearsal(form, Redeemed(nobody))];
    };
    let findings = finds(|e| unregistered(e, "http://argocd.host/argo", 404), &["argocd-url certain now"]);
    assert!(findings[0].fix.contains(r#"'{"data":{"url":"http://argocd.host"}}'"#), "{}", findings[0].fix);
    // Argo CD answers there, and only the registration lacks it.
    finds(
        |e| {
            unregistered(e, "http://argocd.host/argo", 404);
            e.root_path = "/argo".into();
        },
        &["redirect-uri certain now"],
    );
}

#[test]
fn a_server_that_asks_for_the_address_of_before_is_stale_and_the_registration_right() {
    finds(
        |e| {
            dex(e, SECRET, "00:00:02", "00:00:30");
            ends(e, Step::Authorize, Cause::UnregisteredRedirect);
            let asked = outside(e).rehearsals[0].asked.as_mut().unwrap();
            asked.redirect_uri = "http://before.example.com/auth/callback".into();
        },
        &["stale-argocd certain now"],
    );
}

#[test]
fn a_root_path_that_the_address_does_not_have_is_no_lost_first_start() {
    let findings = finds(
        |e| {
            e.root_path = "/argo".into();
            ends(e, Step::Login, Cause::SsoOff);
        },
        &["argocd-url certain now"],
    );
    assert!(findings[0].at.contains("server.rootpath"), "{}", findings[0].at);
}

#[test]
fn without_an_address_that_users_type_url_is_held_against_the_ingresses() {
    let elsewhere = |e: &mut Evidence, host: &str| {
        e.settings = Seen::There(settings("http://argo.example.com", CONFIG));
        e.hosts = Seen::There(vec![host.into()]);
        e.outside = None;
    };
    let findings = finds(|e| elsewhere(e, "argocd.host"), &["argocd-url likely now"]);
    assert!(findings[0].fix.contains(r#""url":"http://argocd.host""#), "{}", findings[0].fix);
    for host in ["argo.example.com", "*.example.com"] {
        finds(|e| elsewhere(e, host), &[]);
    }
    // Somebody answers there: it is led there by something else than an Ingress.
    finds(
        |e| {
            let outside = e.outside.take();
            elsewhere(e, "argocd.host");
            e.outside = outside.map(|outside| crate::evidence::Outside { given: false, ..outside });
            crate::fixtures::outside(e).rehearsals[0].asked.as_mut().unwrap().redirect_uri =
                "http://argo.example.com/auth/callback".into();
        },
        &[],
    );
}

#[test]
fn one_layer_of_base64_is_taken_off_where_it_is_one_too_many() {
    for (form, secret, namespace) in
        [(Form::Decoded, "argocd-oidc", "argocd"), (Form::Encoded, "dex-clients", "argocd")]
    {
        let findings = finds(
            |e| {
                refused(e);
                dex_takes(e, "anything", &refuses());
                e.provider.tried.extend(tried(form, &takes()));
            },
            &["secret-whitespace certain now"],
        );
        let fix = &findings[0].fix;
        assert!(fix.contains(&format!("-n {namespace} patch secret {secret}")), "{fix}");
        assert!(fix.contains(r#"@base64d | gsub("\\s"; ""))"#), "{fix}");
    }
}

#[test]
fn a_dex_that_calls_itself_by_another_host_is_told_its_name() {
    let calls_itself = |e: &mut Evidence, issuer: &str| {
        dex(e, SECRET, "00:00:02", "00:00:30");
        let config = dex_seen(e).config.as_mut().unwrap();
        config.issuer = issuer.into();
        config.source = Some(Source { kind: "configmap".into(), ..Source::default() });
        config.source.as_mut().unwrap().key = "config.yaml".into();
        if let crate::evidence::Discovery::Document(document) = &mut e.provider.discovery {
            document.issuer = issuer.into();
        }
        ends(e, Step::Login, Cause::IssuerMismatch);
    };
    for (issuer, command) in [
        (
            "http://elsewhere.example.com",
            r#"split("http://elsewhere.example.com") | join("http://dex.host")"#,
        ),
        ("http://dex.host/", "issuer: http://dex.host/"),
    ] {
        let findings = finds(|e| calls_itself(e, issuer), &["issuer-mismatch certain now"]);
        assert!(findings[0].fix.contains(command), "{}", findings[0].fix);
    }
}

#[test]
fn a_key_that_dex_will_not_find_at_its_next_start_bites_later() {
    let findings = finds(
        |e| {
            dex_takes(e, SECRET, &takes());
            dex_seen(e).secret.as_mut().unwrap().0.keys.clear();
        },
        &["secret-mismatch certain later"],
    );
    assert!(findings[0].fix.contains("get secret argocd-oidc"), "{}", findings[0].fix);
}

#[test]
fn what_a_reference_that_leads_nowhere_hides_is_found_too() {
    let unlabelled = |e: &mut Evidence, of_dex: &str| {
        refused(e);
        dex_takes(e, of_dex, &refuses());
        e.current = None;
        if let Seen::There(secret) = &mut e.named_secret {
            secret.labelled = false;
        }
    };
    for (of_dex, expected) in [
        (SECRET.to_owned(), &["secret-unlabelled certain now"][..]),
        ("another".to_owned(), &["secret-unlabelled certain now", "secret-mismatch likely now"]),
        (format!("{SECRET}\n"), &["secret-unlabelled certain now", "secret-whitespace certain now"]),
    ] {
        finds(|e| unlabelled(e, &of_dex), expected);
    }
    finds(
        |e| {
            refused(e);
            dex_takes(e, &format!("{SECRET}\n"), &refuses());
            let text = CONFIG.replace("argocd-oidc:", "argocd-oidc.");
            e.settings = Seen::There(settings("http://argocd.host", &text));
            e.meant_secret =
                Some((secret("argocd-oidc", "clientSecret", SECRET, "00:00:02"), "clientSecret".into()));
            e.named_secret = Seen::NotLooked;
        },
        &["secret-reference certain now", "secret-whitespace certain now"],
    );
}

#[test]
fn the_registration_is_written_anew_where_it_is_known_where_it_stands() {
    let findings = finds(
        |e| {
            e.settings = Seen::There(settings("http://argocd.host", CONFIG));
            dex(e, SECRET, "00:00:02", "00:00:30");
            let config = dex_seen(e).config.as_mut().unwrap();
            config.client.as_mut().unwrap().redirect_uris = vec!["http://argocd.host/callback".into()];
            config.source = Some(Source {
                kind: "secret".into(),
                namespace: "dex".into(),
                name: "dex".into(),
                key: "config.yaml".into(),
            });
            ends(e, Step::Authorize, Cause::UnregisteredRedirect);
        },
        &["redirect-uri certain now"],
    );
    let write = r#"@base64d | split("http://argocd.host/callback") | join("http://argocd.host/auth/callback") | @base64"#;
    assert!(findings[0].fix.contains(write), "{}", findings[0].fix);
}

#[test]
fn a_secret_in_the_settings_is_called_so_and_moved_out_of_them() {
    let findings = finds(
        |e| {
            refused(e);
            dex_takes(e, SECRET, &refuses());
            let text = CONFIG.replace("$argocd-oidc:clientSecret", "written-by-hand");
            e.settings = Seen::There(settings("http://argocd.host", &text));
            e.named_secret = Seen::NotLooked;
            e.current = Some(Hidden::new("written-by-hand"));
        },
        &["secret-mismatch certain now"],
    );
    let said = format!("{:?}", findings[0]);
    assert!(!said.contains("Argo CD's Secret holds") && !said.contains("written-by-hand"), "{said}");
    assert!(findings[0].fix.contains("clientSecret: $oidc.dex.clientSecret"), "{}", findings[0].fix);
}

/// Keycloak lists the scopes of its realm, and refuses those that the client was not given.
#[test]
fn a_scope_that_the_provider_lists_and_refuses_is_not_mended_by_what_is_set_already() {
    let findings = finds(|e| ends(e, Step::Callback, Cause::InvalidScope), &["scope certain now"]);
    assert!(findings[0].fix.starts_with("give client argo-cd every scope"), "{findings:#?}");
}

#[test]
fn a_field_is_written_where_it_stands_on_a_line_and_left_to_a_person_elsewhere() {
    for (config, command) in [
        (CONFIG.to_owned(), "get configmap argocd-cm -o json | jq"),
        (format!("{{{}}}", CONFIG.trim().replace('\n', ", ")), "edit configmap argocd-cm"),
    ] {
        let findings = finds(
            |e| {
                e.settings = Seen::There(settings("http://argocd.host", &config));
                ends(e, Step::Authorize, Cause::InvalidScope);
                if let crate::evidence::Discovery::Document(document) = &mut e.provider.discovery {
                    document.scopes = vec!["openid".to_owned()];
                }
                e.provider.issuer = "http://dex.host".into();
            },
            &["scope certain now"],
        );
        assert!(findings[0].fix.contains(command), "{}", findings[0].fix);
    }
}

#[test]
fn an_argocd_secret_that_is_gone_is_created_and_not_patched() {
    let findings = finds(|e| e.argocd_secret = Seen::Absent, &["server-key-missing certain later"]);
    assert!(findings[0].fix.contains("create secret generic argocd-secret"), "{}", findings[0].fix);
}

#[test]
fn two_handlers_are_known_by_the_log_where_all_tries_met_one_of_them() {
    for (redeemed, certainty, alone) in
        [(taken(), "likely", vec![]), (not_taken(), "certain", vec!["stale-argocd certain now"])]
    {
        let change = |e: &mut Evidence, servings| {
            e.release = Some("v2.13.9".parse().unwrap());
            outside(e).rehearsals = vec![rehearsal(Ok(()), redeemed.clone())];
            e.pods = vec![pod("argocd-server-a", "00:01:00", Some(redeemed.clone()))];
            e.pods[0].log.as_mut().unwrap().servings = servings;
            e.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", SECRET, "12:00:00"));
        };
        finds(|e| change(e, 2), &[&format!("stale-replica {certainty} now")]);
        finds(|e| change(e, 1), &alone);
    }
    // The second handler came of another change: both have the secret of now.
    finds(
        |e| {
            e.release = Some("v2.13.9".parse().unwrap());
            e.pods[0].log.as_mut().unwrap().servings = 2;
        },
        &[],
    );
}

#[test]
fn rights_are_given_by_claims_and_not_by_the_name_that_is_shown() {
    // The policy names the address, and `scopes` has no claim with it.
    let findings = finds(
        |e| {
            e.rbac = Seen::There(Rbac {
                rules: vec![member("admin@example.com", "role:admin")],
                ..Rbac::nothing()
            });
            outside(e).logins = logins(vec![], Some(user("admin@example.com", &[])));
        },
        &["no-rights likely now"],
    );
    assert!(findings[0].fix.contains(r#""scopes": "[groups, email]""#), "{}", findings[0].fix);
    assert!(!findings[0].fix.contains("policy.csv"), "{}", findings[0].fix);
    // Without argocd-rbac-cm nobody has any.
    let findings = finds(
        |e| {
            e.rbac = Seen::Absent;
            outside(e).logins = logins(vec![], Some(user("admin@example.com", &["dev"])));
        },
        &["no-rights likely now"],
    );
    assert!(findings[0].fix.contains("create configmap argocd-rbac-cm"), "{}", findings[0].fix);
}

#[test]
fn a_line_break_in_a_secret_that_stands_in_the_settings_is_named_and_the_secret_is_not() {
    let findings = finds(
        |e| {
            let config = CONFIG.replace("$argocd-oidc:clientSecret", &format!("|\n  {SECRET}"));
            e.settings = Seen::There(settings("http://argocd.host", &config));
            e.current = Some(Hidden::new(format!("{SECRET}\n")));
            refused(e);
            dex_takes(e, SECRET, &refuses());
        },
        &["secret-whitespace certain now"],
    );
    assert_eq!(findings[0].at, "ConfigMap argocd-cm, oidc.config clientSecret");
    assert!(findings[0].evidence[0].contains("a line break at its end"), "{:?}", findings[0].evidence);
    assert!(!format!("{findings:?}").contains(SECRET));
}

#[test]
fn a_secret_that_something_else_makes_is_mended_there() {
    let findings = finds(
        |e| {
            refused(e);
            if let Seen::There(secret) = &mut e.named_secret {
                secret.labelled = false;
                secret.maker = Some("ExternalSecret oidc".into());
            }
            e.current = None;
        },
        &["secret-unlabelled certain now"],
    );
    let fix: Vec<&str> = findings[0].fix.lines().collect();
    assert!(fix[0].starts_with("change it in ExternalSecret oidc"), "{fix:?}");
    assert!(fix[1].contains("rollout restart") && !findings[0].fix.contains("label --overwrite"), "{fix:?}");
    assert_eq!(
        findings[0].evidence.last().unwrap(),
        "Secret argocd/argocd-oidc is made by ExternalSecret oidc"
    );
}

#[test]
fn what_policies_nearly_say_is_said_and_the_line_that_would_do_is_given() {
    let policies = |data: serde_json::Value| {
        let map = serde_json::from_value(serde_json::json!({"data": data})).unwrap();
        Seen::There(Rbac::of(&map))
    };
    for (data, groups, seen, fix) in [
        (
            serde_json::json!({"policy.csv": "g, admins, role:admin", "scopes": "[groups]"}),
            vec!["/admins"],
            "they differ by a slash",
            "g, /admins, role:admin",
        ),
        (
            serde_json::json!({"policies.csv": "g, /admins, role:admin"}),
            vec!["/admins"],
            "knows no key policies.csv",
            "\"policies.csv\": null",
        ),
        (
            serde_json::json!({"policy.csv": "g, user, role:admin"}),
            vec![],
            "which the token has as sub, encoded and not in groups",
            "g, CgR1c2VyEgVsb2NhbA, role:admin",
        ),
        (
            serde_json::json!({"policy.csv": "p, dev, applications, get, */*, allow"}),
            vec!["dev"],
            "only `p` lines name it",
            "g, dev, role:readonly",
        ),
        (
            serde_json::json!({"policy.csv": "g, dev, role:typo"}),
            vec!["dev"],
            "no line says what that role may",
            "",
        ),
        (
            serde_json::json!({"policy.csv": "g, dev, role:admin", "scopes": "[roles]"}),
            vec![],
            "the token has no claim roles; it has email and sub",
            "",
        ),
    ] {
        let findings = finds(
            |e| {
                e.rbac = policies(data.clone());
                let mut user = user("a@example.com", &groups);
                if !groups.is_empty() {
                    user.claims["groups"] = groups.clone().into();
                }
                outside(e).logins = logins(vec![], Some(user));
            },
            &["no-rights likely now"],
        );
        let all = findings[0].evidence.join("\n");
        assert!(all.contains(seen), "{data}: {all}");
        assert!(findings[0].fix.contains(fix), "{data}: {}", findings[0].fix);
    }
}

#[test]
fn policies_that_a_server_ends_on_are_named_before_it_starts() {
    for (data, seen) in [
        (serde_json::json!({"policy.csv": "g, dev"}), "a line is no policy: g, dev"),
        (
            serde_json::json!({"scopes": "email "}),
            "scopes is \"email \" (a blank at its end), which is no list",
        ),
    ] {
        for (waiting, when) in [(None, "later"), (Some("CrashLoopBackOff".to_owned()), "now")] {
            let findings = finds(
                |e| {
                    let map = serde_json::from_value(serde_json::json!({"data": data})).unwrap();
                    e.rbac = Seen::There(Rbac::of(&map));
                    e.pods[0].waiting.clone_from(&waiting);
                    outside(e).logins = logins(vec![], Some(user("a@example.com", &[])));
                },
                &[&format!("no-rights certain {when}")],
            );
            assert_eq!(findings[0].evidence[0], seen);
        }
    }
}

#[test]
fn a_server_that_runs_since_before_it_was_told_to_leave_tls_to_others_is_restarted() {
    let findings = finds(
        |e| {
            ends(e, Step::Login, Cause::RedirectLoop);
            e.insecure_written = Some(time("00:02:00"));
        },
        &["redirect-loop certain now"],
    );
    assert!(
        findings[0].fix.contains("rollout restart") && !findings[0].fix.contains("patch"),
        "{}",
        findings[0].fix
    );
}

#[test]
fn dex_config_beside_oidc_config_is_named() {
    finds(
        |e| {
            if let Seen::There(settings) = &mut e.settings {
                settings.dex = DexSettings::of("connectors: []");
            }
            outside(e).logins = logins(vec![group(Step::Userinfo, Cause::NotLoggedIn)], None);
        },
        &["two-providers certain now"],
    );
}

/// Argo CD's Secret was written after its server made its client app.
fn written_since(evidence: &mut Evidence, value: &str) {
    evidence.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", value, "00:02:00"));
    evidence.current = Some(Hidden::new(value).trimmed());
}

#[test]
fn what_mends_dex_restarts_a_server_that_would_not_take_over_what_dex_does() {
    for (release, restarts) in [("v3.3.6", true), ("v3.3.7", false)] {
        // Both have it, neither was restarted, and logins pass.
        let findings = finds(
            |e| {
                e.release = Some(release.parse().unwrap());
                written_since(e, "another");
                dex(e, "another", "00:02:00", "00:00:30");
                e.provider.tried = presented(&refuses());
            },
            &["secret-mismatch certain later"],
        );
        let fix = &findings[0].fix;
        assert!(fix.contains("restart deploy/dex"), "{fix}");
        assert_eq!(fix.contains("restart deploy/argocd-server"), restarts, "{release}: {fix}");
        // Both were given a line break, and Dex alone was restarted.
        let value = "another\n";
        let findings = finds(
            |e| {
                e.release = Some(release.parse().unwrap());
                refused(e);
                written_since(e, value);
                dex(e, value, "00:02:00", "00:03:00");
                e.provider.tried = presented(&refuses());
                e.provider.tried.extend(tried(Form::AsStored, &takes()));
            },
            &["secret-whitespace certain now"],
        );
        let fix = &findings[0].fix;
        assert_eq!(fix.contains("restart deploy/argocd-server"), restarts, "{release}: {fix}");
    }
}

#[test]
fn a_client_id_that_the_server_does_not_use_yet_says_nothing_of_the_secret() {
    let renamed = |e: &mut Evidence, in_cluster: bool| {
        e.settings = Seen::There(settings("http://argocd.host", &CONFIG.replace("argo-cd", "argocd")));
        e.client_id = "argocd".into();
        e.provider.tried = presented(&refuses());
        if in_cluster {
            dex(e, SECRET, "00:00:02", "00:00:30");
            dex_seen(e).secret = None;
        }
    };
    let findings = finds(|e| renamed(e, true), &["client-id likely later"]);
    assert!(findings[0].fix.contains("clientID: argo-cd"), "{}", findings[0].fix);
    finds(|e| renamed(e, false), &["client-id possible later"]);
    // Its tokens are for the client that it asks as.
    finds(
        |e| {
            renamed(e, true);
            outside(e).logins = logins(vec![group(Step::Userinfo, Cause::NotLoggedIn)], None);
            let log = e.pods[0].log.as_mut().unwrap();
            log.rejected = Some((time("00:04:00"), crate::evidence::Rejected::Audience));
        },
        &["client-id likely now"],
    );
}

#[test]
fn a_token_of_the_issuers_own_name_is_rejected_for_the_name_that_is_set() {
    let other_name = |e: &mut Evidence| {
        dex(e, SECRET, "00:00:02", "00:00:30");
        e.settings = Seen::There(settings("http://argocd.host", &CONFIG.replace("dex.host", "dex.host/")));
        e.provider.issuer = "http://dex.host/".into();
    };
    // The server has not read it yet.
    finds(other_name, &["issuer-mismatch likely later"]);
    let findings = finds(
        |e| {
            other_name(e);
            outside(e).logins = logins(vec![group(Step::Userinfo, Cause::NotLoggedIn)], None);
            let log = e.pods[0].log.as_mut().unwrap();
            log.rejected = Some((time("00:04:00"), crate::evidence::Rejected::Issuer));
        },
        &["issuer-mismatch certain now"],
    );
    assert!(findings[0].fix.contains("issuer: http://dex.host"), "{}", findings[0].fix);
}

#[test]
fn an_issuer_that_can_be_none_is_surely_wrong() {
    for issuer in ["dex.host", "http://dex.host/.well-known/openid-configuration"] {
        let findings = finds(
            |e| {
                dex(e, SECRET, "00:00:02", "00:00:30");
                e.settings =
                    Seen::There(settings("http://argocd.host", &CONFIG.replace("http://dex.host", issuer)));
                e.provider.issuer = issuer.into();
                e.provider.discovery = Default::default();
                ends(e, Step::Login, Cause::ProviderBadGateway);
            },
            &["issuer-mismatch certain now"],
        );
        let fix = &findings[0].fix;
        assert!(fix.contains("issuer: http://dex.host\""), "{fix}");
    }
}

#[test]
fn a_secret_that_is_wrong_as_well_does_not_explain_that_nobody_answers() {
    finds(
        |e| {
            dex_takes(e, "another", &refuses());
            e.provider.tried.clear();
            dex_seen(e).deployment.ready = 0;
            e.pods[0].rehearsed.clear();
            ends(e, Step::Login, Cause::ProviderBadGateway);
            outside(e).rehearsals[0].redeemed = None;
        },
        &["provider-unreachable certain now", "secret-mismatch certain later"],
    );
}

#[test]
fn a_missing_key_is_filled_from_dex_or_the_one_that_was_meant_is_named() {
    let without = |e: &mut Evidence, key: &str, in_cluster: bool| {
        refused(e);
        e.current = None;
        e.named_secret = Seen::There(secret("argocd-oidc", key, SECRET, "00:00:02"));
        if in_cluster {
            dex_takes(e, SECRET, &refuses());
        }
    };
    for (key, in_cluster, fix) in [
        ("ClientSecret", false, "clientSecret: $argocd-oidc:ClientSecret"),
        (
            "other",
            true,
            r#"get secret dex-clients -o json | jq '{data: {"clientSecret": .data["argo-cd"]}}'"#,
        ),
        ("other", false, r#"printf %s "$SECRET" | jq -R '"#),
    ] {
        let findings = finds(|e| without(e, key, in_cluster), &["secret-key-missing certain now"]);
        assert!(findings[0].fix.contains(fix), "{}", findings[0].fix);
    }
    let findings = finds(
        |e| {
            without(e, "other", true);
            e.named_secret = Seen::Absent;
        },
        &["secret-key-missing certain now"],
    );
    let fix = r#"get secret dex-clients -o json | jq -j '.data["argo-cd"] | @base64d' | kubectl -n argocd create secret"#;
    assert!(findings[0].fix.contains(fix), "{}", findings[0].fix);
}

#[test]
fn a_reference_in_braces_or_with_a_blank_names_what_was_meant() {
    for text in ["${argocd-oidc:clientSecret}", "\"$argocd-oidc: clientSecret\""] {
        let findings = finds(
            |e| {
                refused(e);
                e.current = None;
                let config = CONFIG.replace("$argocd-oidc:clientSecret", text);
                e.settings = Seen::There(settings("http://argocd.host", &config));
                e.meant_secret =
                    Some((secret("argocd-oidc", "clientSecret", SECRET, "00:00:02"), "clientSecret".into()));
                e.named_secret = Seen::NotLooked;
            },
            &["secret-reference certain now"],
        );
        assert!(findings[0].fix.contains("clientSecret: $argocd-oidc:clientSecret"), "{}", findings[0].fix);
    }
}

#[test]
fn a_client_secret_that_is_not_there_is_written_and_the_server_restarted() {
    let findings = finds(
        |e| {
            refused(e);
            e.current = None;
            let config = CONFIG.replace("$argocd-oidc:clientSecret", "''");
            e.settings = Seen::There(settings("http://argocd.host", &config));
            e.named_secret = Seen::NotLooked;
        },
        &["secret-key-missing certain now"],
    );
    assert!(findings[0].fix.contains("rollout restart deploy/argocd-server"), "{}", findings[0].fix);
}

#[test]
fn a_deployment_that_is_paused_is_resumed_before_its_restart() {
    let findings = finds(
        |e| {
            refused(e);
            let Seen::There(server) = &mut e.server else { panic!() };
            server.paused = true;
        },
        &["stale-argocd certain now"],
    );
    let fix = "kubectl -n argocd rollout resume deploy/argocd-server && kubectl -n argocd rollout restart deploy/argocd-server";
    assert_eq!(findings[0].fix, fix);
}

#[test]
fn a_wrong_secret_that_one_of_two_handlers_has_taken_over_is_not_mended_by_a_restart_alone() {
    finds(
        |e| {
            e.release = Some("v2.12.1".parse().unwrap());
            dex_takes(e, "what-dex-has", &refuses());
            e.pods[0].rehearsed = [taken(), not_taken()].map(crate::evidence::Rehearsed::Redeemed).into();
        },
        &["secret-mismatch certain now"],
    );
}

#[test]
fn a_rotation_restarts_a_dex_that_reads_its_secret_when_it_starts() {
    let mut evidence = well();
    dex(&mut evidence, SECRET, "00:00:02", "00:00:30");
    let first = &safe_order(&evidence)[0];
    assert!(first.contains("Secret argocd/dex-clients, key argo-cd"), "{first}");
    assert!(first.ends_with("rollout restart deploy/dex"), "{first}");
}
