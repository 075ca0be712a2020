//! Bad surroundings: taken ports, read-only folders, killed labs, two at once, Ctrl-C, no browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Ended, Lab, files, has, ports, processes_of};

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

fn is_running(pid: u32) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// A lab whose process was killed, and which process that was.
fn killed_lab() -> (Lab, u32) {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let pid = lab.pid();
    kill("-KILL", pid);
    while is_running(pid) {
        std::thread::yield_now();
    }
    (lab, pid)
}

#[test]
fn a_taken_port_is_named_and_nothing_is_left() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let lab = Lab::new();
    let ended = lab.expect(3, &["--port", &port, "working"]);
    assert!(ended.error().contains(&format!("127.0.0.1:{port} cannot be listened on")), "{ended}");
    assert_eq!(lab.expect(3, &["status"]).stdout, "");
}

#[test]
fn a_wished_port_is_used_and_kept() {
    let port = ports::free();
    let lab = Lab::new();
    lab.expect(0, &["--port", &port.to_string(), "working", "test"]);
    let status = lab.json(0, &["working", "status"]);
    assert_eq!(status["goals"][1]["address"], format!("127.0.0.1:{port}"));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let lab = Lab::new();
    // A file stands where the folder should be: not even root writes below it.
    let path = lab.file("in-the-way", "");
    let ended = Ended::of(lab.command(&["working"]).env("OIDC_LAB_DIR", path.join("lab")));
    assert_eq!(ended.status, 3, "{ended}");
    assert!(ended.error().contains("cannot be written"), "{ended}");
    assert!(ended.error().contains("OIDC_LAB_DIR"), "{ended}");
}

#[test]
fn a_killed_lab_is_told_apart_from_one_that_is_up_and_made_anew() {
    let (lab, pid) = killed_lab();
    assert!(lab.expect(3, &["test"]).error().contains("no lab is up"));
    lab.expect(0, &["working", "test"]);
    assert_ne!(lab.pid(), pid);
}

#[test]
fn a_lab_that_ended_by_itself_is_told_of_by_the_next_goals() {
    let (lab, _) = killed_lab();
    // What its process prints last when a part of it panics.
    let said = "the lab ended: the janitor panicked: on purpose";
    std::fs::write(lab.path().join("lab.log"), format!("thread panicked\nerror: {said}\n")).unwrap();
    assert!(lab.expect(3, &["test"]).error().contains(&format!("no lab is up: {said}")));
    let working = lab.expect(0, &["working"]);
    assert!(working.stderr.contains(said), "{working}");
    assert!(!lab.expect(0, &["working", "test"]).stderr.contains(said));
}

#[test]
fn a_lab_that_hangs_is_ended_all_the_same() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let pid = lab.pid();
    kill("-STOP", pid);
    lab.expect(0, &["down"]);
    assert!(!is_running(pid));
    assert!(!lab.path().exists());
}

#[test]
fn down_leaves_no_process_and_no_file() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let pid = lab.pid();
    lab.expect(0, &["down"]);
    assert!(!is_running(pid));
    assert!(!lab.path().exists());
    assert!(files(&lab.home()).is_empty(), "nothing goes to HOME");
}

#[test]
fn two_goals_at_once_do_not_mix() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let mut first = lab
        .command(&["test", "--logins", "500", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    // The first login has ended, so the first run holds the lock.
    lines.find(|line| line.as_ref().unwrap().starts_with("login ")).unwrap().unwrap();
    let ended = lab.expect(3, &["break"]);
    assert!(
        ended
            .error()
            .contains(&format!("another `cargo xtask` is working on this lab (process {})", first.id())),
        "{ended}"
    );
    // Looking is allowed.
    lab.expect(0, &["status"]);
    kill("-INT", first.id());
    let rest = lines.count();
    let status = first.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{rest} more lines");
    lab.expect(0, &["test"]);
}

#[test]
fn a_rotation_reads_nothing_of_a_lab_that_somebody_changes() {
    let lab = Lab::new();
    let path = lab.path().with_extension("lock");
    let mut lock = base::locks::take(&path, base::locks::Mode::Exclusive, Duration::ZERO).unwrap().unwrap();
    write!(lock, "{}", std::process::id()).unwrap();
    let ended = lab.expect(3, &["rotate"]);
    assert!(ended.error().contains("another `cargo xtask` is working on this lab"), "{ended}");
    // Looking is allowed, and finds none.
    let ended = lab.expect(3, &["--dry-run", "rotate"]);
    assert!(ended.error().contains("no lab is up"), "{ended}");
}

#[test]
fn a_lab_killed_under_a_running_test_ends_it_with_a_sentence() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let mut test = lab
        .command(&["test", "--logins", "500", "-v", "--wait", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("login ")).unwrap().unwrap();
    kill("-KILL", lab.pid());
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    let status = test.wait().unwrap().code();
    assert!(matches!(status, Some(1 | 3)), "{status:?} {said:?}");
    assert!(!said.iter().any(|line| line.contains("panicked")), "{said:?}");
}

#[test]
fn ctrl_c_during_working_leaves_nothing_or_a_lab_that_the_next_run_uses() {
    let lab = Lab::new();
    // Interrupted at each line that a step prints: whatever had begun is gone after it.
    for steps in 0..9 {
        let mut working =
            lab.command(&["working"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(working.stderr.take().unwrap()).lines();
        for _ in 0..=steps {
            if lines.next().is_none() {
                break;
            }
        }
        // It may have ended by itself by now.
        let _ = Command::new("kill").args(["-INT", &working.id().to_string()]).stderr(Stdio::null()).status();
        let said: Vec<String> = lines.map(Result::unwrap).collect();
        match working.wait().unwrap().code() {
            Some(130) => lab.expect(3, &["status"]),
            Some(0) => lab.expect(0, &["status"]),
            other => panic!("{other:?} {said:?}"),
        };
        lab.expect(0, &["down"]);
    }
    lab.expect(0, &["working", "test"]);
}

#[test]
fn a_lab_that_is_ending_is_not_taken_for_one_that_is_up() {
    let lab = Lab::new();
    for _ in 0..3 {
        lab.expect(0, &["working"]);
        let told = Command::new("kill").args(["-TERM", &lab.pid().to_string()]).status().unwrap();
        assert!(told.success());
        // Whoever told it is gone; the next run waits for its end and brings one up.
        while lab.run(&["status"]).status == 0 {}
        lab.expect(0, &["working", "test", "--logins", "1"]);
    }
}

#[test]
fn labs_of_a_command_that_was_killed_go_with_the_next_down() {
    let lab = Lab::new();
    let own = lab.path().with_file_name("lab-matrix").join("0-v3.3.6");
    let mut matrix = lab
        .command(&["matrix", "v3.3.6", "--logins", "100"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !own.join("lab.json").exists() {
        assert!(matrix.try_wait().unwrap().is_none(), "the matrix ended before its lab was up");
    }
    matrix.kill().unwrap();
    matrix.wait().unwrap();
    assert_eq!(processes_of(&own).len(), 1);
    lab.expect(0, &["down"]);
    assert_eq!(processes_of(&own), Vec::<u32>::new());
    assert!(!own.exists());
}

#[test]
fn the_secret_is_in_no_argv_no_log_and_no_output() {
    if !has("kubectl", "the_secret_is_in_no_argv_no_log_and_no_output") {
        return;
    }
    let lab = Lab::new();
    let mut said = String::new();
    let mut secrets = vec![];
    for goals in [
        &["working", "test", "-vv"][..],
        &["break", "-vv"],
        &["test", "-vv"],
        &["fix", "test", "-vv"],
        &["status"],
    ] {
        said.push_str(&lab.run(goals).both());
        secrets.push(lab.secret("dex", "dex-clients", "argo-cd"));
    }
    assert_ne!(secrets.first(), secrets.last(), "break rotates");
    said.push_str(&lab.expect(0, &["render"]).both());
    said.push_str(&lab.json(0, &["test"]).to_string());
    let argv = Command::new("ps").args(["-A", "-ww", "-o", "args"]).output().unwrap();
    said.push_str(&String::from_utf8_lossy(&argv.stdout));
    for pod in ["argocd/deploy/argocd-server", "dex/deploy/dex"] {
        let (namespace, name) = pod.split_once('/').unwrap();
        said.push_str(&lab.kubectl(&["-n", namespace, "logs", name]).both());
    }
    for path in files(&lab.path()) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is readable by others", path.display());
        said.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
    }
    for secret in secrets {
        assert!(secret.len() > 20);
        assert!(!said.contains(&secret), "the client secret was said somewhere");
    }
}

#[test]
fn the_users_kubeconfig_is_neither_read_nor_written() {
    let lab = Lab::new();
    let kube = lab.home().join(".kube");
    std::fs::create_dir_all(&kube).unwrap();
    // Reading it would fail, loudly.
    let config = kube.join("config");
    std::fs::write(&config, "not: [a, kubeconfig").unwrap();
    let run = |goals: &[&str]| Ended::of(lab.command(goals).env("KUBECONFIG", &config));
    for goals in [&["working", "test"][..], &["break"], &["fix", "test"], &["down"]] {
        let ended = run(goals);
        assert_eq!(ended.status, 0, "{ended}");
    }
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "not: [a, kubeconfig");
    assert_eq!(files(&lab.home()), [config]);
}

#[test]
fn quiet_says_only_the_outcome_and_a_pipe_gets_plain_lines() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["-q", "working", "test"]);
    assert_eq!(ended.stderr, "", "{ended}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
    let ended = lab.expect(0, &["test", "-v"]);
    assert!(!ended.both().contains('\u{1b}'), "{ended}");
}

#[test]
fn verbose_shows_exchanges_and_twice_also_requests_and_headers() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let once = lab.expect(0, &["test", "--logins", "1", "-v"]);
    assert!(once.stderr.contains("login 1\n"), "{once}");
    assert!(!once.stderr.contains("cluster: GET"), "{once}");
    let twice = lab.expect(0, &["test", "--logins", "1", "-vv"]);
    let path = "/apis/apps/v1/namespaces/argocd/deployments/argocd-server -> 200";
    assert!(twice.stderr.contains("cluster: GET ") && twice.stderr.contains(path), "{twice}");
    assert!(twice.stderr.contains("< set-cookie: argocd.oauthstate=…"), "{twice}");
}

#[test]
fn a_secret_that_a_finalizer_holds_is_waited_for_as_long_as_wait_says() {
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::{Api, Patch, PatchParams};
    use kube::config::{KubeConfigOptions, Kubeconfig};

    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let finalizers = |held: &[&str]| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let file = Kubeconfig::read_from(lab.path().join("kubeconfig")).unwrap();
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(file, &options).await.unwrap();
            let client = kube::Client::try_from(config).unwrap();
            let patch = Patch::Merge(serde_json::json!({"metadata": {"finalizers": held}}));
            let secrets: Api<Secret> = Api::namespaced(client, "argocd");
            secrets.patch("argocd-oidc", &PatchParams::default(), &patch).await.unwrap();
        });
    };
    finalizers(&["example.com/held"]);
    let ended = lab.expect(3, &["--wait", "1", "broken"]);
    assert!(
        ended.error().contains(
            "Secret argocd/argocd-oidc was deleted and is still there after 1 s: it waits for example.com/held"
        ),
        "{ended}"
    );
    finalizers(&[]);
    lab.expect(0, &["broken"]);
}

/// A program in a folder of its own, which does what the text says.
fn program(lab: &Lab, name: &str, text: &str) -> std::path::PathBuf {
    let folder = lab.home().join(format!("{name}-bin"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `open` on a lab, with these browsers alone on PATH and a screen.
fn open(lab: &Lab, folder: &std::path::Path, args: &[&str]) -> Ended {
    let mut command = lab.command(&[&["--format", "json", "open"], args].concat());
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display())).env("DISPLAY", ":1");
    Ended::of(&mut command)
}

/// Takes its profile as Chromium does, and waits until it is ended.
const CHROMIUM: &str = r#"
for it; do case $it in --user-data-dir=*) profile=${it#*=};; esac; done
ln -s "a-host-$$" "$profile/SingletonLock"
mkdir "$profile/Default"
mkfifo "$profile/never"
read line <"$profile/never"
"#;

#[test]
fn a_browser_is_opened_with_a_profile_in_the_labs_folder_and_goes_with_the_lab() {
    let lab = Lab::new();
    let folder = program(&lab, "chromium", CHROMIUM);
    let ended = open(&lab, &folder, &["--launch"]);
    assert!(ended.status == 3 && ended.error().contains("no lab is up"), "{ended}");
    lab.expect(0, &["--tls", "working"]);
    let ended = open(&lab, &folder, &["--launch", "--dry-run"]);
    assert!(ended.status == 0 && !lab.path().join("browser").exists(), "{ended}");
    let ended = open(&lab, &folder, &["--launch"]);
    assert_eq!(ended.status, 0, "{ended}");
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let entry = &document["goals"][0];
    assert_eq!((&entry["launched"], &entry["url"]), (&true.into(), &"https://argocd.host/".into()));
    let command: Vec<&str> =
        entry["command"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let profile = format!("--user-data-dir={}", lab.path().join("browser").display());
    for (start, count) in [
        (profile.as_str(), 1),
        ("--proxy-server=http://127.0.0.1:", 1),
        ("--ignore-certificate-errors-spki-list=", 1),
        ("https://argocd.host/", 1),
    ] {
        assert_eq!(command.iter().filter(|it| it.starts_with(start)).count(), count, "{start}: {command:?}");
    }
    let lock = std::fs::read_link(lab.path().join("browser/SingletonLock")).unwrap();
    let pid = lock.to_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    assert!(is_running(pid));
    lab.expect(0, &["down"]);
    assert!(!is_running(pid) && !lab.path().exists());
}

#[test]
fn a_browser_that_does_not_start_or_is_not_there_is_said() {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let folder = program(&lab, "chromium", "echo 'no \u{1b}[31mroom' >&2\nexit 7\n");
    let ended = open(&lab, &folder, &["--launch"]);
    let error = ended.error();
    assert!(ended.status == 3 && error.contains("exit status: 7, and said last: no "), "{ended}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
    let ended = open(&lab, &folder, &["--browser", "netscape"]);
    assert!(ended.status == 3 && ended.error().contains("netscape is no program"), "{ended}");
    // Firefox is told by its profile.
    let folder = program(&lab, "firefox", "exit 0\n");
    let ended = open(&lab, &folder, &["--launch", "--browser", "firefox"]);
    assert_eq!(ended.status, 0, "{ended}");
    let address = lab.json(0, &["status"])["goals"][0]["address"].as_str().unwrap().to_owned();
    let told = std::fs::read_to_string(lab.path().join("browser/user.js")).unwrap();
    let port = address.rsplit(':').next().unwrap();
    assert!(told.contains(&format!("user_pref(\"network.proxy.http_port\", {port});")), "{told}");
    if cfg!(target_os = "linux") {
        let mut command = lab.command(&["open", "--launch"]);
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env("PATH", &folder);
        let ended = Ended::of(&mut command);
        assert!(ended.status == 3 && ended.error().contains("there is no screen here"), "{ended}");
        command.env("PATH", lab.home()).env("DISPLAY", ":1");
        let ended = Ended::of(&mut command);
        assert!(ended.status == 3 && ended.error().contains("no browser is found"), "{ended}");
        let ended = Ended::of(lab.command(&["open"]).env("PATH", lab.home()));
        assert!(ended.status == 0 && ended.stdout.contains("browser   chromium --proxy-server"), "{ended}");
    }
}
