//! Who checks the user: what the options name, else what the lab was made with.

use super::Session;
use crate::cli::Goal;
use crate::lab::{Lab, kind};
use crate::names::{Provider, Workload};
use base::{Error, Result};

impl Session {
    /// The provider that goals, or a command where there are none, are about.
    ///
    /// # Errors
    /// The lab that is up has another than the named one, and is not to be made anew.
    pub(super) async fn which_provider(&self, goals: &[Goal]) -> Result<Provider> {
        let named = self.options.provider;
        let begins = goals.first();
        // Whatever is there goes.
        if begins == Some(&Goal::Down) {
            return Ok(named.unwrap_or_default());
        }
        let own = self.own_provider().await;
        let anew = matches!(begins, None | Some(Goal::Working | Goal::Broken | Goal::Reproduce));
        match (named, own) {
            (Some(named), Some(own)) if named != own && !anew => {
                let (named, own) = (named.name(), own.name());
                Err(Error::usage(format!(
                    "--provider {named}, and the lab that is up has the provider {own}"
                ))
                .hint(format!("`cargo xtask --provider {named} working` makes it anew")))
            }
            _ => Ok(named.or(own).unwrap_or_default()),
        }
    }

    /// The provider of the lab that is up, if it holds one.
    pub async fn own_provider(&self) -> Option<Provider> {
        if let Lab::Kind(lab) = &self.lab {
            return kind::State::read(lab).map(|state| state.provider);
        }
        self.lab.find().await.ok().flatten()?;
        let cluster = self.cluster().await.ok()?;
        for provider in [Provider::Bundled, Provider::Dex] {
            if matches!(cluster.find_deployment(provider.workload()).await, Ok(Some(_))) {
                return Some(provider);
            }
        }
        None
    }

    /// The Deployment that checks the user.
    pub fn dex(&self) -> Workload {
        self.provider.workload()
    }
}
