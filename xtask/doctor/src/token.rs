//! What a user's token gives them: its claims by name, the groups that are there or missing, the policy that
//! holds for them, and Argo CD's own word. Values stay where they are.

use probe::User;
use serde::Serialize;
use serde_json::Value;

use crate::evidence::claims::is_overage;
use crate::evidence::{Evidence, Rbac, Rule};
use crate::shown::{exact, listed, shown};

/// What a token gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Token {
    /// The names of its claims.
    pub claims: Vec<String>,
    /// How many groups Argo CD takes from it.
    pub groups: usize,
    /// Their names, where those were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_names: Vec<String>,
    /// Why there are none, as far as that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_groups: Option<String>,
    /// The claims that Argo CD takes for groups (`scopes` in argocd-rbac-cm); none if it could not be read.
    pub scopes: Option<Vec<String>>,
    /// The line of argocd-rbac-cm that gives something, or `policy.default`; none if no line does, or it could
    /// not be read.
    pub policy: Option<String>,
    /// Whether the user may look at all applications, in Argo CD's own word; none if it did not say.
    pub may_look: Option<bool>,
}

impl Token {
    /// The token of the user who logged in, else the one that was pasted.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let user = evidence.user()?;
        let claims = user.claims.as_object()?;
        let absent = Rbac::nothing();
        let rbac = if evidence.rbac.is_absent() { Some(&absent) } else { evidence.rbac.there() };
        let shown_all = |texts: &[String]| texts.iter().map(|text| shown(text)).collect();
        Some(Self {
            claims: claims.keys().map(|name| shown(name)).collect(),
            groups: user.groups.len(),
            group_names: shown_all(&user.groups),
            no_groups: if user.groups.is_empty() { no_groups(evidence, &user.claims) } else { None },
            scopes: rbac.map(|rbac| shown_all(&rbac.scopes)),
            policy: rbac.and_then(|rbac| policy(evidence, rbac, user)),
            may_look: user.may_look,
        })
    }

    /// For a person.
    pub fn lines(&self) -> Vec<String> {
        let names = if self.group_names.is_empty() { "" } else { ": " };
        let mut lines = vec![
            format!("claims   {}", self.claims.join(", ")),
            format!("groups   {}{names}{}", self.groups, self.group_names.join(", ")),
        ];
        lines.extend(self.no_groups.iter().map(|why| format!("         {why}")));
        match &self.scopes {
            None => lines.push(
                "scopes   not known: argocd-rbac-cm could not be read; what is counted is the claim groups"
                    .to_owned(),
            ),
            Some(scopes) => {
                let scopes = scopes.join(", ");
                lines.push(format!(
                    "scopes   {scopes} (argocd-rbac-cm: the claims that are taken for groups)"
                ));
                let policy = self.policy.as_deref().unwrap_or("no line of argocd-rbac-cm is about this user");
                lines.push(format!("policy   {policy}"));
            }
        }
        let may_look = match self.may_look {
            Some(true) => "yes: Argo CD says that this user may look at all applications",
            Some(false) => "no: Argo CD says that this user may not look at all applications",
            None => "Argo CD did not say whether this user may look at applications",
        };
        lines.push(format!("can-i    {may_look}"));
        lines
    }
}

/// Why a token has no groups.
fn no_groups(evidence: &Evidence, claims: &Value) -> Option<String> {
    if is_overage(claims) {
        let has = if claims["hasgroups"] == true { "hasgroups" } else { "_claim_names" };
        return Some(format!(
            "the provider put a link ({has}) in place of the groups, as Entra ID does of users in more than 200: group-overage"
        ));
    }
    if !claims["groups"].is_null() && !claims["groups"].is_array() {
        return Some("the claim groups is no list: claim-shape".to_owned());
    }
    if let Some(config) = evidence.dex_settings().filter(|_| evidence.uses_bundled()) {
        let connectors: Vec<&str> = config.connectors.iter().map(String::as_str).collect();
        return Some(format!(
            "the connector ({}) hands none on: its own settings ask for them (oidc: insecureEnableGroups, ldap: groupSearch, google: serviceAccountFilePath, saml: groupsAttr)",
            listed(&connectors)
        ));
    }
    let asked = &evidence.oidc()?.scopes;
    let offers =
        evidence.provider.document().is_some_and(|document| document.scopes.iter().any(|it| it == "groups"));
    let why = match (asked.is_empty() || asked.iter().any(|scope| scope == "groups"), offers) {
        (false, true) => "requestedScopes lacks groups, which the provider offers",
        (false, false) => "requestedScopes lacks groups, and the provider does not list that scope",
        (true, _) => "they were asked for: the provider has none for this user, or puts them elsewhere",
    };
    Some(why.to_owned())
}

/// The first line that gives the user anything.
fn policy(evidence: &Evidence, rbac: &Rbac, user: &User) -> Option<String> {
    let subject = evidence.identifier(user);
    let is_user = |who: &str| Some(who) == subject || user.groups.iter().any(|group| group == who);
    let line = rbac.rules.iter().find_map(|rule| match rule {
        Rule::Member { subject, role } if is_user(subject) && rbac.gives(role) => {
            Some(format!("g, {}, {}", exact(subject), exact(role)))
        }
        Rule::Permission { subject: who } if Some(who.as_str()) == subject => {
            Some(format!("p, {}, …", exact(who)))
        }
        _ => None,
    });
    let default = || rbac.gives(&rbac.default).then(|| format!("policy.default: {}", exact(&rbac.default)));
    line.or_else(default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::Seen;
    use crate::evidence::claims::groups;
    use crate::fixtures::{member, well};

    fn token(claims: Value, rbac: Rbac) -> Token {
        let mut evidence = well();
        let groups = groups(&claims, &rbac.scopes);
        evidence.rbac = Seen::There(rbac);
        evidence.pasted = Some(User { username: "jane".into(), groups, claims, may_look: Some(false) });
        Token::of(&evidence).unwrap()
    }

    #[test]
    fn a_token_shows_names_and_numbers_and_what_is_missing() {
        let rbac = || Rbac {
            rules: vec![member("ops", "role:admin"), member("jane", "role:readonly")],
            ..Rbac::nothing()
        };
        for (claims, groups, missing, policy) in [
            (json!({"sub": "x", "groups": ["dev", "ops"]}), 2, None, Some("g, ops, role:admin")),
            (json!({"sub": "jane"}), 0, Some("requestedScopes lacks groups"), Some("g, jane, role:readonly")),
            (json!({"sub": "x", "_claim_names": {"groups": "src1"}}), 0, Some("_claim_names"), None),
            (json!({"sub": "x", "hasgroups": true}), 0, Some("hasgroups"), None),
            (json!({"sub": "x", "groups": {"a": 1}}), 0, Some("no list"), None),
        ] {
            let token = token(claims.clone(), rbac());
            assert_eq!((token.groups, token.policy.as_deref()), (groups, policy), "{claims}");
            assert_eq!(token.no_groups.is_some(), missing.is_some(), "{claims}");
            assert!(token.no_groups.unwrap_or_default().contains(missing.unwrap_or_default()), "{claims}");
        }
        let open = token(json!({"sub": "x"}), Rbac { default: "role:readonly".into(), ..Rbac::nothing() });
        assert_eq!(open.policy.as_deref(), Some("policy.default: role:readonly"));
    }
}
