//! `helm`, 3 or 4 as the file `helm-4` says. It does not simulate templates: what the
//! local lab derives from the same values is applied, and a server is a stand-in. Hooks,
//! history and `--wait` are not simulated either.

use local_lab::charts::Runs;
use std::fs;
use std::path::{Path, PathBuf};

use releases::Release;
use serde_json::{Map, Value, json};

use super::world::World;
use super::{Call, Outcome, api, engine, faults, node};

/// Charts that there are, with the versions of this test world.
const CHARTS: &[(&str, &str)] = &[("dex", "0.24.0"), ("ingress-nginx", "4.15.1"), ("traefik", "41.3.0")];

pub fn run(world: &World, call: &Call) -> Outcome {
    let four = world.has("helm-4");
    if call.is(&["version"]) {
        println!("{}", if four { "v4.3.1+g1a2b3c4" } else { "v3.22.0+g144c3b1" });
        return Ok(());
    }
    let new = ["--force-conflicts", "--server-side=true"];
    if let Some(flag) = call.args.iter().find(|arg| !four && new.contains(&arg.as_str())) {
        return Err(format!("Error: unknown flag: {}", flag.split('=').next().unwrap()));
    }
    match call.args.first().map(String::as_str) {
        Some("pull") => engine::no_network(world, "ghcr.io").and_then(|()| pull(call)),
        Some("template") => template(call),
        Some("upgrade") => upgrade(world, call, four),
        Some("uninstall") => uninstall(world, call),
        _ => Err(format!("Error: unknown command {:?} for \"helm\"", call.args.join(" "))),
    }
}

fn pull(call: &Call) -> Outcome {
    // With --repo, a folder of the chart's name would be taken for the chart.
    let here = std::env::current_dir().unwrap();
    if fs::read_dir(here).unwrap().next().is_some() {
        return Err("Error: helm was not run in an empty folder".into());
    }
    let (name, version) = (call.args[1].rsplit('/').next().unwrap(), call.option("--version").unwrap());
    let known = match name {
        "argo-cd" => app_version(version).is_some(),
        _ => CHARTS.contains(&(name, version)),
    };
    if !known {
        return Err(match call.option("--repo") {
            Some(repo) => {
                format!("Error: chart {name:?} version {version:?} not found in {repo} repository")
            }
            None => format!("Error: {}: not found", call.args[1]),
        });
    }
    let file = Path::new(call.option("--destination").unwrap()).join(format!("{name}-{version}.tgz"));
    fs::write(file, json!({"name": name, "version": version}).to_string()).unwrap();
    Ok(())
}

/// The release that a chart of Argo CD is the first one of.
fn app_version(chart: &str) -> Option<Release> {
    Release::published().find(|release| release.chart() == (chart, false))
}

/// A chart by its file, and what it is installed as.
struct Chart {
    release: String,
    name: String,
    version: String,
    values: Value,
}

impl Chart {
    fn of(call: &Call, place: usize) -> Result<Self, String> {
        let file = PathBuf::from(&call.args[place + 1]);
        let text = fs::read(&file).map_err(|_| format!("Error: path {:?} not found", file.display()))?;
        let chart: Value = serde_json::from_slice(&text).map_err(|error| format!("Error: {error}"))?;
        let mut values = Value::Object(Map::new());
        for file in call.options("--values") {
            let text = match file {
                "-" => call.stdin.clone(),
                file => fs::read_to_string(file).map_err(|error| format!("Error: {error}"))?,
            };
            let more = serde_yaml::from_str(&text).map_err(|error| {
                format!("Error: failed to parse {file}: error converting YAML to JSON: {error}")
            })?;
            merge(&mut values, more);
        }
        Ok(Self {
            release: call.args[place].clone(),
            name: chart["name"].as_str().unwrap().to_owned(),
            version: chart["version"].as_str().unwrap().to_owned(),
            values,
        })
    }

    /// The tag of Argo CD's image.
    fn tag(&self) -> String {
        let tag = self.values["global"]["image"]["tag"].as_str().map(str::to_owned);
        tag.unwrap_or_else(|| app_version(&self.version).unwrap().to_string())
    }

    /// The images that the real chart names.
    fn images(&self) -> Vec<String> {
        match self.name.as_str() {
            "argo-cd" => {
                let repository = self.values["global"]["image"]["repository"].as_str();
                let repository = repository.unwrap_or("quay.io/argoproj/argocd");
                let mut images = vec![
                    format!("{repository}:{}", self.tag()),
                    "ecr-public.aws.com/docker/library/redis:8.2.3-alpine".into(),
                ];
                let dex = &self.values["dex"];
                if dex["enabled"] == true {
                    images.push(format!("ghcr.io/dexidp/dex:{}", dex["image"]["tag"].as_str().unwrap()));
                }
                images
            }
            "dex" => vec![format!("ghcr.io/dexidp/dex:{}", self.values["image"]["tag"].as_str().unwrap())],
            "traefik" => vec!["docker.io/traefik:v3.7.11".into()],
            _ => vec!["registry.k8s.io/ingress-nginx/controller:v1.15.1".into()],
        }
    }

    /// What is applied instead of the real chart's objects.
    fn objects(&self, world: &World) -> Result<Vec<Value>, String> {
        let annotations = match self.name.as_str() {
            "argo-cd" => &self.values["server"]["podAnnotations"],
            _ => &self.values["podAnnotations"],
        };
        let secrets = annotations["oidc-lab/secrets"].as_str().unwrap_or_default();
        let objects = match self.name.as_str() {
            "argo-cd" => {
                let release =
                    Release::parse(&self.tag()).ok().or_else(|| app_version(&self.version)).unwrap();
                let image = format!("oidc-lab/stand-in-argocd:{release}");
                let dex = format!("oidc-lab/stand-in-argocd-dex:{release}");
                let [argocd, dex] = [&image, &dex].map(|image| Runs { image, executable: None });
                local_lab::charts::argocd(&self.values, argocd, dex, secrets)
            }
            "dex" => {
                // With this file in the world, an image that the node's kubelet cannot pull.
                let image = match world.has("dex-without-image") {
                    true => node::MISSING,
                    false => "oidc-lab/stand-in-dex:v2.45.1",
                };
                let runs = Runs { image, executable: None };
                local_lab::charts::dex(&self.values, runs, secrets)
            }
            "traefik" => {
                Ok(vec![api::idle("ingress", "traefik", &json!({"app.kubernetes.io/name": "traefik"}))])
            }
            _ => Ok(vec![api::idle(
                "ingress",
                "ingress-nginx-controller",
                &json!({"app.kubernetes.io/name": "ingress-nginx"}),
            )]),
        };
        let mut objects = objects.map_err(|error| format!("Error: {error}"))?;
        for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
            let pod = &mut object["spec"]["template"]["spec"];
            if pod["containers"][0]["image"] == node::MISSING {
                pod["nodeName"] = "oidc-lab-control-plane".into();
            }
            for (key, value) in annotations.as_object().into_iter().flatten() {
                object["spec"]["template"]["metadata"]["annotations"][key] = value.clone();
            }
        }
        Ok(objects)
    }
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

fn template(call: &Call) -> Outcome {
    if call.option("--kube-version").is_none() {
        return Err(
            "Error: chart requires kubeVersion: >=1.25.0-0 which is incompatible with Kubernetes v1.20.0"
                .into(),
        );
    }
    let chart = Chart::of(call, 1)?;
    for image in chart.images() {
        let document = json!({"kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": {
            "containers": [{"name": "c", "image": image}]}}}});
        println!("---\n{}", serde_yaml::to_string(&document).unwrap());
    }
    Ok(())
}

fn state(call: &Call, release: &str) -> String {
    let context = call.option("--kube-context").unwrap();
    let cluster = context.strip_prefix("kind-").unwrap();
    format!("clusters/{cluster}/helm-{release}.json")
}

fn upgrade(world: &World, call: &Call, four: bool) -> Outcome {
    let chart = Chart::of(call, 2)?;
    let file = state(call, &chart.release);
    if world.read(&file)["status"].as_str().is_some_and(|status| status.starts_with("pending")) {
        return Err(
            "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress".into()
        );
    }
    let kubeconfig = Path::new(call.option("--kubeconfig").unwrap());
    let objects = chart.objects(world)?;
    world.write(&file, &json!({"status": "pending-install"}));
    if let Some(fault) = faults::take(world, call, "middle") {
        fault.strike_and_end(world);
    }
    let applied = api::run(kubeconfig, |client| {
        let objects = objects.clone();
        async move { api::apply(&client, "helm", &objects).await }
    });
    if let Err(message) = applied.and_then(|applied| applied) {
        world.write(&file, &json!({"status": "failed"}));
        let plain = message.trim_start_matches("Error: ");
        let plain = if four { plain.replacen('K', "k", 1) } else { plain.to_owned() };
        return Err(format!("Error: {plain}"));
    }
    world.write(&file, &json!({"status": "deployed", "objects": objects}));
    println!("{}", json!({"name": chart.release, "info": {"status": "deployed"}}));
    Ok(())
}

fn uninstall(world: &World, call: &Call) -> Outcome {
    let release = &call.args[1];
    let file = state(call, release);
    let known = world.read(&file);
    if known.is_null() {
        return Err(format!("Error: uninstall: Release not loaded: {release}: release: not found"));
    }
    let objects = known["objects"].as_array().cloned().unwrap_or_default();
    let kubeconfig = Path::new(call.option("--kubeconfig").unwrap());
    api::run(kubeconfig, |client| async move { api::delete(&client, &objects).await })?;
    fs::remove_file(world.file(&file)).unwrap();
    println!("release {release:?} uninstalled");
    Ok(())
}
