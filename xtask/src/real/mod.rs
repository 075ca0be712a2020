//! The real programs of the local lab, as they were released: downloaded once, into
//! the cache that all labs share.

mod argocd;
mod dex;
mod pktline;
mod registry;
#[cfg_attr(not(test), expect(dead_code, reason = "for the matrix: newest, v3.3.x"))]
mod releases;

#[cfg(test)]
mod tests;

pub use argocd::{argocd, artifact as argocd_artifact};
pub use dex::{DEX, dex, find as find_dex, key as dex_key, published as dex_published, url as dex_url};
#[cfg_attr(not(test), expect(unused_imports, reason = "for the matrix"))]
pub use releases::released;
