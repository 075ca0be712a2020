//! The words of the command line for what is of crates that know no command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use cluster::names::Provider;
use kind_lab::Ingress;

/// Who checks the user.
pub fn provider() -> impl TypedValueParser<Value = Provider> {
    one_of([
        (
            Provider::Dex,
            Provider::Dex.name(),
            "A Dex of its own, as in the post: one client secret in two Secrets",
        ),
        (
            Provider::Bundled,
            Provider::Bundled.name(),
            "The Dex inside Argo CD: both derive the client secret from `server.secretkey`",
        ),
    ])
}

/// What is in front of Argo CD and Dex.
pub fn ingress() -> impl TypedValueParser<Value = Ingress> {
    one_of([
        (
            Ingress::Nginx,
            "nginx",
            "ingress-nginx, as in the post; its project is retired, its artefacts stay",
        ),
        (Ingress::Traefik, "traefik", "Traefik, which is kept up"),
    ])
}

/// Reads one of these, each with its word and what a shell says of it.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [(T, &'static str, &'static str); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(|(_, word, help)| PossibleValue::new(word).help(help))).try_map(
        move |said| {
            all.iter().find(|(_, word, _)| *word == said).map(|(it, ..)| *it).ok_or("it is none of these")
        },
    )
}
