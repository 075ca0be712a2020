//! Images: pulled by this machine's engine, once for all labs, while the cluster comes
//! up; then loaded into the node. What this machine cannot pull, the node pulls itself.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::Place;
use super::parts::Part;
use super::runner::Said;
use super::state::State;
use super::{KindLab, Kit, helm, messages};
use crate::console::Running;
use crate::error::{Error, Result};

/// Images by name, with the ids that the engine knows them by.
pub type Ids = BTreeMap<String, String>;

/// Makes a part's images be on this machine. `own` is one of somebody's own build,
/// which no node can pull. Gives those that are here.
///
/// # Errors
/// One's own image is not there.
pub async fn pull(
    kit: &Kit,
    place: &Place,
    images: &BTreeSet<String>,
    own: Option<&str>,
    offline: bool,
    running: &Running<'_>,
) -> Result<Ids> {
    let mut ids = Ids::new();
    for image in images {
        // An archive does not keep the digest that a registry knows an image by.
        if image.contains('@') {
            running.note(&format!("{image} is named by its digest: the node pulls it itself"));
            continue;
        }
        if let Some(id) = id(kit, place, image, running).await? {
            ids.insert(image.clone(), id);
            continue;
        }
        let is_own = own == Some(image.as_str());
        if offline {
            return Err(Error::environment(format!(
                "--offline, and the image {image} is not on this machine"
            ))
            .hint(format!("`{} pull {image}` brings it here", place.engine)));
        }
        let said = kit.run(place, &place.pull_image(image), running).await?;
        match said.is_ok() {
            true => {
                if let Some(id) = id(kit, place, image, running).await? {
                    ids.insert(image.clone(), id);
                }
            }
            false if is_own => {
                return Err(Error::environment(format!(
                    "the image {image} of --argocd-image is neither on this machine nor to be pulled"
                ))
                .hint(format!("`{} image ls` shows what is there", place.engine)));
            }
            false => running.note(&format!("{}; the node tries it itself", cannot_pull(place, image, &said))),
        }
    }
    Ok(ids)
}

fn cannot_pull(place: &Place, image: &str, said: &Said) -> String {
    helm::error(place, &format!("pull {image}"), said).message().to_owned()
}

async fn id(kit: &Kit, place: &Place, image: &str, running: &Running<'_>) -> Result<Option<String>> {
    let said = kit.run(place, &place.image_id(image), running).await?;
    let id = said.stdout.trim();
    Ok((said.is_ok() && !id.is_empty()).then(|| id.to_owned()))
}

/// Loads images into the node that are not there yet. Says in a few words what was
/// done.
///
/// # Errors
/// One's own image cannot be loaded. Any other the node pulls itself, and that is said.
pub async fn load(
    lab: &KindLab,
    kit: &Kit,
    place: &Place,
    part: Part,
    ids: &Ids,
    own: Option<&str>,
    running: &Running<'_>,
) -> Result<String> {
    let loaded = State::read(lab).map(|state| state.loaded).unwrap_or_default();
    let new: Vec<&str> =
        ids.iter().filter(|(image, id)| loaded.get(*image) != Some(id)).map(|(image, _)| &**image).collect();
    if new.is_empty() {
        return Ok(if ids.is_empty() { "left to the node" } else { "already there" }.into());
    }
    let outcome = load_archive(kit, place, part, &new, running).await;
    // Whatever came of it, the archive has had its use.
    let _ = std::fs::remove_file(place.archive(part.name()));
    match outcome? {
        None => {
            State::update(lab, |state| {
                state.loaded.extend(new.iter().map(|image| ((*image).to_owned(), ids[*image].clone())));
            })?;
            Ok(format!("{} loaded", new.len()))
        }
        Some(said) => {
            let error = helm::error(place, &format!("load {}", new.join(", ")), &said);
            if own.is_some_and(|own| new.contains(&own)) {
                return Err(error);
            }
            let because = match messages::trouble(&said) {
                Some(messages::Trouble::Digest) => {
                    "docker keeps parts of it by name only (kind issue 3795)".to_owned()
                }
                _ => error.message().to_owned(),
            };
            running.note(&format!("{}: {because}; the node pulls what it needs itself", new.join(", ")));
            Ok("left to the node".into())
        }
    }
}

/// What the program that failed said; nothing if all went well.
async fn load_archive(
    kit: &Kit,
    place: &Place,
    part: Part,
    images: &[&str],
    running: &Running<'_>,
) -> Result<Option<Said>> {
    for typed in [place.save_images(part.name(), images), place.load_images(part.name())] {
        let said = kit.run(place, &typed, running).await?;
        if !said.is_ok() {
            return Ok(Some(said));
        }
    }
    Ok(None)
}
