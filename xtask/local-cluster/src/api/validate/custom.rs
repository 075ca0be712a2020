//! Custom kinds: objects by the schema of their CRD, and CRDs themselves. Of a
//! schema all is checked but `x-kubernetes-validations`, which would need CEL, and
//! `pattern` and `format`, which would need their engines.

use serde_json::{Value, json};

use super::super::names;
use super::Problems;

pub(super) fn check(object: &Value, schema: &Value, problems: &mut Problems) {
    // The API's own fields are typed by the API.
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            continue;
        }
        if let Some(value) = object.get(name) {
            value_of(value, schema, name, problems);
        }
    }
    required(object, schema, "", problems);
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

fn required(value: &Value, schema: &Value, at: &str, problems: &mut Problems) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() && !matches!((at, name), ("", "metadata")) {
            problems.required(&join(at, name), "");
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(value: &Value, wanted: &str) -> bool {
    type_name(value) == wanted
        || wanted == "number" && value.is_number()
        || wanted == "integer" && value.as_f64().is_some_and(|it| it.fract() == 0.0)
}

fn value_of(value: &Value, schema: &Value, at: &str, problems: &mut Problems) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if schema["x-kubernetes-int-or-string"] == true {
        if !value.is_string() && !value.is_i64() {
            problems.add(
                "FieldValueTypeInvalid",
                at,
                format!(
                    "Invalid value: {:?}: {at} in body must be of type integer,string: {:?}",
                    type_name(value),
                    type_name(value)
                ),
            );
        }
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !fits(value, wanted)
    {
        let found = type_name(value);
        problems.add(
            "FieldValueTypeInvalid",
            at,
            format!("Invalid value: {found:?}: {at} in body must be of type {wanted}: {found:?}"),
        );
        return;
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        let known: Vec<String> = known.iter().map(Value::to_string).collect();
        problems.add(
            "FieldValueNotSupported",
            at,
            format!("Unsupported value: {value}: supported values: {}", known.join(", ")),
        );
    }
    match value {
        Value::Number(_) => number(value, schema, at, problems),
        Value::String(text) => {
            length(text.chars().count(), schema, ["minLength", "maxLength"], value, at, problems)
        }
        Value::Array(items) => {
            length(items.len(), schema, ["minItems", "maxItems"], value, at, problems);
            for (index, item) in items.iter().enumerate() {
                value_of(item, &schema["items"], &format!("{at}[{index}]"), problems);
            }
        }
        Value::Object(map) => {
            length(map.len(), schema, ["minProperties", "maxProperties"], value, at, problems);
            required(value, schema, at, problems);
            for (name, value) in map {
                let schema = match schema["properties"].get(name) {
                    Some(schema) => schema,
                    None => &schema["additionalProperties"],
                };
                if schema.is_object() {
                    value_of(value, schema, &join(at, name), problems);
                }
            }
        }
        _ => {}
    }
    combined(value, schema, at, problems);
}

fn combined(value: &Value, schema: &Value, at: &str, problems: &mut Problems) {
    let passes = |schema: &Value| {
        let mut inner = Problems::default();
        value_of(value, schema, at, &mut inner);
        if value.is_object() && !schema["type"].is_string() {
            required(value, schema, at, &mut inner);
        }
        inner.0.is_empty()
    };
    let all = |name: &str| schema[name].as_array();
    for schema in all("allOf").into_iter().flatten() {
        value_of(value, schema, at, problems);
    }
    if all("anyOf").is_some_and(|any| !any.iter().any(passes)) {
        problems.invalid(at, value, &format!("{at} in body must validate at least one schema (anyOf)"));
    }
    if all("oneOf").is_some_and(|one| one.iter().filter(|it| passes(it)).count() != 1) {
        problems.invalid(at, value, &format!("{at} in body must validate one and only one schema (oneOf)"));
    }
    if schema["not"].is_object() && passes(&schema["not"]) {
        problems.invalid(at, value, &format!("{at} in body must not validate the schema (not)"));
    }
}

fn number(value: &Value, schema: &Value, at: &str, problems: &mut Problems) {
    let number = value.as_f64().unwrap_or_default();
    if let Some(least) = schema["minimum"].as_f64() {
        let open = schema["exclusiveMinimum"] == true;
        if number < least || open && number == least {
            let than = if open { "greater than" } else { "greater than or equal to" };
            problems.invalid(at, value, &format!("{at} in body should be {than} {least}"));
        }
    }
    if let Some(most) = schema["maximum"].as_f64() {
        let open = schema["exclusiveMaximum"] == true;
        if number > most || open && number == most {
            let than = if open { "less than" } else { "less than or equal to" };
            problems.invalid(at, value, &format!("{at} in body should be {than} {most}"));
        }
    }
}

fn length(
    length: usize,
    schema: &Value,
    [least, most]: [&str; 2],
    value: &Value,
    at: &str,
    problems: &mut Problems,
) {
    let limit = |name: &str| schema[name].as_u64().and_then(|it| usize::try_from(it).ok());
    let what = match least {
        "minLength" => "chars long",
        "minItems" => "items",
        _ => "properties",
    };
    if let Some(limit) = limit(least).filter(|limit| length < *limit) {
        problems.invalid(at, value, &format!("{at} in body should be at least {limit} {what}"));
    }
    if let Some(limit) = limit(most).filter(|limit| length > *limit) {
        problems.add("FieldValueTooLong", at, format!("Too long: may not be more than {limit} {what}"));
    }
}

pub(super) fn check_crd(crd: &Value, problems: &mut Problems) {
    let spec = &crd["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    if group.is_empty() {
        problems.required("spec.group", "");
    } else if group.split('.').count() < 2 {
        problems.invalid("spec.group", &json!(group), "should be a domain with at least one dot");
    } else {
        problems.check("spec.group", &group, names::subdomain);
    }
    problems.one_of("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]);
    for name in ["plural", "kind"] {
        if text(&spec["names"][name]).is_empty() {
            problems.required(&format!("spec.names.{name}"), "");
        }
    }
    let name = text(&crd["metadata"]["name"]);
    if name != format!("{plural}.{group}") {
        problems.invalid("metadata.name", &json!(name), "must be spec.names.plural+\".\"+spec.group");
    }
    let versions: Vec<&Value> = spec["versions"].as_array().into_iter().flatten().collect();
    if versions.is_empty() {
        problems.required("spec.versions", "must have at least one version");
        return;
    }
    if versions.iter().filter(|it| it["storage"] == true).count() != 1 {
        problems.invalid(
            "spec.versions",
            &spec["versions"],
            "must have exactly one version marked as storage version",
        );
    }
    for (index, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        problems.check(&format!("{at}.name"), &text(&version["name"]), names::label_1035);
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            problems.required(&format!("{at}.schema.openAPIV3Schema"), "schemas are required");
        } else if schema["type"] != "object" {
            let at = format!("{at}.schema.openAPIV3Schema.type");
            if schema["type"].is_null() {
                problems.required(&at, "must not be empty at the root");
            } else {
                problems.invalid(&at, &schema["type"], "must be object at the root");
            }
        }
    }
}
