//! What real programs say when something goes wrong: exit 3, one sentence, what to do.

use serde_json::json;

use crate::world::World;

/// Calls that go wrong, what they say, and what has to be in the error.
const CASES: &[(&str, &[&str], &str, &[&str])] = &[
    (
        "the daemon dies",
        &["kind create cluster"],
        "ERROR: failed to create cluster: failed to get docker info: command \"docker info --format '{{json .}}'\" failed with error: exit status 1\nCommand Output: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        &["cannot create the cluster oidc-lab", "daemon does not run", "sudo systemctl start docker"],
    ),
    (
        "the name is taken at that moment",
        &["kind create cluster"],
        "ERROR: failed to create cluster: node(s) already exist for a cluster with the name \"oidc-lab\"",
        &["a cluster named oidc-lab is there", "kind delete cluster --name oidc-lab"],
    ),
    (
        "kubeadm fails",
        &["kind create cluster"],
        "ERROR: failed to create cluster: failed to init node with kubeadm: command \"docker exec --privileged oidc-lab-control-plane kubeadm init\" failed with error: exit status 1",
        &["Kubernetes did not start on the node", "--keep"],
    ),
    (
        "the disk is full",
        &["kind create cluster"],
        "ERROR: failed to create cluster: failed to pull image \"kindest/node\": command \"docker pull\" failed with error: exit status 1\nCommand Output: write /var/lib/docker/tmp/x: no space left on device",
        &["no space is left", "docker system df"],
    ),
    (
        "too many watches",
        &["kind create cluster"],
        "ERROR: failed to create cluster: could not start kubelet: too many open files",
        &["too many open files", "fs.inotify.max_user_instances"],
    ),
    (
        "no such chart version",
        &["helm pull dex"],
        "Error: chart \"dex\" version \"0.24.0\" not found in https://charts.dexidp.io repository",
        &["cannot pull the chart dex 0.24.0", "not found in https://charts.dexidp.io", "--argocd"],
    ),
    (
        "no network for charts",
        &["helm pull oci://ghcr.io"],
        "Error: failed to do request: Head \"https://ghcr.io/v2/argoproj/argo-helm/argo-cd/manifests/9.4.17\": dial tcp: lookup ghcr.io: no such host",
        &["cannot pull the chart argo-cd 9.4.17", "no such host", "check the network"],
    ),
    (
        "values that a chart does not take",
        &["helm template dex"],
        "Error: values don't meet the specifications of the schema(s) in the following chart(s):\ndex:\n- at '': additional properties 'x' not allowed",
        &["cannot render the chart dex 0.24.0", "values/"],
    ),
    (
        "a hook that hangs",
        &["helm upgrade --install argocd"],
        "Error: failed pre-install: 1 error occurred:\n\t* timed out waiting for the condition",
        &["cannot install the chart argo-cd 9.4.17", "was not done in time", "--wait SECONDS", "--keep"],
    ),
    (
        "Helm 4's timeout",
        &["helm upgrade --install argocd"],
        "Error: resource Job/argocd/argocd-redis-secret-init not ready. status: InProgress\ncontext deadline exceeded",
        &["was not done in time", "--wait SECONDS", "--keep"],
    ),
    (
        "a webhook that is not up",
        &["kubectl", "apply"],
        "Error from server (InternalError): Internal error occurred: failed calling webhook \"validate.nginx.ingress.kubernetes.io\": failed to call webhook: Post \"https://x.svc:443/\": dial tcp 10.96.1.2:443: connect: connection refused",
        &["cannot apply manifests/", "failed calling webhook", "run it again", "--keep"],
    ),
    (
        "the cluster went away",
        &["helm upgrade --install dex"],
        "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused",
        &["cannot install the chart dex 0.24.0", "the cluster does not answer"],
    ),
    (
        "a program without a word",
        &["helm upgrade --install dex"],
        "",
        &["ended with status 1 and said nothing", "-vv"],
    ),
];

#[test]
fn every_failure_is_one_sentence_with_what_to_do_and_nothing_is_left() {
    for (name, call, message, parts) in CASES {
        let world = World::new();
        world.fails(call, message);
        let ended = world.expect(3, &["--lab", "kind", "working"]);
        let error = ended.error();
        for part in *parts {
            assert!(error.contains(part), "{name}: {part}: {ended}");
        }
        assert!(error.contains("(hint: "), "{name}: {error}");
        assert!(!ended.stderr.contains("panicked"), "{name}: {ended}");
        assert!(world.clusters().is_empty(), "{name}: the half-made lab is taken down");
        assert!(!world.lab().exists(), "{name}");
    }
}

#[test]
fn a_port_that_is_in_use_is_named_if_somebody_wished_for_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let world = World::new();
    let ended = world.expect(3, &["--lab", "kind", "--port", &port, "working"]);
    assert!(ended.error().contains(&format!("port {port} of this machine is in use")), "{ended}");
    assert!(ended.error().contains("leave --port out"), "{ended}");
    assert!(world.clusters().is_empty());
}

#[test]
fn a_free_port_that_was_taken_at_that_moment_is_changed_for_another() {
    let world = World::new();
    let message = "Command Output: docker: Error response from daemon: Bind for 127.0.0.1:1 failed: port is already allocated";
    world.fault(&["kind create cluster"], json!({"stderr": message, "times": 1}));
    world.expect(0, &["--lab", "kind", "working", "test"]);
    assert_eq!(world.calls_with("kind create cluster").len(), 2);
}

#[test]
fn what_this_machine_cannot_pull_is_left_to_the_node_and_said() {
    let world = World::new();
    let message =
        "Error response from daemon: Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host";
    world.fails(&["docker pull ghcr.io/dexidp/dex"], message);
    let ended = world.expect(0, &["--lab", "kind", "working", "test"]);
    assert!(ended.stderr.contains("cannot pull ghcr.io/dexidp/dex:v2.45.1"), "{ended}");
    assert!(ended.stderr.contains("the node tries it itself"), "{ended}");
    assert!(world.calls_with("image save").iter().all(|call| !call.line.contains("dexidp")));
}

#[test]
fn an_image_that_cannot_be_loaded_is_left_to_the_node_and_said() {
    let world = World::new();
    let message = "ERROR: failed to load image: command \"docker exec\" failed with error: exit status 1\nCommand Output: ctr: content digest sha256:9a8b7c: not found";
    world.fails(&["kind load image-archive"], message);
    let ended = world.expect(0, &["--lab", "kind", "working", "test"]);
    assert!(ended.stderr.contains("kind issue 3795"), "{ended}");
    assert!(ended.stderr.contains("the node pulls what it needs itself"), "{ended}");
}

#[test]
fn an_image_of_ones_own_that_is_nowhere_is_an_error() {
    let world = World::new();
    world.fails(&["docker pull me/argocd"], "Error response from daemon: pull access denied for me/argocd");
    let ended = world.expect(3, &["--lab", "kind", "--argocd-image", "me/argocd:dev", "working"]);
    assert!(
        ended.error().contains("the image me/argocd:dev of --argocd-image is neither on this machine"),
        "{ended}"
    );
}

#[test]
fn offline_uses_what_is_here_and_says_what_is_not() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    // Everything is here now, the charts apart, which are the lab's.
    world.forget_calls();
    world.expect(0, &["--offline", "working", "test"]);
    assert!(world.calls_with("docker pull").is_empty());
    std::fs::write(world.path("images.json"), "{}").unwrap();
    let ended = world.expect(3, &["--offline", "working"]);
    assert!(ended.error().contains("--offline, and the image "), "{ended}");
}

#[test]
fn a_node_that_never_gets_ready_is_said_though_kind_exits_well() {
    // kind's own wait only warns and exits 0; the lab looks itself.
    let world = World::new();
    std::fs::write(world.path("node-not-ready"), "").unwrap();
    let ended = world.expect(3, &["--lab", "kind", "--wait", "1", "working"]);
    assert!(ended.error().contains("the node was not ready after 1 s"), "{ended}");
    assert!(ended.error().contains("cni plugin not initialized"), "{ended}");
    assert!(world.clusters().is_empty());
}

#[test]
fn a_name_that_does_not_resolve_inside_is_found_before_a_login_fails() {
    let world = World::new();
    std::fs::write(world.path("no-rewrite"), "").unwrap();
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(ended.error().contains("inside the cluster dex.host does not resolve"), "{ended}");
}

#[test]
fn offline_asks_nothing_of_the_network_for_a_new_lab_either() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    world.expect(0, &["down"]);
    std::fs::write(world.path("no-network"), "").unwrap();
    world.forget_calls();
    world.expect(0, &["--lab", "kind", "--offline", "working", "test"]);
    assert!(world.calls_with(" pull ").is_empty());
    world.expect(0, &["down"]);
    let ended = world.expect(0, &["--lab", "kind", "--offline", "--dry-run", "working"]);
    assert!(ended.stdout.contains("# images come from docker and the node alone (--offline)"), "{ended}");
    assert!(!ended.stdout.contains("helm pull") && !ended.stdout.contains("docker pull"), "{ended}");
    // What is wanting is named, with what brings it here.
    let images = std::fs::read_to_string(world.path("images.json")).unwrap();
    std::fs::write(world.path("images.json"), images.replace("kindest/", "other/")).unwrap();
    let ended = world.expect(3, &["--lab", "kind", "--offline", "working"]);
    assert!(
        ended.error().contains("--offline, and the node's image kindest/node:v1.37.0@sha256:"),
        "{ended}"
    );
    assert!(ended.error().contains("`docker pull kindest/node:v1.37.0@sha256:"), "{ended}");
    std::fs::write(world.path("images.json"), images).unwrap();
    std::fs::remove_file(world.path("cache/charts/dex-0.24.0.tgz")).unwrap();
    let ended = world.expect(3, &["--lab", "kind", "--offline", "working"]);
    assert!(ended.error().contains("--offline, and the chart dex 0.24.0 is not in the cache"), "{ended}");
    assert!(world.calls_with(" pull ").is_empty());
}

#[test]
fn a_nodes_image_that_cannot_be_pulled_is_named() {
    let world = World::new();
    let message = "ERROR: failed to create cluster: failed to pull image \"me/node:v1\": command \"docker pull me/node:v1\" failed with error: exit status 1\nCommand Output: Error response from daemon: manifest for me/node:v1 not found: manifest unknown: manifest unknown";
    world.fails(&["kind create cluster"], message);
    let ended = world.expect(3, &["--lab", "kind", "--node-image", "me/node:v1", "working"]);
    assert!(ended.error().contains("the node's image me/node:v1 cannot be pulled: manifest for"), "{ended}");
    assert!(ended.error().contains("`--node-image REF` names another"), "{ended}");
}

/// Dex's image cannot be pulled, for a reason in kubelet's words.
fn without_image(world: &World, why: &str) {
    std::fs::write(world.path("dex-without-image"), why).unwrap();
}

#[test]
fn an_image_that_will_never_come_ends_the_wait_with_what_to_do() {
    for (why, hint) in [
        (
            "failed to do request: Head \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host",
            "does the container engine reach ghcr.io?",
        ),
        ("ghcr.io/dexidp/dex:v2.45.1: not found", "is the image's name right?"),
        ("unexpected status: 403 Forbidden: denied", "`docker login ghcr.io`"),
        // In other words it is tried three times.
        (
            "failed to do request: dial tcp 140.82.121.34:443: i/o timeout",
            "does the container engine reach ghcr.io?",
        ),
    ] {
        let world = World::new();
        without_image(&world, why);
        let ended = world.expect(3, &["--lab", "kind", "working"]);
        let error = ended.error();
        assert!(
            error.contains(
                "dex/dex: container dex: the image ghcr.io/dexidp/dex:v2.45.1 does not come from ghcr.io"
            ),
            "{ended}"
        );
        assert!(error.contains(hint), "{ended}");
    }
}

#[test]
fn a_step_that_hangs_says_what_it_waits_for_also_where_there_are_no_bars() {
    let world = World::new();
    std::fs::write(world.path("node-not-ready"), "").unwrap();
    let ended = world.expect(3, &["--lab", "kind", "--wait", "12", "working"]);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("waiting: ")).collect();
    assert_eq!(lines.len(), 1, "{ended}");
    assert!(lines[0].contains("node ") && lines[0].contains("cni plugin not initialized"), "{ended}");
}

#[test]
fn what_was_in_the_cluster_is_shown_before_it_is_taken_down_and_not_advised_to_be_asked_after_it() {
    let world = World::new();
    // The step that fails waits for Dex's pod, so that the pod is there by then.
    without_image(&world, "ghcr.io/dexidp/dex:v2.45.1: not found");
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    let place = |part: &str| ended.stderr.find(part).unwrap_or_else(|| panic!("{part}: {ended}"));
    assert!(place("what was in the cluster") < place("  dex: pod dex-"), "{ended}");
    assert!(place("  dex: pod dex-") < place("    event dex-"), "{ended}");
    assert!(place("    event dex-") < place("taking the half-made lab down"), "{ended}");
    let world = World::new();
    world.fails(&["helm upgrade --install dex"], "Error: timed out waiting for the condition");
    let ended = world.expect(3, &["--lab", "kind", "working"]);
    assert!(!ended.error().contains("cargo xtask kubectl"), "{ended}");
    assert!(ended.error().contains("`--keep` leaves a half-made lab up for a look"), "{ended}");
    let ended = world.expect(3, &["--lab", "kind", "--keep", "working"]);
    assert!(ended.error().contains("`cargo xtask kubectl -- get pods -A`"), "{ended}");
}

#[test]
fn keep_leaves_a_half_made_lab_for_a_look() {
    let world = World::new();
    world.fails(
        &["helm upgrade --install argocd"],
        "Error: failed pre-install: timed out waiting for the condition",
    );
    let ended = world.expect(3, &["--lab", "kind", "--keep", "working"]);
    assert!(ended.stderr.contains("was kept"), "{ended}");
    assert_eq!(world.clusters(), ["oidc-lab"]);
    world.mend();
    world.expect(0, &["working", "test"]);
    assert_eq!(world.calls_with("kind create cluster").len(), 1, "the next run goes on with it");
}

#[test]
fn a_lab_that_was_complete_stays_when_a_later_goal_fails() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    world.fails(&["helm upgrade --install dex"], "Error: something else");
    world.expect(3, &["working"]);
    assert_eq!(world.clusters(), ["oidc-lab"]);
    world.expect(0, &["test"]);
}
