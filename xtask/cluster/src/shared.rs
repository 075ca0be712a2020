//! How kinds are read and written without their code in every crate. What reads one would otherwise make the code of all of
//! its fields anew, three times: here it is made once for the largest, which took seven seconds of a clean build.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::{ObjectList, WatchEvent};
use kube::{Client, Resource};
use serde_json::from_str;

#[allow(dead_code)]
type Read<T> = fn(&'static str) -> serde_json::Result<T>;

/// One kind of a namespace without its type, for what is only written: all that it can have would be code for a few
/// fields.
pub fn untyped<K: Resource<DynamicType = ()>>(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<K>(&()))
}

/// As kube reads one object, a list and a watch. Nobody calls it: that it is here is enough.
#[allow(dead_code)]
struct Reads<K: Clone>(Read<K>, Read<ObjectList<K>>, Read<WatchEvent<K>>);

static _DEPLOYMENTS: Reads<Deployment> = Reads(from_str, from_str, from_str);
static _PODS: Reads<Pod> = Reads(from_str, from_str, from_str);
static _EVENTS: Reads<Event> = Reads(from_str, from_str, from_str);
