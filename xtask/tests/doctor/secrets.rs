//! No secret is ever in what the doctor says, whatever the secret looks like.

use serde_json::json;

use crate::support::{Ended, Lab, has};

/// Secrets that are hard not to show: they look like references, YAML, escape sequences.
const VALUES: &[&str] = &[
    "$ecret-with-a-dollar",
    "$argocd-oidc:s3cr3t-behind-a-colon!",
    "zq7#: [yaml, or what?]",
    "\u{1b}[31mzq7red\u{1b}[0m",
    "{{zq7 .Template }}",
    "p%40ss&zq7=word+more",
    "czNjcmV0LXRoYXQtaXMtYmFzZTY0",
];

#[test]
fn no_output_has_a_secret_in_it() {
    if !has("kubectl", "no_output_has_a_secret_in_it") {
        return;
    }
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    for value in VALUES {
        // In the Secret; and, as people do, in argocd-cm itself.
        let config =
            json!({"issuer": "http://dex.host", "clientID": "argo-cd", "clientSecret": value}).to_string();
        for oidc in [None, Some(config)] {
            let patch = json!({"stringData": {"clientSecret": value}}).to_string();
            lab.kubectl(&["-n", "argocd", "patch", "secret", "argocd-oidc", "-p", &patch]);
            if let Some(oidc) = &oidc {
                let patch = json!({"data": {"oidc.config": oidc}}).to_string();
                lab.kubectl(&["-n", "argocd", "patch", "configmap", "argocd-cm", "-p", &patch]);
            }
            // Whoever only reads may do so beside others.
            std::thread::scope(|scope| {
                for args in [
                    &["doctor", "--evidence"][..],
                    &["doctor", "--names", "--evidence"],
                    &["doctor", "--before-rotation"],
                    &["-vv", "doctor"],
                    &["--format", "json", "doctor"],
                ] {
                    let lab = &lab;
                    scope.spawn(move || hides(lab, value, args));
                }
            });
        }
    }
}

/// Runs the doctor; what it says and what it writes to `--evidence` has no form of a secret in it.
fn hides(lab: &Lab, value: &str, args: &[&str]) {
    let file = lab.path().with_file_name(format!("{}.json", args.concat()));
    // It is written anew each time.
    let _ = std::fs::remove_file(&file);
    let mut command = lab.command(args);
    if args.last() == Some(&"--evidence") {
        command.arg(&file);
    }
    let ended = Ended::of(&mut command);
    assert!([0, 1].contains(&ended.status), "{ended}");
    let both = ended.both() + &std::fs::read_to_string(&file).unwrap_or_default();
    let quoted = json!(value).to_string();
    for form in [value, quoted.trim_matches('"')] {
        assert!(!both.contains(form), "{args:?} shows {form:?}: {ended}");
    }
}
