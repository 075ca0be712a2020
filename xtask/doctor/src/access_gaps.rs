//! What could not be looked at, and which rights would have sufficed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::shown::{argument, shown};

/// Something that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct CouldNot {
    /// What.
    pub what: String,
    /// Why not.
    pub because: String,
    /// The right that was missing, if it was that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
}

/// A right to read something of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The namespace; empty for all of them.
    pub namespace: String,
    /// The API group; empty for the core one.
    pub group: &'static str,
    /// The resource: `secrets`, `pods/log`.
    pub resource: &'static str,
    /// `get` or `list`.
    pub verb: &'static str,
    /// The one object that is needed, where it is known by name.
    pub name: Option<String>,
    /// It is outside of Argo CD's namespace, and the doctor does without.
    pub optional: bool,
}

/// A right in a namespace, or in all where that is empty.
pub fn right(
    namespace: &str,
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
    name: Option<&str>,
) -> Right {
    let (namespace, name) = (namespace.to_owned(), name.map(str::to_owned));
    Right { namespace, group, resource, verb, name, optional: false }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, group, resource, verb, name, optional: _ } = self;
        let dot = if group.is_empty() { "" } else { "." };
        write!(f, "{verb} {resource}{dot}{group}")?;
        if let Some(name) = name {
            write!(f, " {}", shown(name))?;
        }
        match namespace.is_empty() {
            true => f.write_str(" in all namespaces"),
            false => write!(f, " in namespace {}", shown(namespace)),
        }
    }
}

/// Group, resource and verb, each with the names that it is needed for; no name is all.
type Rules<'a> = BTreeMap<(&'a str, &'a str, &'a str), BTreeSet<Option<&'a str>>>;

/// Roles that grant these rights and no others, as manifests: one Role for each namespace, and a
/// ClusterRole for all of them, each below the command that binds it.
pub fn roles<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    let mut namespaces: BTreeMap<&str, Rules<'_>> = BTreeMap::new();
    for right in rights {
        let rules = namespaces.entry(&right.namespace).or_default();
        // The names of pods change with every rollout.
        let name = right.name.as_deref().filter(|_| !right.resource.starts_with("pods/"));
        rules.entry((right.group, right.resource, right.verb)).or_default().insert(name);
    }
    let mut text = String::new();
    for (namespace, rules) in namespaces {
        let (kind, place, binding) = match namespace.is_empty() {
            true => {
                ("ClusterRole", String::new(), "create clusterrolebinding login-doctor --clusterrole".into())
            }
            false => {
                let namespace = argument(namespace);
                let binding = format!("-n {namespace} create rolebinding login-doctor --role");
                ("Role", format!("\n  namespace: {namespace}"), binding)
            }
        };
        let _ = writeln!(text, "# kubectl {binding}=login-doctor --user=NAME");
        let _ = writeln!(
            text,
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: login-doctor{place}\nrules:"
        );
        for ((group, resource, verb), names) in rules {
            let _ = writeln!(
                text,
                "  - apiGroups: [{group:?}]\n    resources: [{resource:?}]\n    verbs: [{verb:?}]"
            );
            // A right to all of a kind holds for each of them.
            if names.contains(&None) {
                if verb == "get" && !resource.contains('/') {
                    text.push_str("    # all: which ones are needed stands in what could not be read\n");
                }
            } else {
                let names: Vec<String> =
                    names.into_iter().flatten().map(|name| format!("{:?}", shown(name))).collect();
                let _ = writeln!(text, "    resourceNames: [{}]", names.join(", "));
            }
        }
        text.push_str("---\n");
    }
    text.trim_end_matches("---\n").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_grants_what_is_needed_and_names_the_objects() {
        let rights = BTreeSet::from([
            right("argocd", "", "secrets", "get", Some("argocd-secret")),
            right("argocd", "", "secrets", "get", Some("argocd-oidc")),
            right("argocd", "", "pods", "list", None),
            right("dex", "apps", "deployments", "get", Some("dex")),
        ]);
        insta::assert_snapshot!(roles(&rights));
        assert_eq!(rights.first().unwrap().to_string(), "list pods in namespace argocd");
        assert_eq!(rights.last().unwrap().to_string(), "get deployments.apps dex in namespace dex");
        assert_eq!(roles([]), "");
        let everywhere = right("", "apps", "deployments", "list", None);
        assert_eq!(everywhere.to_string(), "list deployments.apps in all namespaces");
        assert!(roles([&everywhere]).contains("kind: ClusterRole\nmetadata:\n  name: login-doctor\nrules:"));
    }
}
