//! The Job of `load` and its Secret. Kubernetes schedules the workers, limits them and ends them; here they are only
//! written down.

use probe::Resolve;
use serde_json::{Value, json};
use url::Url;

use cluster::Request;
use cluster::names::OWNED;

/// On everything of a run: which one it is.
pub(crate) const RUN: &str = "oidc-lab/load";
/// The worker's container.
pub(crate) const CONTAINER: &str = "probe";
/// The field of a Job that keeps workers from being begun twice; clusters before Kubernetes 1.29 drop it.
pub(crate) const NO_RETRY: &str = "backoffLimitPerIndex";
/// Where the Secret is mounted.
const MOUNT: &str = "/run/oidc-lab";
/// What stands in a secret's place.
const MASK: &str = "********";
/// A user and a group that are nobody's.
const NOBODY: u32 = 65532;
/// After so many seconds a Job that has ended goes by itself, with its Secret: where this program was killed.
const KEPT: u32 = 600;
/// The longest that an average login is given, in seconds.
const SLOW_LOGIN: f64 = 10.0;

/// What is to be done, and where.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What tells this run from others.
    pub id: String,
    /// The namespace of the Job.
    pub namespace: String,
    /// The image of the probe.
    pub image: String,
    /// How many workers.
    pub workers: u32,
    /// How many logins, of all of them.
    pub logins: u32,
    /// How many begin each second.
    pub rate: f64,
    /// How many a worker may have under way.
    pub concurrency: u32,
    /// Argo CD, as the workers reach it.
    pub url: Url,
    /// Who logs in.
    pub user: String,
    /// Names that the workers are told.
    pub resolve: Vec<Resolve>,
    /// Authorities that they trust besides, in PEM.
    pub ca: Option<String>,
    /// How many seconds they may take to begin.
    pub patience: u64,
}

impl Plan {
    /// The name of the Job, and of its Secret.
    pub fn name(&self) -> String {
        format!("oidc-lab-load-{}", self.id)
    }

    /// What selects its pods.
    pub(crate) fn selector(&self) -> String {
        format!("{RUN}={}", self.id)
    }

    /// How many seconds the whole may take, from the moment at which it is begun.
    pub fn deadline(&self) -> u64 {
        let by_rate = f64::from(self.logins) / self.rate;
        let by_worker = f64::from(self.logins.div_ceil(self.workers * self.concurrency)) * SLOW_LOGIN;
        self.patience + by_rate.max(by_worker).ceil() as u64 + 60
    }

    /// How many logins a worker has to do.
    pub(crate) fn share(&self, index: u32) -> u32 {
        self.logins / self.workers + u32::from(index < self.logins % self.workers)
    }

    /// What is said before anything is done.
    pub fn announcement(&self) -> String {
        let Self { logins, workers, rate, url, user, namespace, .. } = self;
        let workers = if *workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
        format!("{logins} logins at {url} as {user}, {rate} a second, by {workers} in namespace {namespace}")
    }

    /// What is done, step by step, with every request that changes something.
    pub fn steps(&self) -> [(&'static str, String, Vec<Request>); 5] {
        let job = |verb| Request::of(verb, "jobs.batch", &self.namespace, &self.name());
        let secret = |verb| Request::of(verb, "secrets", &self.namespace, &self.name());
        let deadline = self.deadline();
        [
            ("may", "ask whether all of this may be done".to_owned(), vec![]),
            ("create", "make the Job, which does not start yet".to_owned(), vec![job("create")]),
            (
                "start",
                format!("make its Secret and start it; it may take {deadline} s"),
                vec![secret("create"), job("patch")],
            ),
            (
                "follow",
                "watch its pods and read their logs; suspend it at a sign of a lock-out".to_owned(),
                vec![job("patch").if_needed()],
            ),
            ("remove", "remove both, whatever comes".to_owned(), vec![job("delete"), secret("delete")]),
        ]
    }

    fn labels(&self) -> Value {
        json!({"app.kubernetes.io/managed-by": "oidc-lab", OWNED: "true", RUN: self.id})
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec![
            format!("--user={}", self.user),
            format!("--password-file={MOUNT}/password"),
            format!("--logins={}", self.logins),
            format!("--rate={}", self.rate),
            format!("--concurrency={}", self.concurrency),
        ];
        args.extend(self.resolve.iter().map(|it| format!("--resolve={it}")));
        args.extend(self.ca.as_ref().map(|_| format!("--ca={MOUNT}/ca.pem")));
        args.extend(["--gentle", "--series", "--format=json", "--quiet"].map(str::to_owned));
        args.push(self.url.to_string());
        // A `$(…)` of somebody's name is no variable; that of the share is.
        let mut args: Vec<String> = args.into_iter().map(|arg| arg.replace('$', "$$")).collect();
        args.insert(0, format!("--share=$(JOB_COMPLETION_INDEX)/{}", self.workers));
        args
    }

    /// The Job, which waits to be started. No worker is begun a second time, whatever becomes of it: it would log in
    /// more often than was said.
    pub(crate) fn job(&self) -> Value {
        let run = json!({"matchLabels": {RUN: self.id}});
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": self.name(), "namespace": self.namespace, "labels": self.labels()},
            "spec": {
                "suspend": true,
                "completionMode": "Indexed",
                "completions": self.workers,
                "parallelism": self.workers,
                NO_RETRY: 0,
                "activeDeadlineSeconds": self.deadline(),
                "ttlSecondsAfterFinished": KEPT,
                "template": {
                    "metadata": {"labels": self.labels()},
                    "spec": {
                        "restartPolicy": "Never",
                        "automountServiceAccountToken": false,
                        "enableServiceLinks": false,
                        "terminationGracePeriodSeconds": 10,
                        "securityContext": {
                            "runAsNonRoot": true,
                            "runAsUser": NOBODY,
                            "runAsGroup": NOBODY,
                            "fsGroup": NOBODY,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "topologySpreadConstraints": [{
                            "maxSkew": 1,
                            "topologyKey": "kubernetes.io/hostname",
                            "whenUnsatisfiable": "ScheduleAnyway",
                            "labelSelector": run,
                        }],
                        "containers": [{
                            "name": CONTAINER,
                            "image": self.image,
                            "imagePullPolicy": "IfNotPresent",
                            "args": self.args(),
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "readOnlyRootFilesystem": true,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "resources": {
                                "requests": {"cpu": "50m", "memory": "32Mi"},
                                "limits": {"cpu": "1", "memory": "128Mi"},
                            },
                            "volumeMounts": [{"name": "login", "mountPath": MOUNT, "readOnly": true}],
                        }],
                        "volumes": [{
                            "name": "login",
                            "secret": {"secretName": self.name(), "defaultMode": 0o440},
                        }],
                    },
                },
            },
        })
    }

    /// The Secret, which goes with its Job.
    pub(crate) fn secret(&self, password: &str, job: &str) -> Value {
        let mut data = json!({"password": password});
        if let Some(ca) = &self.ca {
            data["ca.pem"] = ca.as_str().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace,
                "labels": self.labels(),
                "ownerReferences": [
                    {"apiVersion": "batch/v1", "kind": "Job", "name": self.name(), "uid": job},
                ],
            },
            "immutable": true,
            "stringData": data,
        })
    }

    /// Both, to be shown.
    pub fn masked(&self) -> [Value; 2] {
        [self.job(), self.secret(MASK, "of the Job")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            id: "0a1b2c3d".into(),
            namespace: "logins".into(),
            image: "registry.example.com/probe:v1".into(),
            workers: 3,
            logins: 10,
            rate: 2.5,
            concurrency: 2,
            url: "https://argocd.example.com/".parse().unwrap(),
            user: "$(HOME)@example.com".into(),
            resolve: vec!["argocd.example.com:443:10.0.0.1".parse().unwrap()],
            ca: Some("the authority".into()),
            patience: 60,
        }
    }

    #[test]
    fn the_job_and_its_secret_are_written_so() {
        let [job, secret] = plan().masked().map(|it| serde_yaml::to_string(&it).unwrap());
        insta::assert_snapshot!(format!("{job}---\n{secret}"));
    }

    #[test]
    fn a_jobs_fields_are_kubernetes_own() {
        let plan = plan();
        let job: k8s_openapi::api::batch::v1::Job = serde_json::from_value(plan.job()).unwrap();
        // A field that Kubernetes does not know would be gone by now.
        assert_eq!(serde_json::to_value(&job).unwrap(), plan.job());
        let secret = plan.secret("x", "uid");
        let read: k8s_openapi::api::core::v1::Secret = serde_json::from_value(secret.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), secret);
    }

    #[test]
    fn shares_are_all_of_it_and_the_time_is_enough() {
        let plan = plan();
        assert_eq!((0..3).map(|index| plan.share(index)).collect::<Vec<_>>(), [4, 3, 3]);
        // 10 logins by 3 workers of 2 at once: 2 each, of 10 s at worst.
        assert_eq!(plan.deadline(), 60 + 20 + 60);
        assert_eq!(Plan { rate: 0.01, ..plan }.deadline(), 60 + 1000 + 60);
    }
}
