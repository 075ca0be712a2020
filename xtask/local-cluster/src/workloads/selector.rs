//! Label selectors as objects carry them.

use serde_json::Value;

/// Whether a Service's plain selector (`app: x`) matches an object's labels. One that
/// is missing or empty matches nothing.
pub(super) fn plain(selector: &Value, object: &Value) -> bool {
    let Some(wanted) = selector.as_object().filter(|wanted| !wanted.is_empty()) else { return false };
    let labels = &object["metadata"]["labels"];
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether a `matchLabels`/`matchExpressions` selector matches an object's labels. One
/// that is empty matches nothing here: a controller that owns everything is a mistake,
/// and the real API refuses it.
pub(super) fn full(selector: &Value, object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let wanted = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    let empty = wanted.is_none_or(serde_json::Map::is_empty) && expressions.is_none_or(Vec::is_empty);
    !empty
        && wanted.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().flatten().all(|expression| expression_matches(expression, labels))
}

fn expression_matches(expression: &Value, labels: &Value) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed =
        || expression["values"].as_array().is_some_and(|values| value.is_some_and(|it| values.contains(it)));
    match expression["operator"].as_str() {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let pod = json!({"metadata": {"labels": {"app": "a", "tier": "x"}}});
        for (selector, expected) in [
            (json!({}), false),
            (json!(null), false),
            (json!({"matchLabels": {"app": "a"}}), true),
            (json!({"matchLabels": {"app": "b"}}), false),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["x", "y"]}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}), false),
            (json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["x"]}]}), true),
            (json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}), true),
            (
                json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
                false,
            ),
        ] {
            assert_eq!(full(&selector, &pod), expected, "{selector}");
        }
        assert!(plain(&json!({"app": "a"}), &pod));
        assert!(!plain(&json!({"app": "a", "more": "b"}), &pod));
        assert!(!plain(&json!({}), &pod));
    }
}
