use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::*;
use local_cluster::serve::{Limits, serve};
use local_cluster::store::WriteError;

/// An ingress with both listeners, and `a.host` behind it.
struct Both {
    store: Store,
    ingress: Ingress,
    http: SocketAddr,
    https: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Both {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Both {
    async fn open() -> Self {
        let (store, stop) = (Store::new(), CancellationToken::new());
        let ingress = Ingress::new(store.clone(), Routes::new(&store), &Tasks::default());
        let listen = || async { Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()) };
        let (plain, tls) = (listen().await, listen().await);
        let (http, https) = (plain.local_addr().unwrap(), tls.local_addr().unwrap());
        let (own, acceptor) = ingress.over_tls(https.port()).unwrap();
        let limits = Limits::default();
        tokio::spawn(serve(plain, None, ingress.clone().with_tunnels(https), limits, stop.clone()));
        tokio::spawn(serve(tls, Some(acceptor), own, limits, stop.clone()));
        let both = Self { store, ingress, http, https, stop };
        let port = echo().await;
        both.put("services", "a", json!({"spec": {"ports": [{"port": 80}]}}));
        both.put(
            "endpoints",
            "a",
            json!({"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": port}]}]}),
        );
        both
    }

    fn put(&self, resource: &str, name: &str, mut object: Value) {
        object["metadata"]["name"] = name.into();
        object["metadata"]["namespace"] = "n".into();
        let key = Key::new(resource, "n", name);
        if self.store.create(&key, object.clone()).is_err() {
            self.store.update(&key, |_| Ok::<_, WriteError>(object.clone())).unwrap();
        }
    }

    /// An Ingress for the host, and waits until the table has this of it.
    async fn route(&self, host: &str, annotations: Value, tls: Value, has: impl Fn(&Table) -> bool) {
        let paths = json!([{"backend": {"service": {"name": "a", "port": {"number": 80}}}}]);
        let spec = json!({"rules": [{"host": host, "http": {"paths": paths}}], "tls": tls});
        self.put(INGRESSES, host, json!({"metadata": {"annotations": annotations}, "spec": spec}));
        self.ingress.table.clone().wait_for(|table| has(table)).await.unwrap();
    }

    /// `a.host` with a certificate, which clients can trust by itself.
    async fn with_tls(&self, annotations: Value) -> CertificateDer<'static> {
        let own = self.certify("a").await;
        let tls = json!([{"hosts": ["a.host"], "secretName": "a"}]);
        self.route("a.host", annotations, tls, |it| it.certificate("a.host").is_some()).await;
        own
    }

    /// A Secret with a new certificate.
    async fn certify(&self, secret: &str) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["a.host".to_owned()]).unwrap();
        let [crt, key] = [cert.pem(), signing_key.serialize_pem()].map(|pem| BASE64_STANDARD.encode(pem));
        self.put("secrets", secret, json!({"data": {"tls.crt": crt, "tls.key": key}}));
        cert.der().clone()
    }

    async fn ask(&self, request: &str) -> String {
        exchange(&mut TcpStream::connect(self.http).await.unwrap(), request).await
    }

    /// What a GET answers through a tunnel that the proxy opens.
    async fn by_tunnel(&self, trusts: &CertificateDer<'static>) -> Result<String, std::io::Error> {
        let mut stream = BufReader::new(TcpStream::connect(self.http).await.unwrap());
        stream.write_all(b"CONNECT a.host:443 HTTP/1.1\r\nHost: a.host:443\r\n\r\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        let mut tls = connector(trusts).connect(ServerName::try_from("a.host").unwrap(), stream).await?;
        Ok(exchange(&mut tls, "GET /x HTTP/1.1\r\nHost: a.host\r\nConnection: close\r\n\r\n").await)
    }
}

fn connector(trusts: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusts.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap().to_ascii_lowercase()
}

/// A server that answers with the head of what it was asked.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.unwrap() > 0 {}
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{head}",
                head.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    port
}

#[tokio::test]
async fn tunnels_lead_to_the_tls_of_this_ingress_and_nowhere_else() {
    let both = Both::open().await;
    let own = both.with_tls(json!({})).await;
    both.route("plain.host", json!({}), json!([]), |table| table.knows("plain.host")).await;
    for (authority, status) in [
        ("example.com:443", 403),
        ("127.0.0.1:443", 403),
        ("a.n:80", 403),
        ("a.host:80", 502),
        ("plain.host:443", 502),
    ] {
        let answer =
            both.ask(&format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.split(' ').nth(1).unwrap(), status.to_string(), "{authority}: {answer}");
    }
    let answer = both.by_tunnel(&own).await.unwrap();
    for line in ["get /x http/1.1", "host: a.host", "x-forwarded-proto: https", "x-forwarded-port: 443"] {
        assert!(answer.contains(&format!("{line}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn a_certificate_is_that_of_the_name_and_of_the_moment() {
    let both = Both::open().await;
    let old = both.with_tls(json!({})).await;
    let listener = TcpStream::connect(both.https).await.unwrap();
    // A name without one is told nothing.
    let other = ServerName::try_from("other.host").unwrap();
    assert!(connector(&old).connect(other, listener).await.is_err());
    let before = both.ingress.table.borrow().certificate("a.host").unwrap();
    let new = both.certify("a").await;
    let changed = |table: &Arc<Table>| table.certificate("a.host").is_some_and(|it| it.cert != before.cert);
    both.ingress.table.clone().wait_for(changed).await.unwrap();
    assert!(both.by_tunnel(&old).await.is_err());
    assert!(both.by_tunnel(&new).await.is_ok());
}

#[tokio::test]
async fn http_is_sent_to_https_unless_the_ingress_says_otherwise() {
    const GET: &str = "GET /x?y=1 HTTP/1.1\r\nHost: a.host\r\nConnection: close\r\n\r\n";
    let both = Both::open().await;
    both.with_tls(json!({})).await;
    let answer = both.ask(GET).await;
    assert!(answer.starts_with("http/1.1 308 "), "{answer}");
    assert!(answer.contains("location: https://a.host/x?y=1\r\n"), "{answer}");
    let before = both.ingress.table.borrow().clone();
    let annotations = json!({"nginx.ingress.kubernetes.io/ssl-redirect": "false"});
    let tls = json!([{"hosts": ["a.host"], "secretName": "a"}]);
    both.route("a.host", annotations, tls, |table| !std::ptr::eq(table, &*before)).await;
    let answer = both.ask(GET).await;
    assert!(
        answer.starts_with("http/1.1 200 ") && answer.contains("x-forwarded-proto: http\r\n"),
        "{answer}"
    );
}
