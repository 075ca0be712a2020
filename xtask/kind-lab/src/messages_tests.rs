use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::*;

fn error(port: (u16, bool), said: &Said) -> Error {
    super::error("create the cluster oidc-lab", "oidc-lab", port, said)
}

fn said(stderr: &str) -> Said {
    Said { status: Some(ExitStatus::from_raw(1 << 8)), stdout: String::new(), stderr: stderr.into() }
}

/// Each in the words of the real program.
const SEEN: &[(&str, &str)] = &[
    (
        "dead",
        "ERROR: failed to create cluster: failed to get docker info: command \"docker info --format '{{json .}}'\" failed with error: exit status 1\nCommand Output: {\"ID\":\"\"}\nCannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
    ),
    (
        "denied",
        "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.47/info\": dial unix /var/run/docker.sock: connect: permission denied\n",
    ),
    (
        "name",
        "ERROR: failed to create cluster: node(s) already exist for a cluster with the name \"oidc-lab\"\n",
    ),
    (
        "port",
        "ERROR: failed to create cluster: command \"docker run --name oidc-lab-control-plane ...\" failed with error: exit status 125\nCommand Output: 3b1c\ndocker: Error response from daemon: driver failed programming external connectivity on endpoint oidc-lab-control-plane (4f): Bind for 127.0.0.1:8080 failed: port is already allocated.\n",
    ),
    (
        "limit",
        "ERROR: failed to create cluster: failed to pull image \"kindest/node:v1.37.0@sha256:a1ed\": command \"docker pull kindest/node:v1.37.0@sha256:a1ed\" failed with error: exit status 1\nCommand Output: Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit\n",
    ),
    (
        "node",
        "ERROR: failed to create cluster: failed to pull image \"kindest/node:v1.37.0@sha256:a1ed\": command \"docker pull kindest/node:v1.37.0@sha256:a1ed\" failed with error: exit status 1\nCommand Output: Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io on 127.0.0.53:53: no such host\n",
    ),
    (
        "image",
        "Error response from daemon: manifest for quay.io/argoproj/argocd:v9.9.9 not found: manifest unknown: manifest unknown\n",
    ),
    (
        "network",
        "Error response from daemon: Get \"https://quay.io/v2/\": dial tcp: lookup quay.io on 127.0.0.53:53: no such host\n",
    ),
    (
        "digest",
        "ERROR: failed to load image: command \"docker exec --privileged -i oidc-lab-control-plane ctr --namespace=k8s.io images import --all-platforms --digests --snapshotter=overlayfs -\" failed with error: exit status 1\nCommand Output: ctr: content digest sha256:9a8b: not found\n",
    ),
    ("pending", "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress\n"),
    (
        "gone",
        "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:41234/version\": dial tcp 127.0.0.1:41234: connect: connection refused\n",
    ),
    (
        "gone4",
        "Error: kubernetes cluster unreachable: Get \"https://127.0.0.1:41234/version\": dial tcp 127.0.0.1:41234: connect: connection refused\n",
    ),
    ("chart", "Error: chart \"dex\" version \"9.9.9\" not found in https://charts.dexidp.io repository\n"),
    (
        "webhook",
        "Error from server (InternalError): error when creating \"STDIN\": Internal error occurred: failed calling webhook \"validate.nginx.ingress.kubernetes.io\": failed to call webhook: Post \"https://ingress-nginx-controller-admission.ingress.svc:443/networking/v1/ingresses?timeout=10s\": dial tcp 10.96.1.2:443: connect: connection refused\n",
    ),
    ("time", "Error: UPGRADE FAILED: pre-upgrade hooks failed: timed out waiting for the condition\n"),
    (
        "time4",
        "Error: UPGRADE FAILED: resource Deployment/argocd/argocd-redis not ready. status: InProgress, message: Available: 0/1\ncontext deadline exceeded\n",
    ),
    ("disk", "write /var/lib/docker/tmp/GetImageBlob1: no space left on device\n"),
    (
        "kubeadm",
        "ERROR: failed to create cluster: failed to init node with kubeadm: command \"docker exec --privileged oidc-lab-control-plane kubeadm init\" failed with error: exit status 1\n",
    ),
    ("path", "Error: path \"./x\" not found\n"),
    ("silent", ""),
];

#[test]
fn every_message_is_one_sentence_with_what_to_do() {
    let all: Vec<String> = SEEN
        .iter()
        .map(|(name, text)| {
            let error = error((8080, false), &said(text));
            assert_eq!(error.exit.code(), 3);
            format!("{name}: {error}")
        })
        .collect();
    assert!(all.iter().all(|line| !line.contains('\n') && line.contains("(hint: ")));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_wished_port_is_not_taken_as_chance() {
    let text = "Bind for 127.0.0.1:80 failed: port is already allocated";
    assert!(error((80, true), &said(text)).to_string().contains("leave --port out"));
}

#[test]
fn an_end_by_a_signal_is_said() {
    let killed = Said { status: Some(ExitStatus::from_raw(9)), ..Said::default() };
    assert!(error((8080, false), &killed).to_string().contains("ended by a signal"));
}
