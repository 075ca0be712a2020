//! argocd-rbac-cm, as far as one question needs it: whether somebody may look at all applications. Deny lines,
//! other match modes and projects' own roles are not known here.

use std::collections::BTreeMap;

/// Whether one of these names, users' and groups', is given `applications, get, */*`.
pub(super) fn may_look(data: &BTreeMap<String, String>, user: &str, groups: &[&str]) -> bool {
    let policies = data.iter().filter(|(key, _)| key.starts_with("policy.") && key.ends_with(".csv"));
    let lines = policies.flat_map(|(_, text)| text.lines());
    let lines: Vec<Vec<&str>> =
        lines.map(|line| line.split(',').map(|field| field.trim().trim_matches('"')).collect()).collect();
    let mut roles: Vec<&str> = data.get("policy.default").map(String::as_str).into_iter().collect();
    // A group counts only where it is put into a role.
    roles.push(user);
    let mut known = 0;
    let is_in = |who: &str, roles: &[&str]| roles.contains(&who) || groups.contains(&who);
    while known < roles.len() {
        known = roles.len();
        for line in &lines {
            if let ["g", who, role] = line.as_slice()
                && is_in(who, &roles)
                && !roles.contains(role)
            {
                roles.push(role);
            }
        }
    }
    let all = |pattern: &str, of: &str| ["*", of].contains(&pattern);
    let allows = |line: &Vec<&str>| match line.as_slice() {
        ["p", who, resource, action, object, "allow"] => {
            roles.contains(who)
                && all(resource, "applications")
                && all(action, "get")
                && ["*", "*/*"].contains(object)
        }
        _ => false,
    };
    roles.iter().any(|role| ["role:admin", "role:readonly"].contains(role)) || lines.iter().any(allows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_in_a_role_that_may_look_may() {
        let csv = "g, ops, role:own\np, role:own, applications, get, */*, allow\np, dev, applications, get, */*, allow\n\
                   g, jane, role:admin\np, joe, applications, *, *, allow\ng, few, role:few\np, role:few, applications, get, a/*, allow";
        let data = BTreeMap::from([("policy.csv".to_owned(), csv.to_owned())]);
        for (user, groups, may) in [
            ("jane", [].as_slice(), true),
            ("joe", &[], true),
            ("x", &["ops"], true),
            ("x", &["dev"], false),
            ("x", &["few"], false),
            ("x", &[], false),
        ] {
            assert_eq!(may_look(&data, user, groups), may, "{user} {groups:?}");
        }
        let open = BTreeMap::from([("policy.default".to_owned(), "role:readonly".to_owned())]);
        assert!(may_look(&open, "x", &[]));
    }
}
