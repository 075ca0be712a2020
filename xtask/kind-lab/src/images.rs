//! Images: pulled by this machine's engine, once for all labs, and saved for the node while
//! the cluster comes up; then loaded into it. What this machine cannot pull, the node pulls
//! itself, unless nothing is to be asked of the network.

use std::collections::BTreeSet;

use super::commands::{Place, Typed};
use super::kit::{Ids, Tools};
use super::parts::Part;
use super::state::State;
use super::{KindLab, messages};
use base::process::Said;
use base::{Error, Result};

/// The commands that bring an image here, from a mirror under the name that charts know.
pub fn pull_commands(place: &Place, from: &str, image: &str) -> Vec<Typed> {
    let renamed = (from != image).then(|| place.tag_image(from, image));
    [place.pull_image(from)].into_iter().chain(renamed).collect()
}

/// Makes a part's images be on this machine. `own` is one of somebody's own build,
/// which no node can pull. Gives those that are here.
///
/// # Errors
/// One's own image is not there.
pub async fn pull(tools: &Tools<'_>, images: &BTreeSet<String>, own: Option<&str>) -> Result<Ids> {
    let place = tools.place();
    let mut ids = Ids::new();
    for image in images {
        // An archive does not keep the digest that a registry knows an image by.
        if image.contains('@') {
            if place.mirrors.offline {
                // Whether the node has it can be asked when there is one.
                continue;
            }
            tools.note(&format!("{image} is named by its digest: the node pulls it itself"));
            continue;
        }
        if let Some(id) = id(tools, image).await? {
            ids.insert(image.clone(), id);
            continue;
        }
        let is_own = own == Some(image.as_str());
        if place.mirrors.offline {
            return Err(Error::environment(format!(
                "--offline, and the image {image} is not on this machine"
            ))
            .hint(format!("`{} pull {image}` brings it here", place.engine)));
        }
        let from = if is_own { image.clone() } else { place.mirrors.image(image) };
        let mut said = Said::default();
        for typed in pull_commands(place, &from, image) {
            said = tools.run(&typed).await?;
            if !said.is_ok() {
                break;
            }
        }
        if said.is_ok() {
            ids.extend(id(tools, image).await?.map(|id| (image.clone(), id)));
        } else if is_own {
            return Err(Error::environment(format!(
                "the image {image} of --argocd-image is neither on this machine nor to be pulled"
            ))
            .hint(format!("`{} image ls` shows what is there", place.engine)));
        } else {
            let error = tools.error(&format!("pull {from}"), &said);
            tools.note(&format!("{}; the node tries it itself", error.message()));
        }
    }
    Ok(ids)
}

async fn id(tools: &Tools<'_>, image: &str) -> Result<Option<String>> {
    let said = tools.run(&tools.place().image_id(image)).await?;
    let id = said.stdout.trim();
    Ok((said.is_ok() && !id.is_empty()).then(|| id.to_owned()))
}

/// Images that are not on the node yet, by what is known of it.
fn new<'a>(lab: &KindLab, ids: &'a Ids) -> Vec<&'a str> {
    let loaded = State::read(lab).map(|state| state.loaded).unwrap_or_default();
    ids.iter().filter(|(image, id)| loaded.get(*image) != Some(id)).map(|(image, _)| &**image).collect()
}

/// Saves images for the node, while the node may still be on its way. What goes wrong is
/// said when they are loaded.
///
/// # Errors
/// The engine cannot be run.
pub async fn save(tools: &Tools<'_>, part: Part, ids: &Ids) -> Result<()> {
    let new = new(tools.lab(), ids);
    let said = match new.is_empty() {
        true => None,
        false => Some(tools.run(&tools.place().save_images(part.name(), &new)).await?),
    };
    let saved = new.into_iter().map(str::to_owned).collect();
    let saved = said.filter(|said| !said.is_ok()).map_or(Ok(saved), Err);
    tools.kit.part(part, |needs| needs.saved = Some(saved));
    Ok(())
}

/// Loads images into the node that are not there yet. Says in a few words what was
/// done.
///
/// # Errors
/// One's own image cannot be loaded, or the node would have to ask the network, offline.
/// Any other the node pulls itself, and that is said.
pub async fn load(tools: &Tools<'_>, part: Part, ids: &Ids, own: Option<&str>) -> Result<String> {
    let (kit, place, lab) = (&tools.kit, tools.place(), tools.lab());
    if place.mirrors.offline {
        for image in kit.part(part, |needs| needs.images.clone()).iter().filter(|image| image.contains('@')) {
            if !tools.run(&place.image_on_node(image)).await?.is_ok() {
                return Err(Error::environment(format!(
                    "--offline, and the image {image} is not on the node"
                ))
                .hint("an archive does not keep a digest: name it by its tag in values/, or leave --offline out once"));
            }
        }
    }
    let new = new(lab, ids);
    if new.is_empty() {
        return Ok(if ids.is_empty() { "left to the node" } else { "already there" }.into());
    }
    let outcome = load_archive(tools, part, &new).await;
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
            let error = tools.error(&format!("load {}", new.join(", ")), &said);
            if place.mirrors.offline || own.is_some_and(|own| new.contains(&own)) {
                return Err(error);
            }
            let because = match messages::trouble(&said) {
                Some(messages::Trouble::Digest) => {
                    "docker keeps parts of it by name only (kind issue 3795)".to_owned()
                }
                _ => error.message().to_owned(),
            };
            tools.note(&format!("{}: {because}; the node pulls what it needs itself", new.join(", ")));
            Ok("left to the node".into())
        }
    }
}

/// Loads one image of this machine's into the node, if it is not there yet.
///
/// # Errors
/// It is not on this machine, or cannot be saved or loaded.
pub async fn load_own(tools: &Tools<'_>, image: &str, name: &'static str) -> Result<String> {
    let place = tools.place();
    let Some(id) = id(tools, image).await? else {
        return Err(Error::environment(format!("the image {image} of --probe-image is not on this machine"))
            .hint(format!(
                "`.ci/image {image}` builds it; `{} image ls` shows what is there",
                place.engine
            )));
    };
    let ids = Ids::from([(image.to_owned(), id)]);
    if new(tools.lab(), &ids).is_empty() {
        return Ok("already there".into());
    }
    let loaded = async {
        tools.must(&place.save_images(name, &[image]), &format!("save {image}")).await?;
        tools.must(&place.load_images(name), &format!("load {image}")).await
    };
    let outcome = loaded.await;
    let _ = std::fs::remove_file(place.archive(name));
    outcome?;
    State::update(tools.lab(), |state| state.loaded.extend(ids))?;
    Ok("loaded".into())
}

/// What the program that failed said; nothing if all went well.
async fn load_archive(tools: &Tools<'_>, part: Part, images: &[&str]) -> Result<Option<Said>> {
    let (kit, place) = (&tools.kit, tools.place());
    let save = match kit.part(part, |needs| needs.saved.take()) {
        Some(Err(said)) => return Ok(Some(said)),
        Some(Ok(saved)) if images.iter().all(|image| saved.contains(*image)) => None,
        // The node is another than the one that had them.
        _ => Some(place.save_images(part.name(), images)),
    };
    for typed in save.into_iter().chain([place.load_images(part.name())]) {
        let said = tools.run(&typed).await?;
        if !said.is_ok() {
            return Ok(Some(said));
        }
    }
    Ok(None)
}
