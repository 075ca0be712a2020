//! Who is logged in and may do nothing: argocd-rbac-cm held against the claims of the token.

use probe::{CauseId, User};
use serde_json::Value;

use super::commands::{edit, rewrite, set_list};
use crate::evidence::claims::{TECHNICAL, behind_sub, is_overage};
use crate::evidence::{Evidence, Rbac, Rule};
use crate::finding::{Certainty, Finding, Fix, When};
use crate::shown::{exact, listed, shown};

const RBAC: &str = "argocd-rbac-cm";
/// How a line is named that is no policy.
pub const NO_POLICY: &str = "a line is no policy: ";
/// What a user who is given something is given where no line says what was meant.
const LEAST: &str = "role:readonly";

/// A value that the token has of its user.
struct Known {
    claim: String,
    value: String,
}

/// A subject of a policy that a value of the token nearly is.
struct Near<'a> {
    subject: &'a str,
    known: &'a Known,
    how: &'static str,
}

/// What the user lacks.
pub fn check(evidence: &Evidence, user: &User) -> Option<Finding> {
    let nothing = Rbac::nothing();
    let rbac = if evidence.rbac.is_absent() { &nothing } else { evidence.rbac.there()? };
    // A server that runs goes by what it could read before.
    if rbac.names(evidence.identifier(user), &user.groups) || rbac.is_unreadable() {
        return None;
    }
    let known = known(user);
    let near = near(rbac, &known);
    let subjects = rbac.subjects();
    let key = match rbac.unknown.iter().find(|key| is_policy(key)) {
        Some(key) => shown(key),
        None if near.as_ref().is_some_and(|near| near.how.is_empty()) => "scopes".to_owned(),
        None => "policy.csv".to_owned(),
    };
    if is_overage(&user.claims) {
        return Some(overage(user));
    }
    let finding = Finding::new(CauseId::NoRights, format!("ConfigMap argocd-rbac-cm, {key}"))
        // A project may have roles of its own.
        .certainty(Certainty::Likely)
        .seen(format!(
            "{} is logged in, with {} as groups (claims {})",
            shown(&user.username),
            listed(&user.groups),
            listed(&rbac.scopes)
        ))
        .seen(format!(
            "the policies name {}, and policy.default is {}",
            if subjects.is_empty() { "nobody".to_owned() } else { listed(&subjects) },
            match rbac.default.as_str() {
                "" => "empty".to_owned(),
                role => format!("{}, a role that gives nothing", exact(role)),
            }
        ));
    Some(
        finding
            .seen_if(unknown_keys(rbac))
            .seen_if(near.as_ref().map(|near| nearly(near, rbac)))
            .seen_if(in_vain(rbac, user))
            .seen_if(lacking(rbac, user))
            .why("nothing is given to this user or to a group of theirs, so everything is empty or forbidden")
            .fix(give(evidence, rbac, user, near.as_ref())),
    )
}

/// A token that has a link in place of the groups.
fn overage(user: &User) -> Finding {
    Finding::new(CauseId::GroupOverage, "the identity provider")
        .certainty(Certainty::Likely)
        .seen(format!("{} is in so many groups that the token has a link in their place", shown(&user.username)))
        .why("Argo CD goes by the groups in the token, and follows no link unless it is told to")
        .fix("at the provider: only groups that are assigned to the application, or application roles in place of groups")
        .lasting(Some("the same; releases that know it: azure.enableUserGroupOverageClaim in oidc.config".to_owned()))
}

/// An argocd-rbac-cm that a server which starts now cannot read, and ends on.
pub fn ends_on(evidence: &Evidence) -> Option<Finding> {
    let rbac = evidence.rbac.there().filter(|rbac| rbac.is_unreadable())?;
    let starting = evidence.pods.iter().find_map(|pod| Some((pod, pod.waiting.as_ref()?)));
    let runs = evidence.pods.iter().any(|pod| pod.runs() && pod.ready);
    let (key, seen) = match (&rbac.scopes_unreadable, rbac.invalid.first()) {
        (Some(text), _) => ("scopes", format!("scopes is {}, which is no list", exact(text))),
        (None, line) => line.map(|(key, line)| (key.as_str(), format!("{NO_POLICY}{}", exact(line))))?,
    };
    let logged = evidence.logged(|log| log.invalid_rbac.as_ref());
    Some(
        Finding::new(CauseId::NoRights, format!("ConfigMap argocd-rbac-cm, {}", shown(key)))
            .when(if runs { When::Later } else { When::Now })
            .seen(seen)
            .seen_if(logged.map(|(_, words)| format!("argocd-server's log says: {}", shown(words))))
            .seen_if(
                starting.map(|(pod, waiting)| format!("pod {} waits: {}", shown(&pod.name), shown(waiting))),
            )
            .why(
                "a server that runs goes on with the policies of before, and one that starts with these ends",
            )
            .fix(edit(evidence, RBAC, "mend that line")),
    )
}

/// What files give nobody, whoever logs in.
pub fn of_files(evidence: &Evidence) -> Option<Finding> {
    let rbac = evidence.rbac.there().filter(|rbac| evidence.files && !rbac.is_unreadable())?;
    let finding = |at: &str| Finding::new(CauseId::NoRights, at).certainty(Certainty::Likely);
    if let Some(key) = rbac.unknown.iter().find(|key| is_policy(key)) {
        return Some(
            finding(&format!("ConfigMap argocd-rbac-cm, {}", shown(key)))
                .seen_if(unknown_keys(rbac))
                .why("Argo CD does without a key that it does not know, and what it gives is given to nobody")
                .fix(edit(evidence, RBAC, "policy.csv: with the lines of that key")),
        );
    }
    let default = &rbac.default;
    if !default.is_empty() && !default.starts_with("role:") && !rbac.gives(default) {
        return Some(
            finding("ConfigMap argocd-rbac-cm, policy.default")
                .seen(format!("policy.default is {}, a role that gives nothing", exact(default)))
                .why("whom no line names has no rights at all")
                .fix(edit(evidence, RBAC, &format!("policy.default: role:{}", shown(default)))),
        );
    }
    unasked(evidence, rbac)
}

/// Claims that policies go by and no scope asks for.
fn unasked(evidence: &Evidence, rbac: &Rbac) -> Option<Finding> {
    /// What an issuer has whose tokens have groups by its own settings, and whose scopes do not: Entra, Google, GitLab,
    /// Cognito, Keycloak, authentik.
    const BY_THEMSELVES: [&str; 7] = [
        "login.microsoftonline",
        "sts.windows.net",
        "accounts.google.com",
        "gitlab",
        "cognito-idp",
        "/realms/",
        "/application/o/",
    ];
    /// And of those that give groups to whoever asks for them: Dex, Okta.
    const BY_SCOPE: [&str; 2] = ["dex", "okta"];
    let (settings, config) = (evidence.settings.there()?, evidence.oidc()?);
    let is = |names: &[&str]| names.iter().any(|name| evidence.provider.issuer.contains(name));
    let by_claims = ["requestedIDTokenClaims", "enableUserInfoGroups"].iter().any(|it| config.has_line(it));
    let asked = config.requested();
    let lacks = |claim: &str| {
        let [looks, asks] = [&rbac.scopes, &asked].map(|all| all.iter().any(|it| it == claim));
        looks && !asks
    };
    let own = |name: &str| name == "admin" || settings.accounts.iter().any(|it| it == name);
    let subjects = rbac.subjects().into_iter().filter(|name| !own(name) && !name.starts_with("proj:"));
    // An address is a user's, unless groups have some.
    let (addresses, groups): (Vec<&str>, Vec<&str>) = subjects.partition(|name| name.contains('@'));
    let (claim, named, certainty) =
        if lacks("groups") && !groups.is_empty() && !by_claims && !is(&BY_THEMSELVES) {
            let sure = evidence.provider.own_dex().is_some() || is(&BY_SCOPE);
            ("groups", groups, if sure { Certainty::Likely } else { Certainty::Possible })
        } else if lacks("email") && !addresses.is_empty() && !rbac.scopes.iter().any(|it| it == "groups") {
            ("email", addresses, Certainty::Likely)
        } else {
            return None;
        };
    Some(
        Finding::new(CauseId::NoRights, "ConfigMap argocd-cm, oidc.config requestedScopes")
            .certainty(certainty)
            .seen(format!("requestedScopes is {}, without {claim}", listed(&asked)))
            .seen(format!("argocd-rbac-cm goes by the claim {claim} (scopes), and names {}", listed(&named)))
            .why(match certainty {
                Certainty::Possible => format!("unless the provider puts the claim {claim} into each token by itself, nobody gets what the policies give"),
                _ => format!("a token has the claim {claim} where its scope is asked for, and without it nobody gets what the policies give"),
            })
            .fix(set_list(evidence, "requestedScopes", &[asked.as_slice(), &[claim.to_owned()]].concat())),
    )
}

/// All that the token says of its user, each value with the claim that has it.
fn known(user: &User) -> Vec<Known> {
    let claims = user.claims.as_object();
    let claims = claims.into_iter().flatten().filter(|(name, _)| !TECHNICAL.contains(&name.as_str()));
    let mut known: Vec<Known> = vec![];
    for (claim, value) in claims {
        let values = match value {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect::<Vec<_>>(),
        };
        known.extend(values.into_iter().map(|value| Known { claim: claim.clone(), value: value.to_owned() }));
    }
    let encoded = user.claims["sub"].as_str().and_then(behind_sub);
    known.extend(encoded.map(|value| Known { claim: "sub, encoded".to_owned(), value }));
    known
}

/// The subject that is most likely meant for this user. One that is in another claim letter for letter
/// comes first.
fn near<'a>(rbac: &'a Rbac, known: &'a [Known]) -> Option<Near<'a>> {
    let all = rbac.subjects().into_iter().flat_map(|subject| {
        let near =
            move |known: &'a Known| Some(Near { subject, known, how: likeness(subject, &known.value)? });
        known.iter().filter_map(near)
    });
    all.min_by_key(|near| !near.how.is_empty())
}

/// In what a subject and a value differ, if it is little; nothing if they do not.
fn likeness(subject: &str, value: &str) -> Option<&'static str> {
    let bare = |text: &str| text.trim().trim_matches(['"', '\'', '/']).to_lowercase();
    let last = |text: &str, separator: char| text.rsplit(separator).next().unwrap_or_default().to_lowercase();
    let (a, b) = (bare(subject), bare(value));
    if subject == value {
        Some("")
    } else if a.is_empty() || b.is_empty() {
        None
    } else if subject.eq_ignore_ascii_case(value) {
        Some("the case of its letters")
    } else if subject.trim_matches('/') == value.trim_matches('/') {
        Some("a slash")
    } else if a == b {
        Some("white space, quotes or the case of its letters")
    } else if last(&a, '/') == last(&b, '/') {
        Some("the path before it")
    } else if last(&a, ':') == b || last(&b, ':') == a {
        Some("a prefix")
    } else if a.split('@').next() == b.split('@').next() {
        Some("the domain")
    } else {
        None
    }
}

fn nearly(near: &Near<'_>, rbac: &Rbac) -> String {
    let Near { subject, known: Known { claim, value }, how } = near;
    match how.is_empty() {
        true => format!(
            "the policies name {}, which the token has as {} and not in {}",
            exact(subject),
            shown(claim),
            listed(&rbac.scopes)
        ),
        false => format!(
            "the policies name {}, and the token has {} (claim {}): they differ by {how}",
            exact(subject),
            exact(value),
            shown(claim)
        ),
    }
}

/// The keys that Argo CD does without.
fn unknown_keys(rbac: &Rbac) -> Option<String> {
    let keys: Vec<String> = rbac.unknown.iter().map(|key| exact(key)).collect();
    (!keys.is_empty()).then(|| {
        format!("Argo CD knows no key {}; it reads policy.csv, policy.default and scopes", listed(&keys))
    })
}

/// A line about one of the user's groups that gives nothing.
fn in_vain(rbac: &Rbac, user: &User) -> Option<String> {
    rbac.rules.iter().find_map(|rule| match rule {
        Rule::Permission { subject } if user.groups.contains(subject) => Some(format!(
            "{} is a group, and only `p` lines name it: a group counts where a `g` line puts it into a role",
            exact(subject)
        )),
        Rule::Member { subject, role } if user.groups.contains(subject) && !rbac.gives(role) => {
            Some(format!("{} is in {}, and no line says what that role may", exact(subject), exact(role)))
        }
        _ => None,
    })
}

/// The claims in `scopes` that this token has not.
fn lacking(rbac: &Rbac, user: &User) -> Option<String> {
    let claims = user.claims.as_object()?;
    let lacking: Vec<&String> = rbac.scopes.iter().filter(|scope| !claims.contains_key(*scope)).collect();
    let has: Vec<&String> = claims.keys().filter(|name| !TECHNICAL.contains(&name.as_str())).collect();
    (!lacking.is_empty())
        .then(|| format!("the token has no claim {}; it has {}", listed(&lacking), listed(&has)))
}

fn is_policy(key: &str) -> bool {
    key.to_lowercase().contains("polic") && !key.to_lowercase().contains("default")
}

/// The line that gives the user what was meant, by a claim that Argo CD looks at.
fn give(evidence: &Evidence, rbac: &Rbac, user: &User, near: Option<&Near<'_>>) -> Fix {
    const OBJECT: &str = "ConfigMap argocd-rbac-cm";
    let kubectl = evidence.argocd_kubectl();
    let object = (kubectl.as_str(), "configmap argocd-rbac-cm");
    if evidence.rbac.is_absent() {
        return format!("{kubectl} create configmap argocd-rbac-cm --from-literal=policy.default={LEAST}")
            .into();
    }
    if let Some(key) = rbac.unknown.iter().find(|key| is_policy(key) && is_plain(key)) {
        let moved = format!(
            "\"policy.csv\": ((.data[\"policy.csv\"] // \"\") + \"\\n\" + .data[\"{key}\"]), \"{key}\": null"
        );
        let line = |key: &str| Some(format!("{key}: …"));
        return Fix::from(rewrite(object, &moved)).changing(OBJECT, line(key), line("policy.csv"));
    }
    let username = Known { claim: claim_of(user), value: user.username.clone() };
    let role_of = |subject: &str| rbac.roles(subject).into_iter().find(|role| rbac.gives(role));
    let (known, role) = match near {
        Some(near) => (near.known, role_of(near.subject).unwrap_or(LEAST)),
        None => (&username, LEAST),
    };
    // Policies know a user by `sub` as it stands in the token, whatever the claims in scopes are.
    let by_sub = known.claim.starts_with("sub");
    let value = evidence.identifier(user).filter(|_| by_sub).unwrap_or(&known.value);
    let line = format!("g, {value}, {role}");
    if !is_plain(value) || !is_plain(role) {
        let comment = format!("policy.csv: {}; scopes: [groups, email]", shown(&line));
        return edit(evidence, RBAC, &comment).into();
    }
    let (mut changes, mut fix) = (vec![], Fix::default());
    if role_of(value).is_none() {
        changes.push(format!("\"policy.csv\": ((.data[\"policy.csv\"] // \"\") + \"\\n{line}\\n\")"));
        fix = fix.changing(&format!("{OBJECT}, policy.csv"), None, Some(line));
    }
    let claim = &known.claim;
    let counts = by_sub || user.groups.iter().any(|group| group == value) || rbac.scopes.contains(claim);
    if !counts && is_plain(claim) {
        let list = |scopes: &[String]| format!("[{}]", scopes.join(", "));
        let scopes = list(&[rbac.scopes.as_slice(), std::slice::from_ref(claim)].concat());
        changes.push(format!("\"scopes\": \"{scopes}\""));
        let now = shown(&format!("scopes: {}", list(&rbac.scopes)));
        fix = fix.changing(OBJECT, Some(now), Some(format!("scopes: {scopes}")));
    }
    Fix { commands: rewrite(object, &changes.join(", ")), ..fix }
}

/// The claim that has the name by which Argo CD shows a user.
fn claim_of(user: &User) -> String {
    let mut claims = user.claims.as_object().into_iter().flatten();
    let named = claims.find(|(_, value)| value.as_str() == Some(&user.username));
    named.map_or("email", |(name, _)| name).to_owned()
}

/// Whether a text means itself in a field of CSV, in a string of jq and between single quotes of a shell.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+/: ".contains(c);
    !text.is_empty() && text.trim() == text && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_little_is_meant() {
        for (subject, value, how) in [
            ("admins", "admins", Some("")),
            ("Admins", "admins", Some("the case of its letters")),
            ("admins", "/admins", Some("a slash")),
            ("admins", "/org/admins", Some("the path before it")),
            ("group:admins", "admins", Some("a prefix")),
            ("jane", "jane@example.com", Some("the domain")),
            ("\"admins\"", "admins", Some("white space, quotes or the case of its letters")),
            ("admins", "users", None),
            ("", "users", None),
        ] {
            assert_eq!(likeness(subject, value), how, "{subject} {value}");
        }
    }
}
