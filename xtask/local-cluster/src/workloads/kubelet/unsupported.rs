//! What a pod can ask for and does not get here, in one place.
//!
//! It could run and be wrong without these, so its containers do not start, and say why:
//! init containers and sidecars, a `restartPolicy` but `Always`, `envFrom`, `subPath`, startup
//! probes (all in [`reason`]); variables of a pod's fields ([`super::configuration`]);
//! volumes other than Secrets, ConfigMaps and empty directories (there too); probes
//! other than `httpGet` over http and `tcpSocket`, which fail with that reason
//! ([`super::probe`]). Ignored are resources and their limits, lifecycle hooks, security
//! contexts, and files that follow their Secret while a container runs.

use serde_json::Value;

use crate::store::object::{items, text};

/// Why this lab does not start a container of `pod`; `None` if it does.
pub(super) fn reason(pod: &Value, container: &Value) -> Option<String> {
    let has = |value: &Value| value.is_object() || value.as_array().is_some_and(|all| !all.is_empty());
    if has(&pod["spec"]["initContainers"]) {
        let hint = "what they prepare has to be there already, in a Secret or a ConfigMap";
        return Some(format!("this lab runs no initContainers (hint: {hint})"));
    }
    let policy = text(&pod["spec"]["restartPolicy"]);
    if !["", "Always"].contains(&policy) {
        return Some(format!("this lab starts containers again, and has no restartPolicy {policy}"));
    }
    for (field, hint) in [
        ("envFrom", "name each variable in env, with valueFrom"),
        ("startupProbe", "use a readinessProbe, which is asked every few milliseconds until it passes"),
    ] {
        if has(&container[field]) {
            return Some(format!("this lab has no {field} (hint: {hint})"));
        }
    }
    items(&container["volumeMounts"]).find_map(|mount| {
        let field = ["subPath", "subPathExpr"].into_iter().find(|it| !text(&mount[*it]).is_empty())?;
        Some(format!("this lab mounts whole volumes, and no {field} (hint: mount the volume at a folder)"))
    })
}
