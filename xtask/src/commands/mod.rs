//! Commands: they stand alone.

mod check;
mod completions;
mod kubectl;
mod matrix;
mod render;

pub use check::check;
pub use completions::completions;
pub use kubectl::kubectl;
pub use matrix::{MatrixArgs, matrix};
pub use render::render;
