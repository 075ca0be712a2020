//! The table of faults: a row is a name, the cause that it is, and what is changed; then what
//! it consists of with a Dex of its own (`dex`), with the one inside Argo CD (`bundled`) or
//! with either (`both`); where it is seen, if not everywhere; what a person reads on Argo CD's
//! own page, where that is not what a login says; `over Https`, if there is none without `--tls`.

use clap::ValueEnum;
use probe::CauseId;

use super::Edit::*;
use super::Part::{DexTakes, Edit as E, LogIn, Restart, RotateTwice as Twice, Scale, Settle};
use super::Seen::{self, CommandLine, On, RealOnly};
use super::{FIRST_START_LOST, Part};
use cluster::names::Scheme;
use cluster::names::Workload::{Argocd, Dex, DexServer, Redis};

macro_rules! faults {
    ($(
        $fault:ident $name:literal $id:ident, $what:literal {
        $(dex $dex:expr;)? $(both $both:expr;)? $(bundled $bundled:expr;)? $(seen $seen:expr;)? $(page $page:literal;)? $(over $over:ident;)?
        }
    )+) => {
        /// A named way to break a working lab.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
        pub enum Fault { $(#[doc = $what] #[value(name = $name)] $fault,)+ }

        impl Fault {
            /// All of them, in the catalogue's order.
            pub fn all() -> &'static [Self] {
                Self::value_variants()
            }

            /// The name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)+ }
            }

            /// The cause that it is.
            pub fn id(self) -> CauseId {
                match self { $(Self::$fault => CauseId::$id,)+ }
            }

            /// What is changed, in a sentence's part.
            pub fn what(self) -> &'static str {
                match self { $(Self::$fault => $what,)+ }
            }

            /// Where it can be seen.
            pub fn seen(self) -> Seen {
                match self { $($(Self::$fault => $seen,)?)+ _ => Seen::Everywhere }
            }

            /// What a person reads on Argo CD's own page, where that is not what a login says.
            pub fn person_reads(self) -> &'static str {
                match self { $($(Self::$fault => $page,)?)+ _ => "the same" }
            }

            /// What a lab has to be spoken to by for it.
            pub fn over(self) -> Option<Scheme> {
                match self { $($(Self::$fault => Some(Scheme::$over),)?)+ _ => None }
            }

            /// What it consists of with a Dex of its own; nothing for a fault that is of the one inside Argo CD.
            pub(super) fn with_dex(self) -> Option<&'static [Part]> {
                match self { $($(Self::$fault => Some(&$dex),)? $(Self::$fault => Some(&$both),)?)+ _ => None }
            }

            /// What it consists of where the Dex inside Argo CD checks users; nothing for a fault that
            /// is of `oidc.config`, of the Secrets that it names, or of a Dex of its own.
            pub(super) fn bundled(self) -> Option<&'static [Part]> {
                match self { $($(Self::$fault => Some(&$bundled),)? $(Self::$fault => Some(&$both),)?)+ _ => None }
            }
        }
    };
}

faults! {
    Rotate "rotate" StaleArgocd,
        "a new client secret in both Secrets; Dex is restarted, Argo CD is not" {
        dex [Settle, E(Rotate), Restart(Dex)];
        bundled [Settle, E(OtherServerKey), DexTakes];
        seen On("releases that do not reload: v2.1 - v2.2, v2.4.3 - v2.13, v3.3.0 - v3.3.6");
    }

    RotateTwice "rotate-twice" StaleArgocd,
        "the client secret is rotated twice, the second time while a browser's open page keeps Argo CD from restarting" {
        dex [Settle, Twice, Restart(Dex)];
        seen On("v2.14 and later, which let open requests end before they restart");
    }

    SecretMismatch "secret-mismatch" SecretMismatch,
        "Argo CD's Secret gets a client secret that Dex does not have" {
        dex [E(OtherSecret), Restart(Argocd)];
    }

    StaleReplica "stale-replica" StaleReplica,
        "the client secret is rotated, then a second replica started: one holds the old secret, one the new" {
        dex [Settle, E(Rotate), Restart(Dex), Scale(Argocd, 2)];
        seen On("releases that do not reload: v2.1 - v2.2, v2.4.3 - v2.13, v3.3.0 - v3.3.6");
    }

    SecretUnlabelled "secret-unlabelled" SecretUnlabelled,
        "Argo CD's Secret loses the label app.kubernetes.io/part-of" {
        dex [E(Unlabel), Restart(Argocd)];
    }

    SecretKeyMissing "secret-key-missing" SecretKeyMissing,
        "the key in Argo CD's Secret is renamed" {
        dex [E(RenameKey), Restart(Argocd)];
    }

    SecretReference "secret-reference" SecretReference,
        "clientSecret is written with `.` in place of `:`" {
        dex [E(Reference), Restart(Argocd)];
    }

    SecretWhitespace "secret-whitespace" SecretWhitespace,
        "a line break at the end of the client secret, in both Secrets" {
        dex [E(LineBreaks), Restart(Dex), Restart(Argocd)];
    }

    RedirectUri "redirect-uri" RedirectUri,
        "Dex has another redirect URI registered for Argo CD" {
        dex [E(OtherRedirectUri), Restart(Dex)];
    }

    ArgocdUrl "argocd-url" ArgocdUrl,
        "url in argocd-cm is not the address that users type" {
        dex [E(OtherUrl), Restart(Argocd)];
        bundled [E(OtherUrl), Restart(Argocd), DexTakes];
    }

    NoUrl "no-url" ArgocdUrl,
        "url in argocd-cm is empty" {
        both [E(NoUrl), Restart(Argocd)];
    }

    OidcConfig "oidc-config" OidcConfig,
        "oidc.config is no YAML: one of its fields is indented" {
        dex [E(Indented), Restart(Argocd)];
        page "no button";
    }

    ClientId "client-id" ClientId,
        "clientID in oidc.config has a blank at its end" {
        dex [E(ClientBlank), Restart(Argocd)];
    }

    ClientType "client-type" ClientType,
        "Argo CD is to log in by PKCE alone, without a client secret, and Dex wants one" {
        dex [E(NoClientSecret), E(Pkce), Restart(Argocd)];
        seen On("v3.1 and later, where the server itself uses PKCE; before, the page does");
    }

    TwoProviders "two-providers" TwoProviders,
        "dex.config stands beside oidc.config" {
        dex [E(DexBeside), Restart(Argocd)];
    }

    DexConfig "dex-config" DexConfig,
        "dex.config is no YAML" {
        bundled [E(DexNoYaml), Restart(Argocd)];
        page "no button";
    }

    DexClient "dex-client" DexClient,
        "dex.config has a static client argo-cd, in place of Argo CD's own" {
        bundled [E(DexOwnClient), Restart(DexServer), Restart(Argocd)];
    }

    DexReference "dex-reference" DexReference,
        "a reference in a connector of dex.config leads nowhere" {
        bundled [E(DexNowhere), Restart(DexServer), Restart(Argocd)];
    }

    DexConnector "dex-connector" DexConnector,
        "dex.config has no connector" {
        bundled [E(DexNoConnector), Restart(DexServer), Restart(Argocd)];
        page "no button";
    }

    EgressProxy "egress-proxy" EgressProxy,
        "argocd-server is told to ask by a proxy that nobody runs" {
        dex [E(Proxy), Restart(Argocd)];
    }

    IssuerMismatch "issuer-mismatch" IssuerMismatch,
        "the issuer in oidc.config has a slash at its end, and Dex's has none" {
        dex [E(IssuerSlash), Restart(Argocd)];
    }

    ProviderUnreachable "provider-unreachable" ProviderUnreachable,
        "Dex has no pods" {
        dex [Scale(Dex, 0), Restart(Argocd)];
        bundled [Scale(DexServer, 0), Restart(Argocd)];
    }

    ProviderCa "provider-ca" ProviderCa,
        "the issuer is a server whose certificate the cluster's own CA signed, and rootCA is not set" {
        dex [E(PrivateIssuer), Restart(Argocd)];
    }

    StaleSessionManager "stale-session-manager" StaleSessionManager,
        "after a login, Dex gets another issuer, and argocd-cm with it; Argo CD is not restarted" {
        dex [LogIn, Settle, E(DexMoves), Restart(Dex), E(IssuerMoves)];
        seen On("releases that reload: v2.14 - v3.2, v3.3.7 and later");
    }

    StateCookie "state-cookie" StateCookie,
        "url is a second name of Argo CD that works as well, while users type the first one" {
        dex [E(SecondHost), E(SecondRedirectUri), Restart(Dex), E(SecondUrl), Restart(Argocd)];
    }

    ServerKeyChanged "server-key-changed" ServerKeyChanged,
        "server.secretkey is changed, then a second replica started: each has another key" {
        dex [E(OtherServerKey), Scale(Argocd, 2)];
        seen On("v2.3 and later, which keep the state in a cookie");
    }

    ServerKeyMissing "server-key-missing" ServerKeyMissing,
        "server.secretkey is taken out of argocd-secret while the server runs" {
        both [Settle, E(NoServerKey)];
        page "no button: Unable to load data: server.secretkey is missing";
    }

    Redis "redis" Redis,
        "Redis has no pods" {
        both [Scale(Redis, 0)];
        seen RealOnly("the stand-in for argocd-server keeps its sessions itself");
    }

    Audience "audience" Audience,
        "allowedAudiences names another client only" {
        dex [E(OtherAudience), Restart(Argocd)];
        seen On("v2.6 and later, v2.5.8, v2.4.20 and v2.3.14");
    }

    Clock "clock" Clock,
        "Dex's tokens live for a millisecond" {
        dex [E(ShortTokens), Restart(Dex)];
    }

    Scope "scope" Scope,
        "requestedScopes has one that Dex does not know" {
        dex [E(UnknownScope), Restart(Argocd)];
    }

    NoRights "no-rights" NoRights,
        "argocd-rbac-cm gives nobody anything" {
        both [E(NoPolicy)];
        page "no applications available to you just yet";
    }

    PolicyKey "policy-key" NoRights,
        "the policies stand under policies.csv, which Argo CD does not read" {
        both [E(NoPolicy), E(OtherPolicyKey)];
        page "no applications available to you just yet";
    }

    PolicyPrefix "policy-prefix" NoRights,
        "policy.csv names the user with a prefix that the token has not" {
        both [E(PrefixedPolicy)];
        page "no applications available to you just yet";
    }

    PolicyScopes "policy-scopes" NoRights,
        "scopes in argocd-rbac-cm names a claim that the token has not" {
        both [E(OtherScopes)];
        page "no applications available to you just yet";
    }

    RedirectLoop "redirect-loop" RedirectLoop,
        "server.insecure is false, so Argo CD sends to https what its front brings by http" {
        both [E(OwnTls), Restart(Argocd)];
        page "the browser's own error page";
    }

    Credentials "credentials" Credentials,
        "Dex expects another password of the user" {
        dex [E(OtherPassword), Restart(Dex)];
    }

    CodeReused "code-reused" CodeReused,
        "Dex has two replicas, each with a memory of its own" {
        dex [Scale(Dex, 2)];
    }

    ManyGroups "many-groups" TokenTooLarge,
        "the user is in 100 groups, and Argo CD asks for them" {
        dex [E(ManyGroups), Restart(Dex), E(GroupsScope), Restart(Argocd)];
    }

    FirstStart "first-start" FirstStart,
        "argocd-secret is emptied and Argo CD's server started, as on a fresh cluster" {
        dex [E(EmptyArgocdSecret), Restart(Argocd)];
        seen On(FIRST_START_LOST);
        page "the button, then an empty page";
    }

    CliRedirectUri "cli-redirect-uri" CliRedirectUri,
        "oidc.config has no cliClientID, so the command line logs in as the web's client" {
        dex [E(NoCliClient), Restart(Argocd)];
        seen CommandLine;
        page "the applications";
    }

    CliNoClient "cli-no-client" CliNoClient,
        "oidc.config has no cliClientID, and Dex has the command line's address for the web's client, which has a secret" {
        dex [E(CliRedirectUri), Restart(Dex), E(NoCliClient), Restart(Argocd)];
        seen CommandLine;
        page "the applications";
    }

    CliClientType "cli-client-type" CliClientType,
        "the client in Dex that cliClientID names has a secret" {
        dex [E(CliSecret), E(CliNotPublic), Restart(Dex)];
        seen CommandLine;
        page "the applications";
    }

    CliClientId "cli-client-id" CliClientId,
        "cliClientID in oidc.config is one that Dex does not know" {
        dex [E(OtherCliClient), Restart(Argocd)];
        seen CommandLine;
        page "the applications";
    }

    CliAudience "cli-audience" CliAudience,
        "allowedAudiences has the web's client and lacks the command line's" {
        dex [E(WebAudience), Restart(Argocd)];
        seen CommandLine;
        page "the applications";
    }

    CaMissing "ca-missing" ProviderCa,
        "rootCA is taken out of oidc.config, so Argo CD does not trust the authority of the issuer" {
        dex [E(NoRootCa), Restart(Argocd)];
        over Https;
    }

    CertificateName "certificate-name" ProviderCa,
        "the ingress shows a certificate for another name than the issuer's" {
        dex [E(OtherCertificate), Restart(Argocd)];
        over Https;
    }

    CertificateExpired "certificate-expired" ProviderCa,
        "the ingress's certificate for the issuer has expired" {
        dex [E(OldCertificate), Restart(Argocd)];
        over Https;
    }

    HttpBeside "http-beside" StateCookie,
        "users type http, which the ingress answers too, while url is https" {
        dex [E(NoSslRedirect)];
        over Https;
    }
}
