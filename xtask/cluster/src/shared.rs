//! The reading of the largest kinds, made here once. Every crate above this one that reads a kind would otherwise make the
//! code of all of its fields anew, three times: seven seconds of a clean build.

#![allow(dead_code)]

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::core::{ObjectList, WatchEvent};
use serde_json::from_str;

type Read<T> = fn(&'static str) -> serde_json::Result<T>;

/// As kube reads one object, a list and a watch.
struct Reads<K: Clone>(Read<K>, Read<ObjectList<K>>, Read<WatchEvent<K>>);

static _DEPLOYMENTS: Reads<Deployment> = Reads(from_str, from_str, from_str);
static _PODS: Reads<Pod> = Reads(from_str, from_str, from_str);
static _EVENTS: Reads<Event> = Reads(from_str, from_str, from_str);
