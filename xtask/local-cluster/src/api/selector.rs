//! Label and field selectors.

use serde_json::{Value, json};

use crate::resources::Resource;
use crate::store::object;

use super::names;
use super::status::Refusal;

/// Which objects a request is about.
#[derive(Debug)]
pub struct Selector {
    /// As objects hold one (`matchExpressions`), unless every label will do.
    labels: Option<Value>,
    fields: Vec<Comparison>,
}

/// A name with the value that it has to have, or is not to have.
#[derive(Debug)]
struct Comparison {
    name: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// Reads both selectors of a request for `resource`.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field that this kind's objects
    /// cannot be selected by.
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels =
            split_outside_parentheses(labels).into_iter().map(of_label).collect::<Result<Vec<_>, _>>()?;
        let parts = fields.split(',').filter(|part| !part.is_empty());
        Ok(Self {
            labels: Some(labels).filter(|it| !it.is_empty()).map(|it| json!({"matchExpressions": it})),
            fields: parts.map(|part| of_field(resource, part)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.as_ref().is_none_or(|labels| object::selects(labels, object))
            && self.fields.iter().all(|it| {
                let value = it.name.split('.').fold(object, |value, name| &value[name]);
                (object::text(value) == it.value) == it.equal
            })
    }
}

/// Splits at commas, but not at those of `in (a,b)`.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut inside = false;
    let parts = text.split(|it| {
        inside = it == '(' || inside && it != ')';
        it == ',' && !inside
    });
    parts.filter(|_| !text.trim().is_empty()).collect()
}

/// `NAME=VALUE`, `NAME==VALUE` and `NAME!=VALUE`.
fn compared(text: &str) -> Option<Comparison> {
    let (equal, (name, value)) = match text.split_once("!=") {
        Some(parts) => (false, parts),
        None => (true, text.split_once("==").or_else(|| text.split_once('='))?),
    };
    Some(Comparison { name: name.trim().into(), equal, value: value.trim().into() })
}

/// One of `matchExpressions`.
fn of_label(text: &str) -> Result<Value, Refusal> {
    let refused =
        |why: &str| Err(Refusal::bad_request(format!("unable to parse requirement: {text:?}: {why}")));
    let text = text.trim();
    let (key, operator, values) = if let Some(key) = text.strip_prefix('!') {
        (key.trim().to_owned(), "DoesNotExist", vec![])
    } else if let Some(Comparison { name, equal, value }) = compared(text) {
        (name, if equal { "In" } else { "NotIn" }, vec![value])
    } else if let Some((key, rest)) = text.split_once(char::is_whitespace) {
        let list = rest.trim().strip_suffix(')').and_then(|it| it.split_once('('));
        let operator = match list.map(|(operator, _)| operator.trim()) {
            Some("in") => "In",
            Some("notin") => "NotIn",
            _ => return refused("expected: =, ==, !=, in (…), notin (…)"),
        };
        let values = list.into_iter().flat_map(|(_, list)| list.split(','));
        (key.to_owned(), operator, values.map(|value| value.trim().to_owned()).collect())
    } else {
        (text.to_owned(), "Exists", vec![])
    };
    let wrong = || values.iter().find_map(|it| names::label_value(it));
    if let Some(why) = names::qualified_name(&key).or_else(wrong) {
        return refused(why);
    }
    Ok(json!({"key": key, "operator": operator, "values": values}))
}

fn of_field(resource: &Resource, text: &str) -> Result<Comparison, Refusal> {
    let Some(asked) = compared(text) else {
        return Err(Refusal::bad_request(format!("invalid selector: can't understand '{text}'")));
    };
    let known = ["metadata.name", "metadata.namespace"].iter().chain(selectable(resource));
    if known.clone().any(|it| *it == asked.name) {
        return Ok(asked);
    }
    let (field, known) = (asked.name, known.map(|it| format!("{it:?}")).collect::<Vec<_>>());
    Err(Refusal::bad_request(format!("{field:?} is not a known field selector: only {}", known.join(", "))))
}

/// The fields that objects can be selected by, beside name and namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match resource.id().as_str() {
        "pods" => &["spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"],
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "services" => &["spec.clusterIP", "spec.type"],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "reason",
            "type",
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources;
    use crate::store::Store;

    fn selects(labels: &str, fields: &str, object: &Value) -> bool {
        let pods = resources::find(&Store::new(), "", "v1", "pods").unwrap();
        Selector::parse(&pods, labels, fields).unwrap().matches(object)
    }

    #[test]
    fn labels() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "a", "x.io/n": "5", "empty": ""}}});
        for yes in [
            "",
            "app",
            "app=a",
            "app==a",
            "app!=b",
            "none!=b",
            "!none",
            "app in (a, b)",
            "app in(a)",
            "app notin (c),x.io/n",
            "empty=",
        ] {
            assert!(selects(yes, "", &pod), "{yes}");
        }
        for no in ["app=b", "!app", "none", "app in (b,c)", "app notin (a)", "app=a,none", "none in (a)"] {
            assert!(!selects(no, "", &pod), "{no}");
        }
    }

    #[test]
    fn fields() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"phase": "Running"}});
        assert!(selects("", "metadata.name=p,status.phase!=Failed", &pod));
        assert!(selects("", "spec.nodeName=", &pod));
        assert!(!selects("", "metadata.name=q", &pod));
    }

    #[test]
    fn what_cannot_be_read_is_a_bad_request() {
        let pods = resources::find(&Store::new(), "", "v1", "pods").unwrap();
        for (labels, fields) in [
            ("a b c", ""),
            ("=x", ""),
            ("a in b", ""),
            ("a=?", ""),
            ("a>b", ""),
            ("", "x"),
            ("", "spec.foo=1"),
        ] {
            let refusal = Selector::parse(&pods, labels, fields).unwrap_err();
            assert_eq!(refusal.code, 400, "{labels} {fields}");
        }
    }
}
