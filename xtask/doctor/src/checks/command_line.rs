//! The command line's login (`argocd login --sso`), which is another client's: the web's logins do not show what ails it,
//! and it does not show what ails them.

use probe::cli_login::REDIRECT_URI;
use probe::{Cause, CauseId, TokenAnswer};

use super::commands::{edit, set_cli_client, set_list};
use super::{at_field, settings};
use crate::evidence::{AsCommandLine, DexConfig, Evidence};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::shown::{exact, listed, shown};

/// What keeps the command line from logging in, where it is meant to.
pub fn check(evidence: &Evidence) -> Option<Finding> {
    let (client, own) = evidence.command_line()?;
    let dex = evidence.provider.own_config();
    let asked = evidence.provider.command_line.as_ref();
    let (id, certainty) = match asked {
        Some(asked) => of_answers(asked, own, dex.is_some()),
        None => dex.and_then(|dex| of_dex(dex, client, own)).map(|id| (id, Certainty::Likely)),
    }
    .or_else(|| audience(evidence, own).map(|()| (CauseId::CliAudience, Certainty::Certain)))?;
    Some(finding(evidence, id, client, own).certainty(certainty).when(When::Later))
}

/// By what the provider says to whoever asks as the command line does.
fn of_answers(asked: &AsCommandLine, own: bool, is_dex: bool) -> Option<(CauseId, Certainty)> {
    match asked.form.form.as_ref().err().map(|failure| failure.cause) {
        Some(Cause::CliRedirect) => return Some((CauseId::CliRedirectUri, Certainty::Certain)),
        Some(Cause::CliUnknownClient) if own => return Some((CauseId::CliClientId, Certainty::Certain)),
        _ => {}
    }
    let refused = asked.token.as_ref().is_ok_and(TokenAnswer::names_client);
    let id = if own { CauseId::CliClientType } else { CauseId::CliNoClient };
    // Of others than Dex there are only the words.
    refused.then_some((id, if is_dex { Certainty::Certain } else { Certainty::Likely }))
}

/// By Dex's configuration, which may not be what it was started with.
fn of_dex(dex: &DexConfig, client: &str, own: bool) -> Option<CauseId> {
    let has = |ids: &[String]| ids.iter().any(|id| id == client);
    if !has(&dex.client_ids) {
        return own.then_some(CauseId::CliClientId);
    }
    if !has(&dex.command_line_ids) {
        return Some(CauseId::CliRedirectUri);
    }
    let id = if own { CauseId::CliClientType } else { CauseId::CliNoClient };
    (!has(&dex.public_ids)).then_some(id)
}

/// Whether tokens for the command line's client are not taken, while those for the web's are.
fn audience(evidence: &Evidence, own: bool) -> Option<()> {
    let config = evidence.oidc().filter(|_| own)?;
    let knows = evidence.release.as_ref().is_none_or(|release| release.knows_allowed_audiences());
    let lacks = !config.audiences.is_empty() && !config.audiences.contains(&evidence.cli_client_id);
    (knows && lacks && settings::audience(evidence).is_none()).then_some(())
}

fn finding(evidence: &Evidence, id: CauseId, client: &str, own: bool) -> Finding {
    const COMMAND: &str = "`argocd login --sso` is a login of its own, without the client secret";
    let dex = evidence.provider.own_config();
    let asked = evidence.provider.command_line.as_ref();
    let said = asked.and_then(|asked| asked.form.form.as_ref().err());
    let says =
        format!("asked for its form as {} by the command line's way, the provider says", exact(client));
    let answered = asked.and_then(|asked| {
        let error = asked.token.as_ref().ok()?.error.as_deref()?;
        Some(format!(
            "to a code that nobody gave out, as {} and without a secret, its token endpoint says {}",
            exact(client),
            shown(error)
        ))
    });
    let field = match own {
        true => format!("cliClientID is {}", exact(client)),
        false => format!("oidc.config has no cliClientID, so the command line logs in as {}", exact(client)),
    };
    let place = at_field(if id == CauseId::CliAudience { "allowedAudiences" } else { "cliClientID" });
    let register = format!(
        "register a public client at the provider (Dex: public: true, redirectURIs: [{REDIRECT_URI}])"
    );
    let other = dex.and_then(|dex| dex.command_line_ids.iter().find(|id| dex.public_ids.contains(id)));
    let name_it = match other {
        Some(other) => set_cli_client(evidence, other),
        None => Fix::from(format!("{register}, and name it:")).then(&edit(
            evidence,
            "argocd-cm",
            "oidc.config: cliClientID: its ID",
        )),
    };
    let finding = Finding::new(id, place).seen(field);
    match id {
        CauseId::CliRedirectUri => finding
            .quoting(&says, said)
            .seen_if(dex.map(|dex| match dex.command_line_ids.as_slice() {
                [] => format!("{} has {REDIRECT_URI} for no client", shown(&dex.at)),
                ids => format!("{} has {REDIRECT_URI} for {}", shown(&dex.at), listed(ids)),
            }))
            .why(format!("{COMMAND}, and asks to be called back at {REDIRECT_URI}: the provider shows an error, and the command waits for ever; the web's login is not touched"))
            .fix(match own {
                true => {
                    Fix::from(format!("register {REDIRECT_URI} at the provider for client {}", shown(client)))
                }
                false => name_it,
            }),
        CauseId::CliNoClient => finding
            .seen_if(answered)
            .seen_if(dex.map(|dex| format!("that client has a secret and {REDIRECT_URI} among its redirectURIs, by {}", shown(&dex.at))))
            .why(format!("{COMMAND}, and the provider gives the web's client no token without it: the command says invalid_client, and no new secret helps; the web's login is not touched"))
            .fix(name_it),
        CauseId::CliClientType => finding
            .seen_if(answered)
            .seen_if(dex.filter(|dex| dex.client_ids.iter().any(|id| id == client)).map(|dex| {
                let is = if dex.public_ids.iter().any(|id| id == client) { "is public" } else { "has a secret" };
                format!("that client {is}, by {}", shown(&dex.at))
            }))
            .why(format!("{COMMAND}, and the provider wants one of this client: the command says invalid_client; the web's login is not touched"))
            .fix(format!("make client {} a public one at the provider (Dex: public: true, and no secret)", exact(client))),
        CauseId::CliClientId => finding
            .quoting(&says, said)
            .seen_if(dex.map(|dex| format!("registered are, by {}: {}", shown(&dex.at), listed(&dex.client_ids))))
            .why(format!("{COMMAND}, and the provider has no such client: it shows an error, and the command waits for ever; the web's login is not touched"))
            .fix(match other {
                Some(_) => name_it,
                None => Fix::from(format!("{register}, with the ID {}", exact(client))),
            }),
        _ => {
            let audiences = evidence.oidc().map(|config| config.audiences.clone()).unwrap_or_default();
            let with_client = [audiences.as_slice(), &[client.to_owned()]].concat();
            finding
                .seen(format!("allowedAudiences is {}", listed(&audiences)))
                .why("the command line's tokens are made for cliClientID: `argocd login --sso` says that it was successful, and Argo CD then takes its token for nobody's (Logged In: false); the web's login is not touched")
                .fix(set_list(evidence, "allowedAudiences", &with_client))
        }
    }
}
