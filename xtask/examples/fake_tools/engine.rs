//! `docker`. It does not simulate containers or registries: an image that is pulled is
//! a line in a file, and every image can be pulled unless a fault says otherwise.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};

use serde_json::{Map, Value, json};

use super::world::World;
use super::{Call, Outcome};

/// What the real ones say where a registry's name does not resolve.
pub fn no_network(world: &World, host: &str) -> Outcome {
    match world.has("no-network") {
        true => Err(format!(
            "Error: failed to do request: Get \"https://{host}/v2/\": dial tcp: lookup {host} on 127.0.0.53:53: no such host"
        )),
        false => Ok(()),
    }
}

const DEAD: &str =
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";

/// Whether the daemon runs.
pub fn is_dead(world: &World) -> bool {
    world.has("engine-dead")
}

/// The message that kind has for a dead daemon.
pub fn dead_message(failed: &str) -> String {
    format!(
        "ERROR: {failed}: failed to get docker info: command \"docker info --format '{{{{json .}}}}'\" failed with error: exit status 1\nCommand Output: {DEAD}"
    )
}

pub fn run(world: &World, call: &Call) -> Outcome {
    if call.is(&["context", "inspect"]) {
        println!("default unix:///var/run/docker.sock");
        return Ok(());
    }
    if call.is(&["version"]) {
        let server = (!is_dead(world))
            .then(|| json!({"Version": "29.1.3", "ApiVersion": "1.52", "Os": "linux", "Arch": "amd64"}));
        let client = json!({"Version": "29.1.3", "ApiVersion": "1.52"});
        println!("{}", json!({"Client": client, "Server": server}));
        return if server.is_some() { Ok(()) } else { Err(DEAD.into()) };
    }
    if is_dead(world) {
        return Err(DEAD.into());
    }
    if call.is(&["ps", "--all", "--quiet"]) {
        let name = call.option("--filter").unwrap().strip_prefix("label=io.x-k8s.kind.cluster=").unwrap();
        if world.cluster(name).exists() {
            println!("0123456789ab");
        }
        return Ok(());
    }
    if call.is(&["pull"]) {
        let image = &call.args[1];
        no_network(world, "registry-1.docker.io")?;
        println!("Status: Downloaded newer image for {image}");
        world.alone(|| add(world, image));
        return Ok(());
    }
    if call.is(&["tag"]) {
        let (image, name) = (&call.args[1], &call.args[2]);
        if world.read("images.json")[image].is_null() {
            return Err(format!("Error response from daemon: No such image: {image}"));
        }
        world.alone(|| add(world, name));
        return Ok(());
    }
    if call.is(&["image", "inspect"]) {
        let image = call.args.last().unwrap();
        return match world.read("images.json")[image].as_str() {
            Some(id) => {
                println!("{id}");
                Ok(())
            }
            None => Err(format!("Error response from daemon: No such image: {image}")),
        };
    }
    if call.is(&["image", "save"]) {
        let platform = call.option("--platform").is_some();
        let file = call.option("--output").unwrap();
        let known = world.read("images.json");
        let images: Vec<&String> = call.args.iter().filter(|arg| known.get(arg.as_str()).is_some()).collect();
        fs::write(file, json!({"images": images, "one_platform": platform}).to_string()).unwrap();
        return Ok(());
    }
    if call.is(&["start"]) {
        let cluster = call.args[1].trim_end_matches("-control-plane");
        // A node keeps what its cluster held; the local lab behind this one does not.
        super::kind::serve(world, cluster)?;
        let config = world.read(&format!("clusters/{cluster}/node.json"))["config"].clone();
        super::api::run(
            &world.lab(cluster).join("kubeconfig"),
            super::api::furnish(world, &config, cluster),
        )?;
        println!("{}", call.args[1]);
        return Ok(());
    }
    if call.is(&["logs"]) {
        println!("the last words of a node");
        return Ok(());
    }
    Err(format!("docker: unknown command: docker {}", call.args.join(" ")))
}

/// Adds an image to those of this machine. Its id is that of its name and of what a
/// test says that it was built from.
pub fn add(world: &World, image: &str) {
    let mut images = match world.read("images.json") {
        Value::Object(images) => images,
        _ => Map::new(),
    };
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    images.insert(image.to_owned(), format!("sha256:{:016x}", hasher.finish()).into());
    world.write("images.json", &images.into());
}
