//! Where charts and images come from: their own repositories and registries, or what a
//! company has in their place.

use std::fs;
use std::path::{Path, PathBuf};

use base::{Error, Result};
use cluster::registry;

/// The environment variable that names charts in place of the published ones.
pub const CHARTS: &str = "OIDC_LAB_CHARTS";
/// The environment variable that names a registry in place of the public ones.
pub const IMAGES: &str = "OIDC_LAB_IMAGES";

/// Where charts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charts {
    /// From where their projects publish them.
    Published,
    /// From a folder of `NAME-VERSION.tgz`.
    Folder(PathBuf),
    /// From another registry, by `oci://`, or repository of charts, by https.
    Mirror(String),
}

/// Where charts and images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// Charts.
    pub charts: Charts,
    /// The registry that stands for the public ones, and a path in it if it has one.
    pub images: Option<String>,
    /// Where charts are kept that were pulled, for all labs.
    cache: PathBuf,
    /// Nothing is asked of the network.
    pub offline: bool,
}

impl Mirrors {
    /// As the environment says.
    ///
    /// # Errors
    /// A variable names nothing that could be used.
    pub fn from_environment(
        var: impl Fn(&str) -> Option<std::ffi::OsString>,
        cache: &Path,
        offline: bool,
    ) -> Result<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let charts = match var(CHARTS) {
            None => Charts::Published,
            Some(value) => charts(&value.to_string_lossy())?,
        };
        let images = var(IMAGES).map(|value| images(&value.to_string_lossy())).transpose()?;
        Ok(Self { charts, images, cache: cache.join("charts"), offline })
    }

    /// The folder of charts that were pulled, or that somebody keeps.
    pub fn folder(&self) -> PathBuf {
        match &self.charts {
            Charts::Folder(folder) => folder.clone(),
            Charts::Published => self.cache.clone(),
            // What another place has under a name need not be the same.
            Charts::Mirror(url) => self.cache.join(file_name(url)),
        }
    }

    /// What an image is pulled as.
    pub fn image(&self, image: &str) -> String {
        let Some(mirror) = &self.images else { return image.to_owned() };
        let registry = registry(image);
        let path = image.strip_prefix(registry).and_then(|path| path.strip_prefix('/')).unwrap_or(image);
        // Docker Hub's own images have no owner in their names.
        let path = if path.contains('/') { path.to_owned() } else { format!("library/{path}") };
        format!("{mirror}/{path}")
    }

    /// In lines, for a dry run.
    pub fn described(&self, engine: &str) -> String {
        let folder = self.folder();
        let folder = folder.display();
        let charts = match (&self.charts, self.offline) {
            (Charts::Folder(_), _) => format!("{CHARTS}: {folder}"),
            (_, true) => format!("{folder} alone (--offline)"),
            (Charts::Mirror(url), _) => format!("{CHARTS}: {url}, kept in {folder}"),
            (Charts::Published, _) => format!("where their projects publish them, kept in {folder}"),
        };
        let images = match (&self.images, self.offline) {
            (_, true) => format!("{engine} and the node alone (--offline)"),
            (Some(mirror), false) => format!("{IMAGES}: {mirror} in place of the public registries"),
            (None, false) => "the registries in their names".to_owned(),
        };
        format!("# charts come from {charts}\n# images come from {images}")
    }
}

fn charts(text: &str) -> Result<Charts> {
    let text = text.trim_end_matches('/');
    // It goes into command lines, where everybody on this machine can read it.
    let wrong = |what: &str| {
        Error::environment(format!("{CHARTS} {what}")).hint(
            "give a folder of charts, oci://registry/path, or the https address of a repository of charts",
        )
    };
    let url = text.parse::<url::Url>().ok();
    if url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err(wrong("has a user in it").hint("`helm registry login` or a netrc keeps it"));
    }
    match url {
        Some(url) if url.scheme() == "oci" || toolbox::download::is_safe(&url) => {
            Ok(Charts::Mirror(text.to_owned()))
        }
        Some(_) => Err(wrong("is neither https, oci nor a folder")),
        None => match std::path::absolute(text) {
            Ok(folder) if folder.is_dir() => Ok(Charts::Folder(folder)),
            _ => Err(wrong(&format!("names {text}, which is no folder"))),
        },
    }
}

fn images(text: &str) -> Result<String> {
    let text = text.trim_end_matches('/');
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    match !text.is_empty() && text.chars().all(fits) && !text.contains("//") {
        true => Ok(text.to_owned()),
        false => Err(Error::environment(format!("{IMAGES} is no registry"))
            .hint("write it as in the name of an image: registry.example or registry.example:5000/path")),
    }
}

/// A name as a file's.
pub fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

/// The image that kind makes a node from unless told otherwise: it is written in the
/// program, and no command of kind's tells it. Blocks.
pub fn node_image(kind: &Path) -> Option<String> {
    const NAME: &[u8] = b"kindest/node:v";
    const DIGEST: &str = "@sha256:";
    let program = fs::read(kind).ok()?;
    memchr::memmem::find_iter(&program, NAME).find_map(|place| {
        let rest: &[u8] = &program[place + NAME.len()..];
        let rest = String::from_utf8_lossy(&rest[..rest.len().min(120)]).into_owned();
        let (version, digest) = rest.split_once(DIGEST)?;
        let digest = digest.get(..64)?;
        let plain = version.chars().all(|c| c.is_ascii_digit() || c == '.');
        (plain && digest.chars().all(|c| c.is_ascii_hexdigit()))
            .then(|| format!("kindest/node:v{version}{DIGEST}{digest}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Result<Mirrors> {
        let var = |asked: &str| (asked == name).then(|| value.into());
        Mirrors::from_environment(var, Path::new("/c"), false)
    }

    #[test]
    fn a_mirror_stands_for_every_public_registry() {
        for (mirror, image, from) in [
            ("mirror.example", "quay.io/argoproj/argocd:v3.3.6", "mirror.example/argoproj/argocd:v3.3.6"),
            (
                "mirror.example:5000/all/",
                "kindest/node:v1@sha256:00",
                "mirror.example:5000/all/kindest/node:v1@sha256:00",
            ),
            ("mirror.example", "docker.io/traefik:v3", "mirror.example/library/traefik:v3"),
            ("mirror.example", "redis:8", "mirror.example/library/redis:8"),
        ] {
            assert_eq!(of(IMAGES, mirror).unwrap().image(image), from);
        }
        assert_eq!(of("OTHER", "").unwrap().image("redis:8"), "redis:8");
        for wrong in ["https://mirror.example", "u:p@mirror.example", "a b", "/"] {
            let error = of(IMAGES, wrong).unwrap_err().to_string();
            assert!(error.starts_with("OIDC_LAB_IMAGES is no registry"), "{error}");
        }
    }

    #[test]
    fn charts_come_from_a_folder_a_registry_or_a_repository() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap().to_owned();
        for (value, charts, kept) in [
            (folder.as_str(), Charts::Folder(folder.clone().into()), folder.as_str()),
            (
                "oci://m.example/charts/",
                Charts::Mirror("oci://m.example/charts".into()),
                "/c/charts/oci---m.example-charts",
            ),
            (
                "https://m.example/charts",
                Charts::Mirror("https://m.example/charts".into()),
                "/c/charts/https---m.example-charts",
            ),
        ] {
            let mirrors = of(CHARTS, value).unwrap();
            assert_eq!((mirrors.charts.clone(), mirrors.folder()), (charts, PathBuf::from(kept)));
        }
        assert_eq!(of("OTHER", "").unwrap().folder(), Path::new("/c/charts"));
        for (wrong, part) in [
            ("/nowhere/charts", "names /nowhere/charts, which is no folder"),
            ("http://m.example", "is neither https, oci nor a folder"),
            ("https://u:pa55@m.example", "has a user in it"),
        ] {
            let error = of(CHARTS, wrong).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn the_image_of_the_node_is_read_from_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("kind");
        let digest = "a1".repeat(32);
        fs::write(&program, format!("\0kindest/node:vXkindest/node:v1.37.0@sha256:{digest}next string"))
            .unwrap();
        assert_eq!(node_image(&program), Some(format!("kindest/node:v1.37.0@sha256:{digest}")));
        fs::write(&program, "kindest/node:v1.37.0@sha256:short").unwrap();
        assert_eq!(node_image(&program), None);
    }
}
