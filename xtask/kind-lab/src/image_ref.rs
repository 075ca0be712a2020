//! An image of one's own build.

/// An image by name and tag, as a chart takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// Everything before the tag.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl ImageRef {
    /// Reads `repository:tag`; without a tag it is `latest`.
    ///
    /// # Errors
    /// The text is no image reference, or names a digest, which a loaded image has lost.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            return Err("name it by a tag: an image that is loaded into a node has lost its digest".into());
        }
        // A colon before the last slash belongs to the registry's port.
        let name = text.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match text[name..].rfind(':') {
            Some(colon) => (&text[..name + colon], &text[name + colon + 1..]),
            None => (text, "latest"),
        };
        let fits = |part: &str, more: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !fits(repository, "./_-:") || !fits(tag, "._-") || repository.ends_with('/') {
            return Err("write it as repository:tag".into());
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_told_from_their_tags() {
        for (text, repository, tag) in [
            ("argocd:dev", "argocd", "dev"),
            ("localhost:5000/me/argocd", "localhost:5000/me/argocd", "latest"),
            ("localhost:5000/me/argocd:v3", "localhost:5000/me/argocd", "v3"),
        ] {
            let image = ImageRef::parse(text).unwrap();
            assert_eq!((image.repository.as_str(), image.tag.as_str()), (repository, tag));
        }
        for text in ["", ":x", "a:", "a b", "a@sha256:00", "a/:x"] {
            assert!(ImageRef::parse(text).is_err(), "{text:?}");
        }
    }
}
