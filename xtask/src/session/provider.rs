//! Who checks the user, and what the lab is spoken to by: what the options name, else what the
//! lab was made with.

use super::Session;
use crate::cli::Goal;
use crate::lab::Lab;
use base::{Error, Result};
use cluster::names::{Provider, Scheme, Workload};

impl Session {
    /// The provider that goals, or a command where there are none, are about.
    ///
    /// # Errors
    /// The lab that is up has another than the named one, and is not to be made anew.
    pub(super) async fn which_provider(&self, goals: &[Goal]) -> Result<Provider> {
        chosen(self.options.provider, self.own_provider(), goals, |named, own| {
            let (named, own) = (named.name(), own.name());
            Error::usage(format!("--provider {named}, and the lab that is up has the provider {own}"))
                .hint(format!("`cargo xtask --provider {named} working` makes it anew"))
        })
        .await
    }

    /// The scheme of the lab that goals, or a command where there are none, are about.
    ///
    /// # Errors
    /// The lab that is up speaks another than the named one, and is not to be made anew.
    pub(super) async fn which_scheme(&self, goals: &[Goal]) -> Result<Scheme> {
        chosen(self.options.tls.map(Scheme::of), self.own_scheme(), goals, |named, own| {
            let option = if named.is_https() { "--tls" } else { "--tls=false" };
            Error::usage(format!("{option}, and the lab that is up speaks {}", own.name()))
                .hint(format!("`cargo xtask {option} working` makes it anew"))
        })
        .await
    }

    /// The provider of the lab that is up, if it holds one.
    pub async fn own_provider(&self) -> Option<Provider> {
        if let Lab::Kind(lab) = &self.lab {
            return kind_lab::State::read(lab).map(|state| state.provider);
        }
        self.lab.find().await.ok().flatten()?;
        let cluster = self.cluster().await.ok()?;
        for provider in [Provider::Bundled, Provider::Dex] {
            if cluster.find_deployment(provider.workload()).await.ok()?.is_some() {
                return Some(provider);
            }
        }
        None
    }

    /// What the lab that is up is spoken to by.
    pub async fn own_scheme(&self) -> Option<Scheme> {
        if let Lab::Kind(lab) = &self.lab {
            return kind_lab::State::read(lab).map(|state| state.scheme());
        }
        self.lab.find().await.ok().flatten().map(|access| Scheme::of(access.tls.is_some()))
    }

    /// The Deployment that checks the user.
    pub fn dex(&self) -> Workload {
        self.provider.workload()
    }
}

/// What is named, else the lab's own, unless whatever is there goes.
async fn chosen<T: Copy + Default + PartialEq>(
    named: Option<T>,
    own: impl Future<Output = Option<T>>,
    goals: &[Goal],
    refused: impl FnOnce(T, T) -> Error,
) -> Result<T> {
    let own = if goals.first() == Some(&Goal::Down) { None } else { own.await };
    let anew = matches!(goals.first(), None | Some(Goal::Working | Goal::Broken | Goal::Reproduce));
    match (named, own) {
        (Some(named), Some(own)) if named != own && !anew => Err(refused(named, own)),
        _ => Ok(named.or(own).unwrap_or_default()),
    }
}
