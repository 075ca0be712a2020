//! What engines really say, read: the messages were taken from docker 20.10.24 and
//! 28.2.2 and podman 4.3.1 (dead, frozen and denied daemons, other hosts and contexts);
//! those of docker 29, podman on macOS and nerdctl are from their sources and reports.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::words::{UPDATE, docker, is_local, nerdctl, podman, saves_platforms};
use super::*;
use base::process::Said;

const CLIENT: &str =
    r#"{"Client":{"Version":"28.2.2","ApiVersion":"1.50","Context":"default"},"Server":null}"#;
const SERVER: &str = r#"{"Client":{"Version":"28.2.2","ApiVersion":"1.41","Context":"default"},"Server":{"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"}],"Version":"20.10.24+dfsg1","ApiVersion":"1.41"}}"#;

fn ended(stdout: &str, stderr: &str, code: i32) -> io::Result<Said> {
    let status = Some(ExitStatus::from_raw(code << 8));
    Ok(Said { stdout: stdout.into(), stderr: stderr.into(), status })
}

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn what_docker_says_is_understood() {
    let local = "default unix:///var/run/docker.sock\n";
    let dead = EngineState::Dead("unix:///var/run/docker.sock".into());
    let denied = EngineState::Denied("unix:///var/run/docker.sock".into());
    for (stdout, stderr, endpoint, state) in [
        (SERVER, "", local, EngineState::Answers(version("20.10.24+dfsg1"))),
        (SERVER, "", "", EngineState::Answers(version("20.10.24+dfsg1"))),
        (
            CLIENT,
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
            local,
            dead.clone(),
        ),
        (
            CLIENT,
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory\n",
            local,
            dead.clone(),
        ),
        // An old docker without `context inspect`: the message names the socket.
        (
            CLIENT,
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
            "",
            dead,
        ),
        (
            CLIENT,
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version\": dial unix /var/run/docker.sock: connect: permission denied\n",
            local,
            denied.clone(),
        ),
        (
            CLIENT,
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock\n",
            local,
            denied,
        ),
        (
            CLIENT,
            "Cannot connect to the Docker daemon at tcp://127.0.0.1:2375. Is the docker daemon running?\n",
            "default tcp://127.0.0.1:2375\n",
            EngineState::Dead("tcp://127.0.0.1:2375".into()),
        ),
        (
            SERVER,
            "",
            "default tcp://docker:2375\n",
            EngineState::Remote("tcp://docker:2375, from DOCKER_HOST".into()),
        ),
        (
            CLIENT,
            "error during connect: Get \"http://docker.example.com/v1.50/version\": command [ssh -o ConnectTimeout=30 -T -l u -- far.example docker system dial-stdio] has exited with exit status 255",
            "far ssh://u@far.example\n",
            EngineState::Remote("ssh://u@far.example, from the context far".into()),
        ),
        (
            CLIENT,
            "",
            "default tcp://u:pa55@far.example:2376\n",
            EngineState::Remote("tcp://u@far.example:2376, from DOCKER_HOST".into()),
        ),
        (
            "",
            "Failed to initialize: unable to resolve docker endpoint: context \"nope\": context not found: open /root/.docker/contexts/meta/ca37/meta.json: no such file or directory\n",
            "",
            EngineState::Unclear("Failed to initialize: unable to resolve docker endpoint: context \"nope\": context not found: open /root/.docker/contexts/meta/ca37/meta.json: no such file or directory".into()),
        ),
        (
            CLIENT,
            "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.30\n",
            local,
            EngineState::Unclear("Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.30".into()),
        ),
        (
            r#"{"Client":{"APIVersion":"4.3.1","Version":"4.3.1"}}"#,
            "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg.\n",
            "",
            EngineState::IsPodman,
        ),
        (
            r#"{"Client":{"ApiVersion":"1.40"},"Server":{"Version":"19.03.15"}}"#,
            "",
            local,
            EngineState::Unfit("docker's daemon v19.03.15 is too old: kind needs 20.10".into(), UPDATE),
        ),
        ("", "", local, EngineState::Unclear("it says nothing".into())),
    ] {
        assert_eq!(docker(ended(stdout, stderr, 1), endpoint), state, "{stderr}");
    }
    let silent = Said { stdout: CLIENT.into(), ..Said::default() };
    assert_eq!(docker(Ok(silent), local), EngineState::Silent("unix:///var/run/docker.sock".into()));
}

#[test]
fn a_platform_is_saved_where_client_and_daemon_both_know_how() {
    let answer = |client: &str, server: &str| {
        format!(r#"{{"Client":{{"ApiVersion":"{client}"}},"Server":{{"ApiVersion":"{server}"}}}}"#)
    };
    for (client, server, both) in [
        ("1.48", "1.48", true),
        ("1.52", "1.54", true),
        ("1.47", "1.52", false),
        ("1.52", "1.47", false),
        ("2.0", "2.1", true),
    ] {
        assert_eq!(saves_platforms(&answer(client, server)), both, "{client} {server}");
    }
    assert!(!saves_platforms(SERVER) && !saves_platforms(CLIENT) && !saves_platforms(""));
}

#[test]
fn what_podman_says_is_understood() {
    let info = |version: &str, rootless: bool, cgroup: &str| {
        format!(
            r#"{{"host":{{"cgroupVersion":"{cgroup}","security":{{"rootless":{rootless}}}}},"version":{{"Version":"{version}"}}}}"#
        )
    };
    for (stdout, stderr, host, state) in [
        (info("4.3.1", false, "v1"), "", None, EngineState::Answers(version("4.3.1"))),
        (info("5.4.0", true, "v2"), "", None, EngineState::Answers(version("5.4.0"))),
        (
            info("4.3.1", true, "v1"),
            "",
            None,
            EngineState::Unfit(
                "rootless podman needs cgroup v2 for kind, and this machine has v1".into(),
                "run it as root",
            ),
        ),
        (
            info("2.1.1", false, "v2"),
            "",
            None,
            EngineState::Unfit("podman v2.1.1 is too old: kind needs 3.0".into(), UPDATE),
        ),
        (
            info("4.3.1", false, "v2"),
            "",
            Some("ssh://core@far.example:22/run/podman/podman.sock"),
            EngineState::Remote(
                "ssh://core@far.example:22/run/podman/podman.sock, from CONTAINER_HOST".into(),
            ),
        ),
        (
            info("4.3.1", false, "v2"),
            "",
            Some("unix:///run/podman/podman.sock"),
            EngineState::Answers(version("4.3.1")),
        ),
        (
            String::new(),
            "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: failed to connect: dial tcp 127.0.0.1:50000: connect: connection refused\n",
            None,
            EngineState::Dead("its socket".into()),
        ),
    ] {
        assert_eq!(podman(ended(&stdout, stderr, 125), host), state, "{stderr}");
    }
}

#[test]
fn what_nerdctl_says_is_understood() {
    for (stdout, stderr, state) in [
        (
            r#"{"Client":{"Version":"v2.0.3"},"Server":{"Components":[{"Name":"containerd","Version":"v2.0.2"}]}}"#,
            "",
            EngineState::Answers(version("v2.0.3")),
        ),
        (
            r#"{"Client":{"Version":"v1.5.0"},"Server":{"Components":[{"Name":"containerd","Version":"v1.6.20"}]}}"#,
            "",
            EngineState::Unfit("nerdctl v1.5.0 is too old: kind needs 1.7".into(), UPDATE),
        ),
        (
            "",
            "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"cannot access containerd socket \\\"/run/containerd/containerd.sock\\\": no such file or directory\"\n",
            EngineState::Dead("/run/containerd/containerd.sock".into()),
        ),
        (
            "",
            "FATA[0000] cannot access containerd socket \"/run/containerd/containerd.sock\": permission denied\n",
            EngineState::Denied("/run/containerd/containerd.sock".into()),
        ),
        (
            "",
            "FATA[0000] rootless containerd not running? (hint: use `containerd-rootless-setuptool.sh install` to start rootless containerd): stat /run/user/1000/containerd-rootless: no such file or directory\n",
            EngineState::Dead("its socket".into()),
        ),
    ] {
        assert_eq!(nerdctl(ended(stdout, stderr, 1)), state, "{stderr}");
    }
}

#[test]
fn endpoints_are_here_or_elsewhere() {
    for (endpoint, local) in [
        ("unix:///var/run/docker.sock", true),
        ("unix:///Users/u/.colima/default/docker.sock", true),
        ("npipe:////./pipe/docker_engine", true),
        ("tcp://127.0.0.1:2375", true),
        ("tcp://localhost:2375", true),
        ("tcp://[::1]:2375", true),
        ("ssh://core@127.0.0.1:50000/run/podman/podman.sock", true),
        ("tcp://docker:2375", false),
        ("tcp://192.0.2.1:2375", false),
        ("tcp://[2001:db8::1]:2375", false),
        ("ssh://u@far.example", false),
        ("tcp://localhost.example:2375", false),
    ] {
        assert_eq!(is_local(endpoint), local, "{endpoint}");
    }
}

#[test]
fn every_state_is_a_sentence_with_what_to_do() {
    let states = [
        EngineState::Absent,
        EngineState::Unfit("docker's daemon v19.03.15 is too old: kind needs 20.10".into(), UPDATE),
        EngineState::Dead("unix:///var/run/docker.sock".into()),
        EngineState::Denied("unix:///var/run/docker.sock".into()),
        EngineState::Remote("ssh://u@far.example, from the context far".into()),
        EngineState::Silent("unix:///var/run/docker.sock".into()),
        EngineState::Unclear("it says nothing".into()),
    ];
    let mut lines = vec![];
    for state in states {
        let others = matches!(state, EngineState::Dead(_) | EngineState::Denied(_));
        for (name, macos) in [("docker", false), ("docker", true), ("podman", false), ("podman", true)] {
            let (_, what, hint) =
                Engine { name, path: None, state: state.clone(), saves_platforms: false }.told(macos);
            if others || (name, macos) == ("docker", false) {
                lines.push(format!("{}: {what} (hint: {hint})", if macos { "macOS" } else { "Linux" }));
            }
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_first_that_answers_is_used_and_else_the_nearest_is_named() {
    let engines = |states: [EngineState; 3], wanted: Option<&str>| {
        let engine = |(name, state)| Engine { name, path: None, state, saves_platforms: false };
        let all = NAMES.into_iter().zip(states).map(engine);
        let engines = Engines { all: all.collect(), wanted: wanted.map(Into::into) };
        engines.usable().map(|engine| engine.name).map_err(|error| error.to_string())
    };
    let absent = || EngineState::Absent;
    let answers = || EngineState::Answers(version("5.0.0"));
    let dead = || EngineState::Dead("S".into());
    assert_eq!(engines([answers(), answers(), absent()], None), Ok("docker"));
    assert_eq!(engines([dead(), answers(), absent()], None), Ok("podman"));
    assert_eq!(engines([EngineState::IsPodman, answers(), absent()], None), Ok("podman"));
    assert_eq!(engines([answers(), absent(), answers()], Some("nerdctl")), Ok("nerdctl"));
    for (states, wanted, part) in [
        (
            [absent(), absent(), absent()],
            None,
            "there is no container engine: none of docker, podman, nerdctl",
        ),
        ([absent(), absent(), dead()], None, "nerdctl is installed, but its daemon does not run"),
        ([dead(), answers(), absent()], Some("docker"), "docker is installed, but its daemon"),
        ([answers(), absent(), absent()], Some("podman"), "podman is not on PATH"),
        ([answers(), absent(), absent()], Some("lxc"), "KIND_EXPERIMENTAL_PROVIDER is \"lxc\""),
    ] {
        let said = engines(states, wanted).unwrap_err();
        assert!(said.contains(part), "{said}");
    }
}
