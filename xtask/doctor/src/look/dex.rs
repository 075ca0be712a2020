//! Looks at Dex, where the provider is one and runs in a namespace that may be read.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Volume};

use probe::Options;
use url::Url;

use super::cluster::{MOST_PODS, one, right, seen};
use super::reader::{Place, Reader};
use super::web;
use crate::could_not::Right;
use crate::evidence::bundled::PATH;
use crate::evidence::{
    DeploymentSeen, DexConfig, DexSeen, EnvSeen, Evidence, PodSeen, SecretSeen, Seen, Source,
};
use crate::shown::shown;

const LABEL: &str = "app.kubernetes.io/name=dex";
/// The pods that are asked for their keys.
const MOST_MET: usize = 5;
/// Volumes that are looked through for the configuration.
const MOST_VOLUMES: usize = 4;

/// Reads Dex's Deployment, pods, configuration and the Secret of its client.
pub async fn look(reader: &Reader, evidence: &mut Evidence, namespace: &str) {
    let deployments = right(namespace, "apps", "deployments", "list", None);
    let pods = right(namespace, "", "pods", "list", None);
    let (deployments, pods) = futures::join!(
        reader.list::<Deployment>(&deployments, LABEL, MOST_PODS),
        reader.list::<Pod>(&pods, LABEL, MOST_PODS),
    );
    let what = |what: &str| format!("{what} in namespace {}", shown(namespace));
    let could_not = &mut evidence.could_not;
    let deployments = seen(deployments, &what("the provider's Deployment"), could_not);
    let pods = seen(pods, &what("the provider's Pods"), could_not);
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
        config: None,
        secret: None,
        same_keys: None,
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
        let read = reader.object::<Secret>(&one(namespace, "secrets", name)).await;
        let named = what(&format!("Secret {} (the client secret as Dex expects it)", shown(name)));
        let read = seen(read, &named, &mut evidence.could_not);
        let absent =
            || SecretSeen { namespace: namespace.to_owned(), name: name.clone(), ..SecretSeen::default() };
        dex.secret = match read {
            Seen::There(secret) => Some((SecretSeen::of(&secret), key.clone())),
            Seen::Absent => Some((absent(), key.clone())),
            Seen::NotLooked => None,
        };
    }
    evidence.provider.dex = Seen::There(dex);
}

/// Whether a Dex of this cluster is the provider: the keys that one of its pods signs with are those that the issuer
/// names. Two Dexes may be called alike, and no two have the same keys, not even two pods without a storage.
pub async fn identify(reader: &Reader, evidence: &mut Evidence, options: &Options) {
    let inside = evidence.uses_bundled();
    let (namespace, pods, path, port, schemes) = match evidence.provider.dex.there() {
        _ if inside => {
            let pods = &evidence.bundled.pods;
            (
                evidence.namespace.clone(),
                pods,
                format!("{PATH}/keys"),
                DexConfig::PORT.to_owned(),
                ["https", "http"],
            )
        }
        Some(dex) => {
            let config = dex.config.as_ref();
            let issuer = config.and_then(|config| config.issuer.parse::<Url>().ok());
            let path =
                issuer.map_or_else(|| "/keys".to_owned(), |it| web::below(&it, "keys").path().to_owned());
            let port = config.map_or_else(|| DexConfig::PORT.to_owned(), |config| config.port.clone());
            (dex.deployment.namespace.clone(), &dex.pods, path, port, ["http", "https"])
        }
        None => return,
    };
    let pods = pods.iter().filter(|pod| pod.ready && !pod.ending).take(MOST_MET);
    let rights: Vec<Right> = pods.map(|pod| one(&namespace, "pods/proxy", &pod.name)).collect();
    let Some(keys) = evidence.provider.document().and_then(|document| document.keys.parse::<Url>().ok())
    else {
        return reader.will_ask(rights);
    };
    let (path, port) = (&path, &port);
    let own = rights.iter().map(|right| async move {
        for scheme in schemes {
            let place = Place { scheme, port };
            if let Ok(page) = reader.pod(right, &place, path, None).await
                && let ids @ [_, ..] = key_ids(page.text.as_bytes()).as_slice()
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
    match &mut evidence.provider.dex {
        _ if inside => evidence.bundled.same_keys = same,
        Seen::There(dex) => dex.same_keys = same,
        _ => {}
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
        let Some((resource, name)) = source(volume) else { continue };
        let right = one(namespace, resource, name);
        let what = format!("Dex's configuration in namespace {}", shown(namespace));
        let text = match resource {
            "secrets" => {
                let read = seen(reader.object::<Secret>(&right).await, &what, &mut evidence.could_not);
                read.there().and_then(|secret| secret.data.as_ref()?.get(key)).map(|value| value.0.clone())
            }
            _ => {
                let read = seen(reader.object::<ConfigMap>(&right).await, &what, &mut evidence.could_not);
                read.there()
                    .and_then(|map| map.data.as_ref()?.get(key))
                    .map(|value| value.clone().into_bytes())
            }
        };
        let kind = if resource == "secrets" { "Secret" } else { "ConfigMap" };
        let at = format!("{kind} {}/{}, key {}", shown(namespace), shown(name), shown(key));
        if let Some(config) = text.and_then(|text| DexConfig::read(&at, &text, &evidence.client_id)) {
            let kind = if resource == "secrets" { "secret" } else { "configmap" }.to_owned();
            let (namespace, name, key) = (namespace.to_owned(), name.to_owned(), key.to_owned());
            return Some(DexConfig { source: Some(Source { kind, namespace, name, key }), ..config });
        }
    }
    None
}

fn source(volume: &Volume) -> Option<(&'static str, &str)> {
    let secret = volume.secret.as_ref().and_then(|secret| secret.secret_name.as_deref());
    let config_map = volume.config_map.as_ref().map(|map| map.name.as_str());
    secret.map(|name| ("secrets", name)).or(config_map.map(|name| ("configmaps", name)))
}
