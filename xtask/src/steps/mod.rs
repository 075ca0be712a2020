//! What each step of a plan does.

mod exporter;
mod kind;
mod shown;
mod start;

use jiff::{SignedDuration, Timestamp};
use local_lab::charts::{self, Runs};
use local_lab::real_dex;
use probe::Verdict;
use serde_json::Value;

use crate::console::Running;
use crate::fault::{Edit, Fault};
use crate::lab::Lab;
use cluster::{ArgocdKeys, ClientSecret, Cluster};

use crate::login::Logins;
use crate::programs::{Kind, Program};
use crate::render::{Manifest, Sources, Variables};
use crate::session::Session;
use crate::{faults, login, route};
use base::{Error, Result};
use cluster::names::{ARGOCD_SECRET, DEX_KEY, DEX_SECRET, Place, Rollout, Workload};
pub use kind_lab::KindStep;
pub use shown::{Deed, DryRun};
use start::stop_local;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring the lab's cluster up, or find it up.
    StartLab,
    /// Apply the namespaces.
    Namespaces,
    /// With `--tls`: the certificates of the ingress, where there are none of the lab's authority.
    Certificates,
    /// Fill argocd-secret where it is not filled.
    ArgocdSecret,
    /// Create the client secret as Dex expects it, if there is none.
    DexSecret,
    /// Create the client secret as Argo CD shows it, with Dex's value.
    OidcSecret,
    /// Delete the client secret of Argo CD.
    NoOidcSecret,
    /// Install a component with whatever its Secrets hold now.
    Install(Workload),
    /// Install Argo CD and start its pods anew even if nothing changed.
    InstallAnew(Workload),
    /// Remember that a rotation has begun, and write a new client secret where Dex expects
    /// it, and nowhere else.
    RotateDex,
    /// Write down that a fault is in.
    Remember(Fault),
    /// Change objects as a fault does.
    Edit(Edit),
    /// Give a component another number of pods.
    Scale(Workload, u8),
    /// Log in once, whatever comes of it.
    LogInOnce,
    /// Wait until the Dex inside Argo CD takes the client secret that `server.secretkey` makes.
    DexTakes,
    /// Rotate twice, with a page open on Argo CD.
    RotateTwice,
    /// Undo what faults changed: one, or all that are in.
    Heal {
        /// That one.
        only: Option<Fault>,
        /// Whether Argo CD is restarted too, if it read what was changed.
        argocd: bool,
    },
    /// Start a component's pods anew.
    Restart(Workload),
    /// Wait until a component's pods are all new and ready, and reached through the ingress.
    Ready(Workload),
    /// Wait until Argo CD's server can hear of this.
    Hears(Change),
    /// Forget a rotation: all has read the new client secret, or is going to.
    RotationEnded,
    /// Log in until there is a verdict; where one is expected, no further.
    Login(Option<Verdict>),
    /// Remove the lab.
    StopLab,
    /// What only a lab on kind has.
    Kind(KindStep),
}

impl Action {
    /// What it does, for a person.
    pub fn describe(self) -> String {
        let name = |workload: Workload| format!("{}/{}", workload.namespace(), workload.deployment());
        match self {
            Self::StartLab => "start the cluster, or find it up".into(),
            Self::Namespaces => "apply the namespaces argocd, dex, ingress".into(),
            Self::Certificates => {
                "create the ingress's certificates, if there are none of the lab's own authority".into()
            }
            Self::ArgocdSecret => "fill argocd/argocd-secret where it is empty".into(),
            Self::DexSecret => "create dex/dex-clients with a random client secret, if there is none".into(),
            Self::OidcSecret => "create argocd/argocd-oidc with the value that Dex has".into(),
            Self::NoOidcSecret => "delete argocd/argocd-oidc".into(),
            Self::Install(workload) => format!("install {}", name(workload)),
            Self::InstallAnew(workload) => format!("install {} with new pods", name(workload)),
            Self::RotateDex => {
                "remember that a rotation has begun, and write a new client secret into dex/dex-clients"
                    .into()
            }
            Self::Remember(fault) => format!("remember that {} is in", fault.name()),
            Self::Edit(edit) => edit.describe().into(),
            Self::Scale(workload, pods) => format!("scale {} to {pods}", name(workload)),
            Self::LogInOnce => "log in once".into(),
            Self::DexTakes => {
                "wait until Dex takes the client secret that is made of server.secretkey".into()
            }
            Self::RotateTwice => "log in, stay on the page, and rotate the client secret twice".into(),
            Self::Heal { only: Some(fault), .. } => format!("undo what {} changed", fault.name()),
            Self::Heal { only: None, .. } => "undo what faults changed".into(),
            Self::Restart(workload) => format!("restart {}", name(workload)),
            Self::Ready(Workload::Redis) => format!("wait until {} is ready", name(Workload::Redis)),
            Self::Ready(Workload::DexServer) => {
                format!("wait until {} is ready and Argo CD leads to it", name(Workload::DexServer))
            }
            Self::Ready(workload) => {
                format!("wait until {} is ready and the ingress leads to it", name(workload))
            }
            Self::Hears(Change::Update) => "wait until argocd/argocd-server hears of changes".into(),
            Self::Hears(Change::Creation) => {
                "wait until argocd/argocd-server takes a Secret that is created for a new one".into()
            }
            Self::RotationEnded => "remember that the rotation has ended".into(),
            Self::Login(_) => "log in".into(),
            Self::StopLab => "remove the lab".into(),
            Self::Kind(step) => step.describe(),
        }
    }
}

/// Does a step, says in a few words what came of it, and gives the logins if it made some.
///
/// # Errors
/// It could not be done.
pub async fn perform(
    session: &Session,
    action: Action,
    running: &Running<'_>,
) -> Result<(String, Option<Logins>)> {
    let Action::Login(expect) = action else {
        return Ok((Doing { session, running }.act(action).await?, None));
    };
    let logins = login::test(session, expect, running).await?;
    let text = format!("{} of {} logged in", logins.report.ok(), logins.report.logins.len());
    Ok((text, Some(logins)))
}

/// A step that is being done.
struct Doing<'a> {
    /// In which lab.
    session: &'a Session,
    /// Who hears of it.
    running: &'a Running<'a>,
}

impl Doing<'_> {
    async fn act(&self, action: Action) -> Result<String> {
        let Self { session, running } = *self;
        match action {
            Action::StartLab => return self.start_lab().await.map(str::to_owned),
            Action::StopLab => {
                let was = self.stop_lab().await?;
                return Ok(if was { "removed" } else { "there was none" }.to_owned());
            }
            Action::Kind(step) => return self.of_kind(step).await,
            _ => {}
        }
        let cluster = &session.cluster().await?;
        match action {
            Action::StartLab | Action::StopLab | Action::Kind(_) | Action::Login(_) => {}
            Action::Namespaces => self.apply(Manifest::NAMESPACES, &session.variables().await?).await?,
            Action::Certificates => return self.certify(cluster).await.map(str::to_owned),
            Action::ArgocdSecret => {
                if cluster.argocd_secret_is_filled().await? {
                    return Ok("kept".into());
                }
                let keys = ArgocdKeys::random()?;
                let variables = Variables {
                    admin_password_hash: Some(keys.password_hash),
                    admin_password_mtime: Some(keys.password_mtime),
                    server_secretkey: Some(keys.secretkey),
                    ..session.variables().await?
                };
                self.apply(Manifest::ARGOCD_SECRET, &variables).await?;
                return Ok("filled".into());
            }
            Action::DexSecret => {
                if cluster.dex_client_secret().await?.is_some() {
                    return Ok("kept".into());
                }
                self.client_secret(Manifest::DEX_SECRET, ClientSecret::random()?).await?;
                return Ok("created".into());
            }
            Action::OidcSecret => {
                let missing = || Error::environment("the lab has no client secret in dex/dex-clients");
                let secret = cluster.dex_client_secret().await?.ok_or_else(missing)?;
                self.client_secret(Manifest::OIDC_SECRET, secret).await?;
                return Ok("applied".into());
            }
            Action::NoOidcSecret => cluster.delete_oidc_secret(session.wait()).await?,
            Action::Install(Workload::Exporter) => return self.install_exporter(cluster).await,
            Action::Install(workload) => {
                let versions = cluster.secret_versions(workload).await?;
                return self.install(cluster, workload, &versions).await;
            }
            Action::InstallAnew(workload) => {
                // Whatever the pods that run were started with, these are others.
                let started = Timestamp::now();
                let versions = format!("{},started={started}", cluster.secret_versions(workload).await?);
                return self.install(cluster, workload, &versions).await;
            }
            Action::RotateDex => {
                faults::rotation_begun(cluster).await?;
                let secret = ClientSecret::random()?;
                cluster.set_secret_keys(DEX_SECRET, &[(DEX_KEY, Some(secret.reveal().as_bytes()))]).await?;
                return Ok("written".into());
            }
            Action::RotationEnded => faults::rotation_ended(cluster).await?,
            Action::Remember(fault) => faults::record(cluster, fault).await?,
            Action::Edit(edit) => faults::make(edit, session).await?,
            Action::Scale(workload, pods) => cluster.scale(workload, u32::from(pods)).await?,
            Action::LogInOnce => {
                let passed = login::once(session).await?;
                return Ok(if passed { "logged in" } else { "not logged in" }.into());
            }
            Action::DexTakes => {
                let missing = || Error::environment("Secret argocd/argocd-secret has no server.secretkey");
                let key = cluster.secret_key(ARGOCD_SECRET, "server.secretkey").await?.ok_or_else(missing)?;
                let secret = ClientSecret::new(stand_ins::argocd::client_secret(&key));
                route::dex_takes(&self.front().await?, &secret, running).await?;
                return Ok("taken".into());
            }
            Action::RotateTwice => return faults::rotate_twice(session, cluster).await.map(str::to_owned),
            Action::Heal { only, argocd } => {
                let healed = faults::heal(session, only, argocd).await?;
                return Ok(if healed.is_empty() { "nothing to undo".into() } else { healed.join(", ") });
            }
            Action::Restart(workload) => {
                cluster.restart(workload).await?;
                return Ok("restarted".into());
            }
            Action::Hears(change) => return settle(session, cluster, change).await,
            Action::Ready(workload) => {
                running.doing(&format!("waiting for {}/{}", workload.namespace(), workload.deployment()));
                self.wait_ready(cluster, workload.rollout()).await?;
                let is_argocd = workload == Workload::Argocd;
                if is_argocd && cluster.find_deployment(Workload::Redis).await?.is_some() {
                    self.wait_ready(cluster, Workload::Redis.rollout()).await?;
                }
                if is_argocd {
                    session.saw_ready();
                }
                route::wait(&self.front().await?, cluster, workload, running).await?;
                if is_argocd && starts_deaf(session).await? {
                    // Whoever changes something by hand right afterwards is to be heard.
                    settle(session, cluster, Change::Update).await?;
                }
                return Ok("ready".into());
            }
        }
        Ok("done".into())
    }

    async fn wait_ready(&self, cluster: &Cluster, rollout: Rollout) -> Result<()> {
        cluster.wait_ready(rollout, self.session.wait(), &mut |text| self.running.waiting(text)).await
    }

    async fn front(&self) -> Result<route::Front> {
        let (session, options) = (self.session, login::options(self.session).await?);
        Ok(route::Front {
            place: session.lab.place(),
            options,
            scheme: session.scheme(),
            limit: session.wait(),
        })
    }

    /// Takes the lab down, and what commands that were killed left up beside it. Says whether
    /// there was one.
    ///
    /// # Errors
    /// It cannot be stopped or its folder cannot be removed.
    async fn stop_lab(&self) -> Result<bool> {
        let session = self.session;
        session.connect_anew().await;
        let stopped = match &session.lab {
            Lab::Kind(_) => self.remove().await,
            Lab::Local(lab) => stop_local(session, lab).await,
        };
        session.unfinished.complete();
        stopped
    }

    async fn apply(&self, manifest: Manifest, variables: &Variables) -> Result<()> {
        let sources = &self.session.sources;
        match &self.session.lab {
            Lab::Local(_) => {
                self.session.cluster().await?.apply_all(&sources.documents(manifest, variables)?).await
            }
            Lab::Kind(_) => {
                let name = format!("manifests/{}", manifest.file());
                let text = sources.text(manifest, variables)?;
                self.session.tools(self.running).await?.apply(&name, text).await
            }
        }
    }

    async fn client_secret(&self, manifest: Manifest, secret: ClientSecret) -> Result<()> {
        let client_secret = Some(secret.reveal().to_owned());
        self.apply(manifest, &Variables { client_secret, ..self.session.variables().await? }).await
    }

    /// Installs a component and what it cannot do without.
    async fn install(&self, cluster: &Cluster, workload: Workload, secrets: &str) -> Result<String> {
        let session = self.session;
        if matches!(session.lab, Lab::Kind(_)) {
            return self.install_chart(workload, secrets).await;
        }
        if workload != Workload::Argocd || session.chosen(workload).await?.kind == Kind::StandIn {
            return install(session, cluster, workload, secrets).await;
        }
        // Its address is in the server's environment, so it has to be there before.
        let redis = install(session, cluster, Workload::Redis, "").await?;
        let argocd = install(session, cluster, workload, secrets).await?;
        Ok(format!("{argocd}, redis {redis}"))
    }
}

/// What a server that has just started has to be able to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Changes of what is there already.
    Update,
    /// A Secret that is new.
    Creation,
}

/// How long after a server answers its probes it may still miss a change. Up to v2.13 the
/// way to tell it to stop is made only when its informers have synced, which it looks at
/// every 100 ms; a change before that is lost for good.
const DEAF: SignedDuration = SignedDuration::from_millis(250);

/// Whether the release that runs misses changes for a moment after its start.
async fn starts_deaf(session: &Session) -> Result<bool> {
    let program = session.program(Workload::Argocd).await?;
    let release = program.and_then(|program| program.release());
    Ok(release.is_some_and(|release| !release.is_at_least(2, 14, 0)))
}

/// Waits until a server that has just become ready can hear of a change.
///
/// A new Secret counts as one only if its creation time is later than the moment at which
/// the server's informers had synced (argo-cd's settings informer drops older ones), and
/// creation times are whole seconds: what is created in the same second is lost on every
/// release. People and charts are slower than that; this program is not.
async fn settle(session: &Session, cluster: &Cluster, change: Change) -> Result<String> {
    let ready = match session.ready_since() {
        Some(ready) => ready,
        // Known to the second from the cluster: its end is the latest that it can have been.
        None => match cluster.ready_since(Workload::Argocd).await? {
            Some(ready) => ready + SignedDuration::from_secs(1),
            None => return Ok("no pod is ready".into()),
        },
    };
    let settled = settled_at(ready, change);
    let wait = settled.duration_since(Timestamp::now());
    if wait.is_positive() {
        tokio::time::sleep(wait.unsigned_abs()).await;
    }
    Ok("settled".into())
}

fn settled_at(ready: Timestamp, change: Change) -> Timestamp {
    let hears = ready + DEAF;
    match change {
        Change::Update => hears,
        Change::Creation => {
            let next_second = Timestamp::from_second(ready.as_second() + 1).unwrap_or(ready);
            hears.max(next_second)
        }
    }
}

async fn install(session: &Session, cluster: &Cluster, workload: Workload, secrets: &str) -> Result<String> {
    let program = session.chosen(workload).await?;
    // What differs here starts new pods: other Secrets, another build of a program.
    let started_with = match program.build()? {
        Some(build) => format!("{secrets},build={build}"),
        None => secrets.to_owned(),
    };
    let variables = session.variables().await?;
    let dex = session.chosen_dex().await?;
    let inside = workload == Workload::Argocd && session.dex() == Workload::DexServer;
    if inside
        && dex.path.is_some()
        && cluster.find_deployment(session.dex()).await?.is_none()
        && real_dex::is_taken()
    {
        return Err(Error::environment(real_dex::TAKEN).hint(real_dex::HINT));
    }
    let runs = [&program, &dex];
    cluster.apply_all(&documents(&session.sources, workload, runs, &started_with, &variables)?).await?;
    Ok(program.described())
}

/// What installing a component on the local lab applies: the program that it runs, and for
/// Argo CD the Dex inside it.
fn documents(
    sources: &Sources,
    workload: Workload,
    [program, dex]: [&Program; 2],
    started_with: &str,
    variables: &Variables,
) -> Result<Vec<Value>> {
    let ingress = sources.documents(Manifest::INGRESS, variables)?;
    let own = |document: &&Value| document["metadata"]["namespace"] == workload.namespace();
    let image = program.image(workload);
    let runs = Runs { image: &image, executable: program.executable() };
    let inside = dex.image_inside(program);
    let inside = Runs { image: &inside, executable: dex.executable() };
    let derived = match workload {
        Workload::Argocd | Workload::DexServer => {
            charts::argocd(&sources.values("argocd")?, runs, inside, started_with)
        }
        Workload::Dex => charts::dex(&sources.values("dex")?, runs, started_with),
        Workload::Redis => Ok(charts::redis(runs)),
        Workload::Exporter => {
            return exporter::documents(sources, runs, Place::Local, started_with, variables);
        }
    };
    let mut documents = derived.map_err(|error| Error::environment(error.to_string()))?;
    if workload == Workload::Dex {
        documents.extend(sources.documents(Manifest::DEX_SERVICE, variables)?);
    }
    if workload != Workload::Redis {
        documents.extend(ingress.iter().filter(own).cloned());
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_is_created_in_a_later_second_than_the_server_started_in() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (ready, update, creation) in [
            ("2026-01-01T00:00:00.100Z", "2026-01-01T00:00:00.350Z", "2026-01-01T00:00:01Z"),
            ("2026-01-01T00:00:00.900Z", "2026-01-01T00:00:01.150Z", "2026-01-01T00:00:01.150Z"),
            ("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.250Z", "2026-01-01T00:00:02Z"),
        ] {
            assert_eq!(settled_at(time(ready), Change::Update), time(update), "{ready}");
            assert_eq!(settled_at(time(ready), Change::Creation), time(creation), "{ready}");
        }
    }
}
