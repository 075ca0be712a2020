//! What the API knows of each kind: its resource, its type and, for a custom one,
//! its schema.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::resources::{self, CRDS, Resource};
use crate::schema::{Struct, custom, table};
use crate::store::{Key, Store, object};

/// One kind of objects.
#[derive(Clone)]
pub struct Kind {
    /// Its resource.
    pub resource: Resource,
    /// What its objects look like.
    pub structure: Arc<Struct>,
    /// The CRD that it comes from.
    pub custom: Option<Definition>,
}

/// The version of a CRD that is served.
#[derive(Clone)]
pub struct Definition {
    crd: Arc<Value>,
    index: usize,
}

impl Kind {
    /// The store's key of one of its objects.
    pub fn key(&self, namespace: Option<&str>, name: &str) -> Key {
        Key::new(&self.resource.id(), namespace.unwrap_or_default(), name)
    }

    /// Whether it is this kind of the core group.
    pub fn is_core(&self, kind: &str) -> bool {
        self.resource.group.is_empty() && self.resource.kind == kind
    }

    /// Whether it is the built-in kind of this group.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        !self.resource.custom && self.resource.group == group && self.resource.kind == kind
    }

    /// Of a custom kind the version in its CRD: schema, subresources, columns.
    pub fn version(&self) -> Option<&Value> {
        self.custom.as_ref().map(|it| &it.crd["spec"]["versions"][it.index])
    }

    /// The schema of a custom kind.
    pub fn schema(&self) -> Option<&Value> {
        self.version()?.get("schema")?.get("openAPIV3Schema")
    }
}

/// Finds kinds, and keeps the types of custom ones until their CRD changes.
#[derive(Clone, Default)]
pub struct Kinds {
    customs: Arc<Mutex<HashMap<String, Custom>>>,
}

#[derive(Clone)]
struct Custom {
    definition: Definition,
    structure: Arc<Struct>,
}

impl Kinds {
    /// The kind behind a group, version and plural.
    pub fn find(&self, store: &Store, group: &str, version: &str, plural: &str) -> Option<Kind> {
        self.of(store, resources::find(store, group, version, plural)?)
    }

    /// All kinds.
    pub fn all(&self, store: &Store) -> Vec<Kind> {
        resources::all(store).into_iter().filter_map(|resource| self.of(store, resource)).collect()
    }

    /// The kind of a resource.
    pub fn of(&self, store: &Store, resource: Resource) -> Option<Kind> {
        if !resource.custom {
            let structure = table::of_kind(&resource.api_version(), &resource.kind)?.clone();
            return Some(Kind { resource, structure, custom: None });
        }
        let id = resource.id();
        let crd = store.get(&Key::new(CRDS, "", &id))?;
        let mut customs = self.customs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = customs
            .get(&id)
            .filter(|it| object::resource_version(&it.definition.crd) == object::resource_version(&crd))
            .cloned();
        let found = match known {
            Some(known) => known,
            None => {
                let versions = crd["spec"]["versions"].as_array()?;
                let index = versions.iter().position(|it| it["name"] == resource.version.as_str())?;
                let schema = &versions[index]["schema"]["openAPIV3Schema"];
                let structure = Arc::new(custom::structure(&resource.kind, schema));
                let found = Custom { definition: Definition { crd, index }, structure };
                customs.insert(id, found.clone());
                found
            }
        };
        Some(Kind { resource, structure: found.structure, custom: Some(found.definition) })
    }

    /// Forgets the types of CRDs that are gone.
    pub fn forget(&self, id: &str) {
        self.customs.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
