//! Asks the provider as the command line does (`argocd login --sso`): for its form, without a user, and for a token,
//! without a secret and with a code that nobody gave out.

use probe::Options;
use probe::cli_login::{self, REDIRECT_URI};

use super::provider::{Ask, endpoint, names_itself};
use crate::evidence::{AsCommandLine, Evidence, Method};
use crate::hidden::Hidden;
use crate::web_address;

/// How often a provider may send on to its form.
const MOST_REDIRECTS: u32 = 4;

/// Asks as the client that the command line logs in as, where it is meant to log in.
pub async fn ask(evidence: &mut Evidence, options: &Options) {
    let Some((client_id, _)) = evidence.command_line() else { return };
    let (Ok(token), Some(document)) = (endpoint(&evidence.provider), evidence.provider.document()) else {
        return;
    };
    let authorization = web_address(&document.authorization_endpoint);
    let Some(authorization) = authorization.filter(|_| names_itself(&evidence.provider)) else { return };
    let client_id = client_id.to_owned();
    let knocking = Options { max_redirects: MOST_REDIRECTS, ..options.clone() };
    let scopes = ["openid".to_owned()];
    let Some(form) = cli_login::knock(&knocking, &authorization, &client_id, &scopes).await else { return };
    let redirect_uri = REDIRECT_URI.to_owned();
    let ask = Ask { options, endpoint: token, client_id, redirect_uri };
    let token = ask.show(Method::Post, &Hidden::default()).await;
    evidence.provider.command_line = Some(AsCommandLine { form, token });
}
