//! The command line's login: what the provider says to it, what Dex's configuration says of it, and where nobody means
//! it to log in.

use probe::cli_login::{Knocked, REDIRECT_URI};
use probe::{Cause, Step};

use super::tests::finds;
use super::*;
use crate::evidence::{AsCommandLine, DexConfig, Seen};
use crate::fixtures::*;

const PUBLIC: &str =
    "- {id: argo-cd-cli, public: true, redirectURIs: [\"http://localhost:8085/auth/callback\"]}";
const SECRET_ONE: &str =
    "- {id: argo-cd-cli, secret: x, redirectURIs: [\"http://localhost:8085/auth/callback\"]}";

/// An installation whose settings and whose Dex say this of the command line.
fn told(e: &mut Evidence, cli: &str, more: &str, web_uris: &str, clients: &str) {
    let line = if cli.is_empty() { String::new() } else { format!("cliClientID: {cli}\n") };
    let config = format!("{CONFIG}{line}{more}\n");
    e.settings = Seen::There(settings("http://argocd.host", &config));
    e.cli_client_id = cli.to_owned();
    dex(e, SECRET, "00:00:02", "00:00:30");
    let text = format!(
        "issuer: http://dex.host\nstaticClients:\n- {{id: argo-cd, redirectURIs: [http://argocd.host/auth/callback{web_uris}]}}\n{clients}\n"
    );
    let Seen::There(dex) = &mut e.provider.dex else { panic!("no Dex") };
    dex.config = DexConfig::read("Secret dex/dex", text.as_bytes(), "argo-cd");
}

/// What the provider said to somebody who asked as the command line does.
fn said(form: Option<Cause>, token: &Answer) -> Option<AsCommandLine> {
    let form = form.map_or(Ok(()), |cause| Err(fails(Step::Authorize, cause)));
    Some(AsCommandLine { form: Knocked { form, requests: 3 }, token: token.clone() })
}

#[test]
fn settings_and_dexs_configuration_tell_where_the_provider_was_not_asked() {
    let web = ", \"http://localhost:8085/auth/callback\"";
    for (cli, more, web_uris, clients, found) in [
        ("argo-cd-cli", "", "", PUBLIC, None),
        ("argo-cd-cli", "", "", "- {id: argo-cd-cli, public: true}", None),
        ("argo-cd-cli", "", "", "", Some("cli-client-id likely later")),
        ("argo-cd-cli", "", "", SECRET_ONE, Some("cli-client-type likely later")),
        (
            "argo-cd-cli",
            "",
            "",
            "- {id: argo-cd-cli, public: true, redirectURIs: [x]}",
            Some("cli-redirect-uri likely later"),
        ),
        ("argo-cd-cli", "allowedAudiences: [argo-cd]", "", PUBLIC, Some("cli-audience certain later")),
        ("argo-cd-cli", "allowedAudiences: [argo-cd, argo-cd-cli]", "", PUBLIC, None),
        // Somebody made a client for it, and did not name it.
        ("", "", "", PUBLIC, Some("cli-redirect-uri likely later")),
        ("", "", web, "", Some("cli-no-client likely later")),
        // Nothing says that anybody logs in by the command line.
        ("", "", "", "", None),
        ("", "allowedAudiences: [argo-cd]", "", "", None),
    ] {
        let found: Vec<&str> = found.into_iter().collect();
        finds(|e| told(e, cli, more, web_uris, clients), &found);
    }
}

#[test]
fn what_the_provider_says_is_surer_than_what_dex_was_told_to_read() {
    for (cli, form, token, clients, found) in [
        ("argo-cd-cli", None, takes(), PUBLIC, None),
        // The configuration is right by now, and Dex runs with what was there before.
        (
            "argo-cd-cli",
            Some(Cause::CliUnknownClient),
            refuses(),
            PUBLIC,
            Some("cli-client-id certain later"),
        ),
        ("argo-cd-cli", Some(Cause::CliRedirect), takes(), PUBLIC, Some("cli-redirect-uri certain later")),
        ("argo-cd-cli", None, refuses(), PUBLIC, Some("cli-client-type certain later")),
        ("argo-cd-cli", None, takes(), SECRET_ONE, None),
        ("", Some(Cause::CliRedirect), refuses(), PUBLIC, Some("cli-redirect-uri certain later")),
        ("", None, refuses(), PUBLIC, Some("cli-no-client certain later")),
        // What ails the web's login as well is not said twice.
        ("argo-cd-cli", Some(Cause::InvalidScope), takes(), PUBLIC, None),
        ("argo-cd-cli", Some(Cause::Timeout), Err("no answer".into()), PUBLIC, None),
    ] {
        let found: Vec<&str> = found.into_iter().collect();
        finds(
            |e| {
                told(e, cli, "", "", clients);
                e.provider.command_line = said(form, &token);
            },
            &found,
        );
    }
}

#[test]
fn without_a_cluster_there_are_the_providers_words() {
    for (form, token, found) in [
        (None, refuses(), "cli-client-type likely later"),
        (Some(Cause::CliUnknownClient), refuses(), "cli-client-id certain later"),
    ] {
        finds(
            |e| {
                e.cli_client_id = "cli".into();
                e.provider.command_line = said(form, &token);
            },
            &[found],
        );
    }
}

#[test]
fn one_fix_is_enough_for_a_list_that_lacks_both_clients() {
    let findings =
        finds(|e| told(e, "argo-cd-cli", "allowedAudiences: [other]", "", PUBLIC), &["audience likely now"]);
    assert!(
        findings[0].fix.contains("allowedAudiences: [other, argo-cd, argo-cd-cli]"),
        "{}",
        findings[0].fix
    );
}

#[test]
fn fixes_name_the_client_that_is_there() {
    let findings = finds(|e| told(e, "", "", "", PUBLIC), &["cli-redirect-uri likely later"]);
    assert!(findings[0].fix.contains(r#"+ "\ncliClientID: argo-cd-cli\n""#), "{}", findings[0].fix);
    assert_eq!(findings[0].change[1..], ["+ cliClientID: argo-cd-cli"]);
    assert!(
        findings[0].evidence.iter().any(|line| line.contains(REDIRECT_URI)),
        "{:?}",
        findings[0].evidence
    );
    let findings = finds(|e| told(e, "other", "", "", PUBLIC), &["cli-client-id likely later"]);
    assert!(findings[0].fix.contains("cliClientID: argo-cd-cli"), "{}", findings[0].fix);
    assert_eq!(findings[0].change[1..], ["- cliClientID: other", "+ cliClientID: argo-cd-cli"]);
}
