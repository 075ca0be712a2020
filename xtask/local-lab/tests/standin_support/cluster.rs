//! As much of a cluster API as the settings of argocd-server ask for: lists, watches
//! and writes of namespaced objects, over HTTPS with a token.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use local_lab::program::ClusterAccess;
use local_lab::serve::{self, Handler, Limits, Request, Response, serve};
use local_lab::store::{Change, Key, Store, WriteError};
use local_lab::tls;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "token-of-the-lab";

/// A cluster that answers until it is dropped.
pub struct Cluster {
    pub store: Store,
    pub access: ClusterAccess,
    stop: CancellationToken,
}

impl Cluster {
    pub async fn new() -> Self {
        let identity = tls::identity().unwrap();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let access = ClusterAccess {
            server: format!("https://{}", listener.local_addr().unwrap()),
            ca_pem: identity.ca_pem.clone(),
            token: TOKEN.into(),
        };
        let (store, stop) = (Store::new(), CancellationToken::new());
        let limits = Limits { grace: std::time::Duration::ZERO, ..Limits::default() };
        let api = Api(store.clone());
        tokio::spawn(serve(Arc::new(listener), Some(identity.acceptor), api, limits, stop.clone()));
        Self { store, access, stop }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Clone)]
struct Api(Store);

impl Handler for Api {
    async fn handle(&self, _peer: SocketAddr, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let authorized =
            parts.headers.get(AUTHORIZATION).is_some_and(|value| value == format!("Bearer {TOKEN}").as_str());
        if !authorized {
            return status(StatusCode::UNAUTHORIZED, "Unauthorized");
        }
        let body = body.collect().await.unwrap().to_bytes();
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let (group, rest) = match path[..] {
            ["api", "v1", ref rest @ ..] => ("", rest),
            ["apis", group, _version, ref rest @ ..] => (group, rest),
            _ => return status(StatusCode::NOT_FOUND, "not found"),
        };
        let ["namespaces", namespace, plural, ref name @ ..] = *rest else {
            return status(StatusCode::NOT_FOUND, "not found");
        };
        let resource = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let key = Key::new(&resource, namespace, name.first().copied().unwrap_or_default());
        let query: std::collections::BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let selector = query.get("labelSelector").cloned().unwrap_or_default();
        match (parts.method, name.is_empty()) {
            (Method::GET, true) if query.contains_key("watch") => {
                let since = query.get("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
                self.watch(&resource, namespace, since, selector)
            }
            (Method::GET, true) => self.list(&resource, namespace, &selector),
            (Method::GET, false) => match self.0.get(&key) {
                Some(object) => answer(StatusCode::OK, &object),
                None => status(StatusCode::NOT_FOUND, "not found"),
            },
            (Method::POST, true) => {
                let object: Value = serde_json::from_slice(&body).unwrap();
                let key = Key::new(&resource, namespace, object["metadata"]["name"].as_str().unwrap());
                written(self.0.create(&key, object))
            }
            (Method::PUT, false) => {
                let object: Value = serde_json::from_slice(&body).unwrap();
                written(self.0.update(&key, |_| Ok::<_, WriteError>(object)))
            }
            _ => status(StatusCode::METHOD_NOT_ALLOWED, "not here"),
        }
    }
}

impl Api {
    fn list(&self, resource: &str, namespace: &str, selector: &str) -> Response {
        let (mut items, version) = self.0.list(resource, Some(namespace));
        items.retain(|object| matches(object, selector));
        let items: Vec<&Value> = items.iter().map(AsRef::as_ref).collect();
        let (version_of_kind, kind) = match resource {
            "secrets" => ("v1", "SecretList"),
            "configmaps" => ("v1", "ConfigMapList"),
            "appprojects.argoproj.io" => ("argoproj.io/v1alpha1", "AppProjectList"),
            "applications.argoproj.io" => ("argoproj.io/v1alpha1", "ApplicationList"),
            "applicationsets.argoproj.io" => ("argoproj.io/v1alpha1", "ApplicationSetList"),
            other => panic!("no kind for {other}"),
        };
        answer(
            StatusCode::OK,
            &json!({
                "apiVersion": version_of_kind, "kind": kind,
                "metadata": { "resourceVersion": version.to_string() }, "items": items,
            }),
        )
    }

    fn watch(&self, resource: &str, namespace: &str, since: u64, selector: String) -> Response {
        let Ok(watch) = self.0.watch(resource, Some(namespace), since) else {
            return status(StatusCode::GONE, "too old");
        };
        let lines = futures::stream::unfold((watch, selector), |(mut watch, selector)| async move {
            loop {
                let event = watch.next().await.ok()?;
                if !matches(&event.object, &selector) {
                    continue;
                }
                let change = match event.change {
                    Change::Added => "ADDED",
                    Change::Modified => "MODIFIED",
                    Change::Deleted => "DELETED",
                };
                let line = format!("{}\n", json!({ "type": change, "object": *event.object }));
                return Some((Ok(Frame::data(Bytes::from(line))), (watch, selector)));
            }
        });
        Response::new(StreamBody::new(Box::pin(lines)).boxed())
    }
}

fn matches(object: &Value, selector: &str) -> bool {
    selector.split(',').filter(|part| !part.is_empty()).all(|part| {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        match part.split_once("!=") {
            Some((key, value)) => label(key) != Some(value),
            None => part.split_once('=').is_some_and(|(key, value)| label(key) == Some(value)),
        }
    })
}

fn answer(code: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(serve::full(body.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(http::header::CONTENT_TYPE, "application/json".parse().unwrap());
    response
}

fn status(code: StatusCode, message: &str) -> Response {
    let reason = code.canonical_reason().unwrap_or_default().replace(' ', "");
    answer(
        code,
        &json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "metadata": {},
            "code": code.as_u16(), "reason": reason, "message": message,
        }),
    )
}

fn written(result: Result<Arc<Value>, WriteError>) -> Response {
    match result {
        Ok(object) => answer(StatusCode::OK, &object),
        Err(error @ WriteError::Conflict(_)) => status(StatusCode::CONFLICT, &error.to_string()),
        Err(error) => status(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string()),
    }
}
