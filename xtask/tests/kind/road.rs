//! The whole road, when all goes well.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::world::{Ended, World, kill, until};

const REFUSED: &str = r#"500 failed to get token: oauth2: "invalid_client" "Invalid client credentials.""#;

#[test]
fn working_test_logs_in_and_broken_is_refused_until_it_is_fixed() {
    let world = World::new();
    let ended = world.expect(0, &["--lab", "kind", "working", "test"]);
    assert!(ended.stdout.contains("logged-in: 5 of 5 logged in"), "{ended}");
    assert!(ended.stdout.contains("on the kind lab"), "{ended}");
    assert_eq!(world.clusters(), ["oidc-lab"]);
    // From here on `auto` takes the lab that is up.
    world.expect(0, &["break"]);
    assert!(world.expect(1, &["test"]).stdout.contains(REFUSED));
    world.expect(0, &["fix", "test"]);
    assert!(world.expect(1, &["broken", "test"]).stdout.contains(REFUSED));
    // `working` on a broken lab makes it work, with the cluster that is there.
    world.expect(0, &["working", "test"]);
    assert_eq!(world.calls_with("kind create cluster").len(), 1);
    assert_eq!(world.calls_with("docker pull").len(), 4, "images are pulled once");
    assert_eq!(world.calls_with("helm pull").len(), 3, "so are charts");
    world.expect(0, &["down"]);
    assert!(world.clusters().is_empty());
    assert!(!world.lab().exists());
    assert_eq!(world.expect(0, &["--lab", "kind", "down"]).stdout, "there was no lab\n");
}

#[test]
fn the_exporter_is_of_an_image_that_somebody_names() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    let unnamed = world.expect(2, &["monitor"]);
    assert!(unnamed.error().contains("none is named (hint: `.ci/image TAG` builds one"), "{unnamed}");
    let lost = world.expect(3, &["--probe-image", "probe:lost", "monitor"]);
    assert!(lost.error().contains("the image probe:lost of --probe-image is not on this machine"), "{lost}");
    assert!(world.calls_with("kubectl").iter().all(|call| !call.stdin.contains("argocd-logins-exporter")));
    let document = world.json(0, &["--probe-image", "probe:mine", "--dry-run", "monitor"]);
    let plan = document["goals"][0]["plan"].as_array().unwrap();
    let names: Vec<&Value> = plan.iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["exporter-image", "exporter", "exporter-ready"]);
    let commands = plan.iter().flat_map(|step| step["commands"].as_array().unwrap());
    let commands: Vec<&str> = commands.map(|command| command.as_str().unwrap()).collect();
    for part in ["docker image save", "kind load image-archive", "kubectl", "-/healthy"] {
        assert!(commands.iter().any(|command| command.contains(part)), "{part}: {commands:#?}");
    }
}

#[test]
fn reproduce_sees_what_each_release_is_known_to_do() {
    for (release, after) in [("v3.3.6", "refused"), ("v2.12.1", "mixed"), ("v3.5.1", "logged-in")] {
        let world = World::with_helm_4();
        let document = world.json(0, &["--lab", "kind", "--argocd", release, "reproduce"]);
        let rows = document["goals"][0]["stories"].as_array().unwrap();
        let verdicts: Vec<&str> = rows.iter().map(|row| row["verdict"].as_str().unwrap()).collect();
        assert_eq!(verdicts, ["logged-in", after, "logged-in", after, "logged-in"], "{release}");
        assert_eq!(document["lab"], "kind");
        assert_eq!(document["argocd"]["version"], release);
        let chart = if release == "v2.12.1" { "argo-cd-7.4.4" } else { "argo-cd-9." };
        assert!(!world.calls_with(chart).is_empty(), "{release}");
    }
}

#[test]
fn the_dex_inside_argo_cd_comes_with_its_chart_and_another_provider_is_another_cluster() {
    let world = World::new();
    let ended = world.expect(0, &["--lab", "kind", "--provider", "bundled", "working", "test"]);
    assert!(ended.stdout.contains("logged-in: 5 of 5 logged in"), "{ended}");
    assert!(world.calls_with("helm pull https://charts.dexidp.io").is_empty());
    assert!(!world.calls_with("argocd-bundled.yaml").is_empty());
    assert!(!world.calls_with("docker pull ghcr.io/dexidp/dex:v2.45.1").is_empty());
    // The lab keeps its provider.
    assert!(world.expect(1, &["break", "test"]).stdout.contains(REFUSED));
    world.expect(0, &["fix", "test"]);
    assert!(world.expect(1, &["broken", "test"]).stdout.contains(REFUSED));
    assert_eq!(world.json(0, &["status"])["goals"][0]["hosts"], json!({"argocd": "argocd.host"}));
    assert_eq!(world.calls_with("kind create cluster").len(), 1);
    let document = world.json(0, &["--provider", "dex", "working", "test"]);
    assert_eq!(document["provider"], "dex");
    assert_eq!(
        (world.calls_with("kind delete cluster").len(), world.calls_with("kind create cluster").len()),
        (1, 2)
    );
}

#[test]
fn a_release_without_a_chart_of_its_own_takes_the_nearest_and_its_tag() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "--argocd", "v3.5.1", "working"]);
    let install = world.calls_with("helm upgrade --install argocd").remove(0);
    assert!(install.line.contains("charts/argo-cd-9.5.22.tgz"), "{}", install.line);
    assert!(
        install.stdin.contains("repository: quay.io/argoproj/argocd\n    tag: v3.5.1\n"),
        "{}",
        install.stdin
    );
    // The lab keeps its release until another is named.
    assert_eq!(world.json(0, &["working"])["argocd"]["version"], "v3.5.1");
    assert_eq!(world.json(0, &["--argocd", "v3.3.6", "working"])["argocd"]["version"], "v3.3.6");
}

#[test]
fn helm_4_is_told_to_take_back_what_others_wrote_and_helm_3_does_not_know_how() {
    let three = World::new();
    three.expect(0, &["--lab", "kind", "working"]);
    assert!(three.calls_with("--force-conflicts --timeout").is_empty());
    let four = World::with_helm_4();
    four.expect(0, &["--lab", "kind", "working"]);
    assert_eq!(four.calls_with("--server-side=true --force-conflicts").len(), 3);
}

#[test]
fn the_ingress_can_be_traefik_and_be_changed() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "--ingress", "traefik", "working", "test"]);
    assert_eq!(world.calls_with("helm upgrade --install traefik").len(), 1);
    assert!(world.calls_with("helm upgrade --install ingress-nginx").is_empty());
    let routes: Vec<_> =
        world.calls().into_iter().filter(|call| call.stdin.contains("kind: Ingress")).collect();
    assert!(routes.iter().all(|call| call.stdin.contains("ingressClassName: traefik")), "{routes:?}");
    // The lab keeps its ingress until the other is named; then the one goes first.
    world.expect(0, &["working"]);
    assert_eq!(world.calls_with("helm upgrade --install traefik").len(), 2);
    world.expect(0, &["--ingress", "nginx", "working", "test"]);
    let helm: Vec<String> = world
        .calls()
        .into_iter()
        .map(|call| call.line)
        .filter(|line| line.contains("helm uninstall") || line.contains("--install ingress-nginx"))
        .collect();
    assert_eq!(helm.len(), 2, "{helm:?}");
    assert!(helm[0].starts_with("helm uninstall traefik --namespace ingress --wait"), "{helm:?}");
}

#[test]
fn a_wished_port_is_used_and_cannot_be_changed_afterwards() {
    let port = crate::ports::free();
    let world = World::new();
    world.expect(0, &["--lab", "kind", "--port", &port.to_string(), "working", "test"]);
    let status = world.json(0, &["status"]);
    assert_eq!(status["goals"][0]["address"], format!("127.0.0.1:{port}"));
    assert_eq!(status["goals"][0]["context"], "kind-oidc-lab");
    let ended = world.expect(2, &["--port", "1", "working"]);
    assert!(
        ended.error().contains(&format!("the lab listens on port {port} and cannot move to 1")),
        "{ended}"
    );
}

#[test]
fn an_image_of_ones_own_is_loaded_and_loaded_again_when_it_was_built_anew() {
    let world = World::new();
    let build = |id: &str| {
        let path = world.path("images.json");
        let mut images: Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap_or_default()).unwrap_or_else(|_| json!({}));
        images["me/argocd:dev"] = id.into();
        std::fs::write(path, images.to_string()).unwrap();
    };
    build("sha256:1");
    let run = ["--lab", "kind", "--argocd-image", "me/argocd:dev", "working"];
    world.expect(0, &run);
    let loads = || {
        world.calls_with("docker image save").iter().filter(|call| call.line.contains("me/argocd")).count()
    };
    assert_eq!(loads(), 1);
    assert!(world.calls_with("docker pull me/argocd").is_empty());
    let installs = || world.calls_with("helm upgrade --install argocd");
    assert!(installs()[0].stdin.contains("repository: me/argocd\n    tag: dev\n"));
    // The edit-run loop: the lab keeps the image, and sees whether it is another.
    world.expect(0, &["working"]);
    assert_eq!(loads(), 1);
    build("sha256:2");
    world.expect(0, &["working"]);
    assert_eq!(loads(), 2);
    let last = installs().pop().unwrap();
    assert!(last.stdin.contains("oidc-lab/image-id: sha256:2"), "{}", last.stdin);
    world.expect(0, &["--argocd", "v3.3.6", "working"]);
    assert!(!installs().pop().unwrap().stdin.contains("me/argocd"));
}

#[test]
fn no_secret_is_in_an_argument_in_a_file_or_in_what_is_said() {
    let world = World::new();
    let mut said = String::new();
    for goals in
        [&["--lab", "kind", "working", "test", "-vv"][..], &["break", "-vv"], &["fix", "test", "-vv"]]
    {
        let ended = world.expect(0, goals);
        said.push_str(&ended.stdout);
        said.push_str(&ended.stderr);
    }
    assert!(said.contains("$ kubectl --kubeconfig"), "-vv shows every command: {said}");
    said.extend(world.calls().into_iter().map(|call| call.line));
    let mut folders = vec![world.lab()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            // What Helm downloads is no secret, and Helm's to write.
            let downloaded = path.extension().is_some_and(|ending| ending == "tgz");
            assert!(
                mode & 0o077 == 0 || downloaded || path.to_string_lossy().contains(".pid"),
                "{}",
                path.display()
            );
            said.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
    let secrets = world.secrets();
    assert_eq!(secrets.len(), 4, "client secret, server key, Redis' and admin's passwords: {secrets:?}");
    for secret in secrets {
        assert!(!said.contains(&secret), "a secret was said somewhere");
    }
}

#[test]
fn only_the_labs_own_kubeconfig_is_used() {
    let world = World::new();
    let config = world.path("home/.kube/config");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, "not: [a, kubeconfig").unwrap();
    world.expect(0, &["--lab", "kind", "working", "test"]);
    let own = world.lab().join("kubeconfig").display().to_string();
    for call in world.calls() {
        let talks = ["helm upgrade", "helm uninstall", "kubectl --", "kind create", "kind delete"];
        if talks.iter().any(|start| call.line.starts_with(start)) {
            assert!(call.line.contains(&own), "{}", call.line);
        }
    }
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "not: [a, kubeconfig");
    world.expect(0, &["down"]);
    let names = |folder: &str| -> Vec<_> {
        std::fs::read_dir(world.path(folder)).unwrap().flatten().map(|it| it.path()).collect()
    };
    assert_eq!(names("home"), [world.path("home/.kube")]);
    // Nor is anything kept there of what this cluster's API answered.
    assert_eq!(names("home/.kube"), [config]);
}

#[test]
fn recorded_times_give_the_critical_path() {
    let world = World::new();
    let none = world.expect(0, &["--lab", "kind", "--dry-run", "--timings", "working"]);
    assert!(none.stdout.contains("no times were recorded"), "{none}");
    world.expect(0, &["--lab", "kind", "working"]);
    let document = world.json(0, &["--dry-run", "--timings", "working"]);
    let critical = &document["goals"][0]["critical"];
    assert!(critical["ms"].as_f64().unwrap() < critical["sum_ms"].as_f64().unwrap(), "{critical}");
    assert_eq!(critical["path"][0], "tools");
}

#[test]
fn a_dry_run_asks_for_versions_and_does_nothing() {
    let world = World::new();
    let ended = world.expect(0, &["--lab", "kind", "--dry-run", "working", "break", "test", "fix", "test"]);
    for part in [
        "$ kind create cluster --name oidc-lab --config $LAB/kind-config.yaml",
        " turn 2, side by side\n",
        "$ cd $LAB/empty && helm upgrade --install argocd ",
        "cache/charts/argo-cd-9.4.17.tgz --namespace argocd",
        "docker image save --output $LAB/dex-images.tar --platform linux/",
        "# charts come from where their projects publish them, kept in ",
        "# images come from the registries in their names",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
    let asked = world.calls();
    assert!(
        asked.iter().all(|call| call.line.contains("version") || call.line.contains("context inspect")),
        "{asked:?}"
    );
    assert!(!world.lab().exists());
}

#[test]
fn charts_and_images_come_from_the_mirrors_that_the_environment_names() {
    let world = World::new();
    let mirrored = |charts: &str, args: &[&str]| {
        let mut command = world.command(&[&["--lab", "kind"], args].concat());
        Ended::of(command.env("OIDC_LAB_CHARTS", charts).env("OIDC_LAB_IMAGES", "mirror.example/all"))
    };
    let node = "mirror.example/all/kindest/node:v1.37.0@sha256:a1ed56";
    let ended = mirrored("oci://mirror.example/charts", &["--dry-run", "working"]);
    assert_eq!(ended.status, 0, "{ended}");
    for part in [
        "# charts come from OIDC_LAB_CHARTS: oci://mirror.example/charts, kept in ",
        "# images come from OIDC_LAB_IMAGES: mirror.example/all in place of the public registries",
        "helm pull oci://mirror.example/charts/dex --version 0.24.0",
        "docker pull 'mirror.example/all/<the same without its registry>'",
        &format!("--image {node}"),
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
    let ended = mirrored("oci://mirror.example/charts", &["working", "test"]);
    assert_eq!(ended.status, 0, "{ended}");
    for call in world.calls_with(" pull ") {
        assert!(call.line.contains("mirror.example/"), "{}", call.line);
    }
    assert_eq!(world.calls_with(&format!("--image {node}")).len(), 1);
    // In the cluster they have the names that the charts know.
    let tag = "docker tag mirror.example/all/argoproj/argocd:v3.3.6 quay.io/argoproj/argocd:v3.3.6";
    assert_eq!(world.calls_with(tag).len(), 1);
    assert!(world.calls_with("docker image save").iter().all(|call| !call.line.contains("mirror.example")));
    // A folder of charts needs no network.
    let kept = std::fs::read_dir(world.path("cache/charts")).unwrap().flatten().next().unwrap().path();
    world.forget_calls();
    let ended = mirrored(kept.to_str().unwrap(), &["working"]);
    assert_eq!(ended.status, 0, "{ended}");
    assert!(world.calls_with("helm pull").is_empty());
    let ended = mirrored(world.path("home").to_str().unwrap(), &["working"]);
    assert!(ended.error().contains("OIDC_LAB_CHARTS, and the chart "), "{ended}");
}

#[test]
fn a_password_for_redis_is_made_once_and_no_hook_is_waited_for() {
    let world = World::new();
    world.expect(0, &["--lab", "kind", "working"]);
    let made =
        || world.calls().into_iter().filter(|call| call.stdin.contains("name: argocd-redis\n")).count();
    assert_eq!(made(), 1);
    let values =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../values/argocd.yaml")).unwrap();
    assert!(values.contains("redisSecretInit:\n  enabled: false\n"));
    // Redis runs with the one that it has.
    let ended = world.expect(0, &["working"]);
    assert!(
        ended.stderr.lines().any(|it| it.contains("argocd-redis-secret") && it.ends_with("kept")),
        "{ended}"
    );
    assert_eq!(made(), 1);
}

#[test]
fn images_are_saved_while_the_cluster_is_made() {
    let world = World::new();
    world.fault(&["kind create cluster"], json!({"hang": true, "times": 1}));
    let mut run = world.start(&["--lab", "kind", "working"]);
    world.hangs();
    until("all images are saved", || world.calls_with("docker image save").len() == 3);
    assert!(world.calls_with("kind load").is_empty());
    kill("-INT", run.id());
    run.wait().unwrap();
}
