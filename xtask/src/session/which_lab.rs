//! Which lab a run is about: where its state is, and which of the two it is.

use std::path::{Path, PathBuf};

use crate::cli::{Goal, LabChoice, Options};
use crate::console::Console;
use crate::lab::{Choosing, Lab, LocalLab, choose};
use base::{Error, Result};
use cluster::names::Place;
use kind_lab::KindLab;

/// What is said where nobody chose a lab and none was there.
const OTHERS: &str = "a local lab of stand-ins; others: `--real` (the released programs), `--lab kind` (the real cluster in containers)";

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
fn lab_folder(root: &Path) -> PathBuf {
    match std::env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
        // A slash at its end would name what a link leads to, and put what is beside it into it.
        Some(folder) => std::path::absolute(&folder).unwrap_or_else(|_| folder.into()).components().collect(),
        None => usual_folder(root),
    }
}

/// The lab's folder where nobody named one.
fn usual_folder(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // A relative target folder is relative to the checkout.
    root.join(target.unwrap_or_else(|| "target".into())).join("lab")
}

/// The lab that options and goals are about.
///
/// # Errors
/// Both labs are there and no option chooses one, or an option is of the other lab.
pub(super) async fn which(options: &Options, console: &Console, goals: &[Goal]) -> Result<Lab> {
    let creates = goals.iter().any(|goal| matches!(goal, Goal::Working | Goal::Broken | Goal::Reproduce));
    let folder = lab_folder(&checkout());
    let local = LocalLab::new(&folder);
    let mut kind = KindLab::beside(&folder, &usual_folder(&checkout()));
    let place = match options.lab {
        LabChoice::Kind => Place::Kind,
        LabChoice::Local => Place::Local,
        LabChoice::Auto => choose(Choosing {
            kind: kind.is_there(),
            local: local.is_there()?,
            wants_kind: option_of(Place::Kind, options).is_some(),
        })?,
    };
    let nothing = options.lab == LabChoice::Auto && place == Place::Local && !local.is_there()?;
    let lost = match nothing && goals.contains(&Goal::Down) {
        true => kind.lost().await,
        false => None,
    };
    let place = if lost.is_some() { Place::Kind } else { place };
    kind = lost.unwrap_or(kind);
    let other = if place == Place::Kind { Place::Local } else { Place::Kind };
    let installs = creates || goals.contains(&Goal::Monitor);
    if let Some(option) = option_of(other, options).filter(|_| installs) {
        let (is, has) = (place.name(), other.name());
        return Err(Error::usage(format!("{option} is of the {has} lab, and this is the {is} lab"))
            .hint(format!("leave it out, or choose the other with `--lab {has}`")));
    }
    let chosen = option_of(Place::Local, options).is_some();
    if nothing && place == Place::Local && creates && !chosen && !options.dry_run {
        console.note(OTHERS);
    }
    Ok(match place {
        Place::Local => Lab::Local(local),
        Place::Kind => Lab::Kind(kind),
    })
}

/// The first option given that only one of the labs has.
fn option_of(place: Place, options: &Options) -> Option<&'static str> {
    let given = match place {
        Place::Kind => [
            ("--argocd-image", options.argocd_image.is_some()),
            ("--probe-image", options.probe_image.is_some()),
            ("--ingress", options.ingress.is_some()),
            ("--node-image", options.node_image.is_some()),
        ]
        .to_vec(),
        Place::Local => [
            ("--argocd-bin", options.argocd_bin.is_some()),
            ("--dex-bin", options.dex_bin.is_some()),
            ("--real", options.real),
        ]
        .to_vec(),
    };
    given.into_iter().find_map(|(option, given)| given.then_some(option))
}
