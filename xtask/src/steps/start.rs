//! The lab's own process, and with `--tls` the certificates of its ingress.

use super::Doing;
use crate::lab::{Certificate, Lab, LocalLab, sweep_beside};
use crate::render::{Manifest, TlsSecret, Variables};
use crate::session::Session;
use base::{Error, Result};
use cluster::Cluster;
use cluster::names::certificates;

/// The key of a Secret of type `kubernetes.io/tls` that certificates are in.
const CHAIN: &str = "tls.crt";

impl Doing<'_> {
    /// Brings the lab up, or finds it up. Says which.
    ///
    /// # Errors
    /// It does not come up.
    pub(super) async fn start_lab(&self) -> Result<&'static str> {
        let session = self.session;
        let Lab::Local(lab) = &session.lab else {
            return Err(Error::usage("a lab on kind is not one process that could be started"));
        };
        if let (Some(own), Some(named)) = (session.own_provider().await, session.options.provider)
            && own != named
        {
            let (own, named) = (own.name(), named.name());
            session
                .console
                .note(&format!("  the lab with the provider {own} goes: it is made anew with {named}"));
            stop_local(session, lab).await?;
            session.connect_anew().await;
        }
        let scheme = session.scheme();
        if session.own_scheme().await.is_some_and(|own| own != scheme) {
            session.console.note(&format!("  the lab goes: it is made anew over {}", scheme.name()));
        }
        if let Some(said) = lab.ended() {
            session.console.note(&format!("{said}; it is started anew"));
        }
        let (lab, port, unfinished) = (lab.clone(), session.options.port, session.unfinished.clone());
        let authority = session.authority();
        let started = tokio::task::spawn_blocking(move || {
            let mut begun = unfinished.changing();
            let started = lab.start(port, scheme.is_https())?;
            *begun |= started;
            if scheme.is_https() {
                authority.ensure()?;
            }
            Ok::<_, Error>(started)
        });
        let started =
            started.await.map_err(|error| Error::environment(format!("starting the lab: {error}")))??;
        session.connect_anew().await;
        Ok(if started { "started" } else { "already up" })
    }

    /// Makes the certificates of the ingress, unless those that there are come from the lab's own
    /// authority. Says what was done.
    ///
    /// # Errors
    /// There is no authority, or the cluster does not answer.
    pub(super) async fn certify(&self, cluster: &Cluster) -> Result<&'static str> {
        let session = self.session;
        let authority = session.authority();
        let (pem, mut kept) = (authority.pem()?, true);
        for (secret, _) in certificates(session.provider) {
            let own = cluster.client_secret(*secret, CHAIN).await?;
            kept &= own.is_some_and(|own| own.reveal().contains(pem.trim()));
        }
        if kept {
            return Ok("kept");
        }
        let mut made = vec![];
        for (secret, hosts) in certificates(session.provider) {
            let Certificate { chain, key } = authority.sign(hosts, false)?;
            made.push(TlsSecret { namespace: secret.namespace, name: secret.name, chain, key });
        }
        let variables = Variables { certificates: made, ..session.variables().await? };
        self.apply(Manifest::INGRESS_TLS, &variables).await?;
        Ok("created")
    }
}

/// Stops a lab on this machine, and what commands that were killed left up beside it. Says whether there was one.
///
/// # Errors
/// It cannot be stopped, or its folder cannot be removed.
pub(super) async fn stop_local(session: &Session, lab: &LocalLab) -> Result<bool> {
    let (lab, unfinished) = (lab.clone(), session.unfinished.clone());
    let stopped = tokio::task::spawn_blocking(move || {
        let _changing = unfinished.changing();
        let stopped = lab.stop();
        sweep_beside(lab.own_folder().path());
        stopped
    });
    stopped.await.map_err(|error| Error::environment(format!("stopping the lab: {error}")))?
}
