//! Fixes as commands that can be typed as they are printed.
//!
//! `kubectl edit` leaves it to a person to find the place and to write the right thing there.
//! Where the right thing is known, the command writes it itself. `oidc.config` is a text
//! inside of a ConfigMap, so jq writes the line anew; no value of a Secret is in any command.

use crate::advice;
use crate::evidence::{DexConfig, Evidence};
use crate::finding::Fix;
use crate::shown::{argument, exact, shown};

/// What argocd-server is told at its start.
pub const PARAMS: &str = "argocd-cmd-params-cm";

/// `kubectl edit` of a ConfigMap of Argo CD's, with what to write as a comment.
pub fn edit(evidence: &Evidence, config_map: &str, comment: &str) -> String {
    format!("{} edit configmap {config_map}   # {comment}", evidence.argocd_kubectl())
}

/// The same of argocd-cm, and a restart.
pub fn edit_settings(evidence: &Evidence, comment: &str) -> Fix {
    Fix::from(edit(evidence, "argocd-cm", comment)).then(&advice::restart_argocd(evidence))
}

/// Writes one key of a ConfigMap of Argo CD's, which means itself in JSON.
pub fn set_data(evidence: &Evidence, config_map: &str, key: &str, value: &str) -> String {
    let kubectl = evidence.argocd_kubectl();
    format!("{kubectl} patch configmap {config_map} --type merge -p '{{\"data\":{{\"{key}\":\"{value}\"}}}}'")
}

/// An object and the kubectl that has its namespace: `kubectl -n argocd`, `secret argocd-oidc`.
pub type Place<'a> = (&'a str, &'a str);

/// Writes fields of `data` of an object, made by jq from those of another, whose values stand
/// in no command line.
pub fn carry(from: Place<'_>, fields: &str, to: Place<'_>) -> String {
    format!(
        "{} get {} -o json | jq '{{data: {{{fields}}}}}' | {} patch {} --patch-file /dev/stdin",
        from.0, from.1, to.0, to.1
    )
}

/// Writes fields of `data` of an object, made by jq from what it holds.
pub fn rewrite(object: Place<'_>, fields: &str) -> String {
    carry(object, fields, object)
}

/// Writes `url` in argocd-cm, and restarts the server.
pub fn set_url(evidence: &Evidence, url: &str) -> Fix {
    let now = Some(evidence.url()).filter(|now| !now.is_empty());
    let line = |url: &str| format!("url: {}", exact(url));
    let fix = match is_plain(url) {
        true => {
            Fix::from(set_data(evidence, "argocd-cm", "url", url)).then(&advice::restart_argocd(evidence))
        }
        false => edit_settings(evidence, &format!("url: {}", shown(url))),
    };
    fix.changing("ConfigMap argocd-cm", now.map(line), Some(line(url)))
}

/// Writes one field of `oidc.config`, and restarts the server.
pub fn set_field(evidence: &Evidence, field: &str, value: &str) -> Fix {
    let config = evidence.oidc();
    let now = config.and_then(|config| config.written(field)).map(|now| format!("{field}: {now}"));
    let change = |fix: Fix| {
        let to = Some(format!("{field}: {}", shown(value)));
        fix.changing("ConfigMap argocd-cm, oidc.config", now, to)
    };
    if !config.is_some_and(|config| config.has_line(field)) || !is_plain(value) {
        return change(edit_settings(evidence, &format!("{field}: {}", shown(value))));
    }
    let kubectl = evidence.argocd_kubectl();
    // The field's line and what belongs to it: lines that are indented, or items of a list.
    let line = format!(r"(?<before>\\A|\n){field}:[^\n]*(\n[ \t-][^\n]*)*");
    let written = format!(r"\(.before){field}: {value}");
    let text = format!("\"oidc.config\": (.data[\"oidc.config\"] | sub(\"{line}\"; \"{written}\"))");
    let object = (kubectl.as_str(), "configmap argocd-cm");
    change(Fix::from(rewrite(object, &text)).then(&advice::restart_argocd(evidence)))
}

/// Writes as whom the command line logs in. Argo CD takes that over without a restart.
pub fn set_cli_client(evidence: &Evidence, id: &str) -> Fix {
    const FIELD: &str = "cliClientID";
    let config = evidence.oidc();
    let has = |field: &str| config.is_some_and(|config| config.has_line(field));
    let there = config.is_some_and(|config| config.written(FIELD).is_some()) || has(FIELD);
    // With its issuer on a line, another line can be added.
    if there || !has("issuer") || !is_plain(id) {
        return set_field(evidence, FIELD, id);
    }
    let text = format!(r#""oidc.config": ((.data["oidc.config"] | rtrimstr("\n")) + "\n{FIELD}: {id}\n")"#);
    let kubectl = evidence.argocd_kubectl();
    let object = (kubectl.as_str(), "configmap argocd-cm");
    let line = Some(format!("{FIELD}: {}", shown(id)));
    Fix::from(rewrite(object, &text)).changing("ConfigMap argocd-cm, oidc.config", None, line)
}

/// Writes a list into a field of `oidc.config`, and restarts the server.
pub fn set_list(evidence: &Evidence, field: &str, values: &[String]) -> Fix {
    set_field(evidence, field, &format!("[{}]", values.join(", ")))
}

/// Puts another text into Dex's configuration in the place of one, and restarts Dex. `None`
/// where that needs a person: it is not known where it stands.
pub fn replace_in_dex(evidence: &Evidence, config: &DexConfig, from: &str, to: &str) -> Option<Fix> {
    let source = config.source.as_ref().filter(|_| is_plain(from) && is_plain(to))?;
    let kubectl = evidence.kubectl_of(&source.namespace);
    let (kind, name) = (source.kind.as_str(), argument(&source.name));
    let (decode, encode) = if kind == "secret" { (" | @base64d", " | @base64") } else { ("", "") };
    let key = format!("\"{}\"", Some(&source.key).filter(|key| is_plain(key))?);
    let text = format!("{key}: (.data[{key}]{decode} | split(\"{from}\") | join(\"{to}\"){encode})");
    let object = format!("{kind} {name}");
    let commands = format!("{}\n{}", rewrite((&kubectl, &object), &text), advice::restart_dex(evidence));
    Some(Fix::from(commands).changing(&config.at, Some(from.to_owned()), Some(to.to_owned())))
}

/// Whether a text means itself between single quotes of a shell, in a string of jq and of
/// JSON, and as a value of YAML.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@$,[] ".contains(c);
    !text.is_empty() && text.chars().all(plain) && !text.contains(": ") && !text.ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_itself_everywhere_is_put_into_a_command() {
        for text in ["http://dex.host:5556", "$argocd-oidc:clientSecret", "[openid, email]"] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["", "it's", "\"", "\\(env)", "a: b", "a:", "a\nb", "`id`", "#x", "é"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
