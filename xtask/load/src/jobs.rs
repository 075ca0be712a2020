//! The Job in its cluster: made, started, suspended, and removed by name.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use probe::Password;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::job::{NO_RETRY, Plan};
use base::shown::shown;
use base::{Error, Result, duration};
use cluster::untyped;

/// The longest that one request may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long pods may take to end when their Job is gone.
const GONE: Duration = Duration::from_secs(30);

/// What a run asks of the cluster: verb, group, resource.
const RIGHTS: [(&str, &str, &str); 8] = [
    ("create", "batch", "jobs"),
    ("patch", "batch", "jobs"),
    ("delete", "batch", "jobs"),
    ("create", "", "secrets"),
    ("delete", "", "secrets"),
    ("list", "", "pods"),
    ("watch", "", "pods"),
    ("get", "", "pods/log"),
];

/// The Job of a plan, its Secret and its pods.
pub struct Jobs<'a> {
    client: Client,
    plan: &'a Plan,
    /// How a person would ask the same cluster.
    kubectl: String,
    words: fn(&kube::Error) -> String,
}

/// Why a Job was not made.
pub enum NotMade {
    /// The cluster said no: nothing of it is there.
    Refused(Error),
    /// It may be there.
    Unknown(Error),
}

impl<'a> Jobs<'a> {
    /// Those of a plan in the cluster that a client speaks to, by which words people do, and what
    /// `words` say of a client that got no answer.
    pub fn new(client: Client, plan: &'a Plan, kubectl: String, words: fn(&kube::Error) -> String) -> Self {
        Self { client, plan, kubectl, words }
    }

    /// The pods.
    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.plan.namespace)
    }

    /// What is planned.
    pub(crate) fn plan(&self) -> &Plan {
        self.plan
    }

    fn jobs(&self) -> Api<DynamicObject> {
        untyped::<Job>(self.client.clone(), &self.plan.namespace)
    }

    fn secrets(&self) -> Api<DynamicObject> {
        untyped::<Secret>(self.client.clone(), &self.plan.namespace)
    }

    /// Asks the cluster whether all of it may be done, so that nothing is begun that cannot be followed.
    ///
    /// # Errors
    /// A right is missing.
    pub async fn may(&self) -> Result<()> {
        let reviews: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
        let asked = RIGHTS.map(|(verb, group, resource)| {
            let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
            let namespace = &self.plan.namespace;
            let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": part});
            let review = typed(json!({"metadata": {}, "spec": {"resourceAttributes": attributes}}));
            let reviews = reviews.clone();
            async move {
                let answer = tokio::time::timeout(LIMIT, reviews.create(&PostParams::default(), &review?)).await;
                // A cluster that does not say is asked for the thing itself.
                let allowed = answer.ok().and_then(|it| it.ok()?.status).is_none_or(|status| status.allowed);
                Ok::<_, Error>(allowed)
            }
        });
        let allowed = futures::future::try_join_all(asked).await?;
        let missing = RIGHTS.iter().zip(allowed).filter(|(_, allowed)| !allowed);
        let missing: Vec<String> = missing.map(|((verb, group, it), _)| right(verb, group, it)).collect();
        if missing.is_empty() { Ok(()) } else { Err(self.missing(&missing.join(", "))) }
    }

    fn missing(&self, rights: &str) -> Error {
        Error::environment(format!("this takes the right to {rights} in namespace {}", self.plan.namespace))
            .hint("whoever administers the cluster can give it to you; -n names another namespace")
    }

    /// What to say of a request that came to nothing.
    pub(crate) fn failed(&self, verb: &str, group: &str, resource: &str, error: &kube::Error) -> Error {
        let right = right(verb, group, resource);
        let what = match error {
            kube::Error::Api(status) if status.code == 403 && status.message.contains("cannot") => {
                return self.missing(&right);
            }
            kube::Error::Api(status) => format!("{right}: the cluster answered: {}", shown(&status.message)),
            other => format!("the cluster's API: {}", (self.words)(other)),
        };
        Error::environment(what).hint(format!("`{} get namespaces` asks the same cluster", self.kubectl))
    }

    async fn asked<T>(
        &self,
        (verb, group, resource): (&str, &str, &str),
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, NotMade> {
        match tokio::time::timeout(LIMIT, request).await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(error)) => {
                // A server that failed, or ran out of time, may have done it all the same.
                let refused = matches!(&error, kube::Error::Api(status) if status.code < 500);
                let error = self.failed(verb, group, resource, &error);
                Err(if refused { NotMade::Refused(error) } else { NotMade::Unknown(error) })
            }
            Err(_) => Err(NotMade::Unknown(Error::environment(format!(
                "{}: the cluster gave no answer within {}",
                right(verb, group, resource),
                duration(LIMIT)
            )))),
        }
    }

    /// Makes the Job, which does not start yet. Gives its UID.
    ///
    /// # Errors
    /// [`NotMade`].
    pub async fn create(&self) -> Result<String, NotMade> {
        let job = typed(self.plan.job()).map_err(NotMade::Refused)?;
        let create = async { self.jobs().create(&PostParams::default(), &job).await };
        let made = self.asked(RIGHTS[0], create).await?;
        if made.data["spec"]["backoffLimitPerIndex"].is_null() {
            return Err(NotMade::Unknown(
                Error::environment(format!("this cluster's Jobs do not know {NO_RETRY}, without which a worker that fails would log in again"))
                    .hint("Kubernetes has it from 1.29 on; `probe --concurrency` logs in from this machine"),
            ));
        }
        Ok(made.metadata.uid.unwrap_or_default())
    }

    /// Makes the Secret, which goes with the Job, and starts the workers.
    ///
    /// # Errors
    /// The cluster does not do it.
    pub async fn start(&self, password: &Password, job: &str) -> Result<()> {
        let secret = typed(self.plan.secret(password.reveal(), job))?;
        let create = async { self.secrets().create(&PostParams::default(), &secret).await };
        self.asked(RIGHTS[3], create).await?;
        self.suspend(false).await
    }

    /// Suspends the Job, which ends its workers, or lets it go on.
    ///
    /// # Errors
    /// The cluster does not do it.
    pub(crate) async fn suspend(&self, suspend: bool) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"suspend": suspend}}));
        let name = self.plan.name();
        let patched = async { self.jobs().patch(&name, &PatchParams::default(), &patch).await };
        Ok(self.asked(RIGHTS[1], patched).await.map(drop)?)
    }

    /// Removes the Job and its Secret by their name, and waits for the pods to end.
    ///
    /// # Errors
    /// What is left, and how to remove it.
    pub async fn remove(&self) -> Result<()> {
        let name = self.plan.name();
        let job = async { self.jobs().delete(&name, &DeleteParams::background()).await.map(drop) };
        let secret = async { self.secrets().delete(&name, &DeleteParams::default()).await.map(drop) };
        let (job, secret) = tokio::join!(
            self.asked(RIGHTS[2], async { gone_is_gone(job.await) }),
            self.asked(RIGHTS[4], async { gone_is_gone(secret.await) })
        );
        let kubectl = format!("{} -n {}", self.kubectl, self.plan.namespace);
        if let Err(error) = job.and(secret) {
            return Err(Error::environment(format!(
                "the Job {name} or its Secret may be left: {}",
                Error::from(error).message()
            ))
            .hint(format!("`{kubectl} delete job,secret {name}` removes both")));
        }
        tokio::time::timeout(GONE, self.empty()).await.map_err(|_| {
            let (limit, selector) = (duration(GONE), self.plan.selector());
            Error::environment(format!(
                "the Job {name} is removed, and its pods were still there {limit} later"
            ))
            .hint(format!("`{kubectl} get pods -l {selector}` shows them"))
        })
    }

    /// Comes about when none of the pods is left.
    async fn empty(&self) {
        let config = watcher::Config::default().labels(&self.plan.selector());
        let mut changes = std::pin::pin!(watcher(self.pods(), config).default_backoff());
        let mut left = BTreeSet::new();
        while let Some(change) = changes.next().await {
            match change {
                Ok(watcher::Event::Init) => left.clear(),
                Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) => {
                    left.insert(pod.metadata.name);
                }
                Ok(watcher::Event::Delete(pod)) => {
                    left.remove(&pod.metadata.name);
                    if left.is_empty() {
                        return;
                    }
                }
                Ok(watcher::Event::InitDone) if left.is_empty() => return,
                // Who may not look cannot wait for it.
                Err(error) if refusal(&error).is_some() => return,
                Ok(watcher::Event::InitDone) | Err(_) => {}
            }
        }
    }
}

impl From<NotMade> for Error {
    fn from((NotMade::Refused(error) | NotMade::Unknown(error)): NotMade) -> Self {
        error
    }
}

/// A right, as people read it: `create jobs.batch`.
fn right(verb: &str, group: &str, resource: &str) -> String {
    let dot = if group.is_empty() { "" } else { "." };
    format!("{verb} {resource}{dot}{group}")
}

/// That the cluster does not let this user look, if that is the matter.
pub fn refusal(error: &watcher::Error) -> Option<&kube::Error> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            Some(error).filter(|error| is_refusal(error))
        }
        _ => None,
    }
}

/// Whether the cluster does not let this user do it.
pub fn is_refusal(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403))
}

/// What is not there needs not be removed.
fn gone_is_gone(outcome: kube::Result<()>) -> kube::Result<()> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other,
    }
}

fn typed<T: DeserializeOwned>(document: Value) -> Result<T> {
    serde_json::from_value(document)
        .map_err(|error| Error::environment(format!("a manifest of `load` is none: {error}")))
}
