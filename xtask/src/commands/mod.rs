//! Commands: they stand alone.

mod check;
mod completions;
mod kubectl;
mod matrix;
mod render;
mod tools;

pub use check::check;
pub use completions::completions;
pub use kubectl::kubectl;
pub use matrix::{MatrixArgs, matrix};
pub use render::render;
pub use tools::tools;
