//! Walks over objects that know their types: which fields an object sets, what
//! differs between two, and how one is merged into another. What server-side
//! apply is made of.

mod compare;
mod merge;
mod remove;
mod set;
mod shape;

pub use compare::compare;
pub use merge::merge;
pub use remove::remove;
pub use set::{check, field_set, with_named_fields};

#[cfg(test)]
mod tests;
