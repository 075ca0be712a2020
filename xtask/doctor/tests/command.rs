//! `kubectl argocd-sso` as a person runs it where there is no cluster: stdout, stderr and status.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The command with these arguments, and this on its standard input.
fn run(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-argocd_sso"))
        .args(args)
        .env("KUBECONFIG", "/nowhere/config")
        .env_remove("GITHUB_ACTIONS")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that is not read is no failure.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn expect(status: i32, args: &[&str], input: &str) -> (String, String) {
    let output = run(args, input);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{args:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
data:
  url: https://argocd.example.com
  oidc.config: |
    name: SSO
    issuer: https://idp.example.com
    clientID: argo-cd
    clientSecret: $oidc.idp.secret
    requestedScopes: openid email
";

#[test]
fn an_interrupt_is_heard_while_a_credential_plugin_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (began, kubeconfig) = (folder.path().join("began"), folder.path().join("kubeconfig"));
    let script = format!("trap '' INT; touch {}; exec sleep 60", began.display());
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "c", "user": {"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "sh", "args": ["-c", script],
        }}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    // A group of its own, as a terminal makes one: the interrupt reaches the plugin too, which does not care.
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-argocd_sso"))
        .env("KUBECONFIG", &kubeconfig)
        .process_group(0)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(15);
    while !began.exists() {
        assert!(Instant::now() < limit, "the plugin was never asked");
        std::thread::sleep(Duration::from_millis(5));
    }
    let group = format!("-{}", child.id());
    let kill = |signal| Command::new("kill").args([signal, "--", &group]).status().unwrap();
    assert!(kill("-INT").success());
    while child.try_wait().unwrap().is_none() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    let code = child.try_wait().unwrap().and_then(|status| status.code());
    assert!(kill("-KILL").success(), "the plugin is there still");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((code, said.as_str()), (Some(130), "error: interrupted\n"));
}

#[test]
fn a_cluster_is_asked_by_the_proxy_that_kubectl_would_take() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let kubeconfig = tempfile::NamedTempFile::new().unwrap();
    let text = "apiVersion: v1
kind: Config
current-context: far
clusters: [{name: far, cluster: {server: 'https://cluster.example:6443'}}]
users: [{name: far, user: {}}]
contexts: [{name: far, context: {cluster: far, user: far}}]
";
    std::fs::write(&kubeconfig, text).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        line
    });
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-argocd_sso"))
        .args(["--print-role", "--request-timeout", "2s"])
        .env("KUBECONFIG", kubeconfig.path())
        .env("HTTPS_PROXY", address)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(asked.join().unwrap().starts_with("CONNECT cluster.example:6443 "));
}

#[test]
fn what_was_pasted_is_explained() {
    let (stdout, stderr) = expect(0, &["explain", "server.secretkey is missing"], "");
    assert!(stdout.contains("1. server-key-missing  (possible)") && stdout.contains("fix"), "{stdout}");
    assert_eq!(stderr, "");
    let (stdout, _) = expect(0, &["explain", "-"], "level=fatal msg=\"malformed Dex configuration found\"\n");
    assert!(stdout.starts_with("1 cause fits: dex-config\n"), "{stdout}");
    let (stdout, _) = expect(0, &["explain", "first-start"], "");
    assert!(stdout.starts_with("first-start: ") && stdout.contains("- **Upstream**"), "{stdout}");
    let (stdout, _) = expect(1, &["explain", "the cat sat on the mat", "--format", "json"], "");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&document["goal"], &document["causes"]), (&"explain".into(), &serde_json::json!([])));
    let (stdout, _) = expect(1, &["explain", "no-such-file.har"], "");
    assert!(stdout.contains("no file is called so"), "{stdout}");
}

#[test]
fn what_cannot_be_read_is_one_sentence() {
    for (status, args, input, words) in [
        (2, vec!["explain"], "", "required arguments"),
        (2, vec!["explain", "-"], "", "there is nothing to explain"),
        (2, vec!["explain", "--id", "nonsense"], "", "invalid value"),
        (3, vec!["explain", "--file", "/nowhere/x.har"], "", "/nowhere/x.har cannot be read"),
        (3, vec!["explain", "-"], "{\"log\": {\"entries\": [", "the HAR ends in the middle"),
        (3, vec![], "", "/nowhere/config"),
        (3, vec!["--from", "/nowhere/evidence.json"], "", "/nowhere/evidence.json cannot be read"),
        (3, vec!["--from", "/dev/null"], "", "/dev/null cannot be read"),
        (3, vec!["-f", "/nowhere"], "", "/nowhere"),
        (3, vec!["-f", "-"], "a: [", "standard input"),
        (3, vec!["-f", "-"], "kind: Secret", "argocd-cm"),
        (3, vec!["--evidence", "/dev/null"], "", "/dev/null is there, and is not written over"),
        (
            3,
            vec!["--evidence", "/nowhere/x.json"],
            "",
            "/nowhere/x.json cannot be written: there is no such folder",
        ),
        (2, vec!["--url", "http://127.0.0.1:9", "--token-stdin"], "s3cr3t", "has no token that can be read"),
        (2, vec!["--from", "x", "--url", "http://a"], "", "cannot be used with"),
        (2, vec!["--from", "x", "-f", "y"], "", "cannot be used with"),
        (2, vec!["--user", "me", "--password-stdin", "--token-stdin"], "", "cannot be used with"),
        (2, vec!["--watch", "--print-role"], "", "cannot be used with"),
        (2, vec!["-f", "-", "--names"], "", "cannot be used with"),
        // What would do nothing.
        (2, vec!["-f", "-", "--wait", "3"], "", "cannot be used with"),
        (2, vec!["-f", "-", "--password-stdin"], "", "cannot be used with"),
        (2, vec!["--from", "x", "--wait", "3"], "", "cannot be used with"),
        (2, vec!["--from", "x", "--password-env", "HOME"], "", "cannot be used with"),
        (2, vec!["--from", "x", "--argocd", "v3.3.6"], "", "cannot be used with"),
        (2, vec!["--print-role", "--token-stdin"], "", "cannot be used with"),
        (2, vec!["-n", ""], "", "a value is required"),
        (2, vec!["--url", "https://a/auth/callback?code=s3cr3t"], "", "as users type it"),
        // An address alone needs no cluster; who names something of one means it.
        (3, vec!["--url", "http://127.0.0.1:9", "-n", "argocd"], "", "/nowhere/config"),
        (3, vec!["--url", "http://127.0.0.1:9", "--as", "jane"], "", "/nowhere/config"),
        (2, vec!["--upgrade-to", "3"], "", "invalid value"),
    ] {
        let (stdout, stderr) = expect(status, &args, input);
        assert!(
            stdout.is_empty() && stderr.starts_with("error: ") && stderr.contains(words),
            "{args:?}: {stderr}"
        );
        assert!(status == 2 || stderr.lines().count() == 1, "{args:?}: {stderr}");
        let (stdout, _) = expect(status, &[&args[..], &["--format", "json"]].concat(), input);
        let document: Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"));
        let command = if args.contains(&"explain") { "explain" } else { "doctor" };
        assert_eq!((&document["exit"], &document["goal"]), (&status.into(), &command.into()), "{args:?}");
        assert!(document["error"].as_str().unwrap().contains(words), "{args:?}: {document}");
    }
}

#[test]
fn manifests_are_looked_at_without_a_cluster() {
    let (stdout, stderr) = expect(1, &["-f", "-", "--format", "json", "--argocd", "v3.3.6"], SETTINGS);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    let finding = &document["findings"][0];
    assert_eq!((&finding["id"], &finding["line"]), (&"oidc-config".into(), &12.into()), "{document:#}");
    assert!(stderr.contains("oidc-config"), "people are told as well: {stderr}");
    let list = SETTINGS.replace("openid email", "[openid, email]");
    let (stdout, _) = expect(1, &["-f", "-", "--upgrade-to", "v3.5.1", "--argocd", "v3.3.6"], &list);
    assert!(stdout.starts_with("argocd v3.3.6"), "{stdout}");
    expect(2, &["-f", "-", "--upgrade-to", "v3.3.5", "--argocd", "v3.3.6"], &list);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_not_whole_is_no_success() {
    for args in [&["explain", "stale-argocd"][..], &["explain", "stale-argocd", "--format", "json"]] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let output =
            Command::new(env!("CARGO_BIN_EXE_kubectl-argocd_sso")).args(args).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{args:?}: {said}");
        assert!(said.contains("error: standard output cannot be written: No space left on device"), "{said}");
    }
}

/// The address of a server that answers everything so.
fn server(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut head = [0; 8192];
            let _ = stream.read(&mut head);
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[test]
fn a_token_that_is_not_taken_is_said_to_be() {
    let url = server("401 Unauthorized", "{}");
    // {"sub":"s3cr3t","exp":1} and {"sub":"s3cr3t"}, with a signature.
    for (token, words) in [
        ("argocd.token=e30.eyJzdWIiOiJzM2NyM3QiLCJleHAiOjF9.x", "it expired at 1970-01-01 00:00:01 UTC"),
        ("e30.eyJzdWIiOiJzM2NyM3QifQ.x", "Argo CD does not take it (401), although it has not expired"),
    ] {
        let output = run(&["--url", &url, "--token-stdin"], token);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(words) && !said.contains("s3cr3t"), "{said}");
        assert!(said.contains("argocd-rbac-cm could not be read"), "{said}");
    }
}

/// A kubeconfig of one context, whose user has this.
fn kubeconfig(folder: &std::path::Path, user: &str) -> String {
    let path = folder.join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         contexts: [{{name: here, context: {{cluster: here, user: me}}}}]\n\
         clusters: [{{name: here, cluster: {{server: \"http://127.0.0.1:9\"}}}}]\n\
         users: [{{name: me, user: {user}}}]\n"
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_one_sentence_without_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let exec = |command: &str, args: &str| {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {command}, args: [{args}]}}}}"
        )
    };
    for (user, words) in [
        (exec("sh", "-c, 'echo s3cr3t >&2; exit 3'"), "its credential plugin sh ends with exit status: 3"),
        (exec("sh", "-c, 'echo s3cr3t {'"), "its credential plugin sh gives no credential that can be read"),
        (exec("no-such-plugin", "s3cr3t"), "its credential plugin no-such-plugin cannot be started"),
        ("{token: s3cr3t".to_owned(), "it is no YAML that can be read, at line"),
        ("{client-certificate: /nowhere/s, client-key: /nowhere/k}".to_owned(), "/nowhere/"),
    ] {
        let (_, said) = expect(3, &["--kubeconfig", &kubeconfig(folder.path(), &user)], "");
        assert!(said.starts_with("error: the kubeconfig cannot be used: ") && said.contains(words), "{said}");
        assert!(said.lines().count() == 1 && !said.contains("s3cr3t") && !said.contains("\\\""), "{said}");
    }
    let dead = kubeconfig(folder.path(), "{token: s3cr3t}");
    let (said, _) = expect(3, &["--kubeconfig", &dead], "");
    assert_eq!(said.matches("the cluster cannot be asked: ").count(), 1, "{said}");
    let (said, line) = expect(3, &["--kubeconfig", &dead, "--watch", "--wait", "1"], "");
    assert!(
        said.starts_with("not healed after 1 look") && line.contains("UTC  could not look"),
        "{said}{line}"
    );
    let (_, said) = expect(3, &["--kubeconfig", "/nowhere/config"], "");
    assert!(said.contains("/nowhere/config cannot be read: No such file"), "{said}");
}

#[test]
fn kubectl_completes_what_the_doctor_understands() {
    let bin = tempfile::tempdir().unwrap();
    let (script, _) = expect(0, &["completions", "kubectl"], "");
    let completer = bin.path().join("kubectl_complete-argocd_sso");
    std::fs::write(&completer, script).unwrap();
    for (program, mode) in [("kubectl_complete-argocd_sso", Some(0o700)), ("kubectl-argocd_sso", None)] {
        let path = bin.path().join(program);
        match mode {
            Some(mode) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap(),
            None => std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-argocd_sso"), path).unwrap(),
        }
    }
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap_or_default());
    for (args, offered) in [
        (&["--bef"][..], "--before-rotation\t"),
        (&["--upgrade-to", "v3.3.1"], "v3.3.14\n"),
        (&["explain", "stale-a"], "stale-argocd\n"),
        (&["exp"], "explain\t"),
    ] {
        // As kubectl asks, and by kubectl where there is one.
        let own = Command::new(&completer).args(args).env("PATH", &path).output().unwrap();
        let own = String::from_utf8(own.stdout).unwrap();
        assert!(own.contains(offered) && own.ends_with(":4\n"), "{args:?}: {own}");
        let asked =
            Command::new("kubectl").args(["__complete", "argocd-sso"]).args(args).env("PATH", &path).output();
        let Ok(asked) = asked else {
            eprintln!("skipped: no kubectl");
            continue;
        };
        let asked = String::from_utf8(asked.stdout).unwrap();
        assert!(asked.contains(offered), "{args:?}: {asked}");
    }
}
