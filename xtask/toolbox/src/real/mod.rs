//! The real programs of the local lab, as they were released: downloaded once, into
//! the cache that all labs share.

mod argocd;
mod dex;
mod registry;
mod releases;

pub use argocd::{argocd, artifact as argocd_artifact};
pub use dex::{DEX, dex, find as find_dex, key as dex_key, published as dex_published, url as dex_url};
pub use releases::released;
