//! The table of the built-in types, read from `types.json`, which `tests/client-go/types` prints
//! from the struct tags of Kubernetes' Go sources.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::types::{Field, Struct, Type};

const TEXT: &str = include_str!("types.json");

/// The text comes with the program, and a test reads all of it.
static TYPES: LazyLock<BTreeMap<String, Struct>> =
    LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());

/// A type of the table.
pub fn named(name: &str) -> Option<&'static Struct> {
    TYPES.get(name)
}

/// The type of the objects of a built-in kind.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Struct> {
    named(kind).filter(|it| it.group_version.as_deref() == Some(api_version))
}

impl Struct {
    /// The field of this JSON name, also one of an inlined type.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find_map(|field| match &field.of {
            Type::Named(inner) if field.inline => named(inner)?.field(name),
            _ => (field.name == name).then_some(field),
        })
    }
}

impl Type {
    /// The fields of a type that has some.
    pub fn as_struct(&self) -> Option<&'static Struct> {
        match self {
            Self::Named(name) => named(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::types::ListKind;

    #[test]
    fn every_line_of_the_text_is_understood() {
        let lines = TEXT.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(TYPES.values().map(|it| it.fields.len()).sum::<usize>(), lines);
        for (structure, it) in &*TYPES {
            for field in &it.fields {
                let mut of = &field.of;
                while let Type::List(item) | Type::Map(item) = of {
                    of = item;
                }
                if let Type::Named(name) = of {
                    assert!(named(name).is_some(), "{structure}.{} is of {name}", field.name);
                }
            }
        }
    }

    #[test]
    fn a_field_is_found_with_all_that_is_known_of_it() {
        let ports = named("Container").unwrap().field("ports").unwrap();
        assert_eq!(ports.number, 6);
        assert_eq!(ports.merge_key.as_deref(), Some("containerPort"));
        assert_eq!(ports.list, ListKind::Map(vec!["containerPort".into(), "protocol".into()]));
        let protocol = named("ContainerPort").unwrap().field("protocol").unwrap();
        assert_eq!(protocol.default, Some("TCP".into()));
        assert!(named("Volume").unwrap().field("secret").is_some());
        assert!(of_kind("apps/v1", "Deployment").is_some());
        assert!(of_kind("v1", "Deployment").is_none());
    }
}
