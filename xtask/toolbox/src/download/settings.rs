//! Where from, where to and how long: all of it read from the environment once.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use base::{Error, Result};

/// A place to download from, and the environment variable that names a mirror of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Releases and tags of Argo CD, releases of kind.
    Github,
    /// The registry with Dex's image.
    Registry,
    /// Helm's releases.
    GetHelm,
    /// Kubernetes' releases.
    DlK8s,
}

impl Site {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Github, Self::Registry, Self::GetHelm, Self::DlK8s];

    /// The environment variable that names a mirror, and the place itself.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => ("OIDC_LAB_GITHUB", "https://github.com"),
            Self::Registry => ("OIDC_LAB_REGISTRY", "https://ghcr.io"),
            Self::GetHelm => ("OIDC_LAB_GET_HELM", "https://get.helm.sh"),
            Self::DlK8s => ("OIDC_LAB_DL_K8S", "https://dl.k8s.io"),
        }
    }

    /// The environment variable that names a mirror.
    pub fn variable(self) -> &'static str {
        self.names().0
    }
}

/// The environment variable that names another cache folder.
pub const CACHE: &str = "OIDC_LAB_CACHE";

/// What downloads are told by options and environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that keeps what was downloaded, shared by all labs.
    pub cache: PathBuf,
    /// Nothing is asked of the network.
    pub offline: bool,
    /// Each site's address, without a slash at its end.
    sites: [Url; 4],
    /// The longest time to wait for a connection.
    pub connect: Duration,
    /// The longest time in which nothing arrives. There is no limit on the whole:
    /// a slow line is no failure.
    pub stall: Duration,
    /// How long to wait before each new attempt after a passing failure.
    pub pauses: Vec<Duration>,
    /// The environment variable that names a proxy, if one does and it is heeded.
    pub proxy: Option<&'static str>,
}

impl Settings {
    /// As the environment says.
    ///
    /// # Errors
    /// A mirror's address cannot be used, or there is no place for the cache.
    pub fn from_environment(var: impl Fn(&str) -> Option<OsString>, offline: bool) -> Result<Self> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let site = |site: Site| {
            let text = var(site.variable()).unwrap_or_else(|| site.names().1.into());
            base(site.variable(), &text.to_string_lossy())
        };
        let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        Ok(Self {
            cache: cache(&var, cfg!(target_os = "macos"))?,
            offline,
            sites: [site(Site::Github)?, site(Site::Registry)?, site(Site::GetHelm)?, site(Site::DlK8s)?],
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            pauses: [500, 1000, 2000].map(Duration::from_millis).to_vec(),
            proxy: proxy.into_iter().find(|name| var(name).is_some()),
        })
    }

    /// The address of a site or of its mirror.
    pub fn site(&self, site: Site) -> &Url {
        &self.sites[site as usize]
    }

    /// A URL below a site: `path` starts with a slash.
    pub fn url(&self, site: Site, path: &str) -> Url {
        let mut url = self.site(site).clone();
        let below = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&below);
        url
    }
}

/// Reads the address of a site.
fn base(variable: &str, text: &str) -> Result<Url> {
    // The text itself is not repeated: it may hold a password.
    let wrong = |what: &str| {
        Error::environment(format!("{variable} {what}"))
            .hint("give the address of a mirror, as in https://mirror.example/path")
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("is not a URL"))?;
    if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("is not the plain address of a site"));
    }
    if !is_safe(&url) {
        return Err(wrong("is neither https nor on loopback, so that anybody on the way could change it"));
    }
    Ok(url)
}

/// Whether nobody on the way can change what comes from there.
pub fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether it names this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A URL for people: without user, password and query, any of which may be secret.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that have no place for them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Host, and port if it is not the scheme's own, for people.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn cache(var: &dyn Fn(&str) -> Option<OsString>, macos: bool) -> Result<PathBuf> {
    if let Some(folder) = var(CACHE) {
        return std::path::absolute(&folder)
            .map_err(|error| Error::environment(format!("{CACHE} names no folder: {error}")));
    }
    // The specification says to ignore a relative path.
    let xdg = var("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || {
        let folder = if macos { "Library/Caches" } else { ".cache" };
        var("HOME").map(|home| PathBuf::from(home).join(folder))
    };
    let folder = xdg.or_else(home).ok_or_else(|| {
        Error::environment("there is no HOME to keep downloads in").hint(format!("name a folder in {CACHE}"))
    })?;
    Ok(folder.join("oidc-lab"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let var = move |name: &str| {
            pairs.iter().find(|(known, _)| known == name).map(|(_, value)| OsString::from(value))
        };
        Settings::from_environment(var, false)
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let at = |pairs: &[(&str, &str)], macos| {
            let pairs = pairs.to_vec();
            let var = |name: &str| {
                pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            cache(&var, macos).map(|folder| folder.display().to_string())
        };
        for (pairs, macos, folder) in [
            (&[("OIDC_LAB_CACHE", "/c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")][..], false, "/c"),
            (&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")], false, "/x/oidc-lab"),
            (&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")], false, "/h/.cache/oidc-lab"),
            (&[("HOME", "/h")], false, "/h/.cache/oidc-lab"),
            (&[("HOME", "/h")], true, "/h/Library/Caches/oidc-lab"),
        ] {
            assert_eq!(at(pairs, macos).unwrap(), folder, "{pairs:?}");
        }
        assert!(at(&[], false).unwrap_err().to_string().contains("name a folder in OIDC_LAB_CACHE"));
    }

    #[test]
    fn sites_have_mirrors() {
        let settings = of(&[
            ("HOME", "/h"),
            ("OIDC_LAB_GITHUB", "https://mirror.example/github/"),
            ("OIDC_LAB_DL_K8S", "http://127.0.0.1:8080"),
            ("OIDC_LAB_REGISTRY", ""),
        ])
        .unwrap();
        assert_eq!(settings.url(Site::Github, "/a/b").as_str(), "https://mirror.example/github/a/b");
        assert_eq!(settings.url(Site::DlK8s, "/release").as_str(), "http://127.0.0.1:8080/release");
        assert_eq!(settings.url(Site::Registry, "/v2/").as_str(), "https://ghcr.io/v2/");
        assert_eq!(settings.url(Site::GetHelm, "/x").as_str(), "https://get.helm.sh/x");
    }

    #[test]
    fn a_mirror_that_cannot_be_used_is_named_without_its_password() {
        for (text, part) in [
            ("mirror", "OIDC_LAB_GITHUB is not a URL"),
            ("http://u:pa55@mirror.example", "OIDC_LAB_GITHUB is neither https nor on loopback"),
            ("https://mirror.example?token=pa55", "is not the plain address"),
            ("ftp://mirror.example", "is neither https"),
            ("data:pa55", "is not the plain address"),
        ] {
            let error = of(&[("HOME", "/h"), ("OIDC_LAB_GITHUB", text)]).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_secret() {
        let url = Url::parse("https://user:pa55@host.example:8443/a/b?token=s3cret#f").unwrap();
        assert_eq!(shown(&url), "https://host.example:8443/a/b");
        assert_eq!(host(&url), "host.example:8443");
    }

    #[test]
    fn only_https_or_loopback_is_safe() {
        for (url, safe) in [
            ("https://host.example", true),
            ("http://localhost:1", true),
            ("http://127.1.2.3:1", true),
            ("http://[::1]:1", true),
            ("http://host.example", false),
            ("http://localhost.example", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap()), safe, "{url}");
        }
    }
}
