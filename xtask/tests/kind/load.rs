//! `load` on the lab on kind, as far as a cluster without Jobs shows it: what would be put into it.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::ended::Ended;
use crate::world::World;

const INGRESS: &str = r#"{"apiVersion": "v1", "kind": "Service",
  "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress"}, "spec": {"ports": [{"port": 80}]}}"#;

#[test]
fn workers_are_led_to_the_ingress_and_an_image_is_asked_for() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    let ended = world.expect(2, &["--lab", "kind", "load"]);
    assert!(ended.error().contains("kind load docker-image REF --name oidc-lab"), "{ended}");
    // The chart's own Service, which the fake of Helm does not make.
    let load = ["--lab", "kind", "--dry-run", "load", "--image", "probe:dev", "--workers", "3"];
    let ended = world.expect(3, &load);
    assert!(ended.error().contains("ingress-nginx-controller"), "{ended}");
    let mut apply = world.command(&["--lab", "kind", "kubectl", "--", "apply", "--server-side", "-f", "-"]);
    let mut child =
        apply.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(INGRESS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let document = world.json(0, &load);
    let goal = &document["goals"][0];
    assert_eq!((&document["lab"], &goal["namespace"]), (&"kind".into(), &"argocd".into()), "{goal:#}");
    let job: Value = serde_yaml::from_str(goal["documents"][0]["text"].as_str().unwrap()).unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let args: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!((&container["image"], args.last()), (&"probe:dev".into(), Some(&"http://argocd.host/")));
    for host in ["argocd.host:80:10.96.", "dex.host:80:10.96."] {
        assert!(args.iter().any(|it| it.starts_with(&format!("--resolve={host}"))), "{args:?}");
    }
    // This cluster has no Jobs, and says so; nothing is left of the try.
    let ended: Ended = world.expect(3, &["--lab", "kind", "load", "--image", "probe:dev"]);
    assert!(ended.error().contains("create jobs.batch: the cluster answered:"), "{ended}");
}
