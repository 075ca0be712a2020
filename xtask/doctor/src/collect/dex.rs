//! Looks at Dex, where the provider is one and runs in a namespace that may be read.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Volume};

use probe::Options;
use url::Url;

use super::cluster::{one, seen};
use super::reader::Reader;
use super::web;
use crate::access_gaps::{Right, right};
use crate::evidence::bundled::PATH;
use crate::evidence::{
    DeploymentSeen, DexConfig, DexSeen, EnvSeen, Evidence, PodSeen, SecretSeen, Seen, Source,
};
use crate::shown::{object, shown};

const LABEL: &str = "app.kubernetes.io/name=dex";
/// The pods that are asked for their keys.
const MOST_MET: usize = 5;
/// Volumes that are looked through for the configuration.
const MOST_VOLUMES: usize = 4;

/// Reads Dex's Deployment, pods, configuration and the Secret of its client.
pub async fn look(reader: &Reader, evidence: &mut Evidence, namespace: &str) {
    let (deployments, pods) =
        futures::join!(reader.list::<Deployment>(namespace, LABEL), reader.list::<Pod>(namespace, LABEL),);
    let what = |what: &str| format!("{what} in namespace {}", shown(namespace));
    let deployments = seen(deployments, &what("the provider's Deployment"), evidence);
    let pods = seen(pods, &what("the provider's Pods"), evidence);
    let Seen::There(deployments) = deployments else {
        let read = ["configmaps", "secrets", "pods/proxy"];
        reader.will_ask(read.map(|resource| right(namespace, "", resource, "get", None)));
        return;
    };
    let Some(deployment) = deployments.items.first() else {
        evidence.provider.dex = Seen::Absent;
        return;
    };
    reader.will_ask([right(namespace, "", "pods/proxy", "get", None)]);
    let mut dex = DexSeen {
        deployment: DeploymentSeen::of(deployment),
        pods: pods.there().map(|pods| pods.items.iter().map(PodSeen::of).collect()).unwrap_or_default(),
        ..DexSeen::default()
    };
    dex.config = config(reader, evidence, namespace, deployment).await;
    if dex.config.is_none() {
        // The configuration says which of these is the client's.
        reader.will_ask(dex.deployment.env.values().filter_map(|env| match env {
            EnvSeen::Secret { name, .. } => Some(one(namespace, "secrets", name)),
            _ => None,
        }));
    }
    let client = dex.config.as_ref().and_then(|config| config.client.as_ref());
    let env = client.and_then(|client| client.secret_env.as_ref());
    if let Some(EnvSeen::Secret { name, key }) = env.and_then(|env| dex.deployment.env.get(env)) {
        let read = reader.object::<Secret>(namespace, name).await;
        let named = what(&format!("Secret {} (the client secret as Dex expects it)", shown(name)));
        let read = seen(read, &named, evidence);
        let (namespace, name) = (namespace.to_owned(), name.clone());
        let secret = match read {
            Seen::There(secret) => Some(SecretSeen::of(&secret)),
            Seen::Absent => Some(SecretSeen { namespace, name, ..SecretSeen::default() }),
            Seen::NotLooked => None,
        };
        dex.secret = secret.zip(Some(key.clone()));
    }
    evidence.provider.dex = Seen::There(dex);
}

/// Whether a Dex of this cluster is the provider: the keys that one of its pods signs with are those that the issuer
/// names. Two Dexes may be called alike, and no two have the same keys, not even two pods without a storage.
pub async fn identify(reader: &Reader, evidence: &mut Evidence, options: &Options) {
    let inside = evidence.uses_bundled();
    let dex = evidence.provider.dex.there();
    let (namespace, pods, schemes) = match dex {
        _ if inside => (&evidence.namespace, &evidence.bundled.pods, ["https", "http"]),
        Some(dex) => (&dex.deployment.namespace, &dex.pods, ["http", "https"]),
        None => return,
    };
    let config = dex.filter(|_| !inside).and_then(|dex| dex.config.as_ref());
    let port = config.map_or(DexConfig::PORT, |config| config.port.as_str()).to_owned();
    let path = match config.and_then(|config| config.issuer.parse::<Url>().ok()) {
        _ if inside => format!("{PATH}/keys"),
        Some(issuer) => web::below(&issuer, "keys").path().to_owned(),
        None => "/keys".to_owned(),
    };
    let pods = pods.iter().filter(|pod| pod.ready && !pod.ending).take(MOST_MET);
    let rights: Vec<Right> = pods.map(|pod| one(namespace, "pods/proxy", &pod.name)).collect();
    let Some(keys) = evidence.provider.document().and_then(|document| document.keys.parse::<Url>().ok())
    else {
        return reader.will_ask(rights);
    };
    let (path, port) = (&path, &port);
    let own = rights.iter().map(|right| async move {
        for scheme in schemes {
            let place = format!("{scheme}:{}:{port}", right.name.as_deref().unwrap_or_default());
            if let Ok(page) = reader.proxied(right, &place, path, None).await
                && let ids @ [_, ..] = key_ids(page.text().as_bytes()).as_slice()
            {
                return Some(ids.to_vec());
            }
        }
        None
    });
    let (served, own) = futures::join!(web::get(options, &keys), futures::future::join_all(own));
    evidence.provider.other_requests += 1;
    let served = served.ok().map(|answer| key_ids(&answer.body)).filter(|ids| !ids.is_empty());
    let all: Option<Vec<Vec<String>>> = own.iter().cloned().collect();
    let same = served.and_then(|served| {
        let found = own.iter().flatten().flatten().any(|id| served.contains(id));
        // A pod that did not say may be the one.
        (found || all.is_some_and(|all| !all.is_empty())).then_some(found)
    });
    match evidence.provider.dex.there_mut() {
        _ if inside => evidence.bundled.same_keys = same,
        Some(dex) => dex.same_keys = same,
        None => {}
    }
}

/// The names of the keys in a JWK set.
fn key_ids(body: &[u8]) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = set["keys"].as_array().into_iter().flatten();
    keys.filter_map(|key| key["kid"].as_str().map(str::to_owned)).collect()
}

/// The configuration, from the file that Dex's last argument names.
async fn config(
    reader: &Reader,
    evidence: &mut Evidence,
    namespace: &str,
    deployment: &Deployment,
) -> Option<DexConfig> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let args = pod.containers.first()?.args.as_ref();
    let path = args.and_then(|args| args.last()).map_or("config.yaml", String::as_str);
    let key = path.rsplit('/').next().unwrap_or(path);
    for volume in pod.volumes.iter().flatten().take(MOST_VOLUMES) {
        let Some((kind, name)) = source(volume) else { continue };
        let what = format!("Dex's configuration in namespace {}", shown(namespace));
        let text = if kind == "Secret" {
            let read = seen(reader.object::<Secret>(namespace, name).await, &what, evidence);
            read.there().and_then(|it| Some(it.data.as_ref()?.get(key)?.0.clone()))
        } else {
            let read = seen(reader.object::<ConfigMap>(namespace, name).await, &what, evidence);
            read.there().and_then(|it| Some(it.data.as_ref()?.get(key)?.clone().into_bytes()))
        };
        let at = format!("{}, key {}", object(kind, namespace, name), shown(key));
        if let Some(config) = text.and_then(|text| DexConfig::read(&at, &text, &evidence.client_id)) {
            let (namespace, name, key) = (namespace.to_owned(), name.to_owned(), key.to_owned());
            let source = Source { kind: kind.to_lowercase(), namespace, name, key };
            return Some(DexConfig { source: Some(source), ..config });
        }
    }
    None
}

fn source(volume: &Volume) -> Option<(&'static str, &str)> {
    let secret = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_deref());
    let config_map = volume.config_map.as_ref().map(|map| map.name.as_str());
    secret.map(|name| ("Secret", name)).or(config_map.map(|name| ("ConfigMap", name)))
}
