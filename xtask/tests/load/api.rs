//! A small Kubernetes API that takes one kind of Job, and runs its workers as processes of this machine.
//!
//! What it does **not** simulate: scheduling, images (every image is the probe of this build), limits and users, the
//! checks of a real API's admission, ownership (a Secret goes when somebody deletes it), TLS, and time: nothing waits.
//! Statuses, fields and messages are those of Kubernetes 1.34.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What becomes of a worker that is not left alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// Its process is killed as soon as it is there.
    Killed,
    /// Half of its log is all that anybody gets.
    Cut,
    /// Its log is asked of a node that the API does not reach.
    Unread,
    /// Its image cannot be pulled.
    NoImage,
}

/// What the API says where it does not reach a node, as it was seen.
pub const NO_NODE: &str = "Get \"https://node:10250/containerLogs\": dial tcp: lookup node: no such host";

#[derive(Default)]
struct Inner {
    version: u64,
    objects: BTreeMap<String, Value>,
    /// Pods as they changed: version, kind of change, the pod.
    changes: Vec<(u64, &'static str, Value)>,
    children: BTreeMap<String, u32>,
    doomed: BTreeSet<String>,
    requests: Vec<String>,
    fates: BTreeMap<usize, Fate>,
    denied: BTreeSet<&'static str>,
    /// Whether a user who asks is told of a missing right.
    tells: bool,
    old: bool,
    late: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    bell: Condvar,
    folder: TempDir,
}

/// The API. Dropping it ends the workers.
pub struct Api {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The probe, which cargo builds with all tests, but not with this one alone.
fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| {
        let path = Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap().join("probe");
        if !path.is_file() {
            let build = ["build", "--quiet", "--package", "probe"];
            assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
        }
        path
    })
}

impl Api {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Inner { version: 1, tells: true, ..Inner::default() };
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared { inner: Mutex::new(inner), bell: Condvar::new(), folder });
        let serving = shared.clone();
        // The threads end with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = serving.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap()
    }

    /// What becomes of a worker of the next Job.
    pub fn fate(&self, index: usize, fate: Fate) {
        self.inner().fates.insert(index, fate);
    }

    /// Takes a right away, `create secrets`; whether somebody who asks beforehand is told.
    pub fn deny(&self, right: &'static str, tells: bool) {
        let mut inner = self.inner();
        inner.denied.insert(right);
        inner.tells = tells;
    }

    /// Makes what it is told to, and answers that it ran out of time.
    pub fn answers_too_late(&self) {
        self.inner().late = true;
    }

    /// Drops the fields of Jobs that came with 1.29.
    pub fn is_old(&self) {
        self.inner().old = true;
    }

    /// Puts an object of somebody else's in.
    pub fn put(&self, path: &str, object: Value) {
        self.inner().objects.insert(path.to_owned(), object);
    }

    /// What is there, by path, pods aside.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        self.inner().objects.clone()
    }

    /// Every request so far: method and path.
    pub fn requests(&self) -> Vec<String> {
        self.inner().requests.clone()
    }

    /// How many worker processes run.
    pub fn running(&self) -> usize {
        self.inner().children.len()
    }

    /// A kubeconfig with one context, `theirs`.
    pub fn kubeconfig(&self) -> String {
        let named = |name: &str, key: &str, value: Value| json!([{"name": name, key: value}]);
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "another",
            "clusters": named("c", "cluster", json!({"server": format!("http://{}", self.address)})),
            "users": named("u", "user", json!({})),
            "contexts": named("theirs", "context", json!({"cluster": "c", "user": "u", "namespace": "logins"})),
        })
        .to_string()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        for pid in self.inner().children.values() {
            signal(*pid, "-KILL");
        }
    }
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// A request.
struct Request {
    method: String,
    path: String,
    query: String,
    body: Value,
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    Some(Request { method, path, query, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn answer(mut stream: &TcpStream, status: u16, body: &Value) {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}

fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code})
}

/// The right that a request takes.
fn right(request: &Request) -> String {
    let parts: Vec<&str> = request.path.split('/').collect();
    let at = parts.iter().position(|part| *part == "namespaces").map_or(parts.len(), |at| at + 2);
    let rest = &parts[at.min(parts.len())..];
    let verb = match (request.method.as_str(), rest.len()) {
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        (_, 1) if request.query.contains("watch=true") => "watch",
        (_, 1) => "list",
        _ => "get",
    };
    let part = rest.get(2).map_or(String::new(), |part| format!("/{part}"));
    format!("{verb} {}{part}", rest.first().unwrap_or(&""))
}

impl Shared {
    fn serve(self: Arc<Self>, stream: TcpStream) {
        let Some(request) = read(&stream) else { return };
        let mut inner = self.inner.lock().unwrap();
        inner.requests.push(format!("{} {}", request.method, request.path));
        if request.path.ends_with("/selfsubjectaccessreviews") {
            let asked = &request.body["spec"]["resourceAttributes"];
            let part = asked["subresource"].as_str().filter(|part| !part.is_empty());
            let part = part.map_or(String::new(), |part| format!("/{part}"));
            let right =
                format!("{} {}{part}", asked["verb"].as_str().unwrap(), asked["resource"].as_str().unwrap());
            let allowed = !inner.tells || !inner.denied.contains(right.as_str());
            let mut review = request.body.clone();
            review["status"] = json!({"allowed": allowed});
            return answer(&stream, 201, &review);
        }
        let right = right(&request);
        if inner.denied.contains(right.as_str()) {
            let (verb, resource) = right.split_once(' ').unwrap();
            let message = format!(
                "{resource} is forbidden: User \"me\" cannot {verb} resource \"{resource}\" in API group \"\" in the namespace \"logins\""
            );
            return answer(&stream, 403, &refusal(403, "Forbidden", &message));
        }
        match right.as_str() {
            "create jobs" | "create secrets" => {
                let mut object = request.body.clone();
                let name = object["metadata"]["name"].as_str().unwrap().to_owned();
                object["metadata"]["uid"] = format!("uid-of-{name}").into();
                if inner.old {
                    object["spec"].as_object_mut().map(|spec| spec.remove("backoffLimitPerIndex"));
                }
                inner.objects.insert(format!("{}/{name}", request.path), object.clone());
                if inner.late {
                    let message = "etcdserver: request timed out";
                    return answer(&stream, 500, &refusal(500, "InternalError", message));
                }
                answer(&stream, 201, &object);
            }
            "patch jobs" => {
                let Some(job) = inner.objects.get_mut(&request.path) else { return missing(&stream) };
                let suspend = request.body["spec"]["suspend"].as_bool().unwrap();
                job["spec"]["suspend"] = suspend.into();
                let job = job.clone();
                if suspend {
                    inner.end_workers()
                } else {
                    self.begin_workers(&mut inner, &job)
                }
                self.bell.notify_all();
                answer(&stream, 200, &job);
            }
            "delete jobs" | "delete secrets" => {
                let Some(object) = inner.objects.remove(&request.path) else { return missing(&stream) };
                if right == "delete jobs" {
                    inner.end_workers();
                    self.bell.notify_all();
                }
                answer(&stream, 200, &object);
            }
            "list pods" => {
                let mut pods: BTreeMap<String, Value> = BTreeMap::new();
                for (_, change, pod) in &inner.changes {
                    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
                    if *change == "DELETED" {
                        pods.remove(&name)
                    } else {
                        pods.insert(name, pod.clone())
                    };
                }
                let items: Vec<Value> = pods.into_values().collect();
                let version = inner.version.to_string();
                let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items});
                answer(&stream, 200, &list);
            }
            "watch pods" => {
                drop(inner);
                self.watch(&stream, &request);
            }
            "get pods/log" => {
                drop(inner);
                self.log(&stream, &request);
            }
            _ => missing(&stream),
        }
    }

    fn begin_workers(self: &Arc<Self>, inner: &mut Inner, job: &Value) {
        let spec = &job["spec"];
        let template = &spec["template"];
        let secret = template["spec"]["volumes"][0]["secret"]["secretName"].as_str().unwrap();
        let secret = inner.objects.iter().find(|(path, _)| path.ends_with(&format!("/secrets/{secret}")));
        let mount = self.folder.path().join("mount");
        std::fs::create_dir_all(&mount).unwrap();
        for (name, text) in secret.expect("the Secret is there").1["stringData"].as_object().unwrap() {
            std::fs::write(mount.join(name), text.as_str().unwrap()).unwrap();
        }
        let container = &template["spec"]["containers"][0];
        let place = container["volumeMounts"][0]["mountPath"].as_str().unwrap();
        for index in 0..spec["completions"].as_u64().unwrap() as usize {
            let name = format!("{}-{index}-abcde", job["metadata"]["name"].as_str().unwrap());
            let mut pod = json!({"metadata": {"name": name, "namespace": "logins", "labels": template["metadata"]["labels"]}, "status": {"phase": "Pending"}});
            pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"] = index.to_string().into();
            let fate = inner.fates.get(&index).copied();
            if fate == Some(Fate::NoImage) {
                inner.set(&mut pod, "ADDED", "Pending", json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\""}}));
                continue;
            }
            let args = container["args"].as_array().unwrap().iter().map(|arg| {
                let arg = arg.as_str().unwrap().replace("$(JOB_COMPLETION_INDEX)", &index.to_string());
                arg.replace("$$", "$").replace(place, mount.to_str().unwrap())
            });
            let log = File::create(self.folder.path().join(&name)).unwrap();
            let mut command = Command::new(probe());
            command.args(args).env_clear().stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let mut child = command.spawn().unwrap();
            if fate == Some(Fate::Killed) {
                child.kill().unwrap();
            }
            inner.children.insert(name.clone(), child.id());
            inner.set(
                &mut pod,
                "ADDED",
                "Running",
                json!({"running": {"startedAt": "2026-11-29T15:00:00Z"}}),
            );
            let shared = self.clone();
            std::thread::spawn(move || {
                let status = child.wait().unwrap();
                let mut inner = shared.inner.lock().unwrap();
                inner.children.remove(&name);
                let code = status.code().unwrap_or(137);
                let (phase, reason) =
                    if code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
                inner.set(
                    &mut pod,
                    "MODIFIED",
                    phase,
                    json!({"terminated": {"exitCode": code, "reason": reason}}),
                );
                if inner.doomed.contains(&name) {
                    inner.change("DELETED", pod);
                }
                shared.bell.notify_all();
            });
        }
    }

    fn watch(&self, mut stream: &TcpStream, request: &Request) {
        let from = request.query.split('&').find_map(|it| it.strip_prefix("resourceVersion=")).unwrap();
        let mut seen: u64 = from.parse().unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
        let mut alive = stream.write_all(head.as_bytes()).is_ok();
        let mut inner = self.inner.lock().unwrap();
        while alive {
            for (_, change, pod) in inner.changes.iter().filter(|(version, ..)| *version > seen) {
                let line = json!({"type": change, "object": pod}).to_string() + "\n";
                alive = alive && stream.write_all(line.as_bytes()).is_ok();
            }
            seen = inner.version;
            inner = self.bell.wait(inner).unwrap();
        }
    }

    /// A log, to its end where that is asked for.
    fn log(&self, mut stream: &TcpStream, request: &Request) {
        let name = request.path.split('/').rev().nth(1).unwrap().to_owned();
        let mut inner = self.inner.lock().unwrap();
        while request.query.contains("follow=true") && inner.children.contains_key(&name) {
            inner = self.bell.wait_timeout(inner, Duration::from_secs(1)).unwrap().0;
        }
        let index: usize = name.rsplit('-').nth(1).unwrap().parse().unwrap();
        let fate = inner.fates.get(&index).copied();
        drop(inner);
        if fate == Some(Fate::Unread) {
            return answer(stream, 500, &refusal(500, "InternalError", NO_NODE));
        }
        let mut text = std::fs::read(self.folder.path().join(&name)).unwrap();
        if fate == Some(Fate::Cut) {
            text.truncate(text.len() / 2);
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&text));
    }
}

fn missing(stream: &TcpStream) {
    answer(stream, 404, &refusal(404, "NotFound", "it was not found"));
}

impl Inner {
    fn change(&mut self, change: &'static str, mut pod: Value) {
        self.version += 1;
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.changes.push((self.version, change, pod));
    }

    fn set(&mut self, pod: &mut Value, change: &'static str, phase: &str, state: Value) {
        pod["status"] = json!({"phase": phase, "containerStatuses": [{"name": "probe", "state": state, "image": "x", "imageID": "", "ready": false, "restartCount": 0}]});
        self.change(change, pod.clone());
    }

    /// What happens to the pods of a Job that is suspended or deleted.
    fn end_workers(&mut self) {
        let mut last: BTreeMap<String, (&str, Value)> = BTreeMap::new();
        for (_, change, pod) in &self.changes {
            last.insert(pod["metadata"]["name"].as_str().unwrap().to_owned(), (*change, pod.clone()));
        }
        for (name, (change, pod)) in last {
            match self.children.get(&name) {
                Some(pid) => {
                    self.doomed.insert(name);
                    signal(*pid, "-TERM");
                }
                None if change != "DELETED" => self.change("DELETED", pod),
                None => {}
            }
        }
    }
}
