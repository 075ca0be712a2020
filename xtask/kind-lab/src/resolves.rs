//! Whether `dex.host` resolves inside the cluster, as Argo CD's server will ask.
//!
//! A pod of Argo CD's own image asks: that image is on the node already, and has what
//! every Debian and Ubuntu has, `getent`. The answer comes back as the container's
//! last words, in the pod's status, by one watch.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::runtime::conditions;
use kube::runtime::wait::await_condition;
use serde_json::json;

use super::KindLab;
use base::{Error, Result};
use cluster::names::{DEX_HOST, OWNED, Workload};
use cluster::{Cluster, failed, untyped};

/// The pod that asks.
const POD: &str = "oidc-lab-resolves";

/// Asks from a pod on the lab's node whether the name leads to a Service, `name.namespace`. Says in a few words
/// what came of it.
///
/// # Errors
/// The name resolves to something else, or not at all.
pub async fn resolves(cluster: &Cluster, lab: &KindLab, service: &str, limit: Duration) -> Result<String> {
    let (name, namespace) = service.split_once('.').unwrap_or((service, Workload::Dex.namespace()));
    let services: Api<Service> = Api::namespaced(cluster.client(), namespace);
    let service = services.get(name).await.map_err(failed)?;
    let wanted = service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default();
    let deployment = cluster.deployment(Workload::Argocd).await?;
    let image = deployment
        .spec
        .and_then(|spec| spec.template.spec?.containers.into_iter().next()?.image)
        .unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(cluster.client(), Workload::Argocd.namespace());
    remove(&pods, limit).await?;
    let pod = pod(&image, &lab.node());
    let made = untyped::<Pod>(cluster.client(), Workload::Argocd.namespace());
    made.create(&PostParams::default(), &pod).await.map_err(failed)?;
    let asked = tokio::time::timeout(limit, await_condition(pods.clone(), POD, has_ended)).await;
    let answer = match asked {
        Ok(Ok(Some(pod))) => answer(&pod),
        Ok(Ok(None)) => Err("somebody removed the pod".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the pod {POD} had not ended after {} s", limit.as_secs())),
    };
    remove(&pods, limit).await?;
    judge(answer, &wanted)
}

async fn remove(pods: &Api<Pod>, limit: Duration) -> Result<()> {
    let Some(pod) = pods.get_opt(POD).await.map_err(failed)? else { return Ok(()) };
    let uid = pod.metadata.uid.unwrap_or_default();
    pods.delete(POD, &DeleteParams::default().grace_period(0)).await.map_err(failed)?;
    let gone = await_condition(pods.clone(), POD, conditions::is_deleted(&uid));
    match tokio::time::timeout(limit, gone).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Error::environment(format!("the pod {POD} does not go"))
            .hint(format!("`cargo xtask kubectl -- -n argocd delete pod {POD} --force` makes it"))),
    }
}

fn pod(image: &str, node: &str) -> DynamicObject {
    let ask = format!("getent ahostsv4 {DEX_HOST} > /dev/termination-log");
    let mut pod = DynamicObject::new(POD, &ApiResource::erase::<Pod>(&())).data(json!({"spec": {
        // The one that there is: no scheduler has to be waited for.
        "nodeName": node,
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "containers": [{
            "name": "getent",
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", ask],
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }],
    }}));
    pod.labels_mut().insert(OWNED.to_owned(), "true".to_owned());
    pod
}

fn has_ended(pod: Option<&Pod>) -> bool {
    let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
    // One whose image is wanting, or has no shell, never ends by itself.
    let stuck = pod.and_then(stuck);
    matches!(phase, Some("Succeeded" | "Failed")) || stuck.is_some()
}

fn stuck(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    matches!(reason, "ErrImagePull" | "ImagePullBackOff" | "RunContainerError" | "CreateContainerError")
        .then(|| reason.to_owned())
}

/// The addresses of the name, or why it could not be asked for them.
fn answer(pod: &Pod) -> Result<Vec<String>, String> {
    if let Some(reason) = stuck(pod) {
        return Err(reason);
    }
    let status = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref()?.first());
    let ended = status.and_then(|status| status.state.as_ref()?.terminated.as_ref());
    let ended = ended.ok_or("the pod says nothing")?;
    let words = ended.message.clone().unwrap_or_default();
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut addresses: Vec<String> = match ended.exit_code {
        0 => words.lines().filter_map(first).collect(),
        // What getent says of a name that it does not find.
        2 => vec![],
        code => return Err(format!("status {code}: {}", words.trim())),
    };
    addresses.dedup();
    Ok(addresses)
}

fn judge(answer: Result<Vec<String>, String>, wanted: &str) -> Result<String> {
    let found = match answer {
        Ok(addresses) if addresses == [wanted] => return Ok(format!("{DEX_HOST} is {wanted} inside")),
        // An image of one's own may have no shell: then the login will tell.
        Err(why) => return Ok(format!("not asked: {why}")),
        Ok(addresses) if addresses.is_empty() => "does not resolve".to_owned(),
        Ok(addresses) => format!("is {}, and not Dex's Service ({wanted})", addresses.join(", ")),
    };
    Err(Error::environment(format!("inside the cluster {DEX_HOST} {found}"))
        .hint("`cargo xtask kubectl -- -n kube-system get configmap coredns -o yaml` shows the rewrite, `… logs deploy/coredns` what CoreDNS made of it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, message: &str) -> Pod {
        serde_json::from_value(
            json!({"metadata": {}, "status": {"phase": "Succeeded", "containerStatuses": [{
                "name": "getent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "message": message}},
            }]}}),
        )
        .unwrap()
    }

    #[test]
    fn only_dexs_service_is_the_right_answer() {
        let said = "10.96.7.7      STREAM dex.host\n10.96.7.7      DGRAM  \n10.96.7.7      RAW    \n";
        let of = |code, message: &str| judge(answer(&ended(code, message)), "10.96.7.7");
        assert_eq!(of(0, said).unwrap(), "dex.host is 10.96.7.7 inside");
        let elsewhere = said.replace("10.96.7.7", "203.0.113.9");
        assert!(
            of(0, &elsewhere)
                .unwrap_err()
                .to_string()
                .starts_with("inside the cluster dex.host is 203.0.113.9, and not Dex's Service (10.96.7.7)")
        );
        assert!(
            of(2, "").unwrap_err().to_string().starts_with("inside the cluster dex.host does not resolve")
        );
        assert_eq!(
            of(128, "exec: \"sh\": not found").unwrap(),
            "not asked: status 128: exec: \"sh\": not found"
        );
    }

    #[test]
    fn a_pod_whose_image_is_wanting_is_not_waited_for() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "status": {"phase": "Pending",
            "containerStatuses": [{"name": "getent", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}]}}))
        .unwrap();
        assert!(has_ended(Some(&pod)));
        assert_eq!(answer(&pod), Err("ErrImagePull".into()));
    }
}
