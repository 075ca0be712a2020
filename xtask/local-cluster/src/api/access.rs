//! Who asks, by a bearer token or as somebody else, and what they may: whoever is of `system:masters`
//! everything, anybody else what the Roles and ClusterRoles grant that are bound to them.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ring::digest::{Digest, SHA256, digest};
use serde_json::{Value, json};

use crate::resources::RBAC;
use crate::store::object::{items, text};
use crate::store::{Key, Store};

use super::path::Target;
use super::status::Refusal;

const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// Somebody who asks.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Their name; empty for whoever brings no token.
    pub name: String,
    /// Their groups.
    pub groups: Vec<String>,
}

impl User {
    /// Whose token may do everything.
    pub fn admin() -> Self {
        Self { name: "oidc-lab".into(), groups: vec![MASTERS.into(), AUTHENTICATED.into()] }
    }

    /// Somebody who may do what is granted to them.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), groups: vec![AUTHENTICATED.into()] }
    }

    /// Who bears the request's token, or whom they stand in for.
    ///
    /// # Errors
    /// 401 without a token that is known; 403 if they may not stand in for that user.
    pub fn of(tokens: &[(Digest, Self)], store: &Store, headers: &HeaderMap) -> Result<Self, Refusal> {
        let value = |it: &http::HeaderValue| it.to_str().map(str::to_owned).unwrap_or_default();
        let given = headers.get(AUTHORIZATION).map(value).unwrap_or_default();
        let given = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let given = digest(&SHA256, given.map_or("", |(_, token)| token.trim()).as_bytes());
        // Compares digests: how long it takes tells nothing about the token.
        let known = tokens.iter().find(|(token, _)| token.as_ref() == given.as_ref());
        let user = known.map(|(_, user)| user.clone()).ok_or_else(Refusal::unauthorized)?;
        let groups: Vec<String> = headers.get_all("Impersonate-Group").iter().map(value).collect();
        let Some(name) = headers.get("Impersonate-User").map(value) else {
            return match groups.as_slice() {
                [] => Ok(user),
                _ => Err(Refusal::internal("groups were requested without impersonating a user")),
            };
        };
        for (plural, name) in groups.iter().map(|it| ("groups", it)).chain([("users", &name)]) {
            let (plural, name) = (plural.to_owned(), Some(name.clone()));
            user.check(store, "impersonate", &Target { plural, name, ..Target::default() })?;
        }
        let mut other = Self::named(&name);
        other.groups.extend(groups);
        Ok(other)
    }

    /// Whether they may do this.
    pub fn may(&self, store: &Store, verb: &str, target: &Target) -> bool {
        self.rules(store, namespace(target)).iter().any(|rule| grants(rule, verb, target))
    }

    /// Refuses what they may not do.
    ///
    /// # Errors
    /// 403.
    pub fn check(&self, store: &Store, verb: &str, target: &Target) -> Result<(), Refusal> {
        if self.may(store, verb, target) {
            return Ok(());
        }
        let place = namespace(target).map_or_else(
            || "at the cluster scope".to_owned(),
            |namespace| format!("in the namespace {namespace:?}"),
        );
        let (user, group, resource) = (&self.name, &target.group, target.with_subresource(&target.plural));
        let why = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}");
        Err(Refusal::forbidden(&target.id(), target.name.as_deref().unwrap_or_default(), &why))
    }

    /// What they may do in a namespace, or in none: the rules of all Roles that are bound to them.
    pub fn rules(&self, store: &Store, namespace: Option<&str>) -> Vec<Value> {
        if self.groups.iter().any(|it| it == MASTERS) {
            return vec![json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})];
        }
        // Everybody may ask what they may do.
        let mut rules = vec![json!({
            "verbs": ["create"],
            "apiGroups": ["authentication.k8s.io", "authorization.k8s.io"],
            "resources": ["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        })];
        let mut bound = |kind: &str, namespace: Option<&str>| {
            for binding in store.list(&format!("{kind}.{RBAC}"), namespace).0 {
                if !items(&binding["subjects"]).any(|subject| self.is(subject)) {
                    continue;
                }
                let role = &binding["roleRef"];
                let (plural, place) = match text(&role["kind"]) {
                    "ClusterRole" => ("clusterroles", ""),
                    _ => ("roles", namespace.unwrap_or_default()),
                };
                let role = store.get(&Key::new(&format!("{plural}.{RBAC}"), place, text(&role["name"])));
                rules.extend(role.iter().flat_map(|role| items(&role["rules"])).cloned());
            }
        };
        bound("clusterrolebindings", None);
        if namespace.is_some() {
            bound("rolebindings", namespace);
        }
        rules
    }

    fn is(&self, subject: &Value) -> bool {
        let name = text(&subject["name"]);
        match text(&subject["kind"]) {
            "User" => name == self.name,
            "Group" => self.groups.iter().any(|it| it == name),
            "ServiceAccount" => {
                self.name == format!("system:serviceaccount:{}:{name}", text(&subject["namespace"]))
            }
            _ => false,
        }
    }
}

/// A namespace counts as being inside itself.
fn namespace(target: &Target) -> Option<&str> {
    let itself = target.name.as_deref().filter(|_| target.group.is_empty() && target.plural == "namespaces");
    itself.or(target.namespace.as_deref())
}

/// Whether a Role's rule grants this.
fn grants(rule: &Value, verb: &str, target: &Target) -> bool {
    let has = |field: &str, word: &str| items(&rule[field]).any(|it| it == "*" || it == word);
    let below = target.subresource.as_ref().map(|it| format!("*/{it}"));
    let names = &rule["resourceNames"];
    has("verbs", verb)
        && has("apiGroups", &target.group)
        && (has("resources", &target.with_subresource(&target.plural))
            || below.is_some_and(|it| has("resources", &it)))
        && (items(names).next().is_none() || items(names).any(|it| target.name.as_deref() == it.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::path::{Route, route};

    fn put(store: &Store, plural: &str, namespace: &str, name: &str, fields: Value) {
        let mut object = fields;
        object["metadata"] = json!({"name": name, "namespace": namespace});
        store.create(&Key::new(&format!("{plural}.{RBAC}"), namespace, name), object).unwrap();
    }

    fn bind(store: &Store, namespace: &str, name: &str, role: (&str, &str), subject: Value) {
        let plural = if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" };
        let role = json!({"kind": role.0, "name": role.1});
        put(store, plural, namespace, name, json!({"roleRef": role, "subjects": [subject]}));
    }

    fn rule(groups: &str, resources: &[&str], verbs: &[&str], names: &[&str]) -> Value {
        json!({"rules": [
            {"apiGroups": [groups], "resources": resources, "verbs": verbs, "resourceNames": names}
        ]})
    }

    fn target(path: &str) -> Target {
        match route(path) {
            Route::Objects(target) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn a_user_may_what_is_bound_to_them_and_nothing_else() {
        let store = Store::new();
        put(&store, "roles", "a", "named", rule("", &["secrets", "pods/log"], &["get"], &["s", "p"]));
        put(&store, "roles", "a", "all", rule("apps", &["deployments"], &["list", "watch"], &[]));
        put(&store, "clusterroles", "", "stars", rule("*", &["*"], &["*"], &[]));
        put(&store, "clusterroles", "", "logs", rule("", &["*/log", "nodes", "namespaces"], &["get"], &[]));
        let me = json!({"kind": "User", "name": "me"});
        bind(&store, "a", "1", ("Role", "named"), me.clone());
        bind(&store, "a", "2", ("Role", "all"), json!({"kind": "Group", "name": AUTHENTICATED}));
        bind(&store, "b", "3", ("ClusterRole", "logs"), me.clone());
        bind(&store, "c", "4", ("ClusterRole", "stars"), json!({"kind": "User", "name": "you"}));
        bind(&store, "d", "5", ("Role", "all"), me);
        let account = json!({"kind": "ServiceAccount", "name": "s", "namespace": "a"});
        bind(&store, "", "6", ("ClusterRole", "logs"), account);
        for (user, verb, path, may) in [
            ("me", "get", "/api/v1/namespaces/a/secrets/s", true),
            ("me", "get", "/api/v1/namespaces/a/secrets/other", false),
            ("me", "list", "/api/v1/namespaces/a/secrets", false),
            ("me", "delete", "/api/v1/namespaces/a/secrets/s", false),
            ("me", "get", "/api/v1/namespaces/b/secrets/s", false),
            ("me", "get", "/api/v1/namespaces/a/pods/p/log", true),
            ("me", "get", "/api/v1/namespaces/a/pods/p", false),
            ("me", "get", "/api/v1/namespaces/a/pods/p/proxy", false),
            ("me", "list", "/apis/apps/v1/namespaces/a/deployments", true),
            ("me", "list", "/apis/apps/v1/deployments", false),
            ("me", "list", "/apis/other/v1/namespaces/a/deployments", false),
            ("me", "get", "/api/v1/namespaces/b/pods/any/log", true),
            ("me", "get", "/api/v1/namespaces/b/pods/any", false),
            ("me", "get", "/api/v1/namespaces/b", true),
            ("me", "get", "/api/v1/namespaces/a", false),
            // A binding in a namespace gives nothing outside of it, and none that leads nowhere anything.
            ("me", "get", "/api/v1/nodes/n", false),
            ("me", "list", "/apis/apps/v1/namespaces/d/deployments", false),
            ("you", "delete", "/apis/apps/v1/namespaces/c/deployments/d", true),
            ("you", "get", "/api/v1/namespaces/c/pods/p/log", true),
            ("you", "get", "/api/v1/namespaces/b/pods/p/log", false),
            ("system:serviceaccount:a:s", "get", "/api/v1/nodes/n", true),
            ("system:serviceaccount:b:s", "get", "/api/v1/nodes/n", false),
            ("you", "create", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true),
        ] {
            assert_eq!(User::named(user).may(&store, verb, &target(path)), may, "{user} {verb} {path}");
        }
        assert!(User::admin().may(&store, "delete", &target("/api/v1/nodes/n")));
    }

    #[test]
    fn a_refusal_is_worded_as_the_api_server_words_it() {
        let store = Store::new();
        for (verb, path, words) in [
            (
                "get",
                "/api/v1/namespaces/argocd/secrets/x",
                r#"secrets "x" is forbidden: User "me" cannot get resource "secrets" in API group "" in the namespace "argocd""#,
            ),
            (
                "list",
                "/apis/apps/v1/deployments",
                r#"deployments.apps is forbidden: User "me" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
            ),
            (
                "get",
                "/api/v1/namespaces/a/pods/p/log",
                r#"pods "p" is forbidden: User "me" cannot get resource "pods/log" in API group "" in the namespace "a""#,
            ),
        ] {
            let refusal = User::named("me").check(&store, verb, &target(path)).unwrap_err();
            assert_eq!((refusal.code.as_u16(), refusal.message.as_str()), (403, words));
        }
    }
}
