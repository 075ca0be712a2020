//! The table of the built-in types, read from `types.txt`.
//!
//! The text is printed by `tests/client-go/types` from the struct tags of
//! Kubernetes' Go sources. A line at the margin starts a package or a type
//! (`Name [group/version] [atomic]`); an indented one is a field:
//!
//! ```text
//! name number type [required] [pointer] [always] [patch=…] [key=…] [map=…|set|atomic] [default=…]
//! ```
//!
//! `[T]` is a list, `{T}` a map, a name of `~` an inlined struct.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::types::{Field, ListKind, Struct, Type};

const TEXT: &str = include_str!("types.txt");

static TYPES: LazyLock<BTreeMap<String, Arc<Struct>>> = LazyLock::new(|| parse(TEXT));

/// A type of the table.
pub fn named(name: &str) -> Option<&'static Arc<Struct>> {
    TYPES.get(name)
}

/// The type of the objects of a built-in kind.
pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Arc<Struct>> {
    named(kind).filter(|it| it.group_version.as_deref() == Some(api_version))
}

/// Lines that say nothing to this reader are left out: the text comes with the
/// program, and a test reads all of it.
fn parse(text: &str) -> BTreeMap<String, Arc<Struct>> {
    let mut types = BTreeMap::new();
    let mut current: Option<Struct> = None;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(line) = line.strip_prefix("  ") {
            if let (Some(current), Some(field)) = (&mut current, field(line)) {
                current.fields.push(field);
            }
        } else {
            types.extend(current.take().map(|it| (it.name.clone(), Arc::new(it))));
            current = (!line.starts_with("package ")).then(|| header(line));
        }
    }
    types.extend(current.map(|it| (it.name.clone(), Arc::new(it))));
    types
}

fn header(line: &str) -> Struct {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    let mut it = Struct { name, ..Struct::default() };
    for word in words {
        match word {
            "atomic" => it.atomic = true,
            group_version => it.group_version = Some(group_version.to_owned()),
        }
    }
    it
}

fn field(line: &str) -> Option<Field> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let number = words.next()?.parse().ok()?;
    let mut field = Field { number, ..Field::plain(name, of(words.next()?)) };
    field.inline = name == "~";
    for word in words {
        match word.split_once('=') {
            None => match word {
                // For whoever reads the text.
                "required" => {}
                "pointer" => field.pointer = true,
                "always" => field.always = true,
                "set" => field.list = ListKind::Set,
                // A list is atomic unless something else is said.
                "atomic" => field.atomic = true,
                _ => return None,
            },
            Some(("patch", strategies)) => {
                field.patch_merge = strategies.split(',').any(|it| it == "merge");
            }
            Some(("key", key)) => field.merge_key = Some(key.to_owned()),
            Some(("map", keys)) => field.list = ListKind::Map(keys.split(',').map(Into::into).collect()),
            Some(("default", value)) => field.default = serde_json::from_str(value).ok(),
            Some(_) => return None,
        }
    }
    // Lists that older types mark for strategic merge only are owned the same way.
    if field.patch_merge
        && field.list == ListKind::Atomic
        && matches!(field.of, Type::List(_))
        && !field.atomic
    {
        field.list = field.merge_key.clone().map_or(ListKind::Set, |key| ListKind::Map(vec![key]));
    }
    Some(field)
}

fn of(word: &str) -> Type {
    let inside = |open, close| word.strip_prefix(open)?.strip_suffix(close);
    if let Some(item) = inside('[', ']') {
        return Type::List(Box::new(of(item)));
    }
    if let Some(item) = inside('{', '}') {
        return Type::Map(Box::new(of(item)));
    }
    match word {
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "bool" => Type::Bool,
        "Quantity" => Type::Quantity,
        "IntOrString" => Type::IntOrString,
        "Time" => Type::Time,
        "MicroTime" => Type::MicroTime,
        "Raw" => Type::Raw,
        name => Type::Named(name.into()),
    }
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
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Named(name) => named(name).map(|it| &**it),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_text_is_understood() {
        let all = || TYPES.values();
        let lines = TEXT.lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(all().map(|it| it.fields.len()).sum::<usize>(), lines);
        for structure in all() {
            for field in &structure.fields {
                let mut of = &field.of;
                while let Type::List(item) | Type::Map(item) = of {
                    of = item;
                }
                if let Type::Named(name) = of {
                    assert!(named(name).is_some(), "{}.{} is of {name}", structure.name, field.name);
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
