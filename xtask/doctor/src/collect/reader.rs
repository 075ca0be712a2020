//! The only door to a cluster. It can GET and nothing else, takes no more than it was
//! told to, waits no longer than it was told to, and remembers which rights it lacked.
//! Objects from files may stand behind it in the place of a cluster.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use base::mutex::lock;
use http::header::{COOKIE, HeaderMap};
use http_body_util::BodyExt as _;
use k8s_openapi::Resource;
use kube::client::Body;
use kube::config::Kubeconfig;
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kubeconfig::{self, Access, UserCluster, words};
use super::objects::Objects;
use crate::access_gaps::{self, Right};
use crate::shown::shown;
use base::Result;

/// The longest that one request may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest object that is read. The API keeps none that is larger than 1.5 MiB.
const OBJECT: usize = 4 * 1024 * 1024;
/// The objects of a list that are looked at. An argocd-server has a handful of pods.
pub const MOST_LISTED: usize = 100;
/// The largest list that is read.
const LIST: usize = 16 * 1024 * 1024;
/// The largest page of a server behind the API's proxy.
const PAGE: usize = 256 * 1024;

const ANSWER: &str = "the cluster's answer is";
const FILES: &str = "the files have";

/// What the cluster's own record calls it.
const AGENT: &str = concat!("argocd-oidc-lab-doctor/", env!("CARGO_PKG_VERSION"));

/// A cluster, for reading.
pub struct Reader {
    behind: Behind,
    limit: Duration,
    rights: Mutex<Rights>,
}

/// What is read.
enum Behind {
    Cluster(Client),
    Files(Objects),
}

/// Rights that were made use of, or tried to.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// All.
    pub asked: BTreeSet<Right>,
    /// Whether one of them was lacking that is needed.
    pub lacking: bool,
    /// Whether one of them was lacking that the doctor does without.
    pub lacking_optional: bool,
}

impl Rights {
    /// Roles for what was asked for, as manifests.
    pub fn roles(&self, needed: bool, optional: bool) -> String {
        let of = |optional: bool| access_gaps::roles(self.asked.iter().filter(|it| it.optional == optional));
        let needed = needed.then(|| of(false));
        let optional = optional.then(|| of(true)).filter(|text| !text.is_empty());
        let optional =
            optional.map(|text| format!("# Optional: what lies elsewhere, if it is there.\n{text}"));
        needed.into_iter().chain(optional).collect::<Vec<_>>().join("---\n")
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is not there.
    Absent,
    /// The user may not.
    Forbidden(Right),
    /// In a sentence's part: `no answer within 10 s`.
    Failed(String),
    /// Files say nothing of it.
    Untold,
}

/// A list, and whether there was more of it.
pub struct Listed<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Whether it went on.
    pub more: bool,
}

/// What came back, cut at a limit.
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    body: Vec<u8>,
    cut: bool,
}

impl Page {
    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Reader {
    /// A cluster of a kubeconfig of the user's, which is read and never written; and the name of its context.
    ///
    /// # Errors
    /// The file cannot be read, there is no such context, or it cannot be used.
    pub async fn of_user(access: &Access) -> Result<(Self, String)> {
        let cluster = UserCluster::read(access).await?;
        let context = cluster.context.clone();
        let reader = Self::over(Behind::Cluster(cluster.connect(AGENT).await?));
        Ok((Self { limit: access.limit.unwrap_or(LIMIT), ..reader }, context))
    }

    /// The cluster behind a context of a lab's kubeconfig.
    ///
    /// # Errors
    /// As [`Reader::of_user`].
    pub async fn of_kubeconfig(path: &Path, context: &str) -> Result<Self> {
        let mut config = kubeconfig::of(Kubeconfig::read_from(path), context).await?;
        // An HTTP proxy of the user's network has no business on loopback.
        config.proxy_url = None;
        Self::connected(config)
    }

    fn connected(config: Config) -> Result<Self> {
        Ok(Self::over(Behind::Cluster(kubeconfig::client(config, AGENT)?)))
    }

    /// Objects from files.
    pub fn of_objects(objects: Objects) -> Self {
        Self::over(Behind::Files(objects))
    }

    fn over(behind: Behind) -> Self {
        Self { behind, limit: LIMIT, rights: Mutex::default() }
    }

    /// A cluster at an address, which has to answer within `limit`.
    #[cfg(test)]
    pub fn at(address: &str, limit: Duration) -> Self {
        let reader = Self::connected(Config::new(address.parse().unwrap())).unwrap();
        Self { limit, ..reader }
    }

    /// The rights that were asked for so far.
    pub fn rights(&self) -> Rights {
        self.known().clone()
    }

    fn known(&self) -> MutexGuard<'_, Rights> {
        lock(&self.rights)
    }

    /// Rights that will be needed once others are there.
    pub fn will_ask(&self, rights: impl IntoIterator<Item = Right>) {
        self.known().asked.extend(rights);
    }

    /// One object.
    ///
    /// # Errors
    /// It is not there, may not be read, or is something else.
    pub async fn object<T>(&self, namespace: &str, name: &str) -> Result<T, Unread>
    where
        T: Resource + DeserializeOwned,
    {
        self.object_by(&access_gaps::right(namespace, T::GROUP, T::URL_PATH_SEGMENT, "get", Some(name))).await
    }

    /// The same, by the right that it takes.
    ///
    /// # Errors
    /// As [`Reader::object`].
    pub async fn object_by<T: DeserializeOwned>(&self, right: &Right) -> Result<T, Unread> {
        if let Behind::Files(objects) = &self.behind {
            // What files do not have says nothing of the cluster.
            let absent = match right.resource {
                "secrets" => Unread::Failed(match objects.elsewhere(right) {
                    Some(namespace) => format!(
                        "the files have it in namespace {}, and it is read in {}",
                        shown(namespace),
                        shown(&right.namespace)
                    ),
                    None => "it is not in the files, and may be in the cluster".to_owned(),
                }),
                _ => Unread::Untold,
            };
            return objects.one(right).ok_or(absent).and_then(|object| typed(object, right, FILES));
        }
        let name = right.name.as_deref().unwrap_or_default();
        let path = format!("{}/{}", base(right)?, segment(name)?);
        let raw = self.read(right, &path, OBJECT).await?;
        typed(&parse(&raw, right)?, right, ANSWER)
    }

    /// The first objects of a kind that carry labels, [`MOST_LISTED`] at most; those of all namespaces, where none is
    /// named, the doctor does without.
    ///
    /// # Errors
    /// They may not be read, or are something else.
    pub async fn list<T>(&self, namespace: &str, labels: &str) -> Result<Listed<T>, Unread>
    where
        T: Resource + DeserializeOwned,
    {
        let right = access_gaps::right(namespace, T::GROUP, T::URL_PATH_SEGMENT, "list", None);
        let right = &Right { optional: namespace.is_empty(), ..right };
        if let Behind::Files(objects) = &self.behind {
            let found = objects.list(right, labels);
            let found_typed =
                found.iter().take(MOST_LISTED).filter_map(|item| typed(item, right, FILES).ok());
            let items: Vec<T> = found_typed.collect();
            return match (items.is_empty(), found.is_empty()) {
                (false, _) => Ok(Listed { items, more: false }),
                (true, true) => Err(Unread::Untold),
                (true, false) => Err(unknown(FILES, right)),
            };
        }
        let labels: String = url::form_urlencoded::byte_serialize(labels.as_bytes()).collect();
        let path = format!("{}?limit={MOST_LISTED}&labelSelector={labels}", base(right)?);
        let raw = self.read(right, &path, LIST).await?;
        let list = parse(&raw, right)?;
        let found = match &list["items"] {
            Value::Array(items) => items.as_slice(),
            Value::Null if list.is_object() => &[],
            _ => return Err(unknown(ANSWER, right)),
        };
        // A server may know nothing of limits.
        let more = list["metadata"]["continue"].as_str().is_some_and(|more| !more.is_empty())
            || found.len() > MOST_LISTED;
        let items = found.iter().take(MOST_LISTED).map(|item| typed(item, right, ANSWER));
        Ok(Listed { items: items.collect::<Result<_, _>>()?, more })
    }

    /// A part of a container's log, with times: of its last lines, or of all, so many bytes.
    ///
    /// # Errors
    /// It may not be read, or there is none.
    pub async fn log(
        &self,
        right: &Right,
        container: &str,
        (last, most): (Option<usize>, usize),
    ) -> Result<String, Unread> {
        let pod = segment(right.name.as_deref().unwrap_or_default())?;
        let container = segment(container)?;
        let last = last.map_or_else(String::new, |lines| format!("&tailLines={lines}"));
        let query = format!("container={container}&timestamps=true{last}&limitBytes={most}");
        Ok(self.read(right, &format!("{}/{pod}/log?{query}", base(right)?), most).await?.text())
    }

    /// What a pod or a Service answers to a GET, through the API's proxy; `place` is `http:NAME:PORT`.
    ///
    /// # Errors
    /// The way there is not open.
    pub async fn proxied(
        &self,
        right: &Right,
        place: &str,
        path: &str,
        cookie: Option<&str>,
    ) -> Result<Page, Unread> {
        for part in place.split(':') {
            segment(part)?;
        }
        let raw = self.send(right, &format!("{}/{place}/proxy{path}", base(right)?), PAGE, cookie).await?;
        if is_status_of_the_api(&raw) { Err(self.refused(right, &raw)) } else { Ok(raw) }
    }

    async fn read(&self, right: &Right, path: &str, most: usize) -> Result<Page, Unread> {
        let raw = self.send(right, path, most, None).await?;
        match raw.status {
            200 => Ok(raw),
            _ => Err(self.refused(right, &raw)),
        }
    }

    fn refused(&self, right: &Right, raw: &Page) -> Unread {
        match raw.status {
            404 => {
                if right.optional {
                    self.known().asked.remove(right);
                }
                Unread::Absent
            }
            403 => {
                match right.optional {
                    true => self.known().lacking_optional = true,
                    false => self.known().lacking = true,
                }
                Unread::Forbidden(right.clone())
            }
            401 => Unread::Failed("the cluster does not let this user in (401)".to_owned()),
            status => Unread::Failed(format!("the cluster answers with status {status}")),
        }
    }

    async fn send(
        &self,
        right: &Right,
        path: &str,
        most: usize,
        cookie: Option<&str>,
    ) -> Result<Page, Unread> {
        let Behind::Cluster(client) = &self.behind else { return Err(Unread::Untold) };
        self.will_ask([right.clone()]);
        let mut request = http::Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request
            .body(Body::empty())
            .map_err(|_| Unread::Failed(format!("no path leads to {}", shown(&right.to_string()))))?;
        let asking = async {
            let response = client
                .send(request)
                .await
                .map_err(|error| Unread::Failed(format!("the cluster cannot be asked: {}", words(&error))))?;
            let (parts, mut body) = response.into_parts();
            let mut raw =
                Page { status: parts.status.as_u16(), headers: parts.headers, body: vec![], cut: false };
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    return Err(Unread::Failed("the answer broke off".to_owned()));
                };
                let Some(data) = frame.data_ref() else { continue };
                let room = most - raw.body.len();
                raw.body.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    raw.cut = true;
                    break;
                }
            }
            Ok(raw)
        };
        match tokio::time::timeout(self.limit, asking).await {
            Ok(raw) => raw,
            Err(_) => {
                Err(Unread::Failed(format!("no complete answer within {} s", self.limit.as_secs_f64())))
            }
        }
    }
}

/// `/api/v1/namespaces/argocd/secrets`; `/api/v1/secrets` for all namespaces. Of `pods/log` it is that of `pods`.
fn base(right: &Right) -> Result<String, Unread> {
    let resource = right.resource.split('/').next().unwrap_or_default();
    let group = match right.group {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/v1"),
    };
    if right.namespace.is_empty() {
        return Ok(format!("{group}/{resource}"));
    }
    Ok(format!("{group}/namespaces/{}/{resource}", segment(&right.namespace)?))
}

/// A name as a part of a path. What no object can be called leads nowhere.
fn segment(name: &str) -> Result<&str, Unread> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let good = (1..=253).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.');
    if good { Ok(name) } else { Err(Unread::Failed(format!("no object can be called {:?}", shown(name)))) }
}

/// Reads a document. What the parser says may quote a secret, so it is not said.
fn parse(raw: &Page, right: &Right) -> Result<Value, Unread> {
    if raw.cut {
        return Err(Unread::Failed(format!("the answer is larger than {} KiB", raw.body.len() / 1024)));
    }
    serde_json::from_slice(&raw.body).map_err(|_| unknown(ANSWER, right))
}

/// Reads an object, of an answer as of a file: from one format, or the code of all kinds would be there twice.
fn typed<T: DeserializeOwned>(value: &Value, right: &Right, whose: &str) -> Result<T, Unread> {
    T::deserialize(value).map_err(|_| unknown(whose, right))
}

fn unknown(what: &str, right: &Right) -> Unread {
    Unread::Failed(format!("{what} no {} that this program knows", right.resource))
}

/// Whether it was the API that answered, and not the server behind its proxy.
fn is_status_of_the_api(raw: &Page) -> bool {
    raw.status >= 400
        && serde_json::from_slice::<Value>(&raw.body)
            .is_ok_and(|body| body["kind"] == "Status" && body["apiVersion"] == "v1")
}
