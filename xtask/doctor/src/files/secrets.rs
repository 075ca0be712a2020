//! Secrets as files have them: by name, label and key. What stands for a value is random, whatever was written.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::evidence::{OWN, PART_OF, Reference, SERVER_KEY};
use crate::hidden::Hidden;
use base::Result;

/// A Secret that files have, or what would make one of that name.
#[derive(Debug, Default)]
pub struct SecretOf {
    /// Its name.
    pub name: String,
    /// Its keys, each with whether it has a value.
    keys: Vec<(String, bool)>,
    /// Whether it may have others.
    open: bool,
    labels: Value,
    annotations: Value,
    maker: Option<Value>,
}

impl SecretOf {
    /// Reads a Secret, an ExternalSecret or a SealedSecret.
    pub fn of(object: &Value) -> Option<Self> {
        let (kind, metadata, spec) = (object["kind"].as_str()?, &object["metadata"], &object["spec"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let name = text(&metadata["name"])?;
        let maker =
            Some(json!([{"apiVersion": object["apiVersion"], "kind": kind, "name": name, "uid": ""}]));
        match kind {
            "Secret" => {
                let keys: Vec<_> = [keys(&object["data"]), keys(&object["stringData"])].concat();
                // Of its own Secret an installation's manifests have the name, and Argo CD writes the rest.
                let open = keys.is_empty() && name == OWN;
                let (labels, annotations) = (metadata["labels"].clone(), metadata["annotations"].clone());
                Some(Self { name, keys, open, labels, annotations, ..Self::default() })
            }
            "ExternalSecret" => {
                let (target, template) = (&spec["target"], &spec["target"]["template"]);
                let merges = target["creationPolicy"] == "Merge" || template["mergePolicy"] == "Merge";
                let own: Vec<_> = spec["data"].as_array().into_iter().flatten().collect();
                let own = own.into_iter().filter_map(|it| Some((text(&it["secretKey"])?, true)));
                let of_template = keys(&template["data"]);
                let open = merges || !spec["dataFrom"].is_null() || !template["templateFrom"].is_null();
                // Without a template the Secret carries the labels of what makes it.
                let labels =
                    if template.is_null() { &metadata["labels"] } else { &template["metadata"]["labels"] };
                Some(Self {
                    name: text(&target["name"]).unwrap_or(name),
                    keys: if of_template.is_empty() { own.collect() } else { of_template },
                    open,
                    labels: if merges { json!({PART_OF.0: PART_OF.1}) } else { labels.clone() },
                    maker,
                    ..Self::default()
                })
            }
            "SealedSecret" => {
                let template = &spec["template"];
                let sealed = keys(&spec["encryptedData"]).into_iter().map(|(key, _)| (key, true));
                Some(Self {
                    name,
                    keys: sealed.chain(keys(&template["data"])).collect(),
                    labels: template["metadata"]["labels"].clone(),
                    maker,
                    ..Self::default()
                })
            }
            _ => None,
        }
    }

    /// Whether it has a key, as far as files say.
    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|(known, filled)| known == key && *filled)
    }

    /// It as the API would give it, with a random text for each value; one whose keys are not all known has every
    /// key that is named.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn object(&self, namespace: &str, named: &BTreeSet<(String, String)>) -> Result<Value> {
        let mut data = Map::new();
        let filler = Hidden::random()?.encoded().text();
        for (key, filled) in &self.keys {
            data.insert(key.clone(), if *filled { filler.clone() } else { String::new() }.into());
        }
        for (_, key) in named.iter().filter(|(name, _)| self.open && *name == self.name) {
            data.entry(key.clone()).or_insert_with(|| filler.clone().into());
        }
        Ok(json!({
            "metadata": {"name": self.name, "namespace": namespace, "labels": strings(&self.labels),
                         "annotations": strings(&self.annotations), "ownerReferences": self.maker},
            "data": data,
        }))
    }

    /// Argo CD's own, which every installation has, where files do not: nothing is known of it.
    pub fn own() -> Self {
        Self {
            name: OWN.to_owned(),
            keys: vec![(SERVER_KEY.to_owned(), true)],
            open: true,
            labels: json!({PART_OF.0: PART_OF.1}),
            ..Self::default()
        }
    }
}

/// The fields of an object, and whether each has a value.
fn keys(data: &Value) -> Vec<(String, bool)> {
    let fields = data.as_object().into_iter().flatten();
    fields.map(|(key, value)| (key.clone(), !value.is_null() && value != "")).collect()
}

/// What of a map is text: anything else would make the whole unreadable, and is no label.
fn strings(map: &Value) -> Value {
    let texts = map.as_object().into_iter().flatten().filter(|(_, value)| value.is_string());
    Value::Object(texts.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The Secrets and keys that argocd-cm names by `$`. What looks like a key of argocd-secret and is the misspelt name
/// of a Secret that is there is left out.
pub fn named(settings: &Value, secrets: &[SecretOf]) -> BTreeSet<(String, String)> {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let texts = settings["data"].as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str());
    let names = texts.flat_map(|text| text.split('$').skip(1));
    let names = names.map(|text| text.split(|c| !part(c)).next().unwrap_or_default());
    let misspelt = |key: &str| {
        let meant = Reference::meant(key);
        meant.iter().any(|(name, key)| secrets.iter().any(|secret| secret.name == *name && secret.has(key)))
    };
    names
        .filter_map(|name| match Reference::of(name) {
            reference if !reference.is_name() => None,
            Reference::Of { secret, key } => Some((secret, key)),
            Reference::Own(key) if misspelt(&key) => None,
            Reference::Own(key) => Some((OWN.to_owned(), key)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(object: Value, named: &[(&str, &str)]) -> (String, Vec<String>, Value) {
        let secret = SecretOf::of(&object).unwrap();
        let named = named.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
        let made = secret.object("argocd", &named).unwrap();
        assert!(!made.to_string().contains("hunter2"), "{made}");
        let filled = made["data"].as_object().unwrap().iter().filter(|(_, value)| **value != "");
        (
            secret.name.clone(),
            filled.map(|(key, _)| key.clone()).collect(),
            made["metadata"]["labels"].clone(),
        )
    }

    #[test]
    fn names_labels_and_keys_are_all_that_is_kept() {
        let plain = json!({"kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b", "c": 1}},
            "data": {"x": "aHVudGVyMg==", "empty": "", "none": null}, "stringData": {"y": "hunter2"}});
        assert_eq!(
            secret(plain, &[("s", "z")]),
            ("s".into(), vec!["x".into(), "y".into()], json!({"a": "b"}))
        );
        let own = json!({"kind": "Secret", "metadata": {"name": "argocd-secret"}, "type": "Opaque"});
        assert_eq!(secret(own, &[("argocd-secret", "k"), ("s", "z")]).1, ["k"]);
        assert!(SecretOf::of(&json!({"kind": "ConfigMap", "metadata": {"name": "s"}})).is_none());
    }

    #[test]
    fn what_makes_a_secret_says_as_much_of_it_as_it_does() {
        let external = |spec: Value| json!({"kind": "ExternalSecret", "metadata": {"name": "e", "labels": {"own": "1"}}, "spec": spec});
        let data = json!([{"secretKey": "x", "remoteRef": {"key": "hunter2"}}]);
        let known = secret(external(json!({"data": data, "target": {"name": "s"}})), &[("s", "z")]);
        assert_eq!(known, ("s".into(), vec!["x".into()], json!({"own": "1"})));
        let open = secret(external(json!({"dataFrom": [{"extract": {"key": "k"}}]})), &[("e", "z")]);
        assert_eq!(open, ("e".into(), vec!["z".into()], json!({"own": "1"})));
        let template = json!({"metadata": {"labels": {"of": "template"}}, "data": {"made": "{{ .x }}"}});
        let made = secret(external(json!({"data": data, "target": {"template": template}})), &[]);
        assert_eq!(made, ("e".into(), vec!["made".into()], json!({"of": "template"})));
        let merges = secret(external(json!({"data": data, "target": {"creationPolicy": "Merge"}})), &[]);
        assert_eq!(merges.2, json!({"app.kubernetes.io/part-of": "argocd"}));
        let sealed = json!({"kind": "SealedSecret", "metadata": {"name": "s"}, "spec": {
            "encryptedData": {"x": "Ag…"}, "template": {"metadata": {"labels": {"a": "b"}}}}});
        assert_eq!(secret(sealed, &[]), ("s".into(), vec!["x".into()], json!({"a": "b"})));
    }

    #[test]
    fn what_argocd_cm_names_is_known() {
        let settings = json!({"data": {"oidc.config": "clientID: $s:id\nclientSecret: \"$own.key\"\nx: $argocd-oidc.clientSecret\n",
            "dex.config": "a: $gh:secret, b: $2a$10$x!"}});
        let oidc = json!({"kind": "Secret", "metadata": {"name": "argocd-oidc"}, "stringData": {"clientSecret": "hunter2"}});
        let found = named(&settings, &[SecretOf::of(&oidc).unwrap()]);
        let has = |name: &str, key: &str| found.contains(&(name.to_owned(), key.to_owned()));
        assert!(has("s", "id") && has("argocd-secret", "own.key") && has("gh", "secret"), "{found:?}");
        assert!(!has("argocd-secret", "argocd-oidc.clientSecret"), "{found:?}");
    }
}
