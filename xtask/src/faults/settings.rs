//! Edits of argocd-cm, argocd-cmd-params-cm, argocd-rbac-cm and the Ingress before them.

use serde_json::{Value as Json, json};
use serde_yaml::{Mapping, Value};

use super::edit::{Edit, MOVED, SECOND_HOST};
use crate::cluster::Cluster;
use crate::names::{ARGOCD_HOST, Place, Workload};
use crate::session::Session;
use base::{Error, Result};

const NAMESPACE: &str = "argocd";
const CM: &str = "argocd-cm";
const OIDC_CONFIG: &str = "oidc.config";

/// Makes a change.
pub async fn make(session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    let second = format!("http://{SECOND_HOST}");
    match edit {
        Edit::OtherUrl => cluster.set_config_map(NAMESPACE, CM, "url", Some("http://argocd.example")).await,
        Edit::NoUrl => cluster.set_config_map(NAMESPACE, CM, "url", Some("")).await,
        Edit::SecondUrl => cluster.set_config_map(NAMESPACE, CM, "url", Some(&second)).await,
        Edit::NoPolicy => cluster.set_config_map(NAMESPACE, "argocd-rbac-cm", "policy.csv", Some("")).await,
        Edit::OwnTls => {
            cluster.set_config_map(NAMESPACE, "argocd-cmd-params-cm", "server.insecure", Some("false")).await
        }
        Edit::SecondHost => {
            let rules = json!([rule(ARGOCD_HOST), rule(SECOND_HOST)]);
            cluster.set_ingress_rules(NAMESPACE, "argocd-server", &rules).await
        }
        _ => {
            let private = private_issuer(session, cluster);
            oidc(cluster, |config| change(config, edit, &private)).await
        }
    }
}

/// Undoes a change.
pub async fn undo(session: &Session, cluster: &Cluster, edit: Edit) -> Result<()> {
    let values = session.sources.values("argocd")?;
    let of_values = |path: [&str; 3]| values[path[0]][path[1]][path[2]].clone();
    match edit {
        Edit::OtherUrl | Edit::NoUrl | Edit::SecondUrl => {
            let url = text(&of_values(["configs", "cm", "url"]));
            cluster.set_config_map(NAMESPACE, CM, "url", Some(&url)).await
        }
        Edit::NoPolicy => {
            let policy = text(&of_values(["configs", "rbac", "policy.csv"]));
            cluster.set_config_map(NAMESPACE, "argocd-rbac-cm", "policy.csv", Some(&policy)).await
        }
        Edit::OwnTls => {
            let insecure = text(&of_values(["configs", "params", "server.insecure"]));
            cluster
                .set_config_map(NAMESPACE, "argocd-cmd-params-cm", "server.insecure", Some(&insecure))
                .await
        }
        Edit::SecondHost => {
            cluster.set_ingress_rules(NAMESPACE, "argocd-server", &json!([rule(ARGOCD_HOST)])).await
        }
        _ => {
            let original: Mapping = serde_yaml::from_str(&text(&of_values(["configs", "cm", OIDC_CONFIG])))
                .map_err(|_| {
                Error::environment("values/argocd.yaml: configs.cm.oidc.config is no YAML")
            })?;
            let field = Value::from(field(edit));
            oidc(cluster, |config| {
                match original.get(&field) {
                    Some(value) => config.insert(field.clone(), value.clone()),
                    None => config.remove(&field),
                };
            })
            .await
        }
    }
}

/// The field of `oidc.config` that an edit changes.
fn field(edit: Edit) -> &'static str {
    match edit {
        Edit::Reference => "clientSecret",
        Edit::OtherAudience => "allowedAudiences",
        Edit::UnknownScope | Edit::GroupsScope => "requestedScopes",
        _ => "issuer",
    }
}

fn change(config: &mut Mapping, edit: Edit, private: &str) {
    let name = Value::from(field(edit));
    let now = config.get(&name).cloned().unwrap_or_default();
    let issuer = now.as_str().unwrap_or_default().trim_end_matches('/').to_owned();
    let value = match edit {
        Edit::Reference => "$argocd-oidc.clientSecret".into(),
        Edit::OtherAudience => vec!["another-client"].into(),
        Edit::UnknownScope | Edit::GroupsScope => {
            let more = if edit == Edit::GroupsScope { "groups" } else { "everything" };
            let mut scopes = now.as_sequence().cloned().unwrap_or_default();
            scopes.push(more.into());
            scopes.into()
        }
        Edit::IssuerMoves => MOVED.into(),
        Edit::PrivateIssuer => private.into(),
        _ => format!("{issuer}/").into(),
    };
    config.insert(name, value);
}

/// Edits `oidc.config` as it is now.
async fn oidc(cluster: &Cluster, edit: impl FnOnce(&mut Mapping)) -> Result<()> {
    let data = cluster.config_map(NAMESPACE, CM).await?;
    let unreadable = || Error::environment("oidc.config in ConfigMap argocd/argocd-cm is not readable");
    let text = data.get(OIDC_CONFIG).map(String::as_str).unwrap_or_default();
    let mut config: Mapping = serde_yaml::from_str(text).map_err(|_| unreadable())?;
    edit(&mut config);
    let text = serde_yaml::to_string(&config).map_err(|_| unreadable())?;
    cluster.set_config_map(NAMESPACE, CM, OIDC_CONFIG, Some(&text)).await
}

/// An https server that every Argo CD can reach and whose certificate it does not trust:
/// the cluster's own API.
fn private_issuer(session: &Session, cluster: &Cluster) -> String {
    match session.lab.place() {
        Place::Kind => "https://kubernetes.default.svc".to_owned(),
        Place::Local => cluster.address().to_owned(),
    }
}

/// A value as the chart writes it into a ConfigMap.
fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rule(host: &str) -> Json {
    json!({"host": host, "http": {"paths": [{
        "path": "/",
        "pathType": "Prefix",
        "backend": {"service": {"name": Workload::Argocd.deployment(), "port": {"number": 80}}},
    }]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(edit: Edit) -> Mapping {
        let text =
            "issuer: http://dex.host\nclientSecret: $argocd-oidc:clientSecret\nrequestedScopes: [openid]\n";
        let mut config: Mapping = serde_yaml::from_str(text).unwrap();
        change(&mut config, edit, "https://127.0.0.1:1");
        config
    }

    #[test]
    fn one_field_is_changed_and_the_others_stay() {
        for (edit, expected) in [
            (Edit::Reference, "$argocd-oidc.clientSecret"),
            (Edit::IssuerSlash, "http://dex.host/"),
            (Edit::IssuerMoves, "http://dex.host/dex"),
            (Edit::PrivateIssuer, "https://127.0.0.1:1"),
        ] {
            let config = changed(edit);
            assert_eq!(config.get(field(edit)).and_then(Value::as_str), Some(expected));
            assert_eq!(config.len(), 3);
        }
        for (edit, scope) in [(Edit::UnknownScope, "everything"), (Edit::GroupsScope, "groups")] {
            let config = changed(edit);
            let scopes = config.get("requestedScopes").unwrap().as_sequence().unwrap();
            assert_eq!((scopes.len(), scopes[1].as_str()), (2, Some(scope)));
        }
        assert_eq!(changed(Edit::OtherAudience).len(), 4);
    }
}
