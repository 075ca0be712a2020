//! One change of objects each: its name, what it changes and who reads that.

use crate::cluster::Request;
use crate::names::{ARGOCD_SECRET, DEX_CONFIG, DEX_SECRET, OIDC_SECRET, Workload};

/// A second name of Argo CD, below its first.
pub const SECOND_HOST: &str = "login.argocd.host";
/// Where Dex is after it has moved.
pub const MOVED: &str = "http://dex.host/dex";

/// A change of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is described by `describe`")]
pub enum Edit {
    Rotate,
    OtherSecret,
    Unlabel,
    RenameKey,
    LineBreaks,
    OtherServerKey,
    NoServerKey,
    EmptyArgocdSecret,
    Reference,
    OtherUrl,
    NoUrl,
    SecondUrl,
    IssuerSlash,
    IssuerMoves,
    PrivateIssuer,
    OtherAudience,
    UnknownScope,
    GroupsScope,
    NoPolicy,
    OwnTls,
    SecondHost,
    OtherRedirectUri,
    SecondRedirectUri,
    DexMoves,
    ShortTokens,
    OtherPassword,
    ManyGroups,
}

impl Edit {
    /// The name of its step.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::OtherSecret => "other-secret",
            Self::Unlabel => "unlabel",
            Self::RenameKey => "rename-key",
            Self::LineBreaks => "line-breaks",
            Self::OtherServerKey => "other-server-key",
            Self::NoServerKey => "no-server-key",
            Self::EmptyArgocdSecret => "empty-argocd-secret",
            Self::Reference => "reference",
            Self::OtherUrl => "other-url",
            Self::NoUrl => "no-url",
            Self::SecondUrl => "second-url",
            Self::IssuerSlash => "issuer-slash",
            Self::IssuerMoves => "issuer-moves",
            Self::PrivateIssuer => "private-issuer",
            Self::OtherAudience => "other-audience",
            Self::UnknownScope => "unknown-scope",
            Self::GroupsScope => "groups-scope",
            Self::NoPolicy => "no-policy",
            Self::OwnTls => "own-tls",
            Self::SecondHost => "second-host",
            Self::OtherRedirectUri => "other-redirect-uri",
            Self::SecondRedirectUri => "second-redirect-uri",
            Self::DexMoves => "dex-moves",
            Self::ShortTokens => "short-tokens",
            Self::OtherPassword => "other-password",
            Self::ManyGroups => "many-groups",
        }
    }

    /// What it changes, for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Rotate => "write a new client secret into argocd/argocd-oidc and dex/dex-clients",
            Self::OtherSecret => "write another client secret into argocd/argocd-oidc",
            Self::Unlabel => "take the label app.kubernetes.io/part-of off argocd/argocd-oidc",
            Self::RenameKey => "rename the key clientSecret of argocd/argocd-oidc to client-secret",
            Self::LineBreaks => "add a line break to the client secret in both Secrets",
            Self::OtherServerKey => "write another server.secretkey into argocd/argocd-secret",
            Self::NoServerKey => "take server.secretkey out of argocd/argocd-secret",
            Self::EmptyArgocdSecret => "empty argocd/argocd-secret",
            Self::Reference => "write clientSecret: $argocd-oidc.clientSecret into oidc.config",
            Self::OtherUrl => "write url: http://argocd.example into argocd-cm",
            Self::NoUrl => "empty url in argocd-cm",
            Self::SecondUrl => "write url: http://login.argocd.host into argocd-cm",
            Self::IssuerSlash => "add a slash to the issuer in oidc.config",
            Self::IssuerMoves => "write issuer: http://dex.host/dex into oidc.config",
            Self::PrivateIssuer => "write the cluster API's address as issuer into oidc.config",
            Self::OtherAudience => "write allowedAudiences: [another-client] into oidc.config",
            Self::UnknownScope => "add the scope everything to requestedScopes in oidc.config",
            Self::GroupsScope => "add the scope groups to requestedScopes in oidc.config",
            Self::NoPolicy => "empty policy.csv in argocd-rbac-cm",
            Self::OwnTls => "write server.insecure: false into argocd-cmd-params-cm",
            Self::SecondHost => "lead login.argocd.host to argocd-server too",
            Self::OtherRedirectUri => {
                "register https://argocd.host/auth/callback in Dex's configuration, and nothing else"
            }
            Self::SecondRedirectUri => {
                "register http://login.argocd.host/auth/callback in Dex's configuration too"
            }
            Self::DexMoves => "write issuer: http://dex.host/dex into Dex's configuration",
            Self::ShortTokens => "write expiry.idTokens: 1ms into Dex's configuration",
            Self::OtherPassword => "write another password's hash into Dex's configuration",
            Self::ManyGroups => "put the user into 100 groups in Dex's configuration",
        }
    }

    /// What is asked of the cluster's API to make it, and to undo it.
    pub fn requests(self) -> Vec<Request> {
        let config_map = |name| vec![Request::of("patch", "configmaps", ARGOCD_SECRET.namespace, name)];
        match self {
            Self::Rotate | Self::LineBreaks => [OIDC_SECRET, DEX_SECRET].map(Request::patch_secret).to_vec(),
            Self::OtherSecret | Self::Unlabel | Self::RenameKey => vec![Request::patch_secret(OIDC_SECRET)],
            Self::OtherServerKey | Self::NoServerKey | Self::EmptyArgocdSecret => {
                vec![Request::patch_secret(ARGOCD_SECRET)]
            }
            Self::NoPolicy => config_map("argocd-rbac-cm"),
            Self::OwnTls => config_map("argocd-cmd-params-cm"),
            Self::SecondHost => {
                vec![Request::of("patch", "ingresses.networking.k8s.io", "argocd", "argocd-server")]
            }
            _ if self.is_of_dex() => vec![Request::patch_secret(DEX_CONFIG)],
            _ => config_map("argocd-cm"),
        }
    }

    /// Who reads what is changed when it starts, and so has to be restarted after healing.
    pub fn readers(self) -> &'static [Workload] {
        use Workload::{Argocd, Dex};
        match self {
            Self::NoPolicy | Self::SecondHost => &[],
            Self::LineBreaks => &[Argocd, Dex],
            _ if self.is_of_dex() => &[Dex],
            _ => &[Argocd],
        }
    }

    /// Whether it is one of Dex's configuration. All others are of Secrets, or of what
    /// Argo CD is told.
    pub fn is_of_dex(self) -> bool {
        matches!(
            self,
            Self::OtherRedirectUri
                | Self::SecondRedirectUri
                | Self::DexMoves
                | Self::ShortTokens
                | Self::OtherPassword
                | Self::ManyGroups
        )
    }
}
