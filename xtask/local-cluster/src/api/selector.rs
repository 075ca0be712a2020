//! Label and field selectors.

use serde_json::Value;

use crate::resources::Resource;
use crate::store::object;

use super::names;
use super::status::Refusal;

/// Which objects a request is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selector {
    labels: Vec<(String, Test)>,
    fields: Vec<(String, Test)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Test {
    fn passes(&self, value: Option<&str>) -> bool {
        match self {
            Self::In(values) => value.is_some_and(|it| values.iter().any(|one| one == it)),
            Self::NotIn(values) => value.is_none_or(|it| values.iter().all(|one| one != it)),
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
        }
    }
}

impl Selector {
    /// Reads both selectors of a request for `resource`.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field that this kind's objects
    /// cannot be selected by.
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Refusal> {
        let parts = fields.split(',').filter(|part| !part.is_empty());
        Ok(Self {
            labels: split_outside_parentheses(labels).into_iter().map(of_label).collect::<Result<_, _>>()?,
            fields: parts.map(|part| of_field(resource, part)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|(key, test)| test.passes(object::label(object, key)))
            && self.fields.iter().all(|(field, test)| {
                let value = field.split('.').fold(object, |value, name| &value[name]);
                test.passes(Some(value.as_str().unwrap_or_default()))
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

/// `KEY=VALUE`, `KEY==VALUE` and `KEY!=VALUE`.
fn compared(text: &str) -> Option<(&str, Test)> {
    if let Some((key, value)) = text.split_once("!=") {
        return Some((key.trim(), Test::NotIn(vec![value.trim().into()])));
    }
    let (key, value) = text.split_once("==").or_else(|| text.split_once('='))?;
    Some((key.trim(), Test::In(vec![value.trim().into()])))
}

fn of_label(text: &str) -> Result<(String, Test), Refusal> {
    let refused =
        |why: &str| Err(Refusal::bad_request(format!("unable to parse requirement: {text:?}: {why}")));
    let text = text.trim();
    let (key, test) = if let Some(key) = text.strip_prefix('!') {
        (key.trim(), Test::Missing)
    } else if let Some(compared) = compared(text) {
        compared
    } else if let Some((key, rest)) = text.split_once(char::is_whitespace) {
        let list = rest.trim().strip_suffix(')').and_then(|it| it.split_once('('));
        let values = |list: &str| list.split(',').map(|value| value.trim().to_owned()).collect();
        match list.map(|(operator, list)| (operator.trim(), list)) {
            Some(("in", list)) => (key, Test::In(values(list))),
            Some(("notin", list)) => (key, Test::NotIn(values(list))),
            _ => return refused("expected: =, ==, !=, in (…), notin (…)"),
        }
    } else {
        (text, Test::Exists)
    };
    if let Some(why) = names::qualified_name(key) {
        return refused(why);
    }
    if let Test::In(values) | Test::NotIn(values) = &test
        && let Some(why) = values.iter().find_map(|it| names::label_value(it))
    {
        return refused(why);
    }
    Ok((key.to_owned(), test))
}

fn of_field(resource: &Resource, text: &str) -> Result<(String, Test), Refusal> {
    let Some((field, test)) = compared(text) else {
        return Err(Refusal::bad_request(format!("invalid selector: can't understand '{text}'")));
    };
    let known = ["metadata.name", "metadata.namespace"];
    if known.contains(&field) || selectable(resource).contains(&field) {
        return Ok((field.to_owned(), test));
    }
    let known: Vec<String> = known.iter().chain(selectable(resource)).map(|it| format!("{it:?}")).collect();
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
