//! Where the checkout is, and where labs keep their state.

use std::path::{Path, PathBuf};

/// The environment variable that names another folder for the lab's state.
const FOLDER: &str = "OIDC_LAB_DIR";

/// The checkout: cargo names it to what it runs, and a program run by hand knows
/// where it was built.
pub fn checkout() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    // This package is the folder `xtask` of the checkout.
    package.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The lab's folder.
pub(super) fn lab_folder(root: &Path) -> PathBuf {
    match std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        // A slash at its end would name what a link leads to, and put what is beside it into it.
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()).components().collect(),
        None => usual_folder(root),
    }
}

/// The lab's folder where nobody named one.
pub(super) fn usual_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // A relative target folder is relative to the checkout.
    root.join(target.unwrap_or_else(|| "target".into())).join("lab")
}
