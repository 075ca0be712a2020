use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use probe::{Cause, Failure, Step, User};
use serde_json::json;

use super::*;
use crate::access_gaps::CouldNot;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::tests::{Numbers, ill};
use crate::evidence::{Rbac, Rule, Seen};
use crate::finding::Finding;
use crate::fixtures::*;

/// What is found by a document of the evidence.
fn found(evidence: &Evidence, names: bool) -> Diagnosis {
    let text = write(evidence, names).unwrap();
    Diagnosis::of(&read(&text).unwrap(), true)
}

/// Holds what is found by a document of the evidence against what is found by the evidence itself: with names word for
/// word.
#[track_caller]
pub fn travels(evidence: &Evidence) {
    let here = Diagnosis::of(evidence, true);
    assert_eq!(format!("{here:#?}"), format!("{:#?}", found(evidence, true)));
    finds_the_same(evidence, false);
}

/// The same causes, as sure, and as many signs of each.
#[track_caller]
pub fn finds_the_same(evidence: &Evidence, names: bool) {
    let here = Diagnosis::of(evidence, true);
    let there = found(evidence, names);
    let gist = |it: &Diagnosis| {
        let of = |finding: &Finding| (finding.id, finding.certainty, finding.when, finding.evidence.len());
        (it.findings.iter().map(of).collect::<Vec<_>>(), it.unexplained.len(), it.exit().code(), it.asked)
    };
    assert_eq!(gist(&here), gist(&there), "{here:#?} {there:#?}");
}

/// All the ways in which a secret may stand in a text.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![];
    for text in [value, value.trim()] {
        let bytes = text.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let in_query: String = url::form_urlencoded::byte_serialize(bytes).collect();
        let quoted = json!(text).to_string();
        forms.extend([text.to_owned(), hex, in_query, quoted.trim_matches('"').to_owned()]);
        // The last letters hang on what comes after.
        let coded = [
            BASE64_STANDARD.encode(bytes),
            BASE64_STANDARD_NO_PAD.encode(bytes),
            BASE64_URL_SAFE_NO_PAD.encode(bytes),
        ];
        forms.extend(coded.map(|text| text[..text.len() - 4].to_owned()));
    }
    forms
}

#[test]
fn no_secret_is_in_what_travels() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for round in 0..60 {
        let value = numbers.secret();
        for plain in [false, true] {
            let mut evidence = ill(&value, round % 10, plain);
            // Where people put one as well.
            if let Seen::There(server) = &mut evidence.server {
                let text = || EnvSeen::Text(Hidden::new(value.as_str()));
                let proxy = format!("http://me:{value}@proxy.host:3128");
                server.env.insert("PASSWORD".into(), text());
                server.env.insert("HTTP_PROXY".into(), EnvSeen::Text(Hidden::new(proxy)));
                server.annotations.insert("kubectl.kubernetes.io/last-applied".into(), value.clone());
                server.args.push(format!("--password={value}"));
            }
            let annotations = [("nginx/configuration-snippet".into(), value.clone())].into();
            evidence.ingresses.push(("argocd".into(), annotations));
            let connector = json!({"connectors": [{"type": "github", "config": {"clientSecret": value}}]});
            let settings = match &mut evidence.settings {
                Seen::There(settings) => settings,
                other => panic!("{other:?}"),
            };
            settings.dex = crate::evidence::DexSettings::of(&connector.to_string());
            evidence.bundled.secrets.push(secret("own", "key", &value, "00:00:02"));
            evidence.could_not.push(CouldNot { what: value.clone(), because: value.clone(), right: None });
            evidence.roles.clone_from(&value);
            for names in [false, true] {
                let text = write(&evidence, names).unwrap();
                for form in forms(&value) {
                    assert!(!text.contains(&form), "round {round}: {form:?} in {text}");
                }
            }
        }
    }
}

#[test]
fn nobodys_name_is_in_what_travels_unless_it_is_asked_for() {
    const NAMES: [&str; 6] = ["zaphod", "heart-of-gold", "magrathea", "trillian", "8.8.8.8", "marvin"];
    let said = "zaphod of heart-of-gold: lookup dex.magrathea.com on 8.8.8.8:53, and trillian@magrathea.com";
    let mut evidence = well();
    evidence.kubectl = "kubectl --kubeconfig /home/zaphod/k --context magrathea".into();
    let text = CONFIG.replace("dex.host", "dex.magrathea.com");
    evidence.settings = Seen::There(settings("https://argocd.magrathea.com/x", &text));
    if let Seen::There(settings) = &mut evidence.settings {
        settings.accounts = vec!["marvin".into()];
    }
    evidence.pasted = Some(user("marvin@magrathea.com", &["marvin"]));
    evidence.provider.issuer = "http://dex.magrathea.com".into();
    evidence.rbac = Seen::There(Rbac {
        rules: vec![
            member("Heart-of-Gold", "role:admin"),
            member("trillian@magrathea.com", "heart-of-gold"),
            Rule::Permission { subject: "CgZ6YXBob2QSBWxvY2Fs".into() },
        ],
        invalid: vec![("policy.csv".into(), "g, zaphod role:admin".into())],
        ..Rbac::nothing()
    });
    evidence.hosts = Seen::There(vec!["argocd.magrathea.com".into(), "*.magrathea.com".into()]);
    if let Seen::There(server) = &mut evidence.server {
        server.image = "registry.magrathea.com/argocd:v3.3.6".into();
        server.host_aliases = vec![("dex.magrathea.com".into(), "8.8.8.8".into())];
        for (name, value) in
            [("HTTPS_PROXY", "proxy.magrathea.com:3128"), ("NO_PROXY", ".svc, .magrathea.com,8.8.8.8")]
        {
            server.env.insert(name.into(), EnvSeen::Text(Hidden::new(value)));
        }
        server.labels.insert("owner".into(), "zaphod".into());
    }
    let failure = Failure::new(Step::Login, Some(500), said, Cause::ProviderUnreachable);
    outside(&mut evidence).address = "https://argocd.magrathea.com/".parse().unwrap();
    outside(&mut evidence).rehearsals = vec![rehearsal(Err(failure), taken())];
    let claims = json!({
        "iss": "http://dex.magrathea.com", "sub": "CgZ6YXBob2QSBWxvY2Fs", "email": "Zaphod@magrathea.com",
        "https://magrathea.com/groups": ["/crew/heart-of-gold"], "federated_claims": {"user_id": "zaphod"},
    });
    let user =
        User { username: "zaphod".into(), groups: vec!["heart-of-gold".into()], claims, may_look: None };
    outside(&mut evidence).logins = logins(vec![], Some(user));
    evidence.could_not.push(CouldNot { what: "logs".into(), because: said.into(), right: Some(said.into()) });
    evidence.bundled.trouble = Some(("argocd-dex-server-a".into(), said.into()));

    travels(&evidence);
    evidence.roles = said.into();
    let text = write(&evidence, false).unwrap();
    for name in NAMES {
        assert!(!text.to_lowercase().contains(name), "{name} in {text}");
    }
    assert!(text.contains("kubectl --context CONTEXT"), "{text}");
    let text = write(&evidence, true).unwrap();
    assert!(NAMES.iter().all(|name| text.contains(name)), "{text}");
}

#[test]
fn what_is_no_evidence_is_refused_in_one_sentence() {
    let good = write(&well(), false).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let swapped = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    for (text, why) in [
        (String::new(), "it ends too early"),
        (good[..good.len() / 2].to_owned(), "it ends too early"),
        ("apiVersion: v1\n".to_owned(), "it is no JSON that can be read, at line 1"),
        ("\u{1b}[31m".to_owned(), "it is no JSON that can be read, at line 1"),
        (deep.clone(), "it is no JSON that can be read"),
        (format!("{{\"schema\": 1, \"evidence\": {deep}}}"), "it is no JSON that can be read"),
        ("[]".to_owned(), "it is no file of the doctor's evidence: it has no `schema`"),
        ("{}".to_owned(), "it is no file of the doctor's evidence: it has no `schema`"),
        (r#"{"schema": 1}"#.to_owned(), "it is no file of the doctor's evidence: missing field"),
        (swapped("\"schema\": 1", "\"schema\": 2"), "its schema is 2, and this doctor reads 1"),
        (swapped("\"schema\": 1", "\"schema\": \"1\""), "its schema is no number, and this doctor reads 1"),
        (swapped("\"schema\": 1", "\"schema\": 1e400"), "it is no JSON that can be read"),
        (
            swapped("\"wanted\": 1", "\"wanted\": 99999999999"),
            "it is no file of the doctor's evidence: invalid value",
        ),
        (
            swapped("\"secret\": \"s1\"", "\"secret\": \"s99\""),
            "it is no file of the doctor's evidence: a secret is named",
        ),
        (
            swapped("\"bytes\": 17", "\"bytes\": 99999999999999"),
            "it is no file of the doctor's evidence: a secret has",
        ),
        (swapped("v3.3.6\"", "\u{202e}\\u001b[31m\""), "it is no file of the doctor's evidence: "),
        (" ".repeat(LONGEST + 1), "it is longer than 8 MiB"),
    ] {
        let error = read(&text).unwrap_err();
        let said = error.message();
        assert!(said.starts_with(why), "{said}");
        assert!(!said.contains(|c: char| c.is_control()) && said.chars().count() < 400, "{said:?}");
        assert_eq!(error.exit.code(), 3);
    }
    // Cut anywhere, or with any byte another one.
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..300 {
        let at = numbers.next(good.len());
        let mut bytes = good.clone().into_bytes();
        bytes[at] = b"{}[]\",:0x\n"[numbers.next(10)];
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for text in [text, good.chars().take(at).collect()] {
            if let Ok(evidence) = read(&text) {
                let _ = Diagnosis::of(&evidence, true);
            }
        }
    }
}

#[test]
fn what_would_be_printed_as_it_stands_is_made_harmless() {
    let mut evidence = well();
    evidence.kubectl = "kubectl --context $(reboot)".into();
    evidence.could_not.push(CouldNot {
        what: "\u{1b}[31m".into(),
        because: "a\nb".into(),
        right: Some("\u{202e}".into()),
    });
    for (command, kept) in [
        ("kubectl --context 'arn:aws:eks:eu-west-1:1:cluster/a b$(c)'", true),
        ("kubectl --kubeconfig /home/me/k --context a@b", true),
        ("cargo xtask kubectl --", true),
        ("kubectl 'a'; reboot '", false),
        ("kubectl 'a", false),
        ("kubectl2", false),
        ("reboot", false),
        ("", false),
    ] {
        assert_eq!(is_command(command), kept, "{command}");
    }
    evidence.roles = "kind: Role\n\u{1b}[31m\n".into();
    let read = read(&write(&evidence, true).unwrap()).unwrap();
    assert_eq!((read.kubectl.as_str(), read.roles.as_str()), ("kubectl", "kind: Role\n\u{fffd}[31m\n"));
    assert_eq!(
        format!("{:?}", read.could_not[0]),
        format!(
            "{:?}",
            CouldNot {
                what: "\u{fffd}[31m".into(),
                because: "a\u{fffd}b".into(),
                right: Some("\u{fffd}".into()),
            }
        )
    );
}

#[test]
fn the_document_reads_like_this() {
    let mut evidence = well();
    refused(&mut evidence);
    dex(&mut evidence, &format!("{SECRET}\n"), "00:00:02", "00:00:30");
    let text = write(&evidence, false).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(text, write(&evidence, false).unwrap(), "the same each time");
}

#[test]
fn what_stands_in_a_secret_and_is_none_is_written() {
    let mut evidence = well();
    let config =
        CONFIG.replace("http://dex.host", "$argocd-oidc:issuer").replace("argo-cd", "$argocd-oidc:id");
    evidence.settings = Seen::There(settings("http://argocd.host", &config));
    if let Seen::There(it) = &mut evidence.named_secret {
        it.keys.extend(secret("argocd-oidc", "issuer", "http://dex.host\n", "00:00:02").keys);
        it.keys.extend(secret("argocd-oidc", "id", "argo-cd", "00:00:02").keys);
    }
    refused(&mut evidence);
    travels(&evidence);
    assert!(write(&evidence, true).unwrap().contains("\"issuer\": \"http://dex.host\""));
}

#[test]
fn a_secret_that_is_a_word_of_the_form_is_not_written_whatever_is_lost() {
    let mut evidence = well();
    evidence.release = Some("v2.12.1".parse().unwrap());
    evidence.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", "v2.12.1", "00:00:02"));
    let error = write(&evidence, false).unwrap_err();
    let said = error.message();
    assert!(said.contains("cannot be written") && !said.contains("v2.12.1"), "{said}");
}
