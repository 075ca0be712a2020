//! The table of edits: one change of objects each. A row is its name, what it is made on,
//! what the place holds afterwards, and what a person is told. It is undone by what
//! `values/` and the other Secret say.

use probe::cli_login;
use serde_json::{Value, json};

use cluster::names::{
    ARGOCD_HOST, ARGOCD_SECRET, DEX_SECRET, DEX_TLS, OIDC_SECRET, SECOND_HOST, Scheme, SecretName, Workload,
};

/// The hash of a password that nobody knows.
const OTHER_HASH: &str = "$2a$10$Ax9MkBEaKZgrsRy07QKz7uxK0oT2ChHZHxXYP/XExONXDxPINWjoK";

/// A configuration of the Dex inside Argo CD.
const DEX_BESIDE: &str =
    "connectors:\n- {type: mockPassword, id: m, name: M, config: {username: u, password: p}}\n";
/// A client that takes the place of Argo CD's own in that Dex.
const OWN_CLIENT: &str =
    "staticClients:\n- {id: argo-cd, name: Mine, secret: x, redirectURIs: [http://other.host/cb]}\n";

const CM: &str = "argocd-cm";
const RBAC: &str = "argocd-rbac-cm";
const PARAMS: &str = "argocd-cmd-params-cm";
const DEX_CONFIG: &str = "dex.config";
const REDIRECT_URIS: &str = "/staticClients/0/redirectURIs";
/// The command line's client in the lab's Dex.
const CLI_PUBLIC: &str = "/staticClients/1/public";
const CLI_SECRET_ENV: &str = "/staticClients/1/secretEnv";

/// What an edit is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Secrets, whose values are random.
    Secrets(&'static [SecretName]),
    /// A key of a ConfigMap of Argo CD.
    Key(&'static str, &'static str),
    /// A field of `oidc.config`.
    Oidc(&'static str),
    /// A place in Dex's configuration, as a JSON pointer.
    Dex(&'static str),
    /// The rules of Argo CD's Ingress.
    Rules,
    /// A variable of argocd-server's container.
    Env(&'static str),
    /// An annotation of Argo CD's Ingress.
    Annotation(&'static str),
}

/// What differs from lab to lab.
pub struct Here {
    /// An https server that every Argo CD can reach and whose certificate it does not trust.
    pub private_issuer: String,
    /// What it is spoken to by.
    pub scheme: Scheme,
}

macro_rules! edits {
    ($($edit:ident $name:literal $on:expr, $change:expr, $what:literal;)+) => {
        /// A change of objects.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(rustdoc::broken_intra_doc_links, reason = "brackets there are YAML's")]
        pub enum Edit { $(#[doc = $what] $edit,)+ }

        impl Edit {
            /// The name of its step.
            pub fn name(self) -> &'static str {
                match self { $(Self::$edit => $name,)+ }
            }

            /// What it changes, for a person.
            pub fn describe(self) -> &'static str {
                match self { $(Self::$edit => $what,)+ }
            }

            /// What it is made on.
            pub fn on(self) -> On {
                use On::{Annotation, Dex, Env, Key, Oidc, Rules, Secrets};
                match self { $(Self::$edit => $on,)+ }
            }

            /// What that place holds afterwards: nothing, if it is taken out. Nothing for Secrets either.
            pub fn value(self, now: &Value, here: &Here) -> Value {
                let change: fn(&Value, &Here) -> Value = match self { $(Self::$edit => $change,)+ };
                change(now, here)
            }

            /// All of them.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$edit),+];
        }
    };
}

edits! {
    Rotate "rotate" Secrets(&[OIDC_SECRET, DEX_SECRET]), random,
        "write a new client secret into argocd/argocd-oidc and dex/dex-clients";
    OtherSecret "other-secret" Secrets(&[OIDC_SECRET]), random,
        "write another client secret into argocd/argocd-oidc";
    Unlabel "unlabel" Secrets(&[OIDC_SECRET]), random,
        "take the label app.kubernetes.io/part-of off argocd/argocd-oidc";
    RenameKey "rename-key" Secrets(&[OIDC_SECRET]), random,
        "rename the key clientSecret of argocd/argocd-oidc to client-secret";
    LineBreaks "line-breaks" Secrets(&[OIDC_SECRET, DEX_SECRET]), random,
        "add a line break to the client secret in both Secrets";
    OtherServerKey "other-server-key" Secrets(&[ARGOCD_SECRET]), random,
        "write another server.secretkey into argocd/argocd-secret";
    NoServerKey "no-server-key" Secrets(&[ARGOCD_SECRET]), random,
        "take server.secretkey out of argocd/argocd-secret";
    EmptyArgocdSecret "empty-argocd-secret" Secrets(&[ARGOCD_SECRET]), random,
        "empty argocd/argocd-secret";
    Reference "reference" Oidc("clientSecret"), |_, _| "$argocd-oidc.clientSecret".into(),
        "write clientSecret: $argocd-oidc.clientSecret into oidc.config";
    OtherUrl "other-url" Key(CM, "url"), |_, here| here.scheme.url("argocd.example").into(),
        "write the url of argocd.example into argocd-cm";
    NoUrl "no-url" Key(CM, "url"), |_, _| "".into(),
        "empty url in argocd-cm";
    SecondUrl "second-url" Key(CM, "url"), |_, here| here.scheme.url(SECOND_HOST).into(),
        "write the url of login.argocd.host into argocd-cm";
    IssuerSlash "issuer-slash" Oidc("issuer"), |now, _| format!("{}/", text(now).trim_end_matches('/')).into(),
        "add a slash to the issuer in oidc.config";
    IssuerMoves "issuer-moves" Oidc("issuer"), |_, here| moved(here),
        "write an issuer below /dex of dex.host into oidc.config";
    PrivateIssuer "private-issuer" Oidc("issuer"), |_, here| here.private_issuer.clone().into(),
        "write the cluster API's address as issuer into oidc.config";
    OtherAudience "other-audience" Oidc("allowedAudiences"), |_, _| json!(["another-client"]),
        "write allowedAudiences: [another-client] into oidc.config";
    UnknownScope "unknown-scope" Oidc("requestedScopes"), |now, _| and(now, "everything"),
        "add the scope everything to requestedScopes in oidc.config";
    GroupsScope "groups-scope" Oidc("requestedScopes"), |now, _| and(now, "groups"),
        "add the scope groups to requestedScopes in oidc.config";
    Indented "indented" Key(CM, "oidc.config"), |now, _| text(now).replace("issuer:", "  issuer:").into(),
        "indent the issuer in oidc.config";
    ClientBlank "client-blank" Oidc("clientID"), |now, _| format!("{} ", text(now)).into(),
        "add a blank to clientID in oidc.config";
    NoClientSecret "no-client-secret" Oidc("clientSecret"), |_, _| "".into(),
        "empty clientSecret in oidc.config";
    Pkce "pkce" Oidc("enablePKCEAuthentication"), |_, _| true.into(),
        "write enablePKCEAuthentication: true into oidc.config";
    Proxy "proxy" Env("HTTP_PROXY"), |_, _| "http://127.0.0.1:9".into(),
        "tell argocd-server by HTTP_PROXY to ask by a proxy at 127.0.0.1:9";
    DexBeside "dex-beside" Key(CM, DEX_CONFIG), |_, _| DEX_BESIDE.into(),
        "write a dex.config into argocd-cm, beside oidc.config";
    DexNoYaml "dex-no-yaml" Key(CM, DEX_CONFIG), |now, _| text(now).replace("connectors:", "connectors: a: b").into(),
        "write what is no YAML into dex.config";
    DexOwnClient "dex-own-client" Key(CM, DEX_CONFIG), |now, _| format!("{OWN_CLIENT}{}", text(now)).into(),
        "write a static client argo-cd into dex.config";
    DexNowhere "dex-nowhere" Key(CM, DEX_CONFIG), |now, _| text(now).replace("password: password", "password: $nowhere:key").into(),
        "write password: $nowhere:key into the connector in dex.config";
    DexNoConnector "dex-no-connector" Key(CM, DEX_CONFIG), |_, _| "enablePasswordDB: true\nconnectors: []\n".into(),
        "write connectors: [] into dex.config";
    OtherPolicyKey "other-policy-key" Key(RBAC, "policies.csv"), |_, _| "g, admin@example.com, role:admin".into(),
        "write policies.csv into argocd-rbac-cm";
    PrefixedPolicy "prefixed-policy" Key(RBAC, "policy.csv"), |now, _| text(now).replace("g, ", "g, oidc:").into(),
        "write oidc: before the user in policy.csv";
    OtherScopes "other-scopes" Key(RBAC, "scopes"), |_, _| "[roles]".into(),
        "write scopes: [roles] into argocd-rbac-cm";
    NoPolicy "no-policy" Key(RBAC, "policy.csv"), |_, _| "".into(),
        "empty policy.csv in argocd-rbac-cm";
    OwnTls "own-tls" Key(PARAMS, "server.insecure"), |_, _| "false".into(),
        "write server.insecure: false into argocd-cmd-params-cm";
    SecondHost "second-host" Rules, |_, _| json!([rule(ARGOCD_HOST), rule(SECOND_HOST)]),
        "lead login.argocd.host to argocd-server too";
    OtherRedirectUri "other-redirect-uri" Dex(REDIRECT_URIS), |_, here| json!([callback(here.scheme.other(), ARGOCD_HOST)]),
        "register argocd.host/auth/callback by the other of http and https in Dex's configuration, and nothing else";
    SecondRedirectUri "second-redirect-uri" Dex(REDIRECT_URIS), |now, here| and(now, &callback(here.scheme, SECOND_HOST)),
        "register login.argocd.host/auth/callback in Dex's configuration too";
    DexMoves "dex-moves" Dex("/issuer"), |_, here| moved(here),
        "write an issuer below /dex of dex.host into Dex's configuration";
    ShortTokens "short-tokens" Dex("/expiry"), |_, _| json!({"idTokens": "1ms"}),
        "write expiry.idTokens: 1ms into Dex's configuration";
    OtherPassword "other-password" Dex("/staticPasswords/0/hash"), |_, _| OTHER_HASH.into(),
        "write another password's hash into Dex's configuration";
    NoRootCa "no-root-ca" Oidc("rootCA"), |_, _| Value::Null,
        "take rootCA out of oidc.config";
    OtherCertificate "other-certificate" Secrets(&[DEX_TLS]), random,
        "write a certificate for login.argocd.host into dex/ingress-tls, which is for dex.host";
    OldCertificate "old-certificate" Secrets(&[DEX_TLS]), random,
        "write a certificate that has expired into dex/ingress-tls";
    NoSslRedirect "no-ssl-redirect" Annotation("nginx.ingress.kubernetes.io/ssl-redirect"), |_, _| "false".into(),
        "let argocd-server's Ingress answer http beside https";
    NoCliClient "no-cli-client" Oidc("cliClientID"), |_, _| Value::Null,
        "take cliClientID out of oidc.config";
    OtherCliClient "other-cli-client" Oidc("cliClientID"), |_, _| "argocd-cli".into(),
        "write cliClientID: argocd-cli into oidc.config";
    WebAudience "web-audience" Oidc("allowedAudiences"), |_, _| json!(["argo-cd"]),
        "write allowedAudiences: [argo-cd] into oidc.config";
    CliRedirectUri "cli-redirect-uri" Dex(REDIRECT_URIS), |now, _| and(now, cli_login::REDIRECT_URI),
        "register the command line's address for the web's client in Dex's configuration too";
    CliSecret "cli-secret" Dex(CLI_SECRET_ENV), |_, _| "ARGO_CD_CLIENT_SECRET".into(),
        "give the command line's client a secret in Dex's configuration";
    CliNotPublic "cli-not-public" Dex(CLI_PUBLIC), |_, _| false.into(),
        "make the command line's client no public one in Dex's configuration";
    ManyGroups "many-groups" Dex("/staticPasswords/0/groups"), |_, _| many_groups(),
        "put the user into 100 groups in Dex's configuration";
}

impl Edit {
    /// Who reads what is changed when it starts, and so has to be restarted after healing.
    pub fn readers(self) -> &'static [Workload] {
        match self.on() {
            On::Rules | On::Annotation(_) | On::Key(RBAC, _) => &[],
            On::Dex(_) => &[Workload::Dex],
            On::Secrets([OIDC_SECRET, DEX_SECRET]) if self != Self::Rotate => {
                &[Workload::Argocd, Workload::Dex]
            }
            _ => &[Workload::Argocd],
        }
    }
}

/// One rule of an Ingress, to argocd-server.
pub fn rule(host: &str) -> Value {
    json!({"host": host, "http": {"paths": [{
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": Workload::Argocd.deployment(), "port": {"number": 80}}},
    }]}})
}

fn random(_: &Value, _: &Here) -> Value {
    Value::Null
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A list with one more in it.
fn and(now: &Value, more: &str) -> Value {
    let mut list = now.as_array().cloned().unwrap_or_default();
    list.push(more.into());
    list.into()
}

fn callback(scheme: Scheme, host: &str) -> String {
    format!("{}/auth/callback", scheme.url(host))
}

/// Where Dex is after it has moved.
fn moved(here: &Here) -> Value {
    here.scheme.url("dex.host/dex").into()
}

/// Groups by IDs of 36 characters, as large companies have them.
fn many_groups() -> Value {
    (1..=100).map(|it| format!("5f0c1a9e-7d3b-4c68-9a2f-{it:012}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_edit_writes_is_what_it_says() {
        let here = Here { private_issuer: "https://127.0.0.1:1".into(), scheme: Scheme::Http };
        let now = |edit: Edit| match edit.on() {
            On::Oidc("requestedScopes") => json!(["openid"]),
            On::Dex(REDIRECT_URIS) => json!(["http://argocd.host/auth/callback"]),
            _ => json!("http://dex.host"),
        };
        let text: String = Edit::ALL
            .iter()
            .map(|edit| {
                let value = edit.value(&now(*edit), &here).to_string();
                format!("{:<20} {:?}\n    {value:.120}\n    {}\n", edit.name(), edit.on(), edit.describe())
            })
            .collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nobody_knows_the_other_password() {
        assert!(!bcrypt::verify(cluster::names::PASSWORD, OTHER_HASH).unwrap());
    }
}
