//! The part of the OCI registry protocol that reading one public image takes: an
//! anonymous token, an index, a manifest, and blobs, each held against its digest.
//!
//! A crate for it, oci-client 0.18, was looked at: it is kept, but brings 26 crates
//! that are not here yet (chrono, strum, derive_builder, const_format and other macros
//! behind oci-spec), 7 % of a clean build, to push, pull and check whatever a registry
//! may hold. What is needed here is three GETs by a client that is here already.

use std::path::Path;

use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde::Deserialize;

use crate::download::{
    Answer, Downloads, Failure, Platform, Progress, Sha256, Site, Status, Trouble, Wanted, is_safe,
};

/// The most bytes of an index, a manifest or a token.
const LIMIT: u64 = 4 << 20;
/// The most layers of an image.
const LAYERS: usize = 128;
/// The largest layer, in bytes.
const LAYER: u64 = 1 << 30;

const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Something in a registry, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<ImagePlatform>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ImagePlatform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// One public repository of a registry.
pub struct Repository<'a> {
    downloads: &'a Downloads,
    name: &'static str,
    token: Option<String>,
}

/// What a tag names.
pub struct Tagged {
    /// The SHA-256 of the index (or manifest) itself: whoever knows it knows all below it.
    pub sha256: Sha256,
    body: Vec<u8>,
    media_type: String,
}

impl<'a> Repository<'a> {
    /// The repository `owner/name` of the registry or its mirror.
    pub fn new(downloads: &'a Downloads, name: &'static str) -> Self {
        Self { downloads, name, token: None }
    }

    /// What is shown and asked of the registry: `manifests/<tag or digest>`, `blobs/<digest>`.
    pub fn url(&self, below: &str) -> Url {
        let mut url = self.downloads.settings.site(Site::Registry).clone();
        // A mirror may hold the repositories of a registry below a path of its own.
        let prefix = url.path().trim_matches('/').to_owned();
        let prefix = if prefix.is_empty() { prefix } else { format!("{prefix}/") };
        url.set_path(&format!("/v2/{prefix}{}/{below}", self.name));
        if self.token.is_some() {
            // A password in the mirror's address was for the token.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        url
    }

    /// What a tag names now.
    ///
    /// # Errors
    /// There is no such tag, or the registry does not answer or not as it should.
    pub async fn tag(&mut self, tag: &str) -> Result<Tagged, Failure> {
        self.manifest(tag, None).await
    }

    /// The layers of the image for a platform, the lowest first.
    ///
    /// # Errors
    /// There is none for it, or something is not what its digest says.
    pub async fn layers(&mut self, tagged: &Tagged, platform: Platform) -> Result<Vec<Descriptor>, Failure> {
        let at = self.url("manifests");
        let nonsense = |words: String| Trouble::nonsense(words).at(&at);
        let is_one_of = |types: [&str; 2], it: &Tagged| match types.contains(&it.media_type.as_str()) {
            true => Ok(()),
            false => Err(nonsense(format!("a manifest of the type {:?}", short(&it.media_type)))),
        };
        is_one_of(INDEXES, tagged)?;
        let index: Index = read(&tagged.body, "index").map_err(nonsense)?;
        let found = index.manifests.iter().find(|it| it.is_for(platform));
        let descriptor = found.ok_or_else(|| Trouble::Absent(platform.to_string()).at(&at))?;
        let sha256 = descriptor.sha256().map_err(nonsense)?;
        let manifest = self.manifest(&descriptor.digest, Some(sha256)).await?;
        is_one_of(MANIFESTS, &manifest)?;
        let manifest: Manifest = read(&manifest.body, "manifest").map_err(nonsense)?;
        if manifest.layers.len() > LAYERS || manifest.layers.iter().any(|layer| layer.size > LAYER) {
            return Err(nonsense("an image that is larger than any program needs".into()));
        }
        Ok(manifest.layers)
    }

    /// Downloads a blob into a part.
    ///
    /// # Errors
    /// It cannot be downloaded, or is not what its digest says.
    pub async fn blob(
        &mut self,
        what: &str,
        blob: &Descriptor,
        part: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let mut fresh = false;
        loop {
            let url = self.url(&format!("blobs/{}", blob.digest));
            let sha256 = blob.sha256().map_err(|words| Trouble::nonsense(words).at(&url))?;
            let wanted =
                Wanted { what, url: &url, sha256, limit: blob.size, bearer: self.token.as_deref(), progress };
            match self.downloads.fetch(&wanted, part).await {
                // A token lives for minutes, which some lines are too slow for.
                Err(failure) if !fresh && self.asks_for_token(&failure).await? => fresh = true,
                ended => return ended,
            }
        }
    }

    async fn manifest(&mut self, reference: &str, expected: Option<Sha256>) -> Result<Tagged, Failure> {
        let below = format!("manifests/{reference}");
        let answer = match self.ask(&below).await {
            Err(failure) if self.token.is_none() && self.asks_for_token(&failure).await? => {
                self.ask(&below).await?
            }
            answer => answer?,
        };
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let sha256 = Sha256::of(&answer.body);
        // A tag's digest is told in a header, where a proxy may have changed the body only.
        let told =
            header("docker-content-digest").and_then(|digest| Sha256::parse(digest.strip_prefix("sha256:")?));
        for expected in expected.iter().chain(&told) {
            Trouble::unless(*expected, sha256).map_err(|trouble| trouble.at(&self.url(&below)))?;
        }
        let media_type = header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        Ok(Tagged { sha256, body: answer.body, media_type })
    }

    async fn ask(&self, below: &str) -> Result<Answer, Failure> {
        let mut headers = vec![(ACCEPT, [INDEXES, MANIFESTS].concat().join(", "))];
        headers.extend(self.token.iter().map(|token| (AUTHORIZATION, format!("Bearer {token}"))));
        self.downloads.read(&self.url(below), &headers, LIMIT).await
    }

    /// Whether a failure is that the registry wants another token, which is there then.
    async fn asks_for_token(&mut self, failure: &Failure) -> Result<bool, Failure> {
        let Trouble::Status(Status { code: 401, challenge: Some(challenge), .. }) = &failure.trouble else {
            return Ok(false);
        };
        self.token = None;
        self.token = Some(self.token_of(challenge).await?);
        Ok(true)
    }

    /// Gets the token that anybody gets.
    async fn token_of(&self, challenge: &str) -> Result<String, Failure> {
        let at = self.url("");
        let nonsense = |words: &str| Trouble::nonsense(words).at(&at);
        let parameter = |name| parameter(challenge, name);
        if !challenge.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")) {
            return Err(nonsense("it wants another login than the anonymous one"));
        }
        let realm = parameter("realm").and_then(|realm| Url::parse(&realm).ok()).filter(is_safe);
        let mut url = realm.ok_or_else(|| nonsense("it names no place to get a token"))?;
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in [("service", parameter("service")), ("scope", parameter("scope"))] {
                if let Some(value) = value {
                    query.append_pair(name, &value);
                }
            }
        }
        let answer = self.downloads.read(&url, &[], LIMIT).await?;
        // Not even a wrong answer is shown: it may hold a token.
        let token: Option<Token> = serde_json::from_slice(&answer.body).ok();
        token
            .and_then(|token| token.token.or(token.access_token))
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| Trouble::nonsense("a token that is none").at(&url))
    }
}

impl Descriptor {
    /// Its digest, which has to be a SHA-256.
    ///
    /// # Errors
    /// It is another, or none.
    pub fn sha256(&self) -> Result<Sha256, String> {
        let digest = self.digest.strip_prefix("sha256:").and_then(Sha256::parse);
        digest.ok_or_else(|| format!("the digest {:?}, which is no SHA-256", short(&self.digest)))
    }

    fn is_for(&self, platform: Platform) -> bool {
        // Beside the images stand their attestations, for the platform unknown/unknown.
        let manifest = self.media_type.is_empty() || MANIFESTS.contains(&self.media_type.as_str());
        let here = |it: &ImagePlatform| it.os == platform.os && it.architecture == platform.arch;
        manifest && self.platform.as_ref().is_some_and(here)
    }
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("an {what} that cannot be read ({error})"))
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A parameter of a challenge: `Bearer realm="…",service="…",scope="a:b:pull,push"`.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let mut rest = challenge.split_once(' ')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = after.trim_start().strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let ghcr =
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:dexidp/dex:pull""#;
        let spaced = r#"Bearer realm="https://a.example/t", scope="repository:a/b:pull,push" , service=s"#;
        for (challenge, name, value) in [
            (ghcr, "realm", Some("https://ghcr.io/token")),
            (ghcr, "service", Some("ghcr.io")),
            (ghcr, "scope", Some("repository:dexidp/dex:pull")),
            (ghcr, "error", None),
            (spaced, "scope", Some("repository:a/b:pull,push")),
            (spaced, "service", Some("s")),
            ("Bearer", "realm", None),
            ("Bearer realm=\"unclosed", "realm", None),
        ] {
            assert_eq!(parameter(challenge, name).as_deref(), value, "{challenge} {name}");
        }
    }

    #[test]
    fn only_a_sha256_is_a_digest() {
        let hex = "ab".repeat(32);
        for (digest, good) in [
            (format!("sha256:{hex}"), true),
            (format!("sha512:{hex}{hex}"), false),
            (hex.clone(), false),
            ("sha256:../../../etc/passwd".to_owned(), false),
        ] {
            let descriptor =
                Descriptor { media_type: String::new(), digest: digest.clone(), size: 1, platform: None };
            assert_eq!(descriptor.sha256().is_ok(), good, "{digest}");
        }
    }
}
