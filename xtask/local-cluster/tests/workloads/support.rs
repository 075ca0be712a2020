//! A store with controllers, and programs to run.
#![allow(unreachable_pub)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local_cluster::logs::Logs;
use local_cluster::program::{ClusterAccess, Exit, Images, Launch};
use local_cluster::routes::Routes;
use local_cluster::serve::{Handler, Limits, Request, Response, serve, text};
use local_cluster::store::deletion::deletion;
use local_cluster::store::{Key, Seen, Store, WriteError, object};
use local_cluster::tasks::Tasks;
use local_cluster::workloads::{self, Machine};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far more than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Lab {
    pub store: Store,
    pub logs: Logs,
    pub tasks: Tasks,
    pub stop: CancellationToken,
    pub task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Lab {
    pub fn new(images: Images) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, stop) = (Store::new(), CancellationToken::new());
        let logs = Logs::new(folder.path());
        let cluster = ClusterAccess {
            server: "https://127.0.0.1:1".into(),
            ca_pem: "no CA".into(),
            token: "s3cret-token".into(),
        };
        let proxy = SocketAddr::from(([127, 0, 0, 1], 9));
        let (routes, tasks) = (Routes::new(&store), Tasks::default());
        let machine = Machine { images, cluster, ingress: proxy, routes, tasks: tasks.clone() };
        let task = workloads::start(store.clone(), logs.clone(), machine, stop.clone());
        Self { store, logs, tasks, stop, task, _folder: folder }
    }

    /// One with the Deployment `web` of so many pods, rolled out.
    pub async fn with_web(replicas: u64) -> Self {
        let lab = Self::new(Web::default().images());
        lab.deploy(deployment("web", replicas));
        lab.rolled_out("web").await;
        lab
    }

    pub fn create(&self, resource: &str, object: Value) -> Arc<Value> {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.store.create(&Key::new(resource, "n", &name), object).unwrap()
    }

    pub fn deploy(&self, deployment: Value) -> Arc<Value> {
        self.create("deployments.apps", deployment)
    }

    pub fn get(&self, resource: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&Key::new(resource, "n", name))
    }

    pub fn change(&self, resource: &str, name: &str, change: impl FnMut(&mut Value)) {
        self.store.change(&Key::new(resource, "n", name), change).unwrap();
    }

    pub fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.store.list(resource, Some("n")).0
    }

    /// The pods that are not on their way out.
    pub fn pods(&self) -> Vec<Arc<Value>> {
        self.list("pods").into_iter().filter(|pod| !object::is_terminating(pod)).collect()
    }

    /// As the API deletes a pod: it is marked, and goes when its containers have ended.
    pub fn delete_pod(&self, name: &str, grace: i64) {
        let key = Key::new("pods", "n", name);
        self.store.delete_if(&key, |pod| Ok::<_, WriteError>(deletion(pod, Some(grace)))).unwrap();
    }

    /// Waits until `found` finds something in the list of a resource.
    pub async fn until<T>(
        &self,
        resource: &'static str,
        mut found: impl FnMut(&[Arc<Value>]) -> Option<T>,
    ) -> T {
        let mut follow = self.store.follow(resource);
        let waiting = async {
            loop {
                let list = self.list(resource);
                if let Some(found) = found(&list) {
                    return found;
                }
                let (Seen::All(_) | Seen::Changed(_)) = follow.next().await;
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(found) => found,
            Err(_) => panic!(
                "{resource} never were as expected: {}",
                self.list(resource).iter().map(|it| format!("{it:#}")).collect::<String>()
            ),
        }
    }

    /// Waits until the first object of a resource is as wanted.
    pub async fn first(&self, resource: &'static str, mut wanted: impl FnMut(&Value) -> bool) -> Arc<Value> {
        self.until(resource, |all| all.first().filter(|it| wanted(it)).cloned()).await
    }

    /// Waits until a Deployment's newest template is rolled out to the last pod.
    pub async fn rolled_out(&self, name: &str) {
        self.until("deployments.apps", |all| {
            let it = all.iter().find(|it| object::name(it) == name)?;
            let wanted = it["spec"]["replicas"].as_i64().unwrap_or(1);
            let count = |field: &str| it["status"][field].as_i64().unwrap_or(0);
            (it["status"]["observedGeneration"] == it["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "availableReplicas"]
                    .iter()
                    .all(|field| count(field) == wanted))
            .then_some(())
        })
        .await;
    }

    /// Waits for a pod whose first container waits for `reason`; its message.
    pub async fn waiting(&self, reason: &str) -> String {
        self.until("pods", |pods| {
            pods.iter().find_map(|pod| {
                let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
                (waiting["reason"] == reason)
                    .then(|| waiting["message"].as_str().unwrap_or_default().to_owned())
            })
        })
        .await
    }

    /// Waits for an event with this reason whose message holds `part`.
    pub async fn event(&self, reason: &str, part: &str) -> Arc<Value> {
        self.until("events", |events| {
            let found = events.iter().find(|it| {
                it["reason"] == reason && it["message"].as_str().is_some_and(|text| text.contains(part))
            });
            found.cloned()
        })
        .await
    }

    pub async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.task).await.unwrap().unwrap();
    }
}

/// A web server on every port that answers `ok` on `/healthz` when `healthy`, and on any
/// other path with its pod's name.
#[derive(Clone)]
pub struct Web {
    pub healthy: watch::Sender<bool>,
    /// The environments and files of all launches so far.
    pub launches: Arc<Mutex<Vec<Launched>>>,
}

#[derive(Clone, Debug)]
pub struct Launched {
    pub pod: String,
    pub env: BTreeMap<String, String>,
    pub files: BTreeMap<String, Vec<u8>>,
    pub args: Vec<String>,
}

impl Default for Web {
    fn default() -> Self {
        Self { healthy: watch::Sender::new(true), launches: Arc::default() }
    }
}

impl Web {
    pub fn images(&self) -> Images {
        let web = self.clone();
        Images::default().with("test/web", move |launch: Launch| web.clone().run(launch))
    }

    pub fn launched(&self) -> Vec<Launched> {
        self.launches.lock().unwrap().clone()
    }

    async fn run(self, launch: Launch) -> Exit {
        self.launches.lock().unwrap().push(Launched {
            pod: launch.pod.clone(),
            env: launch.env,
            files: launch.files,
            args: launch.args,
        });
        launch.log.line("web server starts");
        let site = Site { pod: launch.pod.into(), healthy: self.healthy.clone() };
        let servers = launch.ports.into_values().map(|listener| {
            listener.set_nonblocking(true).unwrap();
            let listener = Arc::new(tokio::net::TcpListener::from_std(listener).unwrap());
            serve(listener, None, site.clone(), Limits::default(), launch.stop.clone())
        });
        futures::future::join_all(servers.collect::<Vec<_>>()).await;
        Exit::success()
    }
}

#[derive(Clone)]
struct Site {
    pod: Arc<str>,
    healthy: watch::Sender<bool>,
}

impl Handler for Site {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        use http::StatusCode;
        match request.uri().path() {
            "/healthz" if *self.healthy.borrow() => text(StatusCode::OK, "ok"),
            "/healthz" => text(StatusCode::INTERNAL_SERVER_ERROR, "not yet"),
            _ => text(StatusCode::OK, self.pod.to_string()),
        }
    }
}

/// A Deployment of `test/web` with one container that is ready by `/healthz`.
pub fn deployment(name: &str, replicas: u64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "n"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{
                        "name": "c",
                        "image": "test/web:v1",
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
                    }],
                },
            },
        },
    })
}

/// The only container of a Deployment's template.
pub fn container(deployment: &mut Value) -> &mut Value {
    &mut deployment["spec"]["template"]["spec"]["containers"][0]
}

/// A change of the template, as `kubectl rollout restart` makes it.
pub fn restarted(deployment: &mut Value, at: &str) {
    deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] =
        at.into();
}

pub fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    use base64::Engine as _;
    let encode = |value: &str| base64::prelude::BASE64_STANDARD.encode(value);
    let data: BTreeMap<_, _> = data.iter().map(|(key, value)| (*key, encode(value))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "n"}, "data": data})
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    object["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == kind).unwrap()
}
