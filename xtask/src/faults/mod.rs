//! Puts faults into a lab and heals them, edit by edit; what each consists of is data, in
//! [`crate::fault`]. Which faults are in is remembered by an annotation on the namespace
//! `argocd`, so that `fix` heals exactly those.

mod heal;
mod make;
mod record;
mod secrets;
mod twice;

pub use heal::heal;
pub use make::{make, requests};
pub use record::{forget, is_rotating, record, recorded, rotation_begun, rotation_ended};
pub use twice::rotate_twice;
