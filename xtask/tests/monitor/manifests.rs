//! The kustomization, made by the real kubectl.

use std::path::{Component, Path};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::root;
use crate::support::{Ended, Lab};

/// What kubectl makes of a folder.
#[track_caller]
fn made(folder: &Path) -> Vec<Value> {
    let ended = Ended::of(Command::new("kubectl").arg("kustomize").arg(folder));
    assert_eq!(ended.status, 0, "{ended}");
    let documents = serde_yaml::Deserializer::from_str(&ended.stdout);
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

fn base() -> Vec<Value> {
    made(&root().join("manifests/monitor"))
}

#[track_caller]
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind
        .next()
        .filter(|_| of_kind.next().is_none())
        .unwrap_or_else(|| panic!("not one {kind}: {objects:#?}"))
}

pub fn kustomized() {
    let objects = base();
    let kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Service", "Deployment", "NetworkPolicy"], "and no Secret");
    assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "monitoring"));
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0];
    let wanted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container["securityContext"], wanted);
    assert!(
        container["resources"]["limits"]["memory"].is_string()
            && container["resources"]["limits"]["cpu"].is_string()
    );
    assert!(
        container["image"].as_str().unwrap().contains('/'),
        "its name is the kustomization's: {container:#}"
    );
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"], json!({"path": "/-/healthy", "port": "http"}));
    }
    // Another file of modules is another name, so that the pod begins anew with it.
    let modules = &the(&objects, "ConfigMap")["metadata"]["name"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], *modules);
    assert!(modules.as_str().unwrap().starts_with("argocd-logins-exporter-"), "{modules}");
    let policy = &the(&objects, "NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        policy["podSelector"]["matchLabels"],
        the(&objects, "Deployment")["spec"]["selector"]["matchLabels"]
    );
}

pub fn taken_by_a_cluster() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    lab.kubectl(&["create", "namespace", "monitoring"]);
    let (policies, known): (Vec<Value>, Vec<Value>) =
        base().into_iter().partition(|object| object["kind"] == "NetworkPolicy");
    let file = |name: &str, objects: &[Value]| {
        let text: Vec<String> = objects.iter().map(|object| serde_yaml::to_string(object).unwrap()).collect();
        lab.file(name, &text.join("---\n")).display().to_string()
    };
    let known = file("known.yaml", &known);
    let dry = lab.kubectl(&["apply", "--server-side", "--dry-run=server", "-f", &known]);
    assert_eq!(dry.stdout.matches("(server dry run)").count(), 3, "{dry}");
    // Said by the goal, too: this API does not have the kind.
    let policies = file("policies.yaml", &policies);
    let refused = lab.run(&["kubectl", "--", "apply", "--dry-run=server", "-f", &policies]);
    assert!(
        refused.status != 0 && refused.both().contains("no matches for kind \"NetworkPolicy\""),
        "{refused}"
    );
}

/// The way from a folder to another, as kustomize wants it.
fn relative(from: &Path, to: &Path) -> String {
    let up =
        from.canonicalize().unwrap().components().filter(|it| matches!(it, Component::Normal(_))).count();
    format!(
        "{}{}",
        "../".repeat(up),
        to.canonicalize().unwrap().display().to_string().trim_start_matches('/')
    )
}

/// The three files that the page shows.
pub fn of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(root().join("docs/monitor.md")).unwrap();
    for name in ["kustomization.yaml", "modules.yaml", "targets.yaml"] {
        let (_, rest) = page.split_once(&format!("```yaml\n# {name}")).unwrap_or_else(|| panic!("no {name}"));
        let (_, text) = rest.split_once('\n').unwrap();
        let text = text.split("```").next().unwrap();
        let text = text.replace("…/argocd-oidc-lab", &relative(folder.path(), &root()));
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let objects = made(folder.path());
    assert_eq!(objects.len(), 8, "{objects:#?}");
    let of_modules = |object: &&Value| object["data"]["modules.yaml"].is_string();
    let modules = objects.iter().find(of_modules).unwrap()["data"]["modules.yaml"].as_str().unwrap();
    assert!(
        modules.contains("monitor@example.com") && !modules.contains('#'),
        "it is the page's own: {modules}"
    );
    let image = &the(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.example.com/probe:v0.1.0");
    assert_eq!(the(&objects, "Probe")["spec"]["prober"]["path"], "/probe", "what is not patched stays");
}

pub fn components() {
    let folder = tempfile::tempdir().unwrap();
    let monitor = root().join("manifests/monitor");
    let at = |path: &str| relative(folder.path(), &monitor.join(path));
    let own = json!({
        "namespace": "watch",
        "resources": [at("")],
        "components": [at("components/prometheus-operator"), at("components/grafana")],
    });
    std::fs::write(folder.path().join("kustomization.yaml"), own.to_string()).unwrap();
    let objects = made(folder.path());
    assert_eq!(objects.len(), 8, "{objects:#?}");
    assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "watch"), "{objects:#?}");

    let service = objects.iter().find(|object| object["kind"] == "Service").unwrap();
    let monitor = &the(&objects, "ServiceMonitor")["spec"];
    assert_eq!(monitor["selector"]["matchLabels"], service["metadata"]["labels"]);
    assert_eq!(monitor["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    // The alerts go by these two names.
    let job = &service["metadata"]["labels"][monitor["jobLabel"].as_str().unwrap()];
    assert_eq!(
        (job, &the(&objects, "Probe")["spec"]["jobName"]),
        (&json!("argocd-logins-exporter"), &json!("argocd-logins"))
    );
    let probe = &the(&objects, "Probe")["spec"];
    let modules = objects.iter().find_map(|object| object["data"]["modules.yaml"].as_str()).unwrap();
    let modules: Value = serde_yaml::from_str(modules).unwrap();
    let module = &modules["modules"][probe["module"].as_str().unwrap()];
    assert_eq!(
        probe["targets"]["staticConfig"]["static"], module["targets"],
        "a target is one that a module allows"
    );
    assert_eq!(probe["prober"]["url"], "argocd-logins-exporter.monitoring.svc:9977");

    let dashboard =
        objects.iter().find(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1").unwrap();
    serde_json::from_str::<Value>(dashboard["data"]["dashboard.json"].as_str().unwrap()).unwrap();
}
