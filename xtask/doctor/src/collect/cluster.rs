//! Reads Argo CD's objects.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use kube::ResourceExt as _;

use super::reader::{MOST_LISTED, Reader, Unread};
use crate::access_gaps::{CouldNot, Right, right};
use crate::evidence::bundled::{CLIENT, NAME, PATH};
use crate::evidence::{
    DeploymentSeen, Evidence, LogSeen, Oidc, PodSeen, Rbac, Reference, SERVER_KEY, SecretSeen, Seen,
    Settings, Term, Unresolved, egress, written,
};
use crate::hidden::Hidden;
use crate::shown::{argument, listed, shown};

/// The pods whose logs are read.
const MOST_LOGS: usize = 10;
/// How much of a log is read: its start, where a server says what it runs with, and its
/// end, where it says what happened last.
const LOG_START: usize = 64 * 1024;
const LOG_END: (Option<usize>, usize) = (Some(1000), 2 * 1024 * 1024);

/// argocd-server by the label that names it, in the chart and in Argo CD's own manifests.
const NAME_LABEL: &str = "app.kubernetes.io/name";
const SERVER: &str = "argocd-server";

/// A right to one object of the core group.
pub fn one(namespace: &str, resource: &'static str, name: &str) -> Right {
    right(namespace, "", resource, "get", Some(name))
}

/// What reading gave, and a note where it could not be read.
pub fn seen<T>(result: Result<T, Unread>, what: &str, evidence: &mut Evidence) -> Seen<T> {
    match result {
        Ok(thing) => Seen::There(thing),
        Err(Unread::Absent) => Seen::Absent,
        Err(Unread::Untold) => Seen::NotLooked,
        Err(unread) => {
            evidence.could_not.push(note(what, &unread));
            Seen::NotLooked
        }
    }
}

/// A Secret of Argo CD's namespace; `of` says what it is read for.
pub async fn secret(reader: &Reader, evidence: &mut Evidence, name: &str, of: &str) -> Seen<SecretSeen> {
    let read = reader.object::<Secret>(&evidence.namespace, name).await;
    seen(read, &format!("Secret {} ({of})", shown(name)), evidence).map(|it| SecretSeen::of(&it))
}

/// A note about something that could not be looked at.
pub fn note(what: &str, unread: &Unread) -> CouldNot {
    let (because, right) = match unread {
        Unread::Absent => ("it is not there".to_owned(), None),
        Unread::Forbidden(right) => ("this user may not".to_owned(), Some(right.to_string())),
        Unread::Failed(words) => (words.clone(), None),
        Unread::Untold => ("files do not say".to_owned(), None),
    };
    CouldNot { what: what.to_owned(), because, right }
}

/// Reads what is there whatever the settings say.
pub async fn objects(reader: &Reader, evidence: &mut Evidence, secret_check: bool) {
    let namespace = evidence.namespace.clone();
    reader.will_ask(["pods/log", "pods/proxy"].map(|resource| right(&namespace, "", resource, "get", None)));
    reader.will_ask(CONTROLLERS.map(of_controller));
    let of_server = format!("{NAME_LABEL}={SERVER}");
    let (settings, params, rbac, secret, deployments, pods, ingresses, policies) = futures::join!(
        reader.object::<ConfigMap>(&namespace, "argocd-cm"),
        reader.object::<ConfigMap>(&namespace, "argocd-cmd-params-cm"),
        reader.object::<ConfigMap>(&namespace, "argocd-rbac-cm"),
        reader.object::<Secret>(&namespace, "argocd-secret"),
        reader.list::<Deployment>(&namespace, "app.kubernetes.io/part-of=argocd"),
        reader.list::<Pod>(&namespace, &of_server),
        reader.list::<Ingress>(&namespace, ""),
        reader.list::<NetworkPolicy>(&namespace, ""),
    );
    evidence.settings =
        seen(settings, "ConfigMap argocd-cm (the settings)", evidence).map(|it| Settings::of(&it));
    let params =
        seen(params, "ConfigMap argocd-cmd-params-cm (whether the server ends TLS itself)", evidence);
    evidence.rbac =
        seen(rbac, "ConfigMap argocd-rbac-cm (who may do anything)", evidence).map(|it| Rbac::of(&it));
    let secret = seen(secret, "Secret argocd-secret (server.secretkey)", evidence);
    let inside = evidence.settings.there().is_some_and(Settings::uses_own_dex);
    if inside && secret_check {
        let key = secret.there().and_then(|secret| secret.data.as_ref()?.get(SERVER_KEY));
        evidence.current =
            key.filter(|key| !key.0.is_empty()).map(|key| Hidden::new(key.0.clone()).derived());
    }
    evidence.argocd_secret = secret.map(|it| SecretSeen::of(&it));
    if let Seen::There(listed) = seen(deployments, "Deployments (release, replicas, Redis)", evidence) {
        take_deployments(evidence, &listed.items);
    }
    if evidence.settings.there().is_none() && evidence.server.there().is_none() {
        reader.will_ask([Right { optional: true, ..right("", "apps", "deployments", "list", None) }]);
    }
    let labelled = evidence.server.there().and_then(|server| server.labels.get(NAME_LABEL));
    let pods = match labelled.filter(|name| *name != SERVER) {
        Some(name) => reader.list::<Pod>(&namespace, &format!("{NAME_LABEL}={name}")).await,
        None => pods,
    };
    let pods = seen(pods, "Pods of argocd-server (when each was started)", evidence);
    if let Seen::There(listed) = pods {
        evidence.pods = listed.items.iter().map(PodSeen::of).collect();
        if listed.more {
            let what = format!("all Pods of argocd-server but the first {MOST_LISTED}");
            evidence.note(what, "there are too many");
        }
    }
    let ingresses = seen(ingresses, "Ingresses (the hosts that lead to Argo CD)", evidence);
    let service = evidence.server.there().map_or_else(|| SERVER.to_owned(), |server| server.name.clone());
    let leads = |it: &&Ingress| !hosts(std::slice::from_ref(*it), &service).is_empty();
    let leading = ingresses.there().into_iter().flat_map(|listed| listed.items.iter().filter(leads));
    let named =
        |it: &Ingress| Some((it.metadata.name.clone()?, it.metadata.annotations.clone().unwrap_or_default()));
    evidence.ingresses = leading.filter_map(named).collect();
    evidence.hosts = ingresses.map(|listed| hosts(&listed.items, &service));
    let policies = seen(policies, "NetworkPolicies (whom Argo CD may reach)", evidence);
    if let (Seen::There(listed), Some(server)) = (policies, evidence.server.there()) {
        evidence.restricting = egress::restricting(&listed.items, server);
    }
    evidence.insecure = insecure(evidence, params.there());
    let insecure_written =
        params.there().and_then(|it| written(&it.metadata, "data", Some("server.insecure")));
    evidence.insecure_written = insecure_written.map(|written| written.at);
    evidence.root_path = told(evidence, params.there(), "--rootpath", "server.rootpath").unwrap_or_default();
    let redis = told(evidence, params.there(), "--redis", "redis.server").unwrap_or_default();
    let own = redis.is_empty() || redis.contains("argocd-redis") || redis.contains("ARGOCD_REDIS");
    evidence.redis_elsewhere = !own;
    if evidence.settings.is_absent() && evidence.server.is_absent() {
        let what = format!("Argo CD in namespace {}", shown(&namespace));
        let elsewhere = match elsewhere(reader).await.as_slice() {
            [] => "-n names another namespace".to_owned(),
            [one] => format!("there is one in namespace {}: -n {}", shown(one), argument(one)),
            several => format!("there are some in namespaces {}: -n names one", listed(several)),
        };
        let because = format!("there is none: no ConfigMap argocd-cm and no argocd-server; {elsewhere}");
        evidence.note(what, because);
    }
    let without = |it: &Settings| matches!(it.oidc, Oidc::Absent) && !it.dex.is_there();
    if evidence.settings.there().is_some_and(without) {
        let because = "it is not there: no login through a provider is configured";
        evidence.note("oidc.config in ConfigMap argocd-cm", because);
    }
}

/// The namespaces that ingress-nginx' controller is commonly put into.
const CONTROLLERS: [&str; 2] = ["ingress-nginx", "ingress"];

fn of_controller(namespace: &str) -> Right {
    Right { optional: true, ..one(namespace, "configmaps", "ingress-nginx-controller") }
}

/// The namespaces that have an argocd-server, as far as this user may see them.
async fn elsewhere(reader: &Reader) -> Vec<String> {
    let listed = reader.list::<Deployment>("", &format!("{NAME_LABEL}={SERVER}")).await;
    let items = listed.map(|listed| listed.items).unwrap_or_default();
    let mut namespaces: Vec<String> = items.into_iter().filter_map(|it| it.metadata.namespace).collect();
    namespaces.dedup();
    namespaces
}

/// Asks for the settings of each controller: what is not there needs no right.
pub async fn controllers(reader: &Reader) {
    for right in CONTROLLERS.map(of_controller) {
        let _ = reader.object_by::<ConfigMap>(&right).await;
    }
}

/// The settings of ingress-nginx' controller.
pub async fn controller(reader: &Reader, evidence: &mut Evidence) {
    for namespace in CONTROLLERS {
        match reader.object_by::<ConfigMap>(&of_controller(namespace)).await {
            Ok(found) => {
                evidence.controller = Some((namespace.to_owned(), found.data.unwrap_or_default()));
                return;
            }
            Err(Unread::Absent) => {}
            Err(unread) => {
                let what = "the settings of the ingress controller (how long headers may be)";
                return evidence.note_all(note(what, &unread));
            }
        }
    }
}

fn take_deployments(evidence: &mut Evidence, deployments: &[Deployment]) {
    // The operator names each after its own object, and says the part in another label.
    let all = |names: &[&str], part: &str| {
        let is = |it: &&Deployment| {
            let label = |key| it.labels().get(key).map_or("", String::as_str);
            names.contains(&label(NAME_LABEL)) || label("app.kubernetes.io/component") == part
        };
        deployments.iter().filter(is).map(DeploymentSeen::of).collect::<Vec<_>>()
    };
    evidence.server = all(&[SERVER], "server").into_iter().next().into();
    evidence.release = evidence.server.there().and_then(|server| server.release.clone());
    evidence.bundled.deployment = all(&[NAME], "dex-server").into_iter().next().into();
    let redis = all(&["argocd-redis", "argocd-redis-ha-haproxy"], "redis");
    evidence.redis = Some(redis).filter(|redis| !redis.is_empty()).into();
}

/// The hosts of the Ingresses whose paths lead to a Service of argocd-server; it is called as its Deployment where
/// that has a name of its own.
fn hosts(ingresses: &[Ingress], server: &str) -> Vec<String> {
    let rules = ingresses.iter().filter_map(|it| it.spec.as_ref()?.rules.as_ref()).flatten();
    let leads = rules.filter(|rule| {
        let paths = rule.http.iter().flat_map(|http| &http.paths);
        let mut services = paths.filter_map(|path| path.backend.service.as_ref());
        services.any(|service| service.name.ends_with(SERVER) || service.name == server)
    });
    let mut hosts: Vec<String> = leads.filter_map(|rule| rule.host.clone()).collect();
    hosts.dedup();
    hosts
}

/// What the server is told by an argument, else by argocd-cmd-params-cm.
fn told(evidence: &Evidence, params: Option<&ConfigMap>, flag: &str, key: &str) -> Option<String> {
    let args = evidence.server.there().map(|server| server.args.as_slice()).unwrap_or_default();
    let argument = args.iter().enumerate().find_map(|(at, arg)| match arg.strip_prefix(flag)? {
        "" => args.get(at + 1).cloned(),
        value => value.strip_prefix('=').map(str::to_owned),
    });
    argument.or_else(|| params?.data.as_ref()?.get(key).cloned())
}

/// Whether the server leaves TLS to others: by its arguments, its environment, or the
/// ConfigMap that the environment comes from.
fn insecure(evidence: &Evidence, params: Option<&ConfigMap>) -> Option<bool> {
    let args = evidence.server.there().into_iter().flat_map(|server| &server.args);
    let argument = args.filter_map(|arg| arg.strip_prefix("--insecure")).next();
    let argument = argument.map(|value| value.is_empty() || value.trim_start_matches('=') == "true");
    let data = params.map(|params| params.data.clone().unwrap_or_default());
    argument.or(data.map(|data| data.get("server.insecure").is_some_and(|value| value == "true")))
}

/// Reads the Secrets that the settings name, and resolves what stands behind them.
pub async fn named(reader: &Reader, evidence: &mut Evidence) {
    let namespace = evidence.namespace.clone();
    if evidence.uses_bundled() {
        evidence.client_id = CLIENT.to_owned();
        evidence.provider.issuer = format!("{}{PATH}", evidence.url());
        return;
    }
    let Some(config) = evidence.oidc().cloned() else {
        if matches!(evidence.settings, Seen::NotLooked) {
            reader.will_ask([right(&namespace, "", "secrets", "get", None)]);
        }
        return;
    };
    if let (Term::Reference(Reference::Own(key)), Seen::NotLooked) =
        (&config.client_secret, &evidence.argocd_secret)
    {
        let meant = Reference::meant(key).into_iter();
        reader.will_ask(meant.map(|(secret, _)| one(&namespace, "secrets", &secret)));
    }
    for (secret, key) in meant(evidence, &config.client_secret) {
        if let Ok(found) = reader.object::<Secret>(&namespace, &secret).await {
            let found = SecretSeen::of(&found);
            if found.value(&key).is_some() {
                evidence.meant_secret = Some((found, key));
                break;
            }
        }
    }
    if let (Term::Reference(Reference::Of { secret: name, .. }), None) =
        (&config.client_secret, &evidence.meant_secret)
    {
        evidence.named_secret = secret(reader, evidence, name, "the client secret").await;
    }
    evidence.current = current(evidence, &config.client_secret);
    let of_command_line = text(reader, evidence, &config.cli_client_id).await;
    evidence.cli_client_id = of_command_line.there().cloned().unwrap_or_default();
    for (field, term) in [("clientID", &config.client_id), ("issuer", &config.issuer)] {
        let found = text(reader, evidence, term).await;
        if let (Seen::Absent, Term::Reference(reference)) = (&found, term) {
            let reference = reference.shown(false);
            evidence.unresolved.push(Unresolved { field: field.to_owned(), reference });
        }
        let value = found.there().cloned().unwrap_or_default();
        match field {
            "issuer" => evidence.provider.issuer = value,
            _ => evidence.client_id = value,
        }
    }
}

/// The Secrets that a reference which leads nowhere may have meant.
fn meant(evidence: &Evidence, term: &Term) -> Vec<(String, String)> {
    match term {
        Term::Reference(Reference::Own(key)) => {
            let known = evidence.argocd_secret.there().is_none_or(|secret| secret.value(key).is_some());
            if known { vec![] } else { Reference::meant(key) }
        }
        Term::Plain(value) => Reference::meant(&value.text()),
        Term::Reference(reference) if reference.is_name() => vec![],
        Term::Reference(Reference::Of { secret, key }) => {
            Reference::meant(&format!("{secret}:{}", key.trim()))
        }
    }
}

/// What Argo CD would present if it read its settings now.
fn current(evidence: &Evidence, term: &Term) -> Option<Hidden> {
    match term {
        Term::Plain(value) => Some(value.clone()).filter(|value| !value.is_empty()),
        Term::Reference(reference) => behind(reference, evidence.secret_of(reference)?),
    }
}

/// What Argo CD reads behind a reference in the Secret that it names, if it sees that.
fn behind(reference: &Reference, secret: &SecretSeen) -> Option<Hidden> {
    let visible = secret.labelled || matches!(reference, Reference::Own(_));
    Some(secret.value(reference.place().1).filter(|_| visible)?.trimmed())
}

/// The text of a field that is no secret but may stand in one; absent where a reference leads to no value.
async fn text(reader: &Reader, evidence: &mut Evidence, term: &Term) -> Seen<String> {
    let reference = match term {
        Term::Plain(value) => return Seen::There(value.text()),
        Term::Reference(reference) => reference,
    };
    let secret = match reference {
        Reference::Own(_) => evidence.argocd_secret.clone(),
        Reference::Of { secret: name, .. } => match evidence.named_secret.there() {
            Some(named) if named.name == *name => evidence.named_secret.clone(),
            _ => secret(reader, evidence, name, "a reference of oidc.config").await,
        },
    };
    match secret {
        Seen::NotLooked => Seen::NotLooked,
        Seen::Absent => Seen::Absent,
        Seen::There(secret) => behind(reference, &secret).map(|value| value.text()).into(),
    }
}

/// Reads the logs of the pods: last, so that they tell of what was just tried.
pub async fn logs(reader: &Reader, evidence: &mut Evidence) {
    let namespace = evidence.namespace.clone();
    let names: Vec<(String, String)> =
        evidence.pods.iter().take(MOST_LOGS).map(|pod| (pod.name.clone(), pod.container.clone())).collect();
    let read = names.iter().map(|(name, container)| {
        let right = one(&namespace, "pods/log", name);
        async move {
            let (start, end) = futures::join!(
                reader.log(&right, container, (None, LOG_START)),
                reader.log(&right, container, LOG_END),
            );
            // The last line of the first bytes is cut, most likely.
            let start = start?;
            let whole = start.rfind('\n').map_or("", |end| &start[..=end]);
            Ok::<_, Unread>(LogSeen::read(&format!("{whole}{}", end?)))
        }
    });
    let logs = futures::future::join_all(read).await;
    let mut unreadable = None;
    for (pod, log) in evidence.pods.iter_mut().zip(logs) {
        match log {
            Ok(log) => pod.log = Some(log),
            // A pod that has gone meanwhile, or not come yet, has nothing to say.
            Err(_) if pod.ending || pod.waiting.is_some() => {}
            Err(Unread::Absent) => {}
            Err(unread) => {
                unreadable.get_or_insert(unread);
            }
        }
    }
    if let Some(unread) = unreadable {
        evidence.note_all(note("logs of argocd-server (what it runs with, why it refuses)", &unread));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hidden::Fingerprints;

    #[test]
    fn an_argo_cd_of_the_operators_is_known_by_its_parts() {
        let deployment = |name: &str, part: &str| -> Deployment {
            let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/component": part});
            let template = json!({"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": {"containers": [
                {"name": "mesh", "image": "mesh:v1"},
                {"name": "argocd-server", "image": "quay.io/argoproj/argocd:v2.14.2"},
            ]}});
            let metadata = json!({"name": name, "namespace": "openshift-gitops", "labels": labels});
            serde_json::from_value(
                json!({"metadata": metadata, "spec": {"selector": {}, "template": template}}),
            )
            .unwrap()
        };
        let mut evidence = Evidence::none("openshift-gitops", "kubectl", Fingerprints::fixed());
        let parts = ["repo-server", "redis", "dex-server", "server"];
        let all = parts.map(|part| deployment(&format!("openshift-gitops-{part}"), part));
        take_deployments(&mut evidence, &all);
        let server = evidence.server.there().unwrap();
        assert_eq!(server.name, "openshift-gitops-server");
        assert_eq!(evidence.release.map(|it| it.to_string()).as_deref(), Some("v2.14.2"));
        assert_eq!(evidence.bundled.deployment.there().unwrap().name, "openshift-gitops-dex-server");
        assert_eq!(evidence.redis.there().unwrap().len(), 1);
    }
}
