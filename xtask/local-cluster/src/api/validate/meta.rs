//! Names, labels, annotations, owners, finalizers.

use serde_json::Value;

use crate::store::object;

use super::super::kinds::Kind;
use super::super::names;
use super::Problems;

/// The most that all annotations together may hold.
const MAX_ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(kind: &Kind, object: &Value, problems: &mut Problems) {
    let metadata = &object["metadata"];
    let name = object::name(object);
    let generated = metadata["generateName"].as_str().unwrap_or_default();
    if name.is_empty() {
        if generated.is_empty() {
            problems.required("metadata.name", "name or generateName is required");
        }
    } else {
        problems.check("metadata.name", name, name_check(kind));
    }
    if !generated.is_empty() {
        // Something follows it, so it may end as no name does.
        let stem = format!("{}a", generated.trim_end_matches('-'));
        problems.check("metadata.generateName", &stem, name_check(kind));
    }
    labels(&metadata["labels"], "metadata.labels", problems);
    annotations(metadata, problems);
    owners(metadata, problems);
    let finalizers = metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for (index, finalizer) in finalizers.enumerate() {
        problems.check("metadata.finalizers", finalizer, names::qualified_name);
        if !finalizer.contains('/') && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            problems.invalid(&format!("metadata.finalizers[{index}]"), &finalizer.into(), why);
        }
    }
}

/// What a kind's names may look like.
fn name_check(kind: &Kind) -> fn(&str) -> Option<String> {
    match kind.resource.kind.as_str() {
        _ if kind.resource.custom => names::subdomain,
        "Namespace" => names::label,
        "Service" => names::label_1035,
        _ => names::subdomain,
    }
}

pub(super) fn labels(labels: &Value, field: &str, problems: &mut Problems) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        problems.check(field, key, names::qualified_name);
        let value = value.as_str().unwrap_or_default();
        if let Some(why) = names::label_value(value) {
            problems.invalid(field, &value.into(), &why);
        }
    }
}

fn annotations(metadata: &Value, problems: &mut Problems) {
    let mut total = 0;
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        problems.check("metadata.annotations", &key.to_lowercase(), names::qualified_name);
        total += key.len() + value.as_str().map_or(0, str::len);
    }
    if total > MAX_ANNOTATIONS {
        problems.too_long("metadata.annotations", MAX_ANNOTATIONS);
    }
}

fn owners(metadata: &Value, problems: &mut Problems) {
    let mut controller: Option<String> = None;
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        for part in ["apiVersion", "kind", "name", "uid"] {
            if owner[part].as_str().unwrap_or_default().is_empty() {
                problems.invalid(
                    &format!("metadata.ownerReferences.{part}"),
                    &"".into(),
                    if part == "apiVersion" { "version must not be empty" } else { "must not be empty" },
                );
            }
        }
        if owner["controller"] == true {
            let name = owner["name"].as_str().unwrap_or_default().to_owned();
            match &controller {
                Some(other) => problems.invalid(
                    "metadata.ownerReferences",
                    &metadata["ownerReferences"],
                    &format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {name} and {other}"
                    ),
                ),
                None => controller = Some(name),
            }
        }
    }
}

pub(super) fn check_change(old: &Value, new: &Value, problems: &mut Problems) {
    if !object::is_terminating(old) {
        return;
    }
    let finalizers = |object: &Value| -> Vec<String> {
        let all = object["metadata"]["finalizers"].as_array().into_iter().flatten();
        all.filter_map(|it| it.as_str().map(Into::into)).collect()
    };
    let before = finalizers(old);
    let added: Vec<String> = finalizers(new).into_iter().filter(|it| !before.contains(it)).collect();
    if !added.is_empty() {
        let added: Vec<String> = added.iter().map(|it| format!("{it:?}")).collect();
        problems.forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            ),
        );
    }
}
