//! The part of Kubernetes that a lab needs: an API over HTTPS ([`api`], [`schema`], [`store`])
//! that kubectl, kube and client-go take for a cluster's, and [`workloads`] that run what
//! Deployments ask for, as programs of this machine or as functions behind an image's name
//! ([`program`]). It is no conformant Kubernetes and keeps nothing when its process ends. It
//! knows nothing of Argo CD, Dex or logins.
//!
//! `api` and `workloads` know the store and not each other; whoever runs a lab brings both
//! together.

pub mod api;
pub mod client;
mod endpoints;
pub mod logs;
pub mod program;
pub mod resources;
pub mod routes;
pub mod schema;
pub mod serve;
pub mod store;
pub mod tasks;
pub mod tls;
pub mod workloads;

pub use endpoints::addresses;
