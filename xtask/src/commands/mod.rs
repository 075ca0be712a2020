//! Commands: they stand alone.

mod check;
mod completions;
mod kubectl;
mod render;

pub use check::check;
pub use completions::completions;
pub use kubectl::kubectl;
pub use render::render;
