//! What the API knows of each kind: its resource and its type.

use std::sync::LazyLock;

use crate::resources::{self, Resource};
use crate::schema::table;
use crate::schema::types::{Field, Struct, Type};
use crate::store::{Key, Store};

/// One kind of objects.
#[derive(Clone)]
pub struct Kind {
    /// Its resource.
    pub resource: Resource,
    /// What its objects look like.
    pub structure: &'static Struct,
}

/// The objects of a custom kind have metadata; the rest is theirs. No schema is read.
static CUSTOM: LazyLock<Struct> = LazyLock::new(|| {
    let of = Type::Named("ObjectMeta".into());
    let fields = vec![Field { name: "metadata".into(), of, ..Field::default() }];
    Struct { fields, open: true, ..Struct::default() }
});

impl Kind {
    /// The store's key of one of its objects.
    pub fn key(&self, namespace: Option<&str>, name: &str) -> Key {
        Key::new(&self.resource.id(), namespace.unwrap_or_default(), name)
    }

    /// Whether it is this kind of the core group.
    pub fn is_core(&self, kind: &str) -> bool {
        self.resource.group.is_empty() && self.resource.kind == kind
    }
}

/// The kind behind a group, version and plural.
pub fn find(store: &Store, group: &str, version: &str, plural: &str) -> Option<Kind> {
    let resource = resources::find(store, group, version, plural)?;
    let structure = match resource.custom {
        true => &*CUSTOM,
        false => table::of_kind(&resource.api_version(), &resource.kind)?,
    };
    Some(Kind { structure, resource })
}
