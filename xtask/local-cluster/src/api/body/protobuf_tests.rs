use super::*;
use serde_json::json;

/// Writes one field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
    out
}

fn object(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), field(1, &meta), field(2, message)].concat()
}

#[test]
fn a_secret_as_kubectl_create_sends_it() {
    let metadata = [
        field(1, b"s"),
        field(2, b""),
        field(3, b"argocd"),
        field(8, b""),
        field(11, &[field(1, b"app"), field(2, b"a")].concat()),
    ]
    .concat();
    let data = [field(1, b"k"), field(2, b"v\xff")].concat();
    let secret = [field(1, &metadata), field(2, &data), field(3, b"Opaque")].concat();
    assert_eq!(
        from_protobuf(&object("v1", "Secret", &secret)).unwrap().unwrap(),
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "namespace": "argocd", "labels": {"app": "a"}},
            "data": {"k": "dv8="}, "type": "Opaque",
        })
    );
}

#[test]
fn numbers_pointers_and_inlined_structs() {
    let selector = field(1, &[field(1, b"app"), field(2, b"a")].concat());
    // replicas is a pointer: its zero counts. minReadySeconds is not.
    let spec = [vec![1 << 3, 0], field(2, &selector), vec![5 << 3, 0]].concat();
    let deployment = from_protobuf(&object("apps/v1", "Deployment", &field(2, &spec))).unwrap().unwrap();
    assert_eq!(deployment["spec"], json!({"replicas": 0, "selector": {"matchLabels": {"app": "a"}}}));

    let port =
        [field(1, b"web"), vec![3 << 3, 80], field(4, &[vec![8, 1], field(3, b"http")].concat())].concat();
    let service = from_protobuf(&object("v1", "Service", &field(2, &field(1, &port)))).unwrap().unwrap();
    assert_eq!(service["spec"]["ports"], json!([{"name": "web", "port": 80, "targetPort": "http"}]));

    let secret = field(6, &field(1, b"certs"));
    let volume = [field(1, b"v"), field(2, &secret)].concat();
    let pod = from_protobuf(&object("v1", "Pod", &field(2, &field(1, &volume)))).unwrap().unwrap();
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "v", "secret": {"secretName": "certs"}}]));
}

#[test]
fn what_is_broken_is_said_and_not_followed() {
    assert!(from_protobuf(b"{}").unwrap_err().contains("expected prefix [107 56 115 0]"));
    let whole = object("v1", "Secret", &field(1, &field(1, b"s")));
    for length in MAGIC.len() + 1..whole.len() {
        // Some cuts leave a shorter message; none may panic.
        let _ = from_protobuf(&whole[..length]);
    }
    assert_eq!(
        from_protobuf(&[MAGIC, &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]].concat()),
        Err("unexpected EOF".into())
    );
    assert_eq!(from_protobuf(&object("v1", "Lease", b"")), Ok(None));
}
