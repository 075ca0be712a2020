//! The lab without containers.
//!
//! One process holds everything that a login into Argo CD needs: a small
//! Kubernetes API over HTTPS ([`api`]), workloads that run what Deployments ask
//! for ([`workloads`]), an ingress that is a forward proxy too ([`ingress`]), and
//! stand-ins for Dex and argocd-server ([`standin`]).
//!
//! Nothing in here knows whether a login is meant to pass. A rotated Secret
//! leaves Dex stale because a container's environment is read when its pod
//! starts, and leaves Argo CD stale because of what its release does with a
//! watch event.
//!
//! Dependencies point one way: `standin` and `workloads` know [`program`], `api`,
//! `workloads` and `ingress` know [`store`], and none of them knows another. What
//! objects look like, `api` knows from [`schema`].

pub mod api;
pub mod charts;
mod endpoints;
pub mod home;
pub mod ingress;
pub mod lab;
pub mod logs;
pub mod program;
pub mod release;
pub mod resources;
pub mod routes;
pub mod schema;
pub mod serve;
pub mod standin;
pub mod store;
pub mod tasks;
pub mod tls;
pub mod workloads;
