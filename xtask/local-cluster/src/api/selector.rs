//! Label and field selectors.

use serde_json::Value;

use crate::resources::Resource;
use crate::store::object;

use super::status::Refusal;

/// Which objects a request is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq)]
struct FieldTerm {
    field: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads both selectors of a request for `resource`.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field that this kind's objects
    /// cannot be selected by.
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Refusal> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|it| it.matches(object::label(object, &it.key)))
            && self.fields.iter().all(|it| (field_value(object, &it.field) == it.value) == it.equal)
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|it| it.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|it| values.iter().any(|one| one == it)),
            Test::NotIn(values) => value.is_none_or(|it| values.iter().all(|one| one != it)),
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::Greater(than) => number().is_some_and(|it| it > *than),
            Test::Less(than) => number().is_some_and(|it| it < *than),
        }
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Refusal> {
    split_outside_parentheses(text).into_iter().map(requirement).collect()
}

/// Splits at commas, but not at those of `in (a,b)`.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut inside) = (vec![], 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(&text[start..]);
    }
    parts
}

fn requirement(text: &str) -> Result<Requirement, Refusal> {
    let text = text.trim();
    let refused = |why: &str| Refusal::bad_request(format!("unable to parse requirement: {why}"));
    let (key, test) = if let Some(key) = text.strip_prefix('!') {
        (key, Test::Missing)
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(vec![value.trim().into()]))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(vec![value.trim().into()]))
    } else if let Some((key, value)) = text.split_once('>') {
        (key, Test::Greater(number(value)?))
    } else if let Some((key, value)) = text.split_once('<') {
        (key, Test::Less(number(value)?))
    } else if let Some((key, rest)) = text.split_once(char::is_whitespace) {
        let rest = rest.trim();
        let (operator, list) =
            rest.split_once(|it: char| it == '(' || it.is_whitespace()).unwrap_or((rest, ""));
        let values = rest
            .find('(')
            .and_then(|open| rest[open + 1..].strip_suffix(')'))
            .map(|list| list.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>());
        match (operator, values) {
            ("in", Some(values)) => (key, Test::In(values)),
            ("notin", Some(values)) => (key, Test::NotIn(values)),
            ("in" | "notin", None) => {
                return Err(refused(&format!("found '{}', expected: '('", list.trim())));
            }
            _ => {
                return Err(refused(&format!("found '{operator}', expected: in, notin, =, ==, !=, gt, lt")));
            }
        }
    } else {
        (text, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() {
        return Err(refused("found '', expected: identifier"));
    }
    if let Some(why) = super::names::qualified_name(key) {
        return Err(refused(&format!("<nil>: Invalid value: {key:?}: {why}")));
    }
    if let Test::In(values) | Test::NotIn(values) = &test {
        for value in values {
            if let Some(why) = super::names::label_value(value) {
                return Err(refused(&format!("values[0][{key}]: Invalid value: {value:?}: {why}")));
            }
        }
    }
    Ok(Requirement { key: key.to_owned(), test })
}

fn number(text: &str) -> Result<i64, Refusal> {
    let text = text.trim();
    text.parse().map_err(|_| {
        Refusal::bad_request(format!(
            "unable to parse requirement: values[0]: Invalid value: {text:?}: for 'Gt', 'Lt' operators, the value must be an integer"
        ))
    })
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>, Refusal> {
    let mut terms = vec![];
    for part in split_unescaped(text) {
        if part.is_empty() {
            continue;
        }
        let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
            (field, value, false)
        } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (field, value, true)
        } else {
            return Err(Refusal::bad_request(format!(
                "invalid selector: '{text}'; can't understand '{part}'"
            )));
        };
        let field = field.trim();
        if !is_selectable(resource, field) {
            return Err(Refusal::bad_request(if resource.custom || has_own_fields(resource) {
                format!("field label not supported: {field}")
            } else {
                format!(
                    "{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                )
            }));
        }
        terms.push(FieldTerm { field: field.to_owned(), value: unescaped(value), equal });
    }
    Ok(terms)
}

/// Splits at commas that no backslash stands before.
fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (vec![], 0, false);
    for (at, character) in text.char_indices() {
        match character {
            ',' if !escaped => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescaped(text: &str) -> String {
    let (mut out, mut escaped) = (String::new(), false);
    for character in text.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(character);
            escaped = false;
        }
    }
    out
}

/// The fields that objects can be selected by, beside name and namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("apps", "replicasets") => &["status.replicas"],
        _ => &[],
    }
}

fn has_own_fields(resource: &Resource) -> bool {
    !selectable(resource).is_empty()
}

fn is_selectable(resource: &Resource, field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace") || selectable(resource).contains(&field)
}

fn field_value(object: &Value, field: &str) -> String {
    match field {
        "source" => text(&object["source"]["component"]),
        "reportingComponent" => match text(&object["reportingComponent"]) {
            empty if empty.is_empty() => text(&object["source"]["component"]),
            component => component,
        },
        "spec.unschedulable" | "spec.hostNetwork" => match text(at(object, field)) {
            empty if empty.is_empty() => "false".into(),
            value => value,
        },
        "status.replicas" => match text(at(object, field)) {
            empty if empty.is_empty() => "0".into(),
            value => value,
        },
        _ => text(at(object, field)),
    }
}

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(object, |value, name| &value[name])
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources;
    use crate::store::Store;
    use serde_json::json;

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
            "x.io/n>4",
            "x.io/n<6",
            "empty=",
        ] {
            assert!(selects(yes, "", &pod), "{yes}");
        }
        for no in [
            "app=b",
            "!app",
            "none",
            "app in (b,c)",
            "app notin (a)",
            "x.io/n>5",
            "app=a,none",
            "none in (a)",
        ] {
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
