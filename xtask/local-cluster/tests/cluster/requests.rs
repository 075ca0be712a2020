//! The cluster API as HTTP: statuses, words, limits.

use crate::support::{Cluster, READER, READERS_TOKEN, TOKEN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, data: &Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

#[test]
fn only_health_and_version_need_no_token() {
    let cluster = Cluster::start();
    for path in ["/healthz", "/livez", "/readyz", "/version"] {
        assert_eq!(cluster.ask_without_token("GET", path).send().status, 200, "{path}");
    }
    assert!(cluster.get("/version").json()["gitVersion"].as_str().unwrap().ends_with("+oidc-lab"));
    for path in ["/api", "/apis", "/api/v1/secrets", "/openapi/v3", "/nothing"] {
        let answer = cluster.ask_without_token("GET", path).send();
        assert_eq!((answer.status, answer.json()["reason"].clone()), (401, json!("Unauthorized")), "{path}");
    }
    for wrong in
        ["Bearer", "Bearer ", "Bearer x", "Basic x", &format!("Basic {TOKEN}"), &format!("Bearer {TOKEN}x")]
    {
        let answer = cluster.ask_without_token("GET", "/api").header("Authorization", wrong).send();
        assert_eq!(answer.status, 401, "{wrong}");
    }
}

#[test]
fn the_token_acts_for_others_and_that_of_others_for_nobody() {
    let cluster = Cluster::start();
    let get = |path: &str, token: &str, user: &str, group: &str| {
        let ask = cluster.ask_without_token("GET", path).header("Authorization", &format!("Bearer {token}"));
        let ask = if user.is_empty() { ask } else { ask.header("Impersonate-User", user) };
        let ask = if group.is_empty() { ask } else { ask.header("Impersonate-Group", group) };
        ask.send()
    };
    for (token, user, group, code, words) in [
        (TOKEN, "", "", 200, ""),
        (TOKEN, "somebody", "", 403, "User \"somebody\" cannot list resource \"secrets\""),
        (TOKEN, "somebody", "system:masters", 200, ""),
        (TOKEN, "", "system:masters", 500, "without impersonating a user"),
        (READERS_TOKEN, "", "", 403, "secrets is forbidden: User \"reader\" cannot list"),
        (
            READERS_TOKEN,
            "oidc-lab",
            "",
            403,
            "users \"oidc-lab\" is forbidden: User \"reader\" cannot impersonate",
        ),
        (READERS_TOKEN, "reader", "system:masters", 403, "groups \"system:masters\" is forbidden"),
    ] {
        let answer = get("/api/v1/secrets", token, user, group);
        assert_eq!(answer.status, code, "{token} {user} {group}: {}", answer.text);
        assert!(code == 200 || answer.message().contains(words), "{}", answer.text);
    }
    // Not even that a kind is unknown is told to whoever may not ask for it; what is there is told to all.
    assert_eq!(get("/apis/none.io/v1/things", READERS_TOKEN, "", "").status, 403);
    for path in ["/api", "/apis", "/apis/apps/v1", "/openapi/v3", "/version"] {
        assert_eq!(get(path, READERS_TOKEN, "", "").status, 200, "{path}");
    }
}

#[test]
fn an_apply_that_creates_takes_the_right_to_create() {
    let cluster = Cluster::start();
    let role = |verbs: &[&str]| json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]});
    let binding = json!({
        "metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": READER}],
    });
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    assert_eq!(cluster.post(&format!("{ROLES}/roles"), &role(&["patch"])).status, 201);
    let bound = cluster.post(&format!("{ROLES}/rolebindings"), &binding);
    assert_eq!(bound.json()["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io", "{}", bound.text);
    let apply = || {
        cluster
            .ask_without_token("PATCH", &format!("{MAPS}/m?fieldManager=me"))
            .header("Authorization", &format!("Bearer {READERS_TOKEN}"))
            .body("application/apply-patch+yaml", r#"{"apiVersion": "v1", "kind": "ConfigMap"}"#)
            .send()
    };
    assert!(apply().message().contains("cannot create resource"));
    assert_eq!(cluster.merge(&format!("{ROLES}/roles/r"), &role(&["patch", "create"])).status, 200);
    assert_eq!(apply().status, 201);
    assert_eq!(cluster.merge(&format!("{ROLES}/roles/r"), &role(&["patch"])).status, 200);
    assert_eq!(apply().status, 200);
    let other = json!({"roleRef": {"name": "other"}});
    assert_eq!(cluster.merge(&format!("{ROLES}/rolebindings/b"), &other).status, 422);
}

#[test]
fn what_is_not_there_or_not_done_says_so_in_a_status() {
    let cluster = Cluster::start();
    for (method, path, code) in [
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/apis/none.io/v1/things", 404),
        ("GET", "/api/v1/things", 404),
        ("GET", "/api/v2/pods", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("GET", "/api/v1/namespaces/default/nodes/local", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404),
        ("GET", "/openapi/v3/apis/none.io/v1", 404),
        ("POST", "/api", 405),
        ("PUT", MAPS, 405),
        ("POST", "/api/v1/configmaps", 405),
        ("PATCH", MAPS, 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("DELETE", MAPS, 405),
        ("OPTIONS", MAPS, 405),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 405),
    ] {
        let answer = cluster.ask(method, path).send();
        assert_eq!(answer.status, code, "{method} {path}: {}", answer.text);
        let status = answer.json();
        assert_eq!((&status["kind"], &status["code"]), (&json!("Status"), &json!(code)), "{method} {path}");
    }
    let answer = cluster.ask("GET", MAPS).header("Accept", "text/html").send();
    assert_eq!(answer.status, 406);
    let answer = cluster.ask("POST", MAPS).body("text/plain", "x").send();
    assert_eq!(answer.status, 415);
    assert!(answer.message().contains("accepted media types include: application/json"), "{}", answer.text);
}

#[test]
fn bad_bodies_are_the_clients_fault_and_harm_nobody() {
    let cluster = Cluster::start();
    let deep = "[".repeat(200_000);
    let deep_object = "{\"a\":".repeat(100_000);
    let deep_data =
        format!("{{\"metadata\":{{\"name\":\"a\"}},\"data\":{}1{}}}", "{\"a\":".repeat(90), "}".repeat(90));
    let names = format!("{{\"metadata\":{{\"name\":\"{}\"}}}}", "a".repeat(300));
    for (kind, body, code) in [
        ("application/json", "", 400),
        ("application/json", "{", 400),
        ("application/json", "null", 400),
        ("application/json", "[]", 400),
        ("application/json", "\u{0}\u{1}", 400),
        ("application/json", &deep, 400),
        ("application/json", &deep_object, 400),
        ("application/json", &deep_data, 400),
        ("application/json", "{\"metadata\": 1}", 400),
        ("application/json", "{\"metadata\": {\"labels\": []}}", 400),
        ("application/json", &names, 422),
        ("application/yaml", "a: [", 415),
        ("application/vnd.kubernetes.protobuf", "", 400),
        ("application/vnd.kubernetes.protobuf", "k8s\u{0}", 415),
        ("application/vnd.kubernetes.protobuf", "k8s\u{0}\u{a}\u{7f}", 400),
    ] {
        let answer = cluster.ask("POST", MAPS).body(kind, body.to_owned()).send();
        let start: String = body.chars().take(40).collect();
        assert_eq!(answer.status, code, "{kind} {start:?}: {}", answer.text);
        assert_eq!(answer.json()["kind"], "Status");
        assert!(answer.text.len() < 4096, "the answer is short: {}", answer.text.len());
    }
    let large = format!("{{\"metadata\":{{\"name\":\"a\"}},\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(3 << 20));
    let answer = cluster.ask("POST", MAPS).body("application/json", large).send();
    assert_eq!((answer.status, answer.json()["reason"].clone()), (413, json!("RequestEntityTooLarge")));
    assert_eq!(cluster.get(MAPS).json()["items"], json!([]));
}

#[test]
fn many_unknown_fields_make_no_long_answer() {
    let cluster = Cluster::start();
    let fields: String = (0..100_000).map(|n| format!("\"field{n}\":1,")).collect();
    let body = format!("{{{fields}\"metadata\":{{\"name\":\"a\"}}}}");
    let ignored =
        cluster.ask("POST", &format!("{MAPS}?dryRun=All")).body("application/json", body.clone()).send();
    assert_eq!(ignored.status, 201);
    let strict =
        cluster.ask("POST", &format!("{MAPS}?fieldValidation=Strict")).body("application/json", body).send();
    assert_eq!(strict.status, 400);
    assert!(strict.text.len() < 16 * 1024, "{}", strict.text.len());
}

#[test]
fn patches_cannot_make_an_object_grow_without_end() {
    let cluster = Cluster::start();
    cluster.post(MAPS, &map("a", &json!({"k": "v"})));
    let path = format!("{MAPS}/a");
    let patch = |body: String| cluster.ask("PATCH", &path).body("application/json-patch+json", body).send();
    // Each copy doubles what is there.
    let mut operations = vec![json!({"op": "add", "path": "/metadata/annotations", "value": {"x": "y"}})];
    for n in 0..40 {
        operations.push(json!({"op": "copy", "from": "", "path": format!("/data/{n}")}));
    }
    let answer = patch(json!(operations).to_string());
    assert_eq!(answer.status, 422, "{}", answer.text);
    let many: Vec<Value> =
        (0..10_001).map(|_| json!({"op": "test", "path": "/kind", "value": "x"})).collect();
    assert_eq!(patch(json!(many).to_string()).status, 413);
    assert_eq!(patch(json!([{"op": "add", "path": "", "value": []}]).to_string()).status, 422);
    assert_eq!(patch(json!([{"op": "remove", "path": "/metadata"}]).to_string()).status, 400);
    let big = "x".repeat(1 << 20);
    assert_eq!(cluster.merge(&path, &json!({"data": {"k": big, "l": "x"}})).status, 422);
    assert_eq!(cluster.get(&path).json()["data"], json!({"k": "v"}));
}

#[test]
fn connections_that_say_nothing_sensible_are_ended() {
    let cluster = Cluster::start();
    let exchange = |bytes: Vec<u8>| {
        cluster.block_on(async {
            let mut stream = cluster.connect().await;
            // The server may close before all is written.
            let _ = stream.write_all(&bytes).await;
            let mut answer = vec![];
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        })
    };
    assert!(exchange(b"\x16\x03\x01 nonsense\r\n\r\n".to_vec()).starts_with("HTTP/1.1 400"));
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let answer = exchange(long.into_bytes());
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    // Half a request, then the client goes.
    cluster.block_on(async {
        let mut stream = cluster.connect().await;
        stream.write_all(b"POST /api/v1/namespaces HTTP/1.1\r\nContent-Le").await.unwrap();
    });
    assert_eq!(cluster.get("/healthz").text, "ok");
}

#[test]
fn writes_answer_as_kube_apiserver_does() {
    let cluster = Cluster::start();
    let created = cluster.post(MAPS, &map("a", &json!({"k": "v"})));
    assert_eq!(created.status, 201);
    let again = cluster.post(MAPS, &map("a", &json!({})));
    assert_eq!((again.status, again.message().as_str()), (409, "configmaps \"a\" already exists"));
    let stale = json!({"metadata": {"name": "a", "resourceVersion": "1"}});
    let conflict = cluster.ask("PUT", &format!("{MAPS}/a")).json(&stale).send();
    assert_eq!(
        (conflict.status, conflict.message().as_str()),
        (
            409,
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
        )
    );
    let missing = cluster.get(&format!("{MAPS}/b"));
    assert_eq!(missing.message(), "configmaps \"b\" not found");
    assert_eq!(missing.json()["details"], json!({"name": "b", "kind": "configmaps"}));
    let nowhere = cluster.post("/api/v1/namespaces/none/configmaps", &map("a", &json!({})));
    assert_eq!(nowhere.message(), "namespaces \"none\" not found");

    let odd = json!({"metadata": {"name": "b"}, "dat": {}});
    assert_eq!(cluster.post(&format!("{MAPS}?dryRun=All"), &odd).status, 201);
    assert_eq!(cluster.get(&format!("{MAPS}/b")).status, 404, "a dry run stores nothing");
    let strict = cluster.post(&format!("{MAPS}?fieldValidation=Strict"), &odd);
    assert_eq!(
        strict.message(),
        "it cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\""
    );
    let generated = cluster.post(MAPS, &json!({"metadata": {"generateName": "g-"}}));
    let name = generated.json()["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("g-") && name.len() == 7, "{name}");
}

#[test]
fn a_conflict_of_applies_names_manager_and_field() {
    let cluster = Cluster::start();
    let path = format!("{MAPS}/a");
    let config = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    assert_eq!(cluster.apply(&path, "one", &config("1")).status, 201);
    let refused = cluster.apply(&path, "two", &config("2"));
    assert_eq!(refused.status, 409);
    let status = refused.json();
    assert_eq!(status["message"], "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    assert_eq!(
        status["details"]["causes"],
        json!([{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k"}])
    );
    let forced = cluster.apply(&path, "two&force=true", &config("2"));
    assert_eq!(forced.status, 200);
    let managers = forced.json()["metadata"]["managedFields"].clone();
    assert_eq!(managers.as_array().unwrap().len(), 1);
    assert_eq!(
        (&managers[0]["manager"], &managers[0]["operation"], &managers[0]["fieldsV1"]),
        (&json!("two"), &json!("Apply"), &json!({"f:data": {"f:k": {}}}))
    );
    let odd = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dat": {}});
    let refused = cluster.apply(&path, "two", &odd);
    assert_eq!(
        (refused.status, refused.message().as_str()),
        (400, "it cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\"")
    );
    let dropped = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    assert_eq!(cluster.apply(&path, "two", &dropped).json().get("data"), None);
}

#[test]
fn a_secrets_values_are_in_no_error() {
    let cluster = Cluster::start();
    let path = "/api/v1/namespaces/default/secrets";
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "very-secret-value"}});
    let created = cluster.post(path, &secret);
    assert_eq!(created.json()["data"], json!({"k": "dmVyeS1zZWNyZXQtdmFsdWU="}));
    let one = format!("{path}/s");
    for patch in [
        json!({"data": {"other": 1}}),
        json!({"data": {"other": "not base64"}}),
        json!({"unknown": 1}),
        json!({"type": "another/type"}),
        json!({"data": {"bad/key": "eA=="}}),
    ] {
        let answer = cluster.merge(&format!("{one}?fieldValidation=Strict"), &patch);
        assert!(answer.status >= 400, "{patch}");
        for leak in ["very-secret-value", "dmVyeS1zZWNyZXQtdmFsdWU"] {
            assert!(!answer.text.contains(leak), "{patch}: {}", answer.text);
        }
    }
}

#[test]
fn requests_are_recorded_without_bodies_and_tokens() {
    use std::os::unix::fs::PermissionsExt as _;
    let cluster = Cluster::start();
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "very-secret-value"}});
    let sent = cluster
        .ask("POST", "/api/v1/namespaces/default/secrets?fieldManager=me")
        .header("User-Agent", "doctor/1.0")
        .json(&secret)
        .send();
    assert_eq!(sent.status, 201);
    cluster.get("/api/v1/secrets?labelSelector=x%3Dy");
    cluster.get("/apis/apps/v1/namespaces/default/deployments/none/scale");
    cluster.ask_without_token("GET", "/api").send();
    let lines = cluster.audit();
    let of = |line: &Value| {
        ["verb", "resource", "namespace", "name", "path", "code"]
            .iter()
            .filter_map(|field| line.get(*field))
            .map(|it| it.as_str().map_or_else(|| it.to_string(), Into::into))
            .collect::<Vec<String>>()
            .join(" ")
    };
    assert_eq!(
        lines.iter().map(of).collect::<Vec<_>>(),
        [
            "create secrets default 201",
            "list secrets 200",
            "get deployments.apps/scale default none 404",
            "get /api 401",
        ]
    );
    assert_eq!(lines[0]["userAgent"], "doctor/1.0");
    let file = cluster.folder().join("audit.log");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("very-secret-value") && !text.contains(TOKEN));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}
