//! An argocd-server among its objects, and a browser that logs in to it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_lab::store::{Key, WriteError};
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
    pub async fn objects() -> Self {
        let this = Self { cluster: Cluster::new().await, container: None };
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
        let mut this = Self::objects().await;
        this.run(place, release);
        this.ready().await;
        this
    }

    /// Starts the server.
    pub fn run(&mut self, place: &Place, release: &str) {
        self.run_with(place, release, BTreeMap::from([("ARGOCD_SERVER_INSECURE".into(), "true".into())]));
    }

    pub fn run_with(&mut self, place: &Place, release: &str, env: BTreeMap<String, String>) {
        let container = place.run(
            &local_lab::standin::argocd::program(),
            Spec {
                image: format!("{}:{release}", local_lab::standin::argocd::IMAGE),
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

    pub fn container(&self) -> &Container {
        self.container.as_ref().unwrap()
    }

    /// Ends the server and starts another one: what a rollout does.
    pub async fn rollout(&mut self, place: &Place, release: &str) {
        self.container.take().unwrap().end().await;
        self.run(place, release);
        self.ready().await;
    }

    fn put(&self, resource: &str, name: &str, labelled: bool, data: Value) {
        let labels = if labelled { json!({ "app.kubernetes.io/part-of": "argocd" }) } else { json!({}) };
        let kind = if resource == "secrets" { "Secret" } else { "ConfigMap" };
        let object = json!({
            "apiVersion": "v1", "kind": kind,
            "metadata": { "name": name, "namespace": "argocd", "labels": labels },
            "data": data,
        });
        let key = Key::new(resource, "argocd", name);
        let store = &self.cluster.store;
        let written = match store.get(&key) {
            Some(_) => store.update(&key, |_| Ok::<_, WriteError>(object)),
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
            at = format!("http://dex.host{}", self.last().location());
        }
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
