//! The real kubectl against the cluster API, where there is one on PATH.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Cluster, READERS_TOKEN, on_path};

/// kubectl with a cluster's kubeconfig and a home of its own.
struct Kubectl<'a> {
    cluster: &'a Cluster,
}

/// How kubectl ended.
#[derive(Debug)]
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Kubectl<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(args)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("HOME", self.cluster.folder())
            .env("KUBE_EDITOR", "sed -i s/before/after/")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Self::ended(self.command(args).output().unwrap())
    }

    fn ended(output: std::process::Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What it says when all is well.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.status, 0, "kubectl {}: {ended:?}", args.join(" "));
        ended.stdout
    }

    /// What it says when something is wrong.
    #[track_caller]
    fn error(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_ne!(ended.status, 0, "kubectl {}: {ended:?}", args.join(" "));
        ended.stderr
    }

    /// With a manifest on its standard input.
    #[track_caller]
    fn with(&self, args: &[&str], manifest: &str) -> Ended {
        let mut command = self.command(args);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
        Self::ended(child.wait_with_output().unwrap())
    }

    /// Its first line, and then the end of it.
    fn first_line(&self, args: &[&str], then: impl FnOnce()) -> (String, String) {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        then();
        let second = lines.next().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (first, second)
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: web:1
        ports: [{containerPort: 80}]
        env:
        - {name: A, value: one}
        - {name: B, value: two}
";

#[test]
fn it_creates_what_it_sends_as_protobuf() {
    if !on_path("kubectl", "it_creates_what_it_sends_as_protobuf") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    for create in [
        "create namespace n",
        "create secret generic s --from-literal=k=v",
        "create configmap c --from-literal=k=v",
        "create serviceaccount a",
        "create deployment d --image=i:1 --replicas=2 --port=80",
        "create service clusterip v --tcp=80:8080",
        "create ingress i --rule=a.host/x*=v:80",
    ] {
        kubectl.ok(&create.split(' ').collect::<Vec<_>>());
    }
    let get = |what: &str, path: &str| kubectl.ok(&["get", what, "-o", &format!("jsonpath={path}")]);
    assert_eq!(get("secret/s", "{.data.k} {.type}"), "dg== Opaque");
    assert_eq!(
        get("deploy/d", "{.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}"),
        "2 80"
    );
    assert_eq!(get("svc/v", "{.spec.ports[0].targetPort} {.spec.type}"), "8080 ClusterIP");
    assert_eq!(get("ingress/i", "{.spec.rules[0].http.paths[0].pathType}"), "Prefix");
    assert!(kubectl.error(&["create", "configmap", "c"]).contains("configmaps \"c\" already exists"));
}

#[test]
fn it_gets_in_every_form() {
    if !on_path("kubectl", "it_gets_in_every_form") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    kubectl.ok(&["create", "configmap", "c", "--from-literal=k=v"]);
    assert_eq!(kubectl.with(&["apply", "-f", "-"], DEPLOYMENT).status, 0);
    let table = kubectl.ok(&["get", "deploy", "-o", "wide"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    );
    assert_eq!(lines[1][..4], ["web", "0/1", "0", "0"]);
    assert_eq!(lines[1][5..], ["c", "web:1", "app=web"]);
    let all = kubectl.ok(&["get", "cm,secret,sa,ns,node,deploy", "-A"]);
    assert!(all.contains("namespace/kube-system") && all.contains("node/local"), "{all}");
    assert_eq!(kubectl.ok(&["get", "cm", "-o", "name"]), "configmap/c\n");
    let yaml: Value = serde_yaml::from_str(&kubectl.ok(&["get", "cm", "c", "-o", "yaml"])).unwrap();
    assert_eq!((&yaml["kind"], &yaml["data"]["k"]), (&json!("ConfigMap"), &json!("v")));
    let list: Value = serde_json::from_str(&kubectl.ok(&["get", "cm", "-A", "-o", "json"])).unwrap();
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("List"), &json!("ConfigMap")));
    assert!(kubectl.ok(&["get", "nodes"]).contains("v1.34.2+oidc-lab"));
    assert!(kubectl.error(&["get", "cm", "none"]).contains("configmaps \"none\" not found"));
    assert!(
        kubectl.error(&["get", "cm", "--field-selector", "x=y"]).contains("is not a known field selector")
    );
    let (first, second) = kubectl.first_line(&["get", "cm", "c", "-w", "--no-headers"], || {
        cluster.merge("/api/v1/namespaces/default/configmaps/c", &json!({"data": {"l": "w"}}));
    });
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        (&cells(&first)[..2], &cells(&second)[..2]),
        (&["c".into(), "1".into()][..], &["c".into(), "2".into()][..])
    );
}

#[test]
fn it_applies_and_tells_differences() {
    if !on_path("kubectl", "it_applies_and_tells_differences") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    let apply =
        |manifest: &str, more: &[&str]| kubectl.with(&[&["apply", "-f", "-"], more].concat(), manifest);
    assert_eq!(apply(DEPLOYMENT, &[]).stdout, "deployment.apps/web created\n");
    assert_eq!(apply(DEPLOYMENT, &[]).stdout, "deployment.apps/web unchanged\n");
    // An item less, another image: what somebody else added stays.
    kubectl.ok(&["set", "env", "deploy/web", "C=three"]);
    let next = DEPLOYMENT.replace("        - {name: B, value: two}\n", "").replace("web:1", "web:2");
    let difference = kubectl.with(&["diff", "-f", "-"], &next);
    assert_eq!(difference.status, 1, "{difference:?}");
    assert!(
        difference.stdout.contains("-        image: web:1")
            && difference.stdout.contains("+        image: web:2")
    );
    assert_eq!(apply(&next, &[]).stdout, "deployment.apps/web configured\n");
    let env = ["get", "deploy/web", "-o", "jsonpath={.spec.template.spec.containers[0].env[*].name}"];
    let mut names: Vec<String> = kubectl.ok(&env).split(' ').map(Into::into).collect();
    names.sort();
    assert_eq!(names, ["A", "C"]);

    let unknown = DEPLOYMENT.replace("replicas:", "replica:");
    assert!(apply(&unknown, &[]).stderr.contains("unknown field \"spec.replica\""));
    assert_eq!(apply(&unknown, &["--validate=warn", "--dry-run=server"]).status, 0);
    let invalid = DEPLOYMENT.replace("matchLabels: {app: web}", "matchLabels: {app: other}");
    let refused = apply(&invalid, &[]);
    assert!(refused.stderr.contains("field is immutable"), "{refused:?}");
}

#[test]
fn it_applies_on_the_servers_side() {
    if !on_path("kubectl", "it_applies_on_the_servers_side") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    let apply = |manifest: &str, more: &[&str]| {
        kubectl.with(&[&["apply", "--server-side", "-f", "-"], more].concat(), manifest)
    };
    assert_eq!(kubectl.with(&["apply", "-f", "-"], DEPLOYMENT).status, 0);
    // Taking over from its own client-side apply is no conflict.
    let next = DEPLOYMENT.replace("web:1", "web:2");
    assert_eq!(apply(&next, &[]).stdout, "deployment.apps/web serverside-applied\n");
    let other = DEPLOYMENT.replace("web:1", "web:3");
    let conflict = apply(&other, &["--field-manager=other"]);
    assert!(
        conflict.stderr.contains(
            "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.template.spec.containers[name=\"c\"].image"
        ),
        "{conflict:?}"
    );
    assert_eq!(apply(&other, &["--field-manager=other", "--force-conflicts"]).status, 0);
    let shown = kubectl.ok(&["get", "deploy/web", "-o", "json", "--show-managed-fields"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let mut managers: Vec<String> = shown["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["manager"].as_str().unwrap(), it["operation"].as_str().unwrap()))
        .collect();
    // They stand in the order of their times, which may be of one second.
    managers.sort();
    assert_eq!(managers, ["kubectl Apply", "kubectl-last-applied Apply", "other Apply"]);
    assert_eq!(
        kubectl.with(&["diff", "--server-side", "--field-manager=other", "-f", "-"], &other).status,
        0
    );
}

#[test]
fn it_changes_what_is_there() {
    if !on_path("kubectl", "it_changes_what_is_there") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    assert_eq!(kubectl.with(&["apply", "-f", "-"], DEPLOYMENT).status, 0);
    kubectl.ok(&["create", "configmap", "c", "--from-literal=k=before"]);
    for change in [
        "patch deploy web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":3}]",
        "patch deploy web --type=merge -p {\"spec\":{\"minReadySeconds\":1}}",
        "patch deploy web -p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"web:9\"}]}}}}",
        "label deploy web tier=front",
        "annotate deploy web note=here",
        "scale deploy web --replicas=4",
        "rollout restart deploy web",
        "set image deploy/web c=web:10",
        "edit configmap c",
    ] {
        kubectl.ok(&change.split(' ').collect::<Vec<_>>());
    }
    let web: Value = serde_json::from_str(&kubectl.ok(&["get", "deploy/web", "-o", "json"])).unwrap();
    assert_eq!((&web["spec"]["replicas"], &web["spec"]["minReadySeconds"]), (&json!(4), &json!(1)));
    assert_eq!(web["metadata"]["labels"]["tier"], "front");
    assert_eq!(web["metadata"]["annotations"]["note"], "here");
    let template = &web["spec"]["template"];
    assert!(template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string());
    assert_eq!(template["spec"]["containers"][0]["image"], "web:10");
    assert_eq!(kubectl.ok(&["get", "cm/c", "-o", "jsonpath={.data.k}"]), "after");
    kubectl.ok(&["label", "deploy", "web", "tier-"]);
    assert!(kubectl.error(&["label", "deploy", "web", "a=b c"]).contains("a valid label must be"));
    kubectl.ok(&["replace", "--force", "-f", &file(&cluster, DEPLOYMENT)]);
    kubectl.ok(&["delete", "deploy", "web"]);
    assert!(kubectl.error(&["delete", "deploy", "web"]).contains("not found"));
    kubectl.ok(&["create", "namespace", "n"]);
    kubectl.ok(&["-n", "n", "create", "configmap", "c"]);
    // It returns when the namespace is gone.
    kubectl.ok(&["delete", "namespace", "n"]);
    assert!(kubectl.error(&["get", "namespace", "n"]).contains("not found"));
}

fn file(cluster: &Cluster, text: &str) -> String {
    let path = cluster.folder().join("manifest.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn it_waits_and_follows() {
    if !on_path("kubectl", "it_waits_and_follows") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    assert_eq!(kubectl.with(&["apply", "-f", "-"], DEPLOYMENT).status, 0);
    let path = "/apis/apps/v1/namespaces/default/deployments/web/status";
    std::thread::scope(|scope| {
        let rollout = scope.spawn(|| kubectl.ok(&["rollout", "status", "deploy/web", "--timeout=20s"]));
        let condition =
            scope.spawn(|| kubectl.ok(&["wait", "deploy/web", "--for=condition=Available", "--timeout=20s"]));
        let status = json!({
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"}],
        });
        assert_eq!(cluster.merge(path, &json!({"status": status})).status, 200);
        assert!(rollout.join().unwrap().ends_with("deployment \"web\" successfully rolled out\n"));
        assert_eq!(condition.join().unwrap(), "deployment.apps/web condition met\n");
    });
    let pod = json!({"metadata": {"name": "p", "labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    cluster.post("/api/v1/namespaces/default/pods", &pod);
    let key = local_cluster::logs::LogKey {
        namespace: "default".into(),
        pod: "p".into(),
        container: "c".into(),
        restart: 0,
    };
    let writer = cluster.logs.start(key).unwrap();
    writer.line("one");
    let (first, second) = kubectl.first_line(&["logs", "-f", "p"], || writer.line("two"));
    assert_eq!((first.as_str(), second.as_str()), ("one", "two"));
    assert_eq!(kubectl.ok(&["logs", "deploy/web", "--tail=1"]), "two\n");
}

#[test]
fn it_describes_and_asks() {
    if !on_path("kubectl", "it_describes_and_asks") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    assert_eq!(kubectl.with(&["apply", "-f", "-"], DEPLOYMENT).status, 0);
    let web = cluster.get("/apis/apps/v1/namespaces/default/deployments/web").json();
    let event = json!({
        "metadata": {"name": "web.1"}, "reason": "Scaled", "message": "by hand", "type": "Normal", "count": 1,
        "involvedObject": {
            "kind": "Deployment", "name": "web", "namespace": "default", "apiVersion": "apps/v1",
            "uid": web["metadata"]["uid"],
        },
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "test"},
    });
    assert_eq!(cluster.post("/api/v1/namespaces/default/events", &event).status, 201);
    for (args, words) in [
        ("describe deploy web", &["Replicas:", "web:1", "by hand"][..]),
        ("describe node local", &["Kubelet Version", "oidc-lab"]),
        ("describe ns default", &["Status:", "Active"]),
        ("get events", &["deployment/web", "Scaled"]),
        ("events", &["Deployment/web", "by hand"]),
        ("api-resources", &["deployments", "ingresses", "customresourcedefinitions"]),
        ("api-versions", &["apps/v1", "networking.k8s.io/v1"]),
        ("cluster-info", &["is running at"]),
        ("auth can-i delete pods", &["yes"]),
        ("auth can-i --list", &["[*]"]),
        ("auth whoami", &["oidc-lab"]),
        ("version", &["v1.34.2+oidc-lab"]),
        ("rollout history deploy web", &["deployment.apps/web"]),
        ("get --raw /healthz", &["ok"]),
        ("get --raw /openapi/v3", &["apis/apps/v1"]),
    ] {
        let said = kubectl.ok(&args.split(' ').collect::<Vec<_>>());
        for word in words {
            assert!(said.contains(word), "kubectl {args}: no {word:?} in:\n{said}");
        }
    }
}

#[test]
fn it_applies_a_list_as_it_gets_one() {
    if !on_path("kubectl", "it_applies_a_list_as_it_gets_one") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    kubectl.ok(&["create", "configmap", "a", "--from-literal=k=v"]);
    kubectl.ok(&["create", "configmap", "b", "--from-literal=k=v"]);
    let list = kubectl.ok(&["get", "configmap", "a", "b", "-o", "yaml"]);
    let ended = kubectl.with(&["apply", "-f", "-"], &list.replace("k: v", "k: w"));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(kubectl.ok(&["get", "configmap", "b", "-o", "jsonpath={.data.k}"]), "w");
}

#[test]
fn it_knows_custom_kinds_at_once() {
    if !on_path("kubectl", "it_knows_custom_kinds_at_once") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    let crd = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.lab.io}
spec:
  group: lab.io
  scope: Namespaced
  names: {plural: things, kind: Thing, shortNames: [th]}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
    assert_eq!(kubectl.with(&["apply", "-f", "-"], crd).status, 0);
    kubectl.ok(&["wait", "crd/things.lab.io", "--for=condition=established", "--timeout=20s"]);
    let thing = "apiVersion: lab.io/v1\nkind: Thing\nmetadata: {name: t}\nspec: {size: 3}\n";
    assert_eq!(kubectl.with(&["apply", "-f", "-"], thing).stdout, "thing.lab.io/t created\n");
    let more = thing.replace("size: 3", "size: 4");
    assert_eq!(kubectl.with(&["apply", "-f", "-"], &more).stdout, "thing.lab.io/t configured\n");
    let table = kubectl.ok(&["get", "th"]);
    assert_eq!(table.split_whitespace().take(3).collect::<Vec<_>>(), ["NAME", "AGE", "t"]);
    assert_eq!(kubectl.ok(&["get", "thing/t", "-o", "jsonpath={.spec.size}"]), "4");
    kubectl.ok(&["delete", "crd", "things.lab.io"]);
    kubectl.error(&["get", "th"]);
    assert!(!kubectl.ok(&["api-resources"]).contains("things"));
}

#[test]
fn roles_are_made_bound_and_hold() {
    if !on_path("kubectl", "roles_are_made_bound_and_hold") {
        return;
    }
    let cluster = Cluster::start();
    let kubectl = Kubectl { cluster: &cluster };
    let ok = |args: &str| kubectl.ok(&args.split(' ').collect::<Vec<_>>());
    ok("create configmap seen");
    ok("create role looks --verb=get --resource=configmaps,pods/log --resource-name=seen");
    ok("create rolebinding looks --role=looks --user=reader");
    ok("create clusterrole lists --verb=list --resource=deployments.apps");
    ok("create clusterrolebinding lists --clusterrole=lists --group=system:authenticated");
    assert!(ok("get roles").contains("looks"));
    assert!(ok("get rolebindings -o wide").contains("Role/looks"));
    assert!(ok("describe clusterrolebinding lists").contains("system:authenticated"));
    ok("get configmap seen --as reader");
    ok("get deployments -A --as reader");
    let refused = kubectl.error(&["get", "secret", "x", "--as", "reader"]);
    let words = "secrets \"x\" is forbidden: User \"reader\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\"";
    assert!(refused.contains(words), "{refused}");
    let reader = format!("--token={READERS_TOKEN}");
    for (asked, answer) in [
        ("get configmaps/seen", "yes"),
        ("get configmaps/other", "no"),
        ("get pods/seen --subresource=log", "yes"),
        ("get pods/seen", "no"),
        ("list deployments.apps", "yes"),
        ("list deployments.apps -A", "yes"),
        ("get /version", "yes"),
    ] {
        let args = [&["auth", "can-i"], &asked.split(' ').collect::<Vec<_>>()[..], &[&reader]].concat();
        assert_eq!(kubectl.run(&args).stdout.trim(), answer, "{asked}");
    }
    let list = kubectl.ok(&["auth", "can-i", "--list", &reader]);
    assert!(list.contains("pods/log") && list.contains("[seen]") && !list.contains("*.*"), "{list}");
    assert!(kubectl.ok(&["auth", "whoami", &reader]).contains("reader"));
    ok("delete rolebinding looks");
    assert!(kubectl.error(&["get", "configmap", "seen", &reader]).contains("forbidden"));
}
