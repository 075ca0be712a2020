//! Images: pulled by this machine's engine, once for all labs, and saved for the node while
//! the cluster comes up; then loaded into it. What this machine cannot pull, the node pulls
//! itself, unless nothing is to be asked of the network.

use super::commands::{Commands, Typed};
use super::helm::Choice;
use super::kit::{Ids, Needs, Saved, Tools};
use super::messages::{self, Trouble};
use super::parts::Part;
use super::state::State;
use base::process::Said;
use base::{Error, Result};

/// What the archive of the exporter's image is called.
pub const EXPORTER_ARCHIVE: &str = "exporter";

/// The commands that bring an image here, from a mirror under the name that charts know.
pub fn pull_commands(commands: &Commands, from: &str, image: &str) -> Vec<Typed> {
    let renamed = (from != image).then(|| commands.tag_image(from, image));
    [commands.pull_image(from)].into_iter().chain(renamed).collect()
}

impl Tools<'_> {
    /// Makes the images of a part be on this machine, and saves those for the node that it has
    /// not got, while it may still be on its way: what goes wrong with that is said when they
    /// are loaded. Says how many are here.
    ///
    /// # Errors
    /// An image of somebody's own build, which no node can pull, is not there; or one is
    /// missing offline.
    pub async fn pull_images(&self, choice: &Choice, part: Part) -> Result<String> {
        let (images, own) = (self.kit.part(part, |needs| needs.images.clone()), choice.own(part));
        let mut here = Ids::new();
        for image in &images {
            let id = self.pulled(image, own.as_ref() == Some(image)).await?;
            here.extend(id.map(|id| (image.clone(), id)));
        }
        let new = self.not_on_node(&here);
        let said = match new.is_empty() {
            true => None,
            false => Some(self.run(&self.commands().save_images(part.name(), &new)).await?),
        };
        let saved = new.into_iter().map(str::to_owned).collect();
        let saved = said.filter(|said| !said.is_ok()).map_or(Ok(saved), Err);
        let outcome = format!("{} of {} here", here.len(), images.len());
        self.kit.part(part, |needs| (needs.here, needs.saved) = (here, Some(saved)));
        Ok(outcome)
    }

    /// The id of an image that is on this machine, or is pulled now; none where the node has to pull it.
    async fn pulled(&self, image: &str, is_own: bool) -> Result<Option<String>> {
        let commands = self.commands();
        let offline = commands.mirrors.offline;
        // An archive does not keep the digest that a registry knows an image by.
        if image.contains('@') {
            // Offline, whether the node has it can be asked when there is one.
            if !offline {
                self.note(&format!("{image} is named by its digest: the node pulls it itself"));
            }
            return Ok(None);
        }
        if let Some(id) = self.id(image).await? {
            return Ok(Some(id));
        }
        let engine = commands.engine;
        if offline {
            return Err(Error::environment(format!(
                "--offline, and the image {image} is not on this machine"
            ))
            .hint(format!("`{engine} pull {image}` brings it here")));
        }
        let from = if is_own { image.to_owned() } else { commands.mirrors.image(image) };
        for typed in pull_commands(commands, &from, image) {
            let said = self.run(&typed).await?;
            if said.is_ok() {
                continue;
            }
            if is_own {
                return Err(Error::environment(format!(
                    "the image {image} of --argocd-image is neither on this machine nor to be pulled"
                ))
                .hint(format!("`{engine} image ls` shows what is there")));
            }
            let error = self.error(&format!("pull {from}"), &said);
            self.note(&format!("{}; the node tries it itself", error.message()));
            return Ok(None);
        }
        self.id(image).await
    }

    async fn id(&self, image: &str) -> Result<Option<String>> {
        let said = self.run(&self.commands().image_id(image)).await?;
        let id = said.stdout.trim();
        Ok((said.is_ok() && !id.is_empty()).then(|| id.to_owned()))
    }

    /// Images that are not on the node yet, by what is known of it.
    fn not_on_node<'a>(&self, ids: &'a Ids) -> Vec<&'a str> {
        let loaded = State::read(self.lab()).map(|state| state.loaded).unwrap_or_default();
        ids.iter().filter(|(image, id)| loaded.get(*image) != Some(id)).map(|(image, _)| &**image).collect()
    }

    /// Loads the images of a part into the node that are not there yet. Says in a few words
    /// what was done.
    ///
    /// # Errors
    /// One's own image cannot be loaded, or the node would have to ask the network, offline.
    /// Any other the node pulls itself, and that is said.
    pub async fn load_images(&self, choice: &Choice, part: Part) -> Result<String> {
        let (commands, own) = (self.commands(), choice.own(part));
        let offline = commands.mirrors.offline;
        let Needs { images, here, saved } = self.kit.part(part, |needs| needs.clone());
        for image in images.iter().filter(|image| offline && image.contains('@')) {
            if !self.run(&commands.image_on_node(image)).await?.is_ok() {
                return Err(Error::environment(format!(
                    "--offline, and the image {image} is not on the node"
                ))
                .hint("an archive does not keep a digest: name it by its tag in values/, or leave --offline out once"));
            }
        }
        let new = self.not_on_node(&here);
        if new.is_empty() {
            return Ok(if here.is_empty() { "left to the node" } else { "already there" }.into());
        }
        let failed = self.load_archive(part, &new, saved).await;
        // Whatever came of it, the archive has had its use.
        let _ = std::fs::remove_file(commands.archive(part.name()));
        let Some(said) = failed? else {
            self.loaded(&here)?;
            return Ok(format!("{} loaded", new.len()));
        };
        let (all, error) = (new.join(", "), self.error(&format!("load {}", new.join(", ")), &said));
        if offline || own.is_some_and(|own| new.contains(&own.as_str())) {
            return Err(error);
        }
        let because = match messages::trouble(&said) {
            Some(Trouble::Digest) => "docker keeps parts of it by name only (kind issue 3795)",
            _ => error.message(),
        };
        self.note(&format!("{all}: {because}; the node pulls what it needs itself"));
        Ok("left to the node".into())
    }

    /// Saves what is not in the archive yet, and loads it. What the program that failed said;
    /// nothing if all went well.
    async fn load_archive(&self, part: Part, images: &[&str], saved: Option<Saved>) -> Result<Option<Said>> {
        let commands = self.commands();
        let save = match saved {
            Some(Err(said)) => return Ok(Some(said)),
            Some(Ok(saved)) if images.iter().all(|image| saved.contains(*image)) => None,
            // The node is another than the one that had them.
            _ => Some(commands.save_images(part.name(), images)),
        };
        for typed in save.into_iter().chain([commands.load_images(part.name())]) {
            let said = self.run(&typed).await?;
            if !said.is_ok() {
                return Ok(Some(said));
            }
        }
        Ok(None)
    }

    /// Loads the exporter's image, which is on this machine, into the node, if it is not there yet.
    ///
    /// # Errors
    /// It is not on this machine, or cannot be saved or loaded.
    pub async fn load_exporter(&self, image: &str) -> Result<String> {
        let (commands, name) = (self.commands(), EXPORTER_ARCHIVE);
        let Some(id) = self.id(image).await? else {
            return Err(Error::environment(format!(
                "the image {image} of --probe-image is not on this machine"
            ))
            .hint(format!(
                "`.ci/image {image}` builds it; `{} image ls` shows what is there",
                commands.engine
            )));
        };
        let ids = Ids::from([(image.to_owned(), id)]);
        if self.not_on_node(&ids).is_empty() {
            return Ok("already there".into());
        }
        let loaded = async {
            self.must(&commands.save_images(name, &[image]), &format!("save {image}")).await?;
            self.must(&commands.load_images(name), &format!("load {image}")).await
        };
        let outcome = loaded.await;
        let _ = std::fs::remove_file(commands.archive(name));
        outcome?;
        self.loaded(&ids)?;
        Ok("loaded".into())
    }

    /// Writes down that the node has images.
    fn loaded(&self, ids: &Ids) -> Result<()> {
        State::update(self.lab(), |state| {
            state.loaded.extend(ids.iter().map(|(image, id)| (image.clone(), id.clone())));
        })
    }
}
