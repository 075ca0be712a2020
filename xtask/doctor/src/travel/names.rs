//! Which strings of a file of evidence are names, by the fields that they stand in, and pseudonyms in their place; and
//! a last look for secrets in all of them. Names of objects in the cluster stay.

use serde_json::Value;

use super::pseudonyms::{Kind, Pseudonyms};
use crate::evidence::Evidence;
use crate::evidence::claims::TECHNICAL;
use crate::mask::Mask;

/// What a policy's line is made of, beside names.
const OF_POLICIES: &str = "p g g2 allow deny * */* get create update delete sync override action action/* invoke applications applicationsets clusters projects repositories accounts certificates gpgkeys logs exec";

/// Puts pseudonyms into the place of names.
pub struct Names {
    mask: Mask,
    /// Whether names stay what they are.
    real: bool,
    pseudonyms: Pseudonyms,
}

impl Names {
    /// None yet.
    pub fn new(mask: Mask, real: bool, seen: &Evidence) -> Self {
        Self { mask, real, pseudonyms: Pseudonyms::new(seen) }
    }

    /// Meets all names, so that sentences which stand before the place where a name stands alone have it replaced too.
    pub fn learn(&mut self, value: &Value) {
        self.walk(&mut value.clone(), "");
    }

    /// Replaces the names in a value, and takes out secrets that somebody's words have.
    pub fn apply(&mut self, value: &mut Value) {
        self.walk(value, "");
    }

    /// `key` is the last field's name on the way here: by it the evidence says what stands there.
    fn walk(&mut self, value: &mut Value, key: &str) {
        /// Words of ours.
        const OURS: [&str; 9] =
            ["step", "answer", "cause", "candidates", "verdict", "form", "by", "secret", "kind"];
        match value {
            Value::String(_) if OURS.contains(&key) => {}
            // argocd-secret has one as well, and that is no secret.
            Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => {}
            Value::String(text) => {
                self.mask.apply(text);
                if text.contains("://") {
                    // What stands there has to be an address still.
                    *text = without_users(&text.replace('…', "masked"));
                }
                *text = self.field(text, key);
            }
            Value::Array(items) => {
                for item in items {
                    self.walk(item, key);
                }
            }
            Value::Object(fields) => {
                for (name, mut value) in std::mem::take(fields) {
                    // What stands there, or how it came there, is said by the field around it.
                    let stays =
                        ["text", "there"].contains(&name.as_str()) && (is_proxys(key) || key == "hosts");
                    match (key, TECHNICAL.contains(&name.as_str())) {
                        ("claims", true) => value = Value::Null,
                        ("claims", false) => self.claim(&mut value, &name),
                        _ => self.walk(&mut value, if stays { key } else { &name }),
                    }
                    let name = if self.real { name } else { self.pseudonyms.text(&name) };
                    fields.insert(name, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn claim(&mut self, value: &mut Value, name: &str) {
        match value {
            // The word in place of groups that are too many.
            Value::String(text) if text == "src1" => {}
            Value::String(text) if self.real => self.mask.apply(text),
            Value::String(text) => {
                self.mask.apply(text);
                let kind = if ["groups", "roles"].iter().any(|it| name.contains(it)) {
                    Kind::Group
                } else {
                    Kind::User
                };
                *text = self.pseudonyms.subject(text, kind);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.claim(item, name)),
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| self.claim(value, name)),
            // When somebody was born, or how to call them.
            Value::Number(_) => *value = 0.into(),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn field(&mut self, text: &str, key: &str) -> String {
        // What the form says of a thing that was not seen.
        const NOT_SEEN: [&str; 3] = ["not_looked", "absent", "other"];
        if self.real || NOT_SEEN.contains(&text) {
            return text.to_owned();
        }
        match key {
            "username" | "accounts" => self.pseudonyms.subject(text, Kind::User),
            "groups" => self.pseudonyms.name(text, Kind::Group),
            "subject" | "role" if text.starts_with("role:") || text.starts_with("proj:") => text.to_owned(),
            "subject" if text.contains('@') => self.pseudonyms.subject(text, Kind::User),
            "subject" | "role" => self.pseudonyms.subject(text, Kind::Group),
            "invalid" if !text.starts_with("policy.") => self.policy(text),
            "hosts" | "host_aliases" => self.pseudonyms.host(text),
            "image" => self.image(text),
            // A context has the name of a cluster or of a user, and the path of its file that of a user.
            "kubectl" if text.starts_with("kubectl -") => "kubectl --context CONTEXT".to_owned(),
            key if is_proxys(key) => {
                let words = text.split(',').map(|word| match word.contains("://") {
                    true => self.pseudonyms.text(word),
                    false => self.pseudonyms.authority(word),
                });
                words.collect::<Vec<_>>().join(",")
            }
            _ => self.pseudonyms.text(text),
        }
    }

    /// A line that is no policy: whatever is no word of policies may be a name.
    fn policy(&mut self, line: &str) -> String {
        let is_end = |c: char| c == ',' || c.is_whitespace();
        let mut all = String::new();
        for part in line.split_inclusive(is_end) {
            let word = part.trim_end_matches(is_end);
            let stays = word.is_empty()
                || word.starts_with("role:")
                || OF_POLICIES.split(' ').any(|known| known == word);
            let kind = if word.contains('@') { Kind::User } else { Kind::Group };
            all.push_str(&if stays { word.to_owned() } else { self.pseudonyms.name(word, kind) });
            all.push_str(&part[word.len()..]);
        }
        all
    }

    /// The name of an image. Whose registry it is from is nobody's business.
    fn image(&mut self, text: &str) -> String {
        const KNOWN: [&str; 6] = [
            "oidc-lab/",
            "quay.io/argoproj/",
            "ghcr.io/argoproj/",
            "ghcr.io/dexidp/",
            "quay.io/dexidp/",
            "public.ecr.aws/docker/library/",
        ];
        match text.rsplit_once('/') {
            Some((registry, name)) if !KNOWN.iter().any(|known| text.starts_with(known)) => {
                let (host, _) = registry.split_once('/').unwrap_or((registry, ""));
                format!("{}/{name}", self.pseudonyms.authority(host))
            }
            _ => text.to_owned(),
        }
    }
}

/// A text without the users and passwords that addresses in it are asked with.
pub fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| {
        let end = part.find(|c: char| "/?#\"'`<>,".contains(c) || c.is_whitespace()).unwrap_or(part.len());
        let start = part[..end].rfind('@').map_or(0, |at| at + 1);
        format!("{before}://{}", &part[start..])
    })
}

/// Whether a variable is about a proxy.
pub fn is_proxys(key: &str) -> bool {
    ["http_proxy", "https_proxy", "no_proxy"].iter().any(|known| known.eq_ignore_ascii_case(key))
}
