//! Commands: they stand alone.

mod check;
mod compare;
mod completions;
mod docs_table;
mod doctor;
mod dry_run;
mod faults;
mod kubectl;
mod matrix;
mod own_lab;
mod render;
mod rotate;
mod table;
mod tools;

pub use check::check;
pub use compare::compare;
pub use completions::completions;
pub use doctor::doctor;
pub use dry_run::dry_run;
use faults::chosen;
pub use faults::faults;
pub use kubectl::kubectl;
pub use matrix::matrix;
use matrix::plan as matrix_plan;
pub use render::render;
pub use rotate::rotate;
pub use tools::tools;
