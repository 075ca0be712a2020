//! What objects look like: the types of the built-in kinds ([`types`]).
//!
//! One table of fields ([`table`]) serves everything that has to know a field:
//! decoding protobuf, finding unknown fields ([`conform`]), strategic merge
//! ([`strategic`]) and the ownership of server-side apply ([`typed`]). Of custom kinds
//! nothing is known but that they have metadata.

pub mod columns;
pub mod conform;
pub mod fields;
pub mod openapi;
mod order;
pub mod strategic;
pub mod table;
pub mod typed;
pub mod types;

pub use types::VERSION;
