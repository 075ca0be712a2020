//! The names inside a lab. Scripts and people rely on them.

use serde::{Deserialize, Serialize};

/// The namespaces, in the order in which they are made.
pub const NAMESPACES: [&str; 3] = ["argocd", "dex", "ingress"];
/// Argo CD's host.
pub const ARGOCD_HOST: &str = "argocd.host";
/// A second name of Argo CD, below its first.
pub const SECOND_HOST: &str = "login.argocd.host";
/// Dex's host.
pub const DEX_HOST: &str = "dex.host";
/// The exporter's host, which needs no DNS anywhere.
pub const EXPORTER_HOST: &str = "localhost";
/// The hosts that the ingress knows.
pub fn hosts(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Dex => &[ARGOCD_HOST, DEX_HOST],
        Provider::Bundled => &[ARGOCD_HOST],
    }
}
/// The ingress class of both hosts, unless the lab has another ingress.
pub const INGRESS_CLASS: &str = "nginx";
/// kind's name for the cluster.
pub const CLUSTER: &str = "oidc-lab";
/// The user who logs in: Dex's own example.
pub const USER: &str = "admin@example.com";
/// That user's password. It opens only a lab on loopback.
pub const PASSWORD: &str = "password";
/// The label of what the lab owns.
pub const OWNED: &str = "oidc-lab/owned";
/// On the namespace `argocd`: the names of the faults that are in, with commas between them.
pub const FAULTS: &str = "oidc-lab/faults";
/// The field manager of server-side apply.
pub const MANAGER: &str = "oidc-lab";
/// The stand-in for Dex, with the version whose answers it gives.
pub const STAND_IN_DEX: &str = "oidc-lab/stand-in-dex:v2.45.1";
/// The stand-in for argocd-server, without its tag.
pub const STAND_IN_ARGOCD: &str = "oidc-lab/stand-in-argocd";

/// The stand-in for the Dex inside Argo CD, without its tag: Argo CD's release.
pub const STAND_IN_ARGOCD_DEX: &str = "oidc-lab/stand-in-argocd-dex";

/// The stand-in for Redis, with the version of the protocol that it speaks.
pub const STAND_IN_REDIS: &str = "oidc-lab/stand-in-redis:v7";
/// A real program of this machine, without its version.
pub const HOST_PROCESS: &str = "oidc-lab/host-process";

/// A Secret by namespace and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// The client secret as Argo CD shows it (key `clientSecret`).
pub const OIDC_SECRET: SecretName = SecretName { namespace: "argocd", name: "argocd-oidc" };
/// The client secret as Dex expects it (key `argo-cd`).
pub const DEX_SECRET: SecretName = SecretName { namespace: "dex", name: "dex-clients" };
/// Argo CD's own Secret.
pub const ARGOCD_SECRET: SecretName = SecretName { namespace: "argocd", name: "argocd-secret" };
/// Dex's configuration, in a Secret as its chart makes it.
pub const DEX_CONFIG: SecretName = SecretName { namespace: "dex", name: "dex" };
/// The key of [`DEX_CONFIG`].
pub const DEX_CONFIG_FILE: &str = "config.yaml";
/// With `--tls`, the ingress's certificate for Argo CD's hosts.
pub const ARGOCD_TLS: SecretName = SecretName { namespace: "argocd", name: "ingress-tls" };
/// With `--tls`, the ingress's certificate for Dex's host.
pub const DEX_TLS: SecretName = SecretName { namespace: "dex", name: "ingress-tls" };
/// The password of Argo CD's Redis, on kind.
pub const REDIS_SECRET: SecretName = SecretName { namespace: "argocd", name: "argocd-redis" };
/// The key of [`REDIS_SECRET`].
pub const REDIS_KEY: &str = "auth";
/// The key of [`OIDC_SECRET`].
pub const OIDC_KEY: &str = "clientSecret";
/// The key of [`DEX_SECRET`].
pub const DEX_KEY: &str = "argo-cd";

/// The Secrets with the ingress's certificates, and the hosts that each is for.
pub fn certificates(provider: Provider) -> &'static [(SecretName, &'static [&'static str])] {
    const ALL: [(SecretName, &[&str]); 2] =
        [(ARGOCD_TLS, &[ARGOCD_HOST, SECOND_HOST]), (DEX_TLS, &[DEX_HOST])];
    match provider {
        Provider::Dex => &ALL,
        Provider::Bundled => &ALL[..1],
    }
}

/// A Deployment to wait for, and the labels of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What selects its pods.
    pub selector: &'static str,
}

/// The controller of ingress-nginx.
pub const INGRESS_NGINX: Rollout = Rollout {
    namespace: "ingress",
    name: "ingress-nginx-controller",
    selector: "app.kubernetes.io/name=ingress-nginx",
};
/// Traefik.
pub const TRAEFIK: Rollout =
    Rollout { namespace: "ingress", name: "traefik", selector: "app.kubernetes.io/name=traefik" };
/// The cluster's own name server.
pub const COREDNS: Rollout =
    Rollout { namespace: "kube-system", name: "coredns", selector: "k8s-app=kube-dns" };

/// Who checks the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// A Dex of its own, as in the post: one client secret in two Secrets.
    #[default]
    Dex,
    /// The Dex inside Argo CD: both derive the client secret from `server.secretkey`.
    Bundled,
}

impl Provider {
    /// Whether it is the one that nobody has to name.
    pub fn is_dex(&self) -> bool {
        *self == Self::Dex
    }

    /// The word in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dex => "dex",
            Self::Bundled => "bundled",
        }
    }

    /// The Deployment that is it.
    pub fn workload(self) -> Workload {
        match self {
            Self::Dex => Workload::Dex,
            Self::Bundled => Workload::DexServer,
        }
    }
}

/// What a lab is spoken to by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Plain http, as in the post.
    #[default]
    Http,
    /// https, with `--tls`.
    Https,
}

impl Scheme {
    /// That of a lab with or without `--tls`.
    pub fn of(tls: bool) -> Self {
        if tls { Self::Https } else { Self::Http }
    }

    /// Whether it is that of `--tls`.
    pub fn is_https(self) -> bool {
        self == Self::Https
    }

    /// The word in URLs.
    pub fn name(self) -> &'static str {
        if self.is_https() { "https" } else { "http" }
    }

    /// The one that it is not.
    pub fn other(self) -> Self {
        Self::of(!self.is_https())
    }

    /// The port that it means.
    pub fn port(self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }

    /// A URL that ends with the host.
    pub fn url(self, host: &str) -> String {
        format!("{}://{host}", self.name())
    }
}

/// The two places that a lab can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a cluster of containers.
    Kind,
    /// On this machine, without containers.
    Local,
}

impl Place {
    /// The word in JSON, on the command line and in sentences (`the local lab`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Local => "local",
        }
    }
}

/// The files in `values/` that a chart is told, without their ending; later ones come before
/// earlier ones.
pub fn values_files(chart: &str, provider: Provider, scheme: Scheme) -> Vec<&str> {
    let tls = match chart {
        _ if !scheme.is_https() => None,
        "argocd" => Some(VALUES_TEMPLATE),
        "dex" => Some("dex-tls"),
        "traefik" => Some("traefik-tls"),
        _ => None,
    };
    let bundled = (chart, provider) == ("argocd", Provider::Bundled);
    [chart].into_iter().chain(tls).chain(bundled.then_some("argocd-bundled")).collect()
}

/// The one of them that is a template (`.yaml.j2`): the lab's authority goes into it.
pub const VALUES_TEMPLATE: &str = "argocd-tls";

/// A Deployment of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// argocd-server.
    Argocd,
    /// Dex.
    Dex,
    /// The Dex inside Argo CD.
    DexServer,
    /// The Redis of a real argocd-server.
    Redis,
    /// `probe serve`.
    Exporter,
}

impl Workload {
    /// What to wait for.
    pub fn rollout(self) -> Rollout {
        let (namespace, name, selector) = match self {
            Self::Argocd => ("argocd", "argocd-server", "app.kubernetes.io/name=argocd-server"),
            Self::Dex => ("dex", "dex", "app.kubernetes.io/name=dex"),
            Self::DexServer => ("argocd", "argocd-dex-server", "app.kubernetes.io/name=argocd-dex-server"),
            Self::Redis => ("argocd", "argocd-redis", "app.kubernetes.io/name=argocd-redis"),
            Self::Exporter => {
                ("monitor", "argocd-logins-exporter", "app.kubernetes.io/name=argocd-logins-exporter")
            }
        };
        Rollout { namespace, name, selector }
    }

    /// Its namespace.
    pub fn namespace(self) -> &'static str {
        self.rollout().namespace
    }

    /// The Deployment's name.
    pub fn deployment(self) -> &'static str {
        self.rollout().name
    }

    /// The program that its pods run.
    pub fn program(self) -> &'static str {
        match self {
            Self::Argocd => "argocd",
            Self::Dex | Self::DexServer => "dex",
            Self::Redis => "redis",
            Self::Exporter => "probe",
        }
    }

    /// The Secrets that its pods read.
    pub fn secrets(self) -> &'static [SecretName] {
        match self {
            Self::Argocd => &[OIDC_SECRET, ARGOCD_SECRET],
            Self::Dex => &[DEX_SECRET],
            Self::DexServer | Self::Redis | Self::Exporter => &[],
        }
    }
}
