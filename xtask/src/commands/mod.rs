//! Commands: they stand alone.

mod check;
mod compare;
mod completions;
mod docs_table;
mod doctor;
mod faults;
mod kubectl;
mod matrix;
mod own_lab;
mod render;
mod rotate;
mod tools;

pub use check::check;
pub use compare::compare;
pub use completions::completions;
pub use doctor::doctor;
pub use faults::{chosen, faults};
pub use kubectl::kubectl;
pub use matrix::{matrix, plan};
pub use render::render;
pub use rotate::{order, rotate};
pub use tools::tools;
