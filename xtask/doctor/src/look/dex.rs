//! Looks at Dex, where the provider is one and runs in a namespace that may be read.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Volume};

use super::cluster::{MOST_PODS, one, right, seen};
use super::reader::Reader;
use crate::evidence::{
    DeploymentSeen, DexConfig, DexSeen, EnvSeen, Evidence, PodSeen, SecretSeen, Seen, Source,
};
use crate::shown::shown;

const LABEL: &str = "app.kubernetes.io/name=dex";
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
        let read = ["configmaps", "secrets"].map(|kind| right(namespace, "", kind, "get", None));
        reader.will_ask(read);
        return;
    };
    let Some(deployment) = deployments.items.first() else {
        evidence.provider.dex = Seen::Absent;
        return;
    };
    let mut dex = DexSeen {
        deployment: DeploymentSeen::of(deployment),
        pods: pods.there().map(|pods| pods.items.iter().map(PodSeen::of).collect()).unwrap_or_default(),
        config: None,
        secret: None,
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
            let kind = if resource == "secrets" { "secret" } else { "configmap" };
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
