//! The real programs of the local lab, as they were released: downloaded once, into
//! the cache that all labs share.

mod argocd;
mod dex;
mod pktline;
mod registry;
#[cfg_attr(not(test), expect(dead_code, reason = "for the matrix: newest, v3.3.x"))]
mod releases;

pub use argocd::{argocd, artifact as argocd_artifact};
pub use dex::{DEX, dex, find as find_dex, key as dex_key, published as dex_published, url as dex_url};
#[expect(unused_imports, reason = "for the matrix")]
pub use releases::released;
