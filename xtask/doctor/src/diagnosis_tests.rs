use probe::{Cause, Step, User};

use super::*;
use crate::evidence::{Form, Rehearsed, Seen};
use crate::fixtures::*;
use crate::hidden::Hidden;

/// Everything that a diagnosis can be made to say.
fn said(evidence: &Evidence) -> String {
    let diagnosis = Diagnosis::of(evidence, true);
    let json = serde_json::to_string(&diagnosis.fields()).unwrap();
    format!("{}\n{}\n{json}\n{diagnosis:?}", diagnosis.headline(), diagnosis.body())
}

/// Numbers that look random and are the same in each run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    /// A secret: of letters, of everything on a keyboard, of any character, or of what
    /// settings are made of.
    pub fn secret(&mut self) -> String {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const KEYBOARD: &str = "abcXYZ019 !\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\\t";
        const ANY: &str = "äöü\u{1b}\u{202e}漢字🔑\u{0}\u{7f}$:-{}\n";
        const SETTINGS: &str = "$:-.argocd-oidc{}\"'|> \n";
        let alphabet: Vec<char> = [LETTERS, KEYBOARD, ANY, SETTINGS][self.next(4)].chars().collect();
        let length = 8 + self.next(60);
        // Each begins so that no sentence of ours can have it by chance.
        let rest: String = (0..length).map(|_| alphabet[self.next(alphabet.len())]).collect();
        match self.next(4) {
            0 => format!("$Zq7{rest}"),
            1 => format!("$zq7-name:{rest}"),
            _ => format!("Zq7{rest}"),
        }
    }
}

/// An installation whose client secret is `value`, ill in a way that `kind` chooses.
pub fn ill(value: &str, kind: usize, plain: bool) -> Evidence {
    let mut evidence = well();
    evidence.named_secret = Seen::There(secret("argocd-oidc", "clientSecret", value, "12:00:00"));
    evidence.current = Some(Hidden::new(value).trimmed());
    if plain {
        // As people do: the secret itself in argocd-cm.
        let config =
            serde_json::json!({"issuer": "http://dex.host", "clientID": "argo-cd", "clientSecret": value});
        evidence.settings = Seen::There(settings("http://argocd.host", &config.to_string()));
    }
    refused(&mut evidence);
    match kind {
        0 => {}
        1 => evidence.provider.tried = presented(&refuses()),
        2 => {
            evidence.provider.tried = presented(&refuses());
            evidence.provider.tried.extend(tried(Form::WithLineBreak, &takes()));
        }
        3 => {
            evidence.provider.tried = presented(&refuses());
            dex(&mut evidence, &format!("{value}\n"), "12:00:00", "00:00:30");
        }
        4 => {
            if let Seen::There(secret) = &mut evidence.named_secret {
                secret.labelled = false;
            }
        }
        5 => {
            evidence.named_secret = Seen::There(secret("argocd-oidc", "other", value, "12:00:00"));
            evidence.current = None;
        }
        6 => evidence.provider.tried = presented(&Err(format!("401 {value}"))),
        7 => {
            // A server that says the secret in its own words.
            let failure = probe::Failure::new(Step::Authorize, Some(400), value, Cause::UnregisteredRedirect);
            outside(&mut evidence).rehearsals = vec![rehearsal(Err(failure), not_taken())];
        }
        8 => {
            let user = User {
                username: value.to_owned(),
                groups: vec![value.to_owned()],
                claims: json!({"email": value}),
                may_look: None,
            };
            outside(&mut evidence).logins = logins(vec![], Some(user));
        }
        _ => {
            let failure = probe::Failure::new(Step::Login, Some(500), value, Cause::ProviderUnreachable);
            evidence.pods[0].rehearsed = vec![Rehearsed::NotBegun(failure)];
        }
    }
    evidence
}

#[test]
fn no_secret_is_in_anything_that_is_said() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut findings = 0;
    for round in 0..400 {
        let value = numbers.secret();
        for plain in [false, true] {
            let evidence = ill(&value, round % 10, plain);
            if round % 4 == 0 {
                crate::travel::tests::finds_the_same(&evidence, false);
            }
            let said = said(&evidence);
            findings += said.matches("evidence").count();
            let hidden = Hidden::new(value.as_str());
            let encoded = hidden.encoded().text();
            let quoted = serde_json::json!(value.trim()).to_string();
            let debugged = format!("{:?}", value.trim());
            for form in [value.trim(), encoded.as_str(), quoted.trim_matches('"'), debugged.trim_matches('"')]
            {
                assert!(!said.contains(form), "round {round}, plain {plain}: {form:?} in {said}");
            }
        }
    }
    // It has said something that could have had a secret in it.
    assert!(findings > 800, "{findings}");
}

#[test]
fn the_text_reads_from_the_outcome_to_what_to_do() {
    let mut evidence = ill("the-client-secret", 0, false);
    evidence.could_not.push(CouldNot {
        what: "logs".into(),
        because: "this user may not".into(),
        right: Some("get pods/log x in namespace argocd".into()),
    });
    evidence.roles = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n".into();
    let diagnosis = Diagnosis::of(&evidence, true);
    insta::assert_snapshot!(format!("{}\n{}", diagnosis.headline(), diagnosis.body()));
    assert_eq!(diagnosis.exit().code(), 1);
}

#[test]
fn a_failure_that_nobody_knows_is_no_all_clear() {
    let mut evidence = well();
    outside(&mut evidence).logins = logins(vec![group(Step::Form, Cause::Unknown)], None);
    let diagnosis = Diagnosis::of(&evidence, false);
    assert_eq!(diagnosis.findings, []);
    assert_eq!(diagnosis.unexplained, ["form: 500 the server's words"]);
    assert_eq!(diagnosis.exit().code(), 1);
    assert!(diagnosis.headline().ends_with("logins fail in a way that no check explains"));
    let well = Diagnosis::of(&well(), false);
    assert_eq!((well.exit().code(), well.headline().ends_with(": nothing found")), (0, true));
}
