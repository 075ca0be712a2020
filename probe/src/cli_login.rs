//! The command line's login, `argocd login --sso`: another client than the web's. The program on the user's machine
//! asks Argo CD for its settings and the provider for itself, sends the user to the form with a PKCE challenge, waits at
//! an address of its own, and redeems the code without a client secret. Here nobody waits: the redirect to that address
//! is read and not followed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::catalogue::Cause;
use crate::http::{Request, parameter};
use crate::id_token;
use crate::login::{Arrived, Attempt, Failure, User, below};
use crate::options::Options;
use crate::rehearsal::failure;
use crate::trace::Step;
use crate::words;

/// Where the command line asks to be called back, unless it is told another port.
pub const REDIRECT_URI: &str = "http://localhost:8085/auth/callback";
/// The client that the Dex inside Argo CD has for it.
pub const BUNDLED_CLIENT: &str = "argo-cd-cli";
/// The path of that Dex below Argo CD's address.
const BUNDLED_PATH: &str = "/api/dex";
/// What it asks for where nothing else is set.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "groups"];

/// As whom the command line logs in, and where: what it makes of Argo CD's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    id: String,
    /// Whether it is a client of its own, and not the web's.
    own: bool,
    issuer: String,
    scopes: Vec<String>,
}

impl Client {
    /// None where Argo CD is not configured with SSO.
    fn of(settings: &Value) -> Option<Self> {
        let oidc = &settings["oidcConfig"];
        let text = |name: &str| oidc[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(issuer) = text("issuer") {
            let asked: Vec<String> = oidc["scopes"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let own = text("cliClientID");
            return Some(Self {
                own: own.is_some(),
                id: own.or_else(|| text("clientID")).unwrap_or_default(),
                issuer,
                scopes: if asked.is_empty() { SCOPES.map(str::to_owned).to_vec() } else { asked },
            });
        }
        let has_dex = settings["dexConfig"]["connectors"].as_array().is_some_and(|all| !all.is_empty());
        has_dex.then(|| Self {
            id: BUNDLED_CLIENT.to_owned(),
            own: true,
            issuer: format!("{}{BUNDLED_PATH}", settings["url"].as_str().unwrap_or_default()),
            scopes: SCOPES.iter().chain(&["federated:id"]).map(|&scope| scope.to_owned()).collect(),
        })
    }

    /// What an answer means that would mean something else in a browser's login.
    fn meaning(&self, cause: Cause) -> Cause {
        match cause {
            Cause::UnregisteredRedirect | Cause::RedirectElsewhere => Cause::CliRedirect,
            Cause::UnknownClient if self.own => Cause::CliUnknownClient,
            Cause::InvalidClient if self.own => Cause::CliSecretWanted,
            Cause::InvalidClient => Cause::CliNoClient,
            Cause::NotLoggedIn if self.own => Cause::CliNotLoggedIn,
            other => other,
        }
    }
}

/// Where the provider is asked, by its discovery document.
struct Endpoints {
    authorization: Url,
    token: Url,
    offers_offline_access: bool,
}

/// What ties a login together: a state, and the verifier whose hash the provider is shown first.
struct Secrets {
    state: String,
    verifier: String,
}

impl Secrets {
    fn new() -> Option<Self> {
        let random = || {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).ok().map(|()| BASE64_URL_SAFE_NO_PAD.encode(bytes))
        };
        Some(Self { state: random()?, verifier: random()? })
    }

    /// The command line's authorize request.
    fn authorize(&self, endpoint: &Url, client_id: &str, scopes: &[String]) -> Url {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let mut url = endpoint.clone();
        url.query_pairs_mut()
            .append_pair("access_type", "offline")
            .append_pair("client_id", client_id)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("response_type", "code")
            .append_pair("scope", &scopes.join(" "))
            .append_pair("state", &self.state);
        url
    }
}

impl Attempt<'_> {
    /// One login as the command line.
    pub(crate) async fn run_as_cli(&mut self) -> Result<User, Failure> {
        let settings = self.public_settings().await?;
        let Some(client) = Client::of(&settings) else {
            let message =
                "not configured with SSO: neither an issuer in oidcConfig nor a connector in dexConfig";
            return Err(self.failure(Step::Settings, Some(200), message.to_owned(), Cause::NoButton));
        };
        let whose = if client.own { "its own client" } else { "the web's client" };
        let id = words::shorten(&client.id);
        self.note(|_| format!("logs in as {whose}, {id}"));
        let outcome = self.log_in(&client).await;
        outcome.map_err(|failure| Failure { cause: client.meaning(failure.cause), ..failure })
    }

    async fn log_in(&mut self, client: &Client) -> Result<User, Failure> {
        let endpoints = self.endpoints(client).await?;
        let mut scopes = client.scopes.clone();
        scopes.extend(endpoints.offers_offline_access.then(|| "offline_access".to_owned()));
        let Some(secrets) = Secrets::new() else {
            let message = "the system gives no random numbers".to_owned();
            return Err(self.failure(Step::Authorize, None, message, Cause::Unknown));
        };
        self.redactor.learn(&secrets.state);
        self.redactor.learn(&secrets.verifier);
        let back =
            match self.authorize(secrets.authorize(&endpoints.authorization, &client.id, &scopes)).await? {
                Arrived::AtForm(form) => self.form(&form.0, &form.1).await?,
                Arrived::AtCallback(url) => url,
            };
        let code = self.code(&back, &secrets.state)?;
        let token = self.redeem(client, &endpoints.token, &code, &secrets.verifier).await?;
        let url = below(&self.argocd, "api/v1/session/userinfo");
        let request = Request { bearer: Some(&token), ..Request::get(&url, self.limit()) };
        let hop = self.exchange(Step::Userinfo, request, &[]).await?;
        self.user(&hop, id_token::claims(&token).unwrap_or_default())
    }

    /// Asks the provider where it is to be asked.
    async fn endpoints(&mut self, client: &Client) -> Result<Endpoints, Failure> {
        let step = Step::Authorize;
        let Some(issuer) = web_address(&client.issuer) else {
            let message = format!("the issuer is no web address: {}", client.issuer);
            return Err(self.failure(Step::Settings, Some(200), message, Cause::ProviderUnreachable));
        };
        let mut url = below(&issuer, ".well-known/openid-configuration");
        let hop = loop {
            let hop = self.get(step, &url).await?;
            match self.redirect(step, &hop)? {
                Some(next) => url = next.url,
                None => break hop,
            }
        };
        let document: Value = serde_json::from_slice(&hop.answer.body).unwrap_or_default();
        let endpoint = |name: &str| web_address(document[name].as_str().unwrap_or_default());
        let (Some(authorization), Some(token), 200) =
            (endpoint("authorization_endpoint"), endpoint("token_endpoint"), hop.answer.status)
        else {
            return Err(self.refused(step, &hop));
        };
        let named = document["issuer"].as_str().unwrap_or_default();
        if named != client.issuer {
            let message = format!(
                "oidc: issuer did not match the issuer returned by provider, expected {:?} got {named:?}",
                client.issuer
            );
            return Err(self.failure(step, Some(200), message, Cause::IssuerMismatch));
        }
        let scopes = document["scopes_supported"].as_array();
        let offers_offline_access =
            scopes.is_some_and(|all| all.iter().any(|scope| scope == "offline_access"));
        self.note(|_| format!("issuer {named}"));
        Ok(Endpoints { authorization, token, offers_offline_access })
    }

    /// The code that the provider sends to the address where the command line waits, or why it sends none.
    fn code(&mut self, back: &Url, state: &str) -> Result<String, Failure> {
        self.redactor.learn_url(back);
        let value = |name| parameter(back.query().unwrap_or_default(), name).unwrap_or_default();
        let (step, status) =
            self.exchanges.last().map_or((Step::Authorize, None), |last| (last.step, last.status));
        let error = value("error");
        if !error.is_empty() {
            let words = format!("{error}: {}", value("error_description"));
            let told = failure(step, status.unwrap_or_default(), &words);
            return Err(self.failure(step, status, told.message, told.cause));
        }
        if value("state") != state {
            return Err(self.failure(step, status, "Unknown state nonce".to_owned(), Cause::StateMismatch));
        }
        match value("code") {
            code if code.is_empty() => {
                Err(self.failure(step, status, "no code in request".to_owned(), Cause::Unknown))
            }
            code => Ok(code),
        }
    }

    /// Redeems the code without a client secret; gives the ID token.
    async fn redeem(
        &mut self,
        client: &Client,
        endpoint: &Url,
        code: &str,
        verifier: &str,
    ) -> Result<String, Failure> {
        let step = Step::Token;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", &client.id),
            ("code_verifier", verifier),
        ];
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(endpoint, &form, self.limit());
        let hop = self.exchange(step, request, &fields.map(|(name, _)| name.to_owned())).await?;
        let answer: Value = serde_json::from_slice(&hop.answer.body).unwrap_or_default();
        for name in ["id_token", "access_token", "refresh_token"] {
            self.redactor.learn(answer[name].as_str().unwrap_or_default());
        }
        match (hop.answer.status, answer["id_token"].as_str()) {
            (200, Some(token)) => {
                self.note(|_| "an ID token, without a client secret".to_owned());
                Ok(token.to_owned())
            }
            (200, None) => {
                Err(self.failure(step, Some(200), "no id_token in token response".to_owned(), Cause::Unknown))
            }
            _ => Err(self.refused(step, &hop)),
        }
    }
}

fn web_address(text: &str) -> Option<Url> {
    text.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// What a provider says to the command line's client before anybody logs in.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
pub struct Knocked {
    /// Whether it shows a page to log in at, or why it does not.
    pub form: Result<(), Failure>,
    /// How many requests that took.
    pub requests: usize,
}

/// Asks a provider's authorization endpoint for a login as the command line's own client, as far as its page.
pub async fn knock(options: &Options, endpoint: &Url, client_id: &str, scopes: &[String]) -> Option<Knocked> {
    let secrets = Secrets::new()?;
    let mut attempt = Attempt::new(options);
    let arrived = attempt.authorize(secrets.authorize(endpoint, client_id, scopes)).await;
    let form = match arrived {
        Ok(Arrived::AtForm(_)) | Err(Failure { status: Some(200..=299), .. }) => Ok(()),
        Ok(Arrived::AtCallback(url)) => attempt.code(&url, &secrets.state).map(drop),
        Err(failure) => Err(failure),
    };
    let meaning = Client { id: client_id.to_owned(), own: true, issuer: String::new(), scopes: vec![] };
    let form = form.map_err(|failure| Failure { cause: meaning.meaning(failure.cause), ..failure });
    Some(Knocked { form, requests: attempt.exchanges.len() })
}
