//! Workloads over a bare store: Deployments of small programs, looked at as a client
//! of the cluster would.
#![allow(clippy::unwrap_used, missing_docs)]

mod configuration;
mod endpoints;
mod lifecycle;
mod rollout;
mod support;
