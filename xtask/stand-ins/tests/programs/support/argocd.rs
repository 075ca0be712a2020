//! An argocd-server among its objects, and a browser that logs in to it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_cluster::store::{Key, WriteError};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Container, Form as _, PASSWORD, Place, SECRET, Spec, USER};

pub const OIDC_CONFIG: &str = r#"
name: Dex
issuer: http://dex.host
clientID: argo-cd
clientSecret: $argocd-oidc:clientSecret
requestedScopes: ["openid", "profile", "email"]
"#;

/// A cluster with what argocd-server reads, and the server.
pub struct ArgoCd {
    pub cluster: Cluster,
    pub container: Option<Container>,
}

impl ArgoCd {
    /// The objects of a working lab; no server yet.
    pub async fn objects(place: &Place) -> Self {
        let this = Self { cluster: Cluster::new(place.logs()).await, container: None };
        this.config_map("argocd-cm", json!({ "url": "http://argocd.host", "oidc.config": OIDC_CONFIG }));
        this.config_map("argocd-rbac-cm", json!({ "scopes": "[email]" }));
        this.secret(
            "argocd-secret",
            true,
            &[
                ("admin.password", "$2a$10$hash"),
                ("admin.passwordMtime", "2026-01-01T00:00:00Z"),
                ("server.secretkey", "key-of-the-server"),
            ],
        );
        this.secret("argocd-oidc", true, &[("clientSecret", SECRET)]);
        this
    }

    /// A working lab with a server of this release, ready.
    pub async fn start(place: &Place, release: &str) -> Self {
        let mut this = Self::objects(place).await;
        this.run(place, release);
        this.settled().await;
        this
    }

    /// Starts the server.
    pub fn run(&mut self, place: &Place, release: &str) {
        self.run_with(place, release, BTreeMap::from([("ARGOCD_SERVER_INSECURE".into(), "true".into())]));
    }

    pub fn run_with(&mut self, place: &Place, release: &str, env: BTreeMap<String, String>) {
        let container = place.run(
            &stand_ins::argocd::program(),
            Spec {
                image: format!("{}:{release}", stand_ins::argocd::IMAGE),
                namespace: "argocd",
                args: ["/usr/local/bin/argocd-server", "--port=8080", "--metrics-port=8083"]
                    .map(Into::into)
                    .into(),
                env,
                files: BTreeMap::new(),
                ports: vec![8080, 8083],
                cluster: self.cluster.access.clone(),
            },
        );
        place.route("argocd.host", container.ports[&8080]);
        self.container = Some(container);
    }

    /// Waits until the server serves.
    pub async fn ready(&self) -> String {
        self.container().logged("serving on port").await
    }

    /// Waits until the server would hear of a change. Releases up to v2.13 look, by
    /// the clock and after a tenth of a second, whether everything runs; a change
    /// before that is lost to them, and nothing tells that they have looked.
    pub async fn settled(&self) {
        self.ready().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// Waits until another second has begun than the one that it is now: what is
    /// created then is newer than what was read before.
    pub async fn next_second(&self) {
        let into = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_millis());
        tokio::time::sleep(Duration::from_millis(1001 - into)).await;
    }

    /// The second in which the server had read everything.
    pub fn synced(&self) -> String {
        let log = self.container().log();
        let line = log.iter().find(|line| line.contains("informer synced")).unwrap();
        line.split_once("20").unwrap().1[..17].to_owned()
    }

    /// The second in which a Secret was created, as [`ArgoCd::synced`] writes it.
    pub fn created(&self, name: &str) -> String {
        let secret = self.cluster.store.get(&Key::new("secrets", "argocd", name)).unwrap();
        secret["metadata"]["creationTimestamp"].as_str().unwrap()[2..19].to_owned()
    }

    /// A connection that is kept.
    pub async fn connect(&self) -> Kept {
        let stream = tokio::net::TcpStream::connect(self.container().ports[&8080]).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Kept(sender)
    }

    pub fn container(&self) -> &Container {
        self.container.as_ref().unwrap()
    }

    /// Ends the server and starts another one: what a rollout does.
    pub async fn rollout(&mut self, place: &Place, release: &str) {
        self.container.take().unwrap().end().await;
        self.run(place, release);
        self.settled().await;
    }

    fn put(&self, resource: &str, name: &str, labelled: bool, data: Value) {
        let labels = if labelled { json!({ "app.kubernetes.io/part-of": "argocd" }) } else { json!({}) };
        let kind = if resource == "secrets" { "Secret" } else { "ConfigMap" };
        let mut object = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": "argocd", "labels": labels },
            "data": data,
        });
        if kind == "Secret" {
            object["type"] = "Opaque".into();
        }
        let key = Key::new(resource, "argocd", name);
        let store = &self.cluster.store;
        let written = match store.get(&key) {
            Some(_) => store.update(&key, |_| Ok::<_, WriteError>(object.clone())),
            None => store.create(&key, object),
        };
        written.unwrap();
    }

    /// Writes a ConfigMap with Argo CD's label.
    pub fn config_map(&self, name: &str, data: Value) {
        self.put("configmaps", name, true, data);
    }

    /// Writes a Secret.
    pub fn secret(&self, name: &str, labelled: bool, data: &[(&str, &str)]) {
        let data: BTreeMap<_, _> = data.iter().map(|(key, value)| (*key, STANDARD.encode(value))).collect();
        self.put("secrets", name, labelled, json!(data));
    }

    /// A key of a Secret.
    pub fn secret_value(&self, name: &str, key: &str) -> Option<String> {
        let secret = self.cluster.store.get(&Key::new("secrets", "argocd", name))?;
        let value = secret["data"][key].as_str()?;
        Some(String::from_utf8(STANDARD.decode(value).unwrap()).unwrap())
    }

    pub fn delete_secret(&self, name: &str) {
        self.cluster.store.remove(&Key::new("secrets", "argocd", name)).unwrap();
    }
}

/// A connection that several requests are sent on.
pub struct Kept(hyper::client::conn::http1::SendRequest<http_body_util::Empty<bytes::Bytes>>);

impl Kept {
    /// Status and body.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        use http_body_util::BodyExt as _;
        let request = http::Request::get(path).header("host", "argocd.host");
        self.0.ready().await.unwrap();
        let answer = self.0.send_request(request.body(http_body_util::Empty::new()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// What some logins say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    LoggedIn,
    Refused,
    Mixed,
}

impl Outcome {
    /// Logs in until both outcomes were seen, or `most` times.
    async fn of_most(place: &Place, most: usize) -> Self {
        let (mut passed, mut refused) = (0, 0);
        while passed + refused < most {
            let login = Login::run(place).await;
            match (login.passed(), login.was_refused()) {
                (true, _) => passed += 1,
                (_, true) => refused += 1,
                _ => panic!("neither logged in nor refused: {login:#?}"),
            }
            if passed > 0 && refused > 0 {
                return Self::Mixed;
            }
        }
        if passed > 0 { Self::LoggedIn } else { Self::Refused }
    }

    /// Asserts it. A coin that is tossed for each connection shows the same side
    /// forty times in none of all the runs that there will be.
    pub async fn expect(self, place: &Place, what: &str) {
        let most = if self == Self::Mixed { 40 } else { 3 };
        assert_eq!(Self::of_most(place, most).await, self, "{what}");
    }
}

/// One request and its answer.
#[derive(Debug)]
pub struct Exchange {
    pub step: &'static str,
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Exchange {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no redirect: {self:?}"))
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        let all = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        all.map(|(_, value)| value.as_str()).collect()
    }
}

/// What a browser sees from the button to whoever it is.
#[derive(Debug, Default)]
pub struct Login {
    pub exchanges: Vec<Exchange>,
    cookies: BTreeMap<String, String>,
}

impl Login {
    /// Logs in as far as it goes. Every request has a connection of its own.
    pub async fn run(place: &Place) -> Self {
        Self::run_as(place, PASSWORD).await
    }

    pub async fn run_as(place: &Place, password: &str) -> Self {
        let mut login = Self::default();
        login.begin(place).await;
        if login.last().status != 303 {
            return login;
        }
        let Some(callback) = login.through_dex(place, password).await else { return login };
        login.get(place, "callback", &callback).await;
        if login.last().status == 303 {
            login.get(place, "userinfo", "http://argocd.host/api/v1/session/userinfo").await;
        }
        login
    }

    /// `/auth/login`.
    pub async fn begin(&mut self, place: &Place) {
        self.get(place, "login", "http://argocd.host/auth/login").await;
    }

    /// From where `/auth/login` sent the browser to where Dex sends it back.
    pub async fn through_dex(&mut self, place: &Place, password: &str) -> Option<String> {
        let mut at = self.last().location().to_owned();
        for step in ["authorize", "connector"] {
            self.get(place, step, &at).await;
            if self.last().status != 302 {
                return None;
            }
            at = url::Url::parse(&at).unwrap().join(self.last().location()).unwrap().into();
        }
        self.get(place, "page", &at).await;
        let form = [("login", USER), ("password", password)];
        let sent = place.client().post(&at).form(&form).send().await.unwrap();
        self.take("form", sent).await;
        (self.last().status == 303).then(|| self.last().location().to_owned())
    }

    pub async fn get(&mut self, place: &Place, step: &'static str, url: &str) {
        let mut request = place.client().get(url);
        if url.contains("argocd.host") && !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let answer = request.send().await.unwrap();
        self.take(step, answer).await;
    }

    async fn take(&mut self, step: &'static str, answer: reqwest::Response) {
        let headers: Vec<_> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let exchange =
            Exchange { step, status: answer.status().as_u16(), headers, body: answer.text().await.unwrap() };
        for cookie in exchange.set_cookies() {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        self.exchanges.push(exchange);
    }

    /// A request that stays open until what is returned is dropped: the page with
    /// the applications holds one.
    pub async fn open_stream(&self, argocd: &ArgoCd) -> tokio::net::TcpStream {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        assert!(self.passed());
        let mut stream = tokio::net::TcpStream::connect(argocd.container().ports[&8080]).await.unwrap();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let get = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: argocd.host\r\nCookie: {}\r\n\r\n", cookies.join("; "))
        };
        // The first of two requests is answered, so the second has arrived.
        let both = get("/healthz") + &get("/api/v1/stream/applications");
        stream.write_all(both.as_bytes()).await.unwrap();
        let mut seen = vec![];
        while !seen.ends_with(b"ok\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream
    }

    pub fn last(&self) -> &Exchange {
        self.exchanges.last().unwrap()
    }

    pub fn step(&self, step: &str) -> &Exchange {
        self.exchanges
            .iter()
            .find(|exchange| exchange.step == step)
            .unwrap_or_else(|| panic!("no {step}: {self:#?}"))
    }

    pub fn cookies(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.cookies
    }

    /// Whether it ended with a user.
    pub fn passed(&self) -> bool {
        self.last().step == "userinfo" && self.last().body.contains(r#""loggedIn":true"#)
    }

    /// Whether Dex did not know the client.
    pub fn was_refused(&self) -> bool {
        let last = self.last();
        last.step == "callback" && last.status == 500 && last.body.contains("invalid_client")
    }
}
