//! argocd-rbac-cm: who may do anything at all.

use k8s_openapi::api::core::v1::ConfigMap;

/// argocd-rbac-cm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rbac {
    /// `policy.default`.
    pub default: String,
    /// `scopes`: the claims whose values are groups.
    pub scopes: Vec<String>,
    /// Who is named in the policies, as subject of a permission or member of a role.
    pub subjects: Vec<String>,
}

impl Rbac {
    /// Reads argocd-rbac-cm: `policy.csv` and every `policy.*.csv` beside it.
    pub fn of(config_map: &ConfigMap) -> Self {
        let data = config_map.data.clone().unwrap_or_default();
        let is_policy = |key: &str| key.starts_with("policy.") && key.ends_with(".csv");
        let lines = data.iter().filter(|(key, _)| is_policy(key)).flat_map(|(_, text)| text.lines());
        let subject = |line: &str| {
            let mut parts = line.split(',').map(str::trim);
            match parts.next() {
                Some("p" | "g") => parts.next().map(|it| it.trim_matches('"').to_owned()),
                _ => None,
            }
        };
        let scopes = data.get("scopes").and_then(|text| super::yaml::read::<Vec<String>>(text).ok());
        Self {
            default: data.get("policy.default").cloned().unwrap_or_default(),
            scopes: scopes.unwrap_or_else(|| vec!["groups".to_owned()]),
            subjects: lines.filter_map(subject).filter(|subject| !subject.is_empty()).collect(),
        }
    }

    /// What Argo CD goes by where there is no argocd-rbac-cm.
    pub fn nothing() -> Self {
        Self { scopes: vec!["groups".to_owned()], ..Self::default() }
    }

    /// Whether one of these names is given anything.
    pub fn names(&self, names: &[&str]) -> bool {
        !self.default.is_empty() || self.subjects.iter().any(|subject| names.contains(&subject.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subjects_are_read_from_every_policy() {
        let map = json!({"data": {
            "policy.csv": "g, admin@example.com, role:admin\n# g, nobody, role:admin\np,\"dev\",applications,get,*/*,allow\nnonsense",
            "policy.more.csv": "g, ops, role:readonly",
            "scopes": "[email]",
        }});
        let rbac = Rbac::of(&serde_json::from_value(map).unwrap());
        assert_eq!(rbac.subjects, ["admin@example.com", "dev", "ops"]);
        assert_eq!(rbac.scopes, ["email"]);
        assert!(rbac.names(&["x", "ops"]) && !rbac.names(&["nobody"]));
        let open = Rbac { default: "role:readonly".into(), ..Rbac::default() };
        assert!(open.names(&[]));
        assert_eq!(Rbac::of(&ConfigMap::default()).scopes, ["groups"]);
    }
}
