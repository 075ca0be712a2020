//! What a URL path asks for.

use url::form_urlencoded;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/healthz`, `/livez`, `/readyz` and the checks below them.
    Health,
    /// `/version`.
    Version,
    /// `/api`: the versions of the core group.
    Core,
    /// `/apis`: the other groups.
    Groups,
    /// `/api/v1`, `/apis/GROUP/VERSION`: group (empty for the core one) and version.
    GroupVersion(String, String),
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION`.
    OpenApiOf(String, String),
    /// Objects.
    Objects(Target),
    /// Nothing that is there.
    Nothing,
}

/// Objects, one of them, or something below one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The group; empty for the core one.
    pub group: String,
    /// The version.
    pub version: String,
    /// The plural.
    pub plural: String,
    /// The namespace, if the path names one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: Option<String>,
    /// `status`, `log`, `proxy` …
    pub subresource: Option<String>,
    /// What follows the subresource, as it stood in the URL, with its slash.
    pub rest: String,
}

impl Target {
    /// The resource as in [`crate::store::Key::resource`]: `secrets`, `deployments.apps`.
    pub fn id(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `pods`, `pods/log`, for `pods`.
    pub fn with_subresource(&self, resource: &str) -> String {
        match &self.subresource {
            None => resource.to_owned(),
            Some(below) => format!("{resource}/{below}"),
        }
    }
}

/// Reads a path.
pub fn route(path: &str) -> Route {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["version"] => Route::Version,
        ["api"] => Route::Core,
        ["api", version] => Route::GroupVersion(String::new(), decode(version)),
        ["apis"] => Route::Groups,
        ["apis", group, version] => Route::GroupVersion(decode(group), decode(version)),
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApi,
        ["openapi", "v3", "api", version] => Route::OpenApiOf(String::new(), decode(version)),
        ["openapi", "v3", "apis", group, version] => Route::OpenApiOf(decode(group), decode(version)),
        ["api", version, below @ ..] => objects("", version, below, path),
        ["apis", group, version, below @ ..] => objects(group, version, below, path),
        _ => Route::Nothing,
    }
}

fn objects(group: &str, version: &str, below: &[&str], path: &str) -> Route {
    let mut target = Target { group: decode(group), version: decode(version), ..Target::default() };
    let below = match below {
        // A namespace itself, or what is below one that is no resource.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => below,
        ["namespaces", namespace, below @ ..] => {
            target.namespace = Some(decode(namespace));
            below
        }
        _ => below,
    };
    let nameless = target.namespace.as_ref().is_some_and(String::is_empty);
    if nameless || below.iter().take(3).any(|part| part.is_empty()) {
        return Route::Nothing;
    }
    target.plural = decode(below[0]);
    target.name = below.get(1).map(|name| decode(name));
    target.subresource = below.get(2).map(|name| decode(name));
    if below.len() > 3 {
        target.rest = format!("/{}", below[3..].join("/"));
    }
    if below.len() > 2 && path.ends_with('/') {
        target.rest.push('/');
    }
    if target.plural == "namespaces" && target.group.is_empty() {
        // A namespace counts as being inside itself.
        target.namespace = None;
    }
    Route::Objects(target)
}

/// Percent-decoding of one part of a path. What a query could mean by it is no name of anything.
fn decode(part: &str) -> String {
    match form_urlencoded::parse(part.as_bytes()).next() {
        Some((decoded, _)) if part.contains('%') && !part.contains(['&', '=', '+']) => decoded.into_owned(),
        _ => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Target {
        match route(path) {
            Route::Objects(target) => target,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn paths_of_objects() {
        let pod = target("/api/v1/namespaces/argocd/pods/http:a:80/proxy/x%20y/z/");
        assert_eq!(pod.namespace.as_deref(), Some("argocd"));
        assert_eq!(pod.name.as_deref(), Some("http:a:80"));
        assert_eq!(pod.subresource.as_deref(), Some("proxy"));
        assert_eq!(pod.rest, "/x%20y/z/");
        let all = target("/apis/apps/v1/deployments");
        assert_eq!((all.group.as_str(), all.plural.as_str(), all.namespace), ("apps", "deployments", None));
        let namespace = target("/api/v1/namespaces/a/status");
        assert_eq!(namespace.plural, "namespaces");
        assert_eq!(namespace.name.as_deref(), Some("a"));
        assert_eq!(namespace.subresource.as_deref(), Some("status"));
        assert_eq!(target("/api/v1/namespaces/a/pods").name, None);
    }

    #[test]
    fn paths_of_nothing() {
        for path in ["/", "", "/api/v1//pods", "/metrics", "/apis/a/b/namespaces//pods", "/openapi/v1"] {
            assert_eq!(route(path), Route::Nothing, "{path}");
        }
        assert_eq!(route("/healthz/ping"), Route::Health);
        assert_eq!(route("/apis/apps/v1/"), Route::GroupVersion("apps".into(), "v1".into()));
    }
}
