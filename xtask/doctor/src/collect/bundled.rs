//! Looks at the Dex inside Argo CD, where the settings have one.

use k8s_openapi::api::core::v1::Pod;

use super::cluster::{one, secret, seen};
use super::reader::Reader;
use crate::evidence::bundled::{NAME, trouble};
use crate::evidence::{Evidence, PodSeen, Reference, SecretSeen, Seen, Unresolved};

/// The Secrets that references of connectors name, and that are looked at.
const MOST_SECRETS: usize = 8;
/// How much of a log is read.
const LOG: (Option<usize>, usize) = (Some(200), 256 * 1024);

/// Reads its pods, their logs, and whether the references of its connectors lead anywhere.
pub async fn look(reader: &Reader, evidence: &mut Evidence) {
    let namespace = evidence.namespace.clone();
    let Some(settings) = evidence.settings.there().filter(|settings| settings.dex.is_there()) else { return };
    let references = settings.dex.config().map(|config| config.references.clone()).unwrap_or_default();
    let deployment = evidence.bundled.deployment.there();
    let name = deployment.and_then(|it| it.labels.get("app.kubernetes.io/name")).map_or(NAME, String::as_str);
    let label = format!("app.kubernetes.io/name={name}");
    let pods = reader.list::<Pod>(&namespace, &label).await;
    let what = format!("Pods of {NAME} (whether the Dex inside Argo CD runs)");
    let pods = seen(pods, &what, evidence);
    for pod in pods.there().into_iter().flat_map(|listed| &listed.items) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        let container = container.map_or("dex", |container| container.name.as_str());
        let log = reader.log(&one(&namespace, "pods/log", &name), container, LOG).await;
        if let Some(said) = log.ok().and_then(|log| trouble(&log)) {
            evidence.bundled.trouble = Some((name, said));
        }
        evidence.bundled.pods.push(PodSeen::of(pod));
    }
    let mut secrets: Vec<SecretSeen> = vec![];
    for (field, reference) in references {
        let found = match &reference {
            // An argocd-secret that may not be read says nothing.
            Reference::Own(key) => {
                evidence.argocd_secret.there().is_none_or(|secret| secret.value(key).is_some())
            }
            Reference::Of { secret: name, key } => {
                if !secrets.iter().any(|known| known.name == *name) {
                    if secrets.len() >= MOST_SECRETS {
                        continue;
                    }
                    match secret(reader, evidence, name, "a reference of dex.config").await {
                        Seen::NotLooked => continue,
                        Seen::There(found) => secrets.push(found),
                        Seen::Absent => {}
                    }
                }
                let known = secrets.iter().find(|known| known.name == *name);
                known.is_some_and(|known| known.labelled && known.value(key).is_some())
            }
        };
        if !found {
            evidence.bundled.unresolved.push(Unresolved { field, reference: reference.shown(true) });
        }
    }
    evidence.bundled.secrets = secrets;
}
