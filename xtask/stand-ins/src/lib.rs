//! Stand-ins: our own small programs that answer like Dex, argocd-server and Redis where
//! a login can notice. They say what they are in their first log line, in their
//! versions and on their pages.
//!
//! A stand-in knows how the real program works, never how a login is meant to
//! end: there is no switch for a failure in here.

pub mod argocd;
pub mod dex;
pub mod redis;
pub(crate) mod wire;

/// The tag of an image reference, or `latest`.
pub(crate) fn tag(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') && !tag.is_empty() => tag,
        _ => "latest",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_tag_is_what_stands_behind_the_last_colon() {
        assert_eq!(super::tag("oidc-lab/stand-in-dex:v2.45.1"), "v2.45.1");
        assert_eq!(super::tag("localhost:5000/stand-in-dex"), "latest");
        assert_eq!(super::tag("stand-in-dex"), "latest");
    }
}
