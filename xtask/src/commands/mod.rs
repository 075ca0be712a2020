//! Commands: they stand alone.

mod check;
mod compare;
mod completions;
mod doctor;
mod kubectl;
mod matrix;
mod render;
mod tools;

pub use check::check;
pub use compare::compare;
pub use completions::completions;
pub use doctor::{DoctorArgs, doctor};
pub use kubectl::kubectl;
pub use matrix::{MatrixArgs, matrix};
pub use render::render;
pub use tools::tools;
