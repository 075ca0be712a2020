//! Sets of fields: what a manager owns, and how `managedFields` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A set of paths into an object, as a tree.
///
/// Its edges are named as in `FieldsV1`: `f:NAME` is a field, `k:{…}` the item
/// with these keys, `v:…` the item of this value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Whether the path to here is in the set.
    pub member: bool,
    /// What lies below; never empty sets.
    pub children: BTreeMap<String, Set>,
}

impl Set {
    /// A set of the one path that leads here.
    pub fn here() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds what lies below an edge, unless it is empty.
    pub fn attach(&mut self, edge: String, below: Self) {
        if !below.is_empty() {
            self.children.insert(edge, below);
        }
    }

    /// Adds a path.
    pub fn insert(&mut self, path: &[&str]) {
        match path {
            [] => self.member = true,
            [first, rest @ ..] => self.children.entry((*first).to_owned()).or_default().insert(rest),
        }
    }

    /// All paths of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.member |= other.member;
        for (edge, below) in &other.children {
            let joined = all.children.get(edge).map_or_else(|| below.clone(), |it| it.union(below));
            all.children.insert(edge.clone(), joined);
        }
        all
    }

    /// The paths of this set that the other does not have.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, self.member && !other.member, Self::difference)
    }

    /// As [`Set::difference`], and without what lies below a path of the other.
    #[must_use]
    pub fn without_all_below(&self, other: &Self) -> Self {
        if other.member {
            return Self::default();
        }
        self.zip(other, self.member, Self::without_all_below)
    }

    fn zip(&self, other: &Self, member: bool, below: fn(&Self, &Self) -> Self) -> Self {
        let mut left = Self { member, children: BTreeMap::new() };
        for (edge, mine) in &self.children {
            let rest = other.children.get(edge).map_or_else(|| mine.clone(), |other| below(mine, other));
            left.attach(edge.clone(), rest);
        }
        left
    }

    /// The paths that both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (edge, mine) in &self.children {
            if let Some(other) = other.children.get(edge) {
                both.attach(edge.clone(), mine.intersection(other));
            }
        }
        both
    }

    /// Every path, as people read it: `.spec.containers[name="a"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut all = vec![];
        if self.member {
            all.push(String::new());
        }
        self.collect(&mut String::new(), &mut all);
        all
    }

    fn collect(&self, path: &mut String, all: &mut Vec<String>) {
        // A level's own paths come before those that go deeper.
        for (edge, _) in self.children.iter().filter(|(_, below)| below.member) {
            all.push(format!("{path}{}", readable(edge)));
        }
        for (edge, below) in &self.children {
            let length = path.len();
            path.push_str(&readable(edge));
            below.collect(path, all);
            path.truncate(length);
        }
    }

    /// As `FieldsV1`.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for (edge, below) in &self.children {
            map.insert(edge.clone(), below.to_json());
        }
        Value::Object(map)
    }

    /// From `FieldsV1`; `None` if it is none.
    pub fn from_json(fields: &Value) -> Option<Self> {
        let map = fields.as_object()?;
        let mut set = Self { member: map.is_empty(), children: BTreeMap::new() };
        for (edge, below) in map {
            if edge == "." {
                set.member = true;
            } else if edge.get(1..2) == Some(":") {
                set.attach(edge.clone(), Self::from_json(below)?);
            } else {
                return None;
            }
        }
        Some(set)
    }
}

/// An edge as people read it: `.spec`, `[name="a"]`.
pub fn readable(edge: &str) -> String {
    let (kind, rest) = edge.split_at_checked(2).unwrap_or((edge, ""));
    match kind {
        "f:" => format!(".{rest}"),
        "k:" => {
            let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let mut text = String::from("[");
            for (index, (key, value)) in keys.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{key}={value}");
            }
            text + "]"
        }
        _ => format!("[{rest}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_go_through_json_and_are_readable() {
        let fields = json!({
            "f:metadata": {"f:finalizers": {".": {}, "v:\"a\"": {}}},
            "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
        });
        let set = Set::from_json(&fields).unwrap();
        assert_eq!(set.to_json(), fields);
        assert_eq!(
            set.paths(),
            [
                ".metadata.finalizers",
                ".metadata.finalizers[\"a\"]",
                ".spec.ports[port=80,protocol=\"TCP\"]",
                ".spec.ports[port=80,protocol=\"TCP\"].port",
            ]
        );
        assert!(Set::from_json(&json!({"spec": {}})).is_none());
    }

    #[test]
    fn the_algebra() {
        let set = |paths: &[&[&str]]| {
            let mut set = Set::default();
            paths.iter().for_each(|path| set.insert(path));
            set
        };
        let (a, b) = (set(&[&["f:x"], &["f:y", "f:z"]]), set(&[&["f:y"], &["f:y", "f:z"]]));
        assert_eq!(a.difference(&b), set(&[&["f:x"]]));
        assert_eq!(b.difference(&a), set(&[&["f:y"]]));
        assert_eq!(a.intersection(&b), set(&[&["f:y", "f:z"]]));
        assert_eq!(a.union(&b), set(&[&["f:x"], &["f:y"], &["f:y", "f:z"]]));
        assert_eq!(a.without_all_below(&set(&[&["f:y"]])), set(&[&["f:x"]]));
    }
}
