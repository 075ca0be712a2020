//! `kind`. Behind a cluster is a local lab; what a node would print, and how long it
//! would take, is not simulated.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::world::World;
use super::{Call, Outcome, api, engine, faults};

/// The node's image unless another is named, as it is written in the real program.
const NODE_IMAGE: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

pub fn run(world: &World, call: &Call) -> Outcome {
    if call.is(&["version"]) {
        println!("kind v0.33.0 go1.26.8 linux/amd64");
        return Ok(());
    }
    if engine::is_dead(world) {
        return Err(engine::dead_message("failed to create cluster"));
    }
    if call.is(&["get", "clusters"]) {
        let clusters = fs::read_dir(world.file("clusters")).into_iter().flatten().flatten();
        let names: Vec<String> =
            clusters.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        match names.is_empty() {
            true => eprintln!("No kind clusters found."),
            false => println!("{}", names.join("\n")),
        }
        return Ok(());
    }
    let name = call.option("--name").unwrap();
    if call.is(&["create", "cluster"]) {
        return create(world, call, name);
    }
    if call.is(&["delete", "cluster"]) {
        eprintln!("Deleting cluster {name:?} ...");
        delete(world, name);
        return Ok(());
    }
    if call.is(&["export", "kubeconfig"]) {
        if !world.cluster(name).exists() {
            return Err(format!(
                "ERROR: could not locate any control plane nodes for cluster named '{name}'"
            ));
        }
        return kubeconfig(world, name, Path::new(call.option("--kubeconfig").unwrap()));
    }
    if call.is(&["load", "image-archive"]) {
        return load(world, call, name);
    }
    Err(format!("ERROR: unknown command: kind {}", call.args.join(" ")))
}

fn create(world: &World, call: &Call, name: &str) -> Outcome {
    let config = fs::read_to_string(call.option("--config").unwrap()).unwrap();
    let config: Value = serde_yaml::from_str(&config).unwrap();
    if world.cluster(name).exists() {
        return Err(format!(
            "ERROR: failed to create cluster: node(s) already exist for a cluster with the name {name:?}"
        ));
    }
    let image = call.option("--image").unwrap_or(NODE_IMAGE);
    if world.read("images.json")[image].is_null() {
        engine::no_network(world, "registry-1.docker.io").map_err(|said| {
            let said = said.replace("Error: failed to do request", "Error response from daemon");
            format!("ERROR: failed to create cluster: failed to pull image {image:?}: command \"docker pull {image}\" failed with error: exit status 1\nCommand Output: {said}")
        })?;
        world.alone(|| engine::add(world, image));
    }
    eprintln!("Creating cluster {name:?} ...\n ✓ Ensuring node image (kindest/node:v1.37.0)");
    fs::create_dir_all(world.cluster(name)).unwrap();
    let port = config["nodes"][0]["extraPortMappings"][0]["hostPort"].as_u64().unwrap();
    let document = json!({"config": config, "port": port, "images": []});
    world.write(&format!("clusters/{name}/node.json"), &document);
    if TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())).is_err() {
        return Err(format!(
            "ERROR: failed to create cluster: command \"docker run --name {name}-control-plane\" failed with error: exit status 125\nCommand Output: docker: Error response from daemon: failed to set up container networking: driver failed programming external connectivity on endpoint {name}-control-plane: Bind for 127.0.0.1:{port} failed: port is already allocated"
        ));
    }
    eprintln!(" ✓ Preparing nodes\n ✓ Writing configuration");
    if let Some(fault) = faults::take(world, call, "middle") {
        fault.strike_and_end(world);
    }
    serve(world, name)?;
    eprintln!(" ✓ Starting control-plane");
    kubeconfig(world, name, Path::new(call.option("--kubeconfig").unwrap()))?;
    api::run(&world.lab(name).join("kubeconfig"), api::furnish(world, &document["config"], name))?;
    eprintln!("Set kubectl context to \"kind-{name}\"");
    Ok(())
}

/// Starts the local lab behind a cluster, and the node's kubelet.
pub fn serve(world: &World, name: &str) -> Outcome {
    let node = world.read(&format!("clusters/{name}/node.json"));
    let lab = world.lab(name);
    fs::create_dir_all(&lab).unwrap();
    let log = fs::File::create(world.file(&format!("clusters/{name}/lab.log"))).unwrap();
    let mut child = Command::new(World::xtask())
        .arg("serve-local-lab")
        .arg(&lab)
        .arg(format!("--port={}", node["port"]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // In this program's group: what is ended while it starts a cluster ends with it.
        .spawn()
        .map_err(|error| format!("ERROR: {error}"))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if line.trim_end() != "ready" {
        let said = fs::read_to_string(world.file(&format!("clusters/{name}/lab.log"))).unwrap_or_default();
        return Err(format!("ERROR: failed to init node with kubeadm: {said}"));
    }
    let kubelet = Command::new(std::env::current_exe().unwrap())
        .arg0("fake_tools")
        .args(["node", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("ERROR: {error}"))?;
    world.write(&format!("clusters/{name}/kubelet.json"), &kubelet.id().into());
    Ok(())
}

fn delete(world: &World, name: &str) {
    // First whoever watches the cluster: it would wait for them before it ends.
    let kubelet = world.read(&format!("clusters/{name}/kubelet.json"));
    if let Some(pid) = kubelet.as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        let _ = kill_process(pid, Signal::KILL);
    }
    if world.lab(name).exists() {
        let down = Command::new(World::xtask())
            .args(["--lab", "local", "down"])
            .env("OIDC_LAB_DIR", world.lab(name))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(down.unwrap().success(), "the local lab behind a cluster is taken down");
    }
    let _ = fs::remove_dir_all(world.cluster(name));
}

/// Writes the kubeconfig of a cluster under kind's name for its context.
fn kubeconfig(world: &World, name: &str, path: &Path) -> Outcome {
    let text = fs::read_to_string(world.lab(name).join("kubeconfig")).map_err(|error| {
        format!("ERROR: failed to get cluster internal kubeconfig: command \"docker exec --privileged {name}-control-plane cat /etc/kubernetes/admin.conf\" failed with error: {error}")
    })?;
    let mut document: Value = serde_yaml::from_str(&text).unwrap();
    let context = format!("kind-{name}");
    document["current-context"] = context.clone().into();
    for kind in ["clusters", "users", "contexts"] {
        document[kind][0]["name"] = context.clone().into();
    }
    document["contexts"][0]["context"]["cluster"] = context.clone().into();
    document["contexts"][0]["context"]["user"] = context.into();
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).write(true).truncate(true).mode(0o600).open(path).unwrap();
    serde_yaml::to_writer(file, &document).unwrap();
    Ok(())
}

fn load(world: &World, call: &Call, name: &str) -> Outcome {
    let archive: Value = serde_json::from_slice(&fs::read(&call.args[2]).unwrap()).unwrap();
    if archive["one_platform"] != true {
        // What docker from 29 on makes of an archive that is not for one platform.
        return Err(format!(
            "ERROR: failed to load image: command \"docker exec --privileged -i {name}-control-plane ctr --namespace=k8s.io images import --all-platforms --digests --snapshotter=overlayfs -\" failed with error: exit status 1\nCommand Output: ctr: content digest sha256:9a8b7c: not found"
        ));
    }
    let file = format!("clusters/{name}/loaded-{}.json", std::process::id());
    world.write(&file, &archive["images"]);
    Ok(())
}
