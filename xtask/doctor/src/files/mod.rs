//! What would be applied: manifests from files, folders or standard input, as `helm template` and `kustomize build`
//! print them. They stand behind the one door to a cluster ([`Reader`]), so that the same checks look at them; what
//! only a running installation can tell is not looked at.

mod annotations;
mod place;
mod read;
mod secrets;
mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;

use releases::Release;
use serde_json::{Value, json};

use crate::checks::NO_POLICY;
use crate::collect::{self, Object, Objects, Reader};
use crate::diagnosis::Diagnosis;
use crate::evidence::Evidence;
use crate::finding::{Finding, When};
use crate::shown::{argument, shown};
use base::{Error, Result};
pub use read::standard_input;
use read::{Found, Source, named, no_manifest};
use secrets::SecretOf;

/// Where Argo CD is where nobody says so.
const NAMESPACE: &str = "argocd";
/// The object without which there is nothing to look at.
const SETTINGS: &str = "argocd-cm";
/// The kinds that are looked at, beside those that make Secrets.
const KINDS: [&str; 4] = ["ConfigMap", "Deployment", "Ingress", "NetworkPolicy"];

/// Manifests, read and not yet judged.
pub struct Files {
    sources: Vec<Source>,
    /// Where each object stands, its file and its lines, by `KIND NAMESPACE/NAME`; a Secret is one whatever makes it.
    places: BTreeMap<String, (usize, (usize, usize))>,
    namespace: String,
    /// The namespaces that have a Dex.
    dexes: Vec<String>,
    reader: Reader,
}

impl Files {
    /// Reads files and folders; `-` among them stands for `input`. Without a namespace it is that of argocd-cm.
    ///
    /// # Errors
    /// One cannot be read, argocd-cm is not in them, or it is twice.
    pub fn read(paths: &[PathBuf], input: &[u8], namespace: Option<&str>) -> Result<Self> {
        let sources = read::sources(paths, input)?;
        let mut found = vec![];
        for (number, source) in sources.iter().enumerate() {
            found.extend(read::objects(number, source)?);
        }
        let settings = settings(&found, &sources, namespace)?;
        let own = namespace_of(&settings.value).or(namespace).unwrap_or(NAMESPACE).to_owned();
        let secrets: Vec<SecretOf> = found
            .iter()
            .filter(|it| namespace_of(&it.value).is_none_or(|namespace| namespace == own))
            .filter_map(|it| SecretOf::of(&it.value))
            .collect();
        let wanted = secrets::named(&settings.value, &secrets);
        let (mut objects, mut places) = (vec![], BTreeMap::new());
        for one @ Found { source, lines, value } in &found {
            let kind = value["kind"].as_str().unwrap_or_default();
            let Some(name) = value["metadata"]["name"].as_str() else { continue };
            let namespace = namespace_of(value).unwrap_or(&own).to_owned();
            if kind == "ConfigMap" && namespace == own && name.starts_with("argocd-") {
                all_text(one, &sources[*source])?;
            }
            let (kind, name, value) = match SecretOf::of(value) {
                Some(secret) => ("Secret", secret.name.clone(), secret.object(&namespace, &wanted)?),
                None if KINDS.contains(&kind) => (kind, name.to_owned(), in_namespace(value, &namespace)),
                None => continue,
            };
            places.insert(format!("{kind} {namespace}/{name}"), (*source, *lines));
            objects.push(Object { kind: kind.to_owned(), namespace, name, value });
        }
        let dex = |object: &&Object| {
            object.kind == "Deployment"
                && object.value["metadata"]["labels"]["app.kubernetes.io/name"] == "dex"
        };
        let dexes = objects.iter().filter(dex).map(|object| object.namespace.clone()).collect();
        let secret = SecretOf::own();
        if !places.contains_key(&format!("Secret {own}/{}", secret.name)) {
            let (value, kind) = (secret.object(&own, &wanted)?, "Secret".to_owned());
            objects.push(Object { kind, namespace: own.clone(), name: secret.name, value });
        }
        Ok(Self { sources, places, namespace: own, dexes, reader: Reader::of_objects(Objects::new(objects)) })
    }

    /// What they tell of an installation. `release` is the one that runs it where no image says so.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub async fn evidence(&self, release: Option<Release>) -> Result<Evidence> {
        let dex = self.dexes.first().map(String::as_str);
        let mut evidence = collect::at_files(&self.reader, &self.namespace, dex).await?;
        evidence.release = evidence.release.or(release);
        if evidence.release.is_none() {
            let because = "no image of argocd-server in the files names it (--argocd does)";
            evidence.note("what the release does with these settings", because);
        }
        Ok(evidence)
    }

    /// What is to be said of it, each finding with its file and line.
    pub fn diagnosis(&self, evidence: &Evidence, before_rotation: bool) -> Diagnosis {
        let mut diagnosis = Diagnosis::of(evidence, before_rotation);
        for finding in &mut diagnosis.findings {
            self.place(finding);
        }
        diagnosis
    }

    /// Names file and line of a finding, and what is to be written there in the place of commands for a cluster.
    fn place(&self, finding: &mut Finding) {
        let (object, field) = finding.at.split_once(", ").unwrap_or((&finding.at, ""));
        let (kind, name) = object.split_once(' ').unwrap_or_default();
        let key = |kind: &str, name: &str| match name.contains('/') {
            true => self.places.get(&format!("{kind} {name}")),
            false => self.places.get(&format!("{kind} {}/{name}", self.namespace)),
        };
        // What is not in the files is said of the settings that need it.
        let of_dex = finding.id.name().starts_with("dex-");
        let settings = if of_dex { "dex.config" } else { "oidc.config" };
        let own = key(kind, name).map(|place| (name.rsplit('/').next().unwrap_or(name), field, place));
        let place = own.or_else(|| Some((SETTINGS, settings, key("ConfigMap", SETTINGS)?)));
        let Some((name, field, &(source, (begin, end)))) = place else {
            return;
        };
        // That a text is no YAML is said with its line.
        let of_text = finding.evidence.iter().find_map(|seen| Some(seen.split_once(" from line ")?.1));
        let of_text = of_text.and_then(|rest| rest.split([' ', ':']).next());
        let field = of_text.map_or_else(|| field.to_owned(), |line| format!("{field}, line {line}"));
        let source = &self.sources[source];
        let line = place::line(&source.text, begin..end, name, &field);
        // A line of a policy is quoted.
        let quoted = finding.evidence.iter().find_map(|seen| seen.strip_prefix(NO_POLICY));
        let mut lines = source.text.lines().take(end - 1).skip(line);
        let line =
            quoted.and_then(|text| lines.position(|it| it.trim() == text)).map_or(line, |at| line + at + 1);
        (finding.file, finding.line) = (Some(source.name.clone()), Some(line));
        if finding.when == When::Applied || !finding.change.is_empty() {
            // Helm says which template it is from.
            let mut above = source.text.lines().take(line).skip(begin - 1);
            let template = above.find_map(|it| it.strip_prefix("# Source: "));
            let template = template.map_or_else(String::new, |template| format!(" ({})", shown(template)));
            finding.fix = mended(finding, &format!("{}, line {line}{template}", named(&source.name)));
        }
    }
}

/// What is to be written into a file: commands for a cluster say it behind their `#`, or by what they change.
fn mended(finding: &Finding, place: &str) -> String {
    let lines = finding.fix.lines().filter_map(|line| match line.contains("kubectl ") {
        true => line.split_once("   # ").map(|(_, comment)| comment),
        false => Some(line),
    });
    let said = match lines.collect::<Vec<_>>().join("\n") {
        said if !said.is_empty() => said,
        _ if finding.change.is_empty() => "what is missing there, or apply it with what makes it".to_owned(),
        _ => "as `change` has it".to_owned(),
    };
    format!("in {place}: {said}")
}

fn namespace_of(object: &Value) -> Option<&str> {
    object["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty())
}

/// An object as the API would give it once it is applied and well.
fn in_namespace(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = namespace.into();
    if let Some(data) = object["data"].as_object_mut() {
        data.retain(|_, value| !value.is_null());
    }
    if object["kind"] == "Deployment" {
        let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
        object["status"] = json!({"readyReplicas": replicas});
    }
    object
}

/// The one argocd-cm.
fn settings<'a>(found: &'a [Found], sources: &[Source], namespace: Option<&str>) -> Result<&'a Found> {
    let is_settings =
        |it: &&Found| it.value["kind"] == "ConfigMap" && it.value["metadata"]["name"] == SETTINGS;
    let place = |it: &Found| {
        let source = &sources[it.source];
        let line = place::line(&source.text, it.lines.0..it.lines.1, SETTINGS, "");
        (named(&source.name), line)
    };
    let all: Vec<&Found> = found.iter().filter(is_settings).collect();
    let of = |it: &&&Found| {
        let own = namespace_of(&it.value);
        namespace.is_none_or(|wanted| own.is_none_or(|own| own == wanted))
    };
    let chosen: Vec<&&Found> = all.iter().filter(of).collect();
    let (what, hint) = match (chosen.as_slice(), all.first()) {
        ([one], _) => return Ok(one),
        ([], None) => {
            let names: Vec<String> = sources.iter().map(|source| named(&source.name)).collect();
            let hint =
                "Argo CD's settings stand in it: name the file that has it, or what `helm template` prints";
            (format!("no ConfigMap argocd-cm is in {}", crate::shown::listed(&names)), hint.to_owned())
        }
        ([], Some(other)) => {
            let (file, line) = place(other);
            let elsewhere = namespace_of(&other.value).unwrap_or_default();
            let what = format!(
                "no argocd-cm of namespace {} is in these files; the one in {file}, line {line}, is of {}",
                shown(namespace.unwrap_or_default()),
                shown(elsewhere)
            );
            (what, format!("-n {} looks at that one", argument(elsewhere)))
        }
        ([one, two, ..], _) => {
            let ((file, line), (other, other_line)) = (place(one), place(two));
            let differ = namespace_of(&one.value) != namespace_of(&two.value);
            let hint = match differ && namespace.is_none() {
                true => "-n NAMESPACE chooses",
                false => "name what is applied together: one overlay, as `kustomize build` prints it",
            };
            let what = format!(
                "argocd-cm is in {file}, line {line}, and in {other}, line {other_line}: which one counts they do not say"
            );
            (what, hint.to_owned())
        }
    };
    Err(Error::environment(what).hint(hint))
}

/// The API takes nothing but text in a ConfigMap, and refuses the whole.
///
/// # Errors
/// Something in it is none.
fn all_text(found: &Found, source: &Source) -> Result<()> {
    let name = found.value["metadata"]["name"].as_str().unwrap_or_default();
    let mut data = found.value["data"].as_object().into_iter().flatten();
    let Some((key, _)) = data.find(|(_, value)| !value.is_string() && !value.is_null()) else {
        return Ok(());
    };
    let line = place::line(&source.text, found.lines.0..found.lines.1, name, key);
    let is = format!(
        "has {} of {}, which is no text: the API refuses it (put it in quotes, or behind `|`)",
        shown(key),
        shown(name)
    );
    Err(no_manifest(&source.name, Some(line), &is))
}

#[cfg(test)]
mod tests;
