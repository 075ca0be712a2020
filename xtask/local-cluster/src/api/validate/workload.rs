//! Deployments and ReplicaSets.

use serde_json::Value;

use super::{Problems, meta, pod};

pub(super) fn check_deployment(spec: &Value, problems: &mut Problems) {
    check(spec, problems);
    let strategy = &spec["strategy"];
    if !matches!(strategy["type"].as_str(), Some("Recreate" | "RollingUpdate")) {
        // The struct as a whole is named, in the server's own spelling.
        let (kind, rolling) = (&strategy["type"], &strategy["rollingUpdate"]);
        let value = format!("{{\"Type\":{kind},\"RollingUpdate\":{rolling}}}");
        problems.add(
            "FieldValueNotSupported",
            "spec.strategy",
            format!("Unsupported value: {value}: supported values: \"Recreate\", \"RollingUpdate\""),
        );
    }
    if strategy["type"] == "Recreate" && strategy["rollingUpdate"].is_object() {
        problems.forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        );
    }
    let rolling = &strategy["rollingUpdate"];
    let is_none = |value: &Value| matches!(value.as_i64(), Some(0)) || value == "0%" || value == "0";
    if rolling.is_object() && is_none(&rolling["maxUnavailable"]) && is_none(&rolling["maxSurge"]) {
        problems.invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            &rolling["maxUnavailable"],
            "may not be 0 when `maxSurge` is 0",
        );
    }
    for field in ["maxUnavailable", "maxSurge"] {
        let value = &rolling[field];
        let percent = value.as_str().is_some_and(|text| {
            text.strip_suffix('%')
                .is_none_or(|it| it.is_empty() || !it.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if percent {
            problems.invalid(
                &format!("spec.strategy.rollingUpdate.{field}"),
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            );
        }
    }
    for field in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        not_negative(spec, field, problems);
    }
    let (deadline, ready) = (spec["progressDeadlineSeconds"].as_i64(), spec["minReadySeconds"].as_i64());
    if deadline.is_some_and(|deadline| deadline <= ready.unwrap_or_default()) {
        problems.invalid(
            "spec.progressDeadlineSeconds",
            &spec["progressDeadlineSeconds"],
            "must be greater than minReadySeconds",
        );
    }
}

fn not_negative(spec: &Value, field: &str, problems: &mut Problems) {
    if spec[field].as_i64().is_some_and(|it| it < 0) {
        problems.invalid(&format!("spec.{field}"), &spec[field], "must be greater than or equal to 0");
    }
}

pub(super) fn check(spec: &Value, problems: &mut Problems) {
    not_negative(spec, "replicas", problems);
    let selector = &spec["selector"];
    let template = &spec["template"];
    let labels = &template["metadata"]["labels"];
    if selector.is_null() {
        problems.required("spec.selector", "");
    } else {
        check_selector(selector, problems);
    }
    if !selector.is_null() && is_empty(selector) {
        problems.invalid("spec.selector", selector, "empty selector is invalid for deployment");
    } else if selector.is_null() || !matches(selector, labels) {
        problems.invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        );
    }
    meta::labels(&template["metadata"]["labels"], "spec.template.labels", problems);
    pod::check(&template["spec"], "spec.template.spec", problems);
    let policy = &template["spec"]["restartPolicy"];
    if policy != "Always" && (policy == "OnFailure" || policy == "Never") {
        problems.one_of("spec.template.spec.restartPolicy", policy, &["Always"]);
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_empty(selector: &Value) -> bool {
    items(&selector["matchExpressions"]).count() == 0
        && selector["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty)
}

fn check_selector(selector: &Value, problems: &mut Problems) {
    meta::labels(&selector["matchLabels"], "spec.selector.matchLabels", problems);
    for (index, expression) in items(&selector["matchExpressions"]).enumerate() {
        let at = format!("spec.selector.matchExpressions[{index}]");
        let values = items(&expression["values"]).count();
        match expression["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if values == 0 => {
                problems.required(
                    &format!("{at}.values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                );
            }
            "Exists" | "DoesNotExist" if values > 0 => {
                problems.forbidden(
                    &format!("{at}.values"),
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => problems.invalid(
                &format!("{at}.operator"),
                &expression["operator"],
                "not a valid selector operator",
            ),
        }
    }
}

/// Whether labels satisfy a label selector.
pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    exact.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && items(&selector["matchExpressions"]).all(|it| {
            let value = labels.get(it["key"].as_str().unwrap_or_default());
            let among = value.is_some_and(|value| items(&it["values"]).any(|one| one == value));
            match it["operator"].as_str().unwrap_or_default() {
                "In" => among,
                "NotIn" => !among,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}
