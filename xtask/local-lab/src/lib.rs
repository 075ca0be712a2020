//! The lab without containers: one process that holds a [`local_cluster`], an [`ingress`] that
//! is a forward proxy too, and the programs of [`stand_ins`]. The few objects that charts would
//! render are derived here ([`charts`]) from the same values files.
//!
//! Nothing in here knows whether a login is meant to pass. A rotated Secret leaves Dex stale
//! because a container's environment is read when its pod starts, and leaves Argo CD stale
//! because of what its release does with a watch event.

pub mod charts;
pub mod home;
pub mod ingress;
pub mod lab;
pub mod real_dex;
