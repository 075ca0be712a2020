//! Clusters and providers that are slow, deny, lie or never end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use probe::CauseId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::Diagnosis;
use crate::hidden::Hidden;

const LIMIT: Duration = Duration::from_millis(500);

/// What a path is answered with.
#[derive(Clone)]
enum Reply {
    /// A status and a body.
    Of(u16, String),
    /// A redirect.
    To(String),
    /// A body that does not end.
    Endless,
    /// Nothing, for as long as anybody waits.
    Silence,
    /// Half of what was announced.
    Broken,
}

fn object(value: Value) -> Reply {
    Reply::Of(200, value.to_string())
}

/// A server whose paths (without query) are answered so; all others are 404.
struct Server {
    address: String,
}

impl Server {
    async fn start(replies: BTreeMap<String, Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let replies = Arc::new(replies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, replies.clone()));
            }
        });
        Self { address }
    }
}

async fn answer(mut stream: TcpStream, replies: Arc<BTreeMap<String, Reply>>) -> Option<()> {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split_whitespace().nth(1)?;
    let path = target.split('?').next()?;
    let not_found = Reply::Of(404, json!({"kind": "Status", "apiVersion": "v1", "code": 404}).to_string());
    // A star stands for the end of every path.
    let star = |known: &&String| known.strip_suffix('*').is_some_and(|start| path.starts_with(start));
    let wild = replies.keys().find(star).and_then(|known| replies.get(known));
    let reply = replies.get(path).or(wild).unwrap_or(&not_found);
    let send = |status: u16, headers: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match reply {
        Reply::Of(status, body) => send(*status, "", body),
        Reply::To(place) => send(302, &format!("Location: {place}\r\n"), ""),
        Reply::Broken => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"kind\":".to_owned(),
        Reply::Silence => {
            std::future::pending::<()>().await;
            String::new()
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.ok()?;
            let block = "2026-01-01T00:00:00Z a line of a log that goes on and on\n".repeat(1000);
            loop {
                stream.write_all(block.as_bytes()).await.ok()?;
            }
        }
    };
    stream.write_all(text.as_bytes()).await.ok()
}

const NAMESPACE: &str = "/api/v1/namespaces/argocd";

fn settings(url: &str, oidc: &str) -> Reply {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
                  "data": {"url": url, "oidc.config": oidc}}))
}

fn secret(value: &[u8]) -> Reply {
    let value = String::from_utf8(Hidden::new(value).encoded().reveal().to_vec()).unwrap();
    object(
        json!({"apiVersion": "v1", "kind": "Secret", "data": {"clientSecret": value, "server.secretkey": value},
                  "metadata": {"name": "argocd-oidc", "labels": {"app.kubernetes.io/part-of": "argocd"}}}),
    )
}

fn list(items: Vec<Value>) -> Reply {
    object(json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}))
}

fn pods(count: usize) -> Vec<Value> {
    let pod = |number| {
        json!({"metadata": {"name": format!("argocd-server-{number}")},
               "spec": {"containers": [{"name": "server"}]},
               "status": {"containerStatuses": [{"name": "server", "ready": true, "image": "", "imageID": "",
                          "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
    };
    (0..count).map(pod).collect()
}

/// A cluster with settings whose issuer is `issuer`, and replies that replace others.
fn cluster(issuer: &str, others: &[(&str, Reply)]) -> BTreeMap<String, Reply> {
    let config = format!("issuer: {issuer}\nclientID: argo-cd\nclientSecret: $argocd-oidc:clientSecret\n");
    let mut replies: BTreeMap<String, Reply> = [
        (format!("{NAMESPACE}/configmaps/argocd-cm"), settings("", &config)),
        (format!("{NAMESPACE}/secrets/argocd-secret"), secret(b"key")),
        (format!("{NAMESPACE}/secrets/argocd-oidc"), secret(b"the-client-secret")),
        (format!("{NAMESPACE}/pods"), list(pods(1))),
        ("/apis/apps/v1/namespaces/argocd/deployments".to_owned(), list(vec![])),
        ("/apis/networking.k8s.io/v1/namespaces/argocd/ingresses".to_owned(), list(vec![])),
    ]
    .into();
    replies.extend(others.iter().map(|(path, reply)| ((*path).to_owned(), reply.clone())));
    replies
}

async fn examine(replies: BTreeMap<String, Reply>) -> Diagnosis {
    let server = Server::start(replies).await;
    let subject =
        Subject { cluster: Some(Reader::at(&server.address, LIMIT)), ..Subject::new("argocd", "kubectl") };
    let since = Instant::now();
    let diagnosis = crate::examine(&subject, true).await.unwrap();
    assert!(since.elapsed() < LIMIT * 30, "{:?}", since.elapsed());
    // What was said can be shown.
    assert!(!diagnosis.body().chars().any(|c| c.is_control() && c != '\n'), "{}", diagnosis.body());
    serde_json::to_string(&diagnosis.fields()).unwrap();
    diagnosis
}

#[track_caller]
fn could_not(diagnosis: &Diagnosis, what: &str) -> String {
    let found = diagnosis.could_not.iter().find(|it| it.what.contains(what));
    found.unwrap_or_else(|| panic!("{what}: {:#?}", diagnosis.could_not)).because.clone()
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_and_given_the_role() {
    let denied = Reply::Of(403, json!({"kind": "Status", "apiVersion": "v1", "code": 403}).to_string());
    let diagnosis = examine([("/*".to_owned(), denied.clone())].into()).await;
    assert_eq!(diagnosis.exit().code(), 3);
    assert!(diagnosis.headline().ends_with("could not look"), "{}", diagnosis.headline());
    let lacking: Vec<&str> = diagnosis.could_not.iter().filter_map(|it| it.right.as_deref()).collect();
    assert!(lacking.contains(&"get configmaps argocd-cm in namespace argocd"), "{lacking:?}");
    assert!(lacking.contains(&"list pods in namespace argocd"), "{lacking:?}");
    assert!(diagnosis.body().contains("Without it, --url ADDRESS still tells"), "{}", diagnosis.body());
    insta::assert_snapshot!(diagnosis.roles);
    // One right that is missing does not keep the others from being used.
    let some = cluster("http://127.0.0.1:1", &[("/api/v1/namespaces/argocd/secrets/argocd-oidc", denied)]);
    let diagnosis = examine(some).await;
    assert!(could_not(&diagnosis, "Secret argocd-oidc").contains("may not"));
    assert!(diagnosis.roles.contains("\"argocd-oidc\", \"argocd-secret\""), "{}", diagnosis.roles);
    assert!(!diagnosis.roles.contains("\"create\"") && !diagnosis.roles.contains('*'), "{}", diagnosis.roles);
}

#[tokio::test]
async fn a_slow_cluster_is_not_waited_for_without_end() {
    let diagnosis = examine([("/*".to_owned(), Reply::Silence)].into()).await;
    assert_eq!(diagnosis.exit().code(), 3);
    assert_eq!(could_not(&diagnosis, "ConfigMap argocd-cm"), "no complete answer within 0.5 s");
    let diagnosis = examine([("/*".to_owned(), Reply::Broken)].into()).await;
    assert_eq!(could_not(&diagnosis, "ConfigMap argocd-cm"), "the answer broke off");
}

#[tokio::test]
async fn a_cluster_that_lies_is_not_believed_and_not_quoted() {
    for lie in [
        "hunter2",
        "[\"hunter2\"]",
        "{}",
        "null",
        r#"{"kind":"Secret","data":"hunter2","items":"hunter2"}"#,
        r#"{"kind":"Secret","data":{"clientSecret":"hunter2!"},"metadata":{"name":7},"items":[7]}"#,
    ] {
        let diagnosis = examine([("/*".to_owned(), Reply::Of(200, lie.to_owned()))].into()).await;
        assert!(!format!("{diagnosis:?}").contains("hunter2"), "{diagnosis:?}");
    }
    for status in [401, 418, 429, 500, 503] {
        let diagnosis = examine([("/*".to_owned(), Reply::Of(status, "hunter2".into()))].into()).await;
        assert!(could_not(&diagnosis, "argocd-cm").contains(&status.to_string()));
        assert!(!format!("{diagnosis:?}").contains("hunter2"), "{diagnosis:?}");
    }
}

#[tokio::test]
async fn answers_without_end_are_cut() {
    let diagnosis = examine([("/*".to_owned(), Reply::Endless)].into()).await;
    let because = could_not(&diagnosis, "ConfigMap argocd-cm");
    assert!(because.contains("larger than") || because.contains("within"), "{because}");
}

#[tokio::test]
async fn ten_thousand_pods_and_logs_of_gigabytes_are_looked_at_in_part() {
    let replies = cluster(
        "http://127.0.0.1:1",
        &[
            ("/api/v1/namespaces/argocd/pods", list(pods(10_000))),
            ("/api/v1/namespaces/argocd/pods/argocd-server-0/log", Reply::Endless),
        ],
    );
    let diagnosis = examine(replies).await;
    assert_eq!(could_not(&diagnosis, "all Pods of argocd-server but the first 100"), "there are too many");
    assert_eq!(could_not(&diagnosis, "all replicas but the first 10"), "there are many");
}

#[tokio::test]
async fn settings_that_are_no_yaml_are_a_finding_that_quotes_none_of_them() {
    let path = format!("{NAMESPACE}/configmaps/argocd-cm");
    for text in
        ["issuer: [", "\u{0}\u{1}", "- a\n- b\n", "clientSecret: hunter2: x\n", &"[".repeat(1_000_000)]
    {
        let replies = cluster("http://127.0.0.1:1", &[(&path, settings("http://127.0.0.1:1", text))]);
        let diagnosis = examine(replies).await;
        let found = diagnosis.findings.iter().find(|it| it.id == CauseId::OidcConfig);
        assert!(found.unwrap().evidence[0].contains("is not what Argo CD reads"), "{text:.20}");
        assert!(!format!("{diagnosis:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn secrets_of_odd_bytes_are_taken_as_they_are() {
    let path = format!("{NAMESPACE}/secrets/argocd-oidc");
    for value in
        [&b""[..], b"\0", b"\n\n\n", &[0xff; 64], "\u{202e}evil\u{1b}[31m".as_bytes(), &[b'x'; 200_000]]
    {
        examine(cluster("http://127.0.0.1:1", &[(&path, secret(value))])).await;
    }
}

#[tokio::test]
async fn a_provider_that_misbehaves_is_said_to() {
    let token = "/token";
    let document = |server: &str| {
        object(
            json!({"issuer": server, "token_endpoint": format!("{server}{token}"), "authorization_endpoint": "x"}),
        )
    };
    let discovery = "/.well-known/openid-configuration".to_owned();
    for (reply, because) in [
        (Reply::To("/.well-known/openid-configuration".into()), "still redirected after 5 redirects"),
        (Reply::To("file:///etc/passwd".into()), "status 302"),
        (Reply::Of(200, "x".repeat(100_000_000)), "larger than 1024 KiB"),
        (Reply::Endless, "larger than 1024 KiB"),
        (Reply::Of(200, "<html>".into()), "no identity provider"),
        (Reply::Of(503, String::new()), "status 503"),
    ] {
        let provider = Server::start([(discovery.clone(), reply)].into()).await;
        let diagnosis = examine(cluster(&provider.address, &[])).await;
        let said = could_not(&diagnosis, "token endpoint");
        assert!(said.contains(because), "{because}: {said}");
    }
    for (reply, tells) in [
        (Reply::Of(400, r#"{"error":"invalid_grant"}"#.into()), true),
        (Reply::Of(401, r#"{"error":"invalid_client"}"#.into()), true),
        (Reply::To("http://127.0.0.1:1/".into()), false),
        (Reply::Endless, false),
        (Reply::Of(200, r#"{"access_token":"x"}"#.into()), false),
    ] {
        // The provider has to know its own address before it can say it.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let replies =
            Arc::new(BTreeMap::from([(discovery.clone(), document(&address)), (token.into(), reply)]));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, replies.clone()));
            }
        });
        let diagnosis = examine(cluster(&address, &[])).await;
        let mismatch = diagnosis.findings.iter().any(|finding| finding.id == probe::CauseId::SecretMismatch);
        assert!(tells || !mismatch, "{diagnosis:#?}");
    }
}
