//! The drawings: geometry here, colours in `templates/drawing.css`.

pub mod glyph;
pub mod plot;
pub mod sequence;
mod svg;
pub mod timeline;

pub use svg::Drawing;

/// How wide a drawing is on a desktop and in print.
pub const WIDE: f64 = 820.0;
/// How wide it is on a phone, and beside another one.
pub const NARROW: f64 = 338.0;

/// The colours.
pub const STYLE: &str = include_str!("../templates/drawing.css");
