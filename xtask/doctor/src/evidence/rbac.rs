//! argocd-rbac-cm: who may do anything at all, as argocd-server's enforcer reads it.

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

/// argocd-rbac-cm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rbac {
    /// `policy.default`.
    pub default: String,
    /// `scopes`: the claims whose values are groups.
    pub scopes: Vec<String>,
    /// The text of `scopes`, if it is no list.
    pub scopes_unreadable: Option<String>,
    /// The lines of the policies that can be read.
    pub rules: Vec<Rule>,
    /// The lines that cannot, each with the key that it stands in.
    pub invalid: Vec<(String, String)>,
    /// Keys that Argo CD does not know.
    pub unknown: Vec<String>,
}

/// A line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// `p`: what a user or a role may do.
    Permission {
        /// Who.
        subject: String,
    },
    /// `g`: who is in a role.
    Member {
        /// A user, a group or a role.
        subject: String,
        /// The role.
        role: String,
    },
}

impl Rule {
    /// Whom it is about.
    pub fn subject(&self) -> &str {
        match self {
            Self::Permission { subject } | Self::Member { subject, .. } => subject,
        }
    }

    /// `p, SUBJECT, …` and `g, SUBJECT, ROLE`, one line of CSV.
    fn of(line: &str) -> Option<Self> {
        let mut fields = fields(line)?.into_iter();
        let (kind, subject) = (fields.next()?, fields.next()?);
        let others: Vec<String> = fields.collect();
        match (kind.as_str(), others.as_slice()) {
            ("p", [_, _, _, _]) => Some(Self::Permission { subject }),
            ("g", [role]) => Some(Self::Member { subject, role: role.clone() }),
            _ => None,
        }
    }
}

/// The fields of a line of CSV; white space before one is not a part of it, after it is.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut all = vec![];
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        let (field, after) = match rest.strip_prefix('"') {
            // Two quotes are one that is part of it.
            Some(quoted) => {
                let pairs = quoted.replace("\"\"", "\u{0}\u{0}");
                let end = pairs.find('"')?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        if !rest.starts_with('"') && field.contains('"') {
            return None;
        }
        all.push(field.replace("\"\"", "\""));
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return after.is_empty().then_some(all),
        }
    }
}

impl Rbac {
    /// Reads argocd-rbac-cm: `policy.csv` and every `policy.*.csv` beside it.
    pub fn of(config_map: &ConfigMap) -> Self {
        let data = config_map.data.clone().unwrap_or_default();
        let is_policy = |key: &str| key.starts_with("policy.") && key.ends_with(".csv");
        let known =
            |key: &str| is_policy(key) || ["policy.default", "policy.matchMode", "scopes"].contains(&key);
        let (mut rules, mut invalid) = (vec![], vec![]);
        for (key, text) in data.iter().filter(|(key, _)| is_policy(key)) {
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match Rule::of(line) {
                    Some(rule) => rules.push(rule),
                    None => invalid.push((key.clone(), line.to_owned())),
                }
            }
        }
        let scopes = data.get("scopes").filter(|text| !text.is_empty());
        let unreadable = scopes.filter(|text| super::yaml::read::<Vec<String>>(text).is_err()).cloned();
        let scopes = scopes.and_then(|text| super::yaml::read(text).ok());
        Self {
            default: data.get("policy.default").cloned().unwrap_or_default(),
            scopes_unreadable: unreadable,
            scopes: scopes.unwrap_or_else(|| Self::nothing().scopes),
            rules,
            invalid,
            unknown: data.keys().filter(|key| !known(key)).cloned().collect(),
        }
    }

    /// What Argo CD goes by where there is no argocd-rbac-cm.
    pub fn nothing() -> Self {
        Self { scopes: vec!["groups".to_owned()], ..Self::default() }
    }

    /// Whether a server that starts with it ends: its enforcer takes the whole or nothing.
    pub fn is_unreadable(&self) -> bool {
        self.scopes_unreadable.is_some() || !self.invalid.is_empty()
    }

    /// Who is named: as subject of a permission or member of a role; no role itself.
    pub fn subjects(&self) -> Vec<&str> {
        let mut all = vec![];
        for subject in self.rules.iter().map(Rule::subject) {
            if !subject.starts_with("role:") && !all.contains(&subject) {
                all.push(subject);
            }
        }
        all
    }

    /// The roles that a subject is put into.
    pub fn roles(&self, subject: &str) -> Vec<&str> {
        let roles = self.rules.iter().filter_map(|rule| match rule {
            Rule::Member { subject: who, role } if who == subject => Some(role.as_str()),
            _ => None,
        });
        roles.collect()
    }

    /// Whether a role gives anything: it is one of Argo CD's own, or a line says what it may.
    pub fn gives(&self, role: &str) -> bool {
        ["role:admin", "role:readonly"].contains(&role)
            || self.rules.iter().any(|rule| rule.subject() == role)
    }

    /// Whether this user is given anything: by the name that the token has for them (`sub`), or by one of the
    /// groups. A group counts only where a `g` line puts it into a role; what a `p` line gives it, nobody gets.
    pub fn names(&self, subject: Option<&str>, groups: &[String]) -> bool {
        let gives = |rule: &Rule| match rule {
            Rule::Permission { subject: who } => {
                let is_group = groups.contains(who) && !self.roles(who).is_empty();
                Some(who.as_str()) == subject || is_group
            }
            Rule::Member { subject: who, role } => {
                (Some(who.as_str()) == subject || groups.contains(who)) && self.gives(role)
            }
        };
        self.gives(&self.default) || self.rules.iter().any(gives)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rbac(data: serde_json::Value) -> Rbac {
        Rbac::of(&serde_json::from_value(json!({"data": data})).unwrap())
    }

    #[test]
    fn policies_are_read_as_the_enforcer_reads_them() {
        let rbac = rbac(json!({
            "policy.csv": "g, admin@example.com, role:admin\n# g, nobody, role:admin\np,\"dev\",applications,get,*/*,allow\nnonsense\ng, two",
            "policy.more.csv": "g, ops, role:readonly\ng, lost, role:nothing\np, role:own, applications, get, */*, allow\ng, \"a, b\", role:own",
            "scopes": "[email]",
            "policies.csv": "g, x, role:admin",
        }));
        assert_eq!(rbac.subjects(), ["admin@example.com", "dev", "ops", "lost", "a, b"]);
        assert_eq!(rbac.scopes, ["email"]);
        let policy = |line: &str| ("policy.csv".to_owned(), line.to_owned());
        assert_eq!(rbac.invalid, [policy("nonsense"), policy("g, two")]);
        assert_eq!(rbac.unknown, ["policies.csv"]);
        let names = |subject, groups: &[&str]| {
            rbac.names(subject, &groups.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
        };
        assert!(names(None, &["x", "ops"]) && names(None, &["a, b"]) && names(Some("dev"), &[]));
        for (subject, groups) in [(Some("nobody"), [].as_slice()), (None, &["lost"]), (None, &["dev"])] {
            assert!(!names(subject, groups), "{subject:?} {groups:?}");
        }
    }

    #[test]
    fn lines_are_gos_csv() {
        for (line, parts) in [
            (r#"g, "a ""b"" c", role:admin"#, Some(vec!["g", r#"a "b" c"#, "role:admin"])),
            (r#"g, a"b, role:admin"#, None),
            (r#"g, "a, role:admin"#, None),
            ("g,a ,b", Some(vec!["g", "a ", "b"])),
        ] {
            let parts = parts.map(|parts| parts.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(fields(line), parts, "{line}");
        }
        let typo = Rbac { default: "readonly".into(), ..Rbac::default() };
        assert!(!typo.names(None, &[]));
    }

    #[test]
    fn what_is_not_set_is_as_without() {
        let open = Rbac { default: "role:readonly".into(), ..Rbac::default() };
        assert!(open.names(None, &[]));
        assert_eq!(rbac(json!({})), Rbac::nothing());
        assert_eq!(rbac(json!({"scopes": ""})).scopes, ["groups"]);
        let text = rbac(json!({"scopes": "email: yes"}));
        assert!(text.is_unreadable() && text.scopes == ["groups"]);
    }
}
