//! The words of the command line for what is of crates that know no command line.

use clap::builder::{PossibleValue, TypedValueParser};
use cluster::names::Provider;
use kind_lab::Ingress;
use probe::typing::one_of;

/// Who checks the user.
pub fn provider() -> impl TypedValueParser<Value = Provider> {
    one_of([Provider::Dex, Provider::Bundled], |provider| {
        PossibleValue::new(provider.name()).help(match provider {
            Provider::Dex => "A Dex of its own, as in the post: one client secret in two Secrets",
            Provider::Bundled => {
                "The Dex inside Argo CD: both derive the client secret from `server.secretkey`"
            }
        })
    })
}

/// What is in front of Argo CD and Dex.
pub fn ingress() -> impl TypedValueParser<Value = Ingress> {
    one_of([Ingress::Nginx, Ingress::Traefik], |ingress| match ingress {
        Ingress::Nginx => PossibleValue::new("nginx")
            .help("ingress-nginx, as in the post; its project is retired, its artefacts stay"),
        Ingress::Traefik => PossibleValue::new("traefik").help("Traefik, which is kept up"),
    })
}
