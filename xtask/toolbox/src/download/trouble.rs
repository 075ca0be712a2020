//! What can go wrong on the way, and the sentence that says what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

use super::progress::size;
use super::settings::{CACHE, Settings, Site, host, shown};
use super::sha256::Sha256;
use base::{Error, duration};

/// Why something could not be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// `--offline` was given.
    Offline,
    /// It is published, but not for this platform.
    Absent(String),
    /// No connection came about: why, with `{}` for the host.
    Unreached(String),
    /// TLS did not come about; the library's words.
    Tls(String),
    /// The proxy does not let it through; the library's words.
    Proxy(String),
    /// The answer broke off: what the host did.
    Broke(String),
    /// An answer that is no file.
    Status(Status),
    /// An answer that is not taken: what the host does.
    Answer(String),
    /// More bytes than such a file ever has.
    TooLarge(u64),
    /// Other bytes than they should be.
    Mismatch {
        /// As it should be.
        expected: Sha256,
        /// As it came.
        got: Sha256,
        /// What came calls itself a web page.
        page: bool,
    },
    /// A file cannot be written or read; the system's words.
    Disk(PathBuf, String),
    /// An archive that is not unpacked, and why.
    Archive(String),
}

/// An answer that is no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The HTTP status.
    pub code: u16,
    /// The server's rate limit is used up …
    pub limited: bool,
    /// … until then, in seconds since 1970.
    pub until: Option<i64>,
    /// What it wants to see first, with status 401.
    pub challenge: Option<String>,
}

/// A [`Trouble`], and the host that made it: after a redirect it is another than the
/// one asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub trouble: Trouble,
    /// Where, if a host was involved.
    pub host: Option<String>,
}

impl Trouble {
    /// A file that cannot be written or read.
    pub fn disk(path: &Path, error: &io::Error) -> Self {
        Self::Disk(path.to_owned(), error.to_string())
    }

    /// An answer that makes no sense; in which way.
    pub fn nonsense(words: impl AsRef<str>) -> Self {
        Self::Answer(format!("answers what makes no sense: {}", words.as_ref()))
    }

    /// Holds what came against what it should be.
    ///
    /// # Errors
    /// It is another.
    pub fn unless(expected: Sha256, got: Sha256) -> Result<(), Self> {
        if got == expected { Ok(()) } else { Err(Self::Mismatch { expected, got, page: false }) }
    }

    /// Whether the same request may well succeed in a moment.
    pub fn passes(&self) -> bool {
        match self {
            Self::Broke(_) => true,
            Self::Status(status) => !status.limited && matches!(status.code, 408 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// At this host.
    pub fn at(self, url: &Url) -> Failure {
        Failure { trouble: self, host: Some(host(url)) }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, host: None }
    }
}

impl Failure {
    /// The sentence for people, as of now: about what, from where, and whose mirror could be
    /// named instead.
    pub fn about(&self, what: &str, url: &Url, site: Site, settings: &Settings) -> Error {
        let now = Timestamp::now().as_second();
        let (says, hint) = self.sentence(what, url, site, settings.proxy, now);
        Error::environment(says).hint(hint)
    }

    fn sentence(&self, what: &str, url: &Url, site: Site, proxy: Option<&str>, now: i64) -> (String, String) {
        let host = self.host.clone().unwrap_or_else(|| host(url));
        let (from, mirror) = (shown(url), format!("name a mirror in {}", site.variable()));
        let cannot = |why: String| format!("{what} cannot be downloaded: {why}");
        let in_the_way = |what: &str| format!("a proxy or mirror {what}; check it, or {mirror}");
        const AGAIN: &str = "run it again; if it stays so, the source or a proxy changes the file";
        match &self.trouble {
            Trouble::Offline => (
                format!("{what} is not in the cache, and --offline forbids downloading it"),
                "run it once without --offline; what was downloaded is kept".into(),
            ),
            Trouble::Absent(platform) => (
                cannot(format!("{from} is not for {platform}")),
                "another version may be, or build it from its source".into(),
            ),
            // Through a proxy only the proxy is spoken to, unless NO_PROXY says otherwise.
            Trouble::Unreached(why) => match proxy {
                Some(name) => (
                    cannot(why.replace("{}", &format!("{host} (or the proxy in {name})"))),
                    format!("check the network and the proxy that {name} names, or {mirror}"),
                ),
                None => (
                    cannot(why.replace("{}", &host)),
                    format!("check the network; behind a proxy set HTTPS_PROXY, or {mirror}"),
                ),
            },
            Trouble::Tls(words) => (
                cannot(format!("no trusted connection to {host}: {words}")),
                "a proxy that opens TLS needs its certificate in the system's store or in SSL_CERT_FILE"
                    .into(),
            ),
            Trouble::Proxy(words) => (
                cannot(format!("the proxy does not let it through to {host}: {words}")),
                format!(
                    "check address, user and password in {}, or {mirror}",
                    proxy.unwrap_or("HTTPS_PROXY")
                ),
            ),
            Trouble::Broke(how) => {
                (cannot(format!("{host} {how}")), "run it again: it goes on where it stopped".into())
            }
            Trouble::Status(Status { limited: true, until, code, .. }) => {
                let until = until.map_or_else(String::new, |until| {
                    let time = Timestamp::from_second(until).map(|time| format!(" until {time}"));
                    let left = Duration::from_secs(u64::try_from(until - now).unwrap_or(0));
                    format!("{} (in {})", time.unwrap_or_default(), duration(left))
                });
                let says = format!(
                    "{host} takes no more requests from here{until}, its rate limit is used up (status {code})"
                );
                (
                    cannot(says),
                    format!("wait until then, use --offline with what is in the cache, or {mirror}"),
                )
            }
            Trouble::Status(Status { code, .. }) => match code {
                404 | 410 => {
                    (format!("there is no {what}"), format!("{from} answers {code}; check the version"))
                }
                407 => (
                    cannot("the proxy asks for a password".into()),
                    format!("put user and password into {}", proxy.unwrap_or("HTTPS_PROXY")),
                ),
                401 | 403 => (
                    cannot(format!("{host} refuses it (status {code})")),
                    in_the_way(&format!("may forbid {from}")),
                ),
                _ => {
                    (cannot(format!("{from} answers status {code}")), format!("try again later, or {mirror}"))
                }
            },
            Trouble::Answer(how) => (cannot(format!("{host} {how}")), in_the_way("may be in the way")),
            Trouble::TooLarge(limit) => (
                cannot(format!(
                    "{from} is larger than {}, which no such file is: refused and removed",
                    size(*limit)
                )),
                AGAIN.into(),
            ),
            Trouble::Mismatch { expected, got, page } => (
                format!(
                    "{what} from {from} has SHA-256 {got} and should have {expected}: refused and removed"
                ),
                match page {
                    true => "what came is a web page: a proxy or a login page of the network answers instead",
                    false => AGAIN,
                }
                .into(),
            ),
            Trouble::Disk(path, words) => (
                format!("{} cannot be used for {what}: {words}", path.display()),
                format!("make room there and make it writable, or name another folder in {CACHE}"),
            ),
            Trouble::Archive(words) => (
                format!("{what} from {from} is not unpacked: {words}"),
                "the file is as its checksum says; another version may do".into(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret";

    fn said(trouble: Trouble) -> String {
        let url = Url::parse(&format!("https://user:{SECRET}@github.com/a/kind?sig={SECRET}")).unwrap();
        let what = "kind v0.33.0 for linux/amd64";
        let (says, hint) = trouble.at(&url).sentence(what, &url, Site::Github, None, 1_000);
        Error::environment(says).hint(hint).to_string()
    }

    #[test]
    fn every_trouble_is_one_sentence_with_what_to_do() {
        let status = |code| Trouble::Status(Status { code, ..Status::default() });
        let limited = |code, until| Status { code, limited: true, until, challenge: None };
        let all = [
            Trouble::Offline,
            Trouble::Absent("linux/arm64".into()),
            Trouble::Unreached("{} refuses the connection".into()),
            Trouble::Tls("invalid peer certificate: UnknownIssuer".into()),
            Trouble::Proxy("proxy authorization required".into()),
            Trouble::Broke("sent nothing for 30.0 s after 1.2 MB of 5.0 MB".into()),
            status(404),
            status(401),
            status(403),
            status(407),
            status(500),
            Trouble::Status(limited(403, Some(1_720))),
            Trouble::Status(limited(429, None)),
            Trouble::Answer("redirects to plain http, where anybody on the way could change the file".into()),
            Trouble::TooLarge(500_000_000),
            Trouble::Mismatch { expected: Sha256::of(b"a"), got: Sha256::of(b"b"), page: false },
            Trouble::Mismatch { expected: Sha256::of(b"a"), got: Sha256::of(b"b"), page: true },
            Trouble::disk(
                Path::new("/cache/linux-amd64/.kind.part"),
                &io::Error::from(io::ErrorKind::StorageFull),
            ),
            Trouble::Archive("it is damaged".into()),
            Trouble::nonsense("a checksum file without a checksum"),
        ];
        let text: Vec<String> = all.into_iter().map(said).collect();
        for line in &text {
            assert!(line.contains("(hint: "), "{line}");
            assert!(!line.contains(SECRET) && !line.contains('\n'), "{line}");
        }
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn with_a_proxy_it_is_the_proxy_that_may_not_answer() {
        let url = Url::parse("https://github.com/a").unwrap();
        let failure = Trouble::Unreached("{} refuses the connection".into()).at(&url);
        let (says, hint) = failure.sentence("kind v0.33.0", &url, Site::Github, Some("HTTPS_PROXY"), 0);
        assert_eq!(
            Error::environment(says).hint(hint).to_string(),
            "kind v0.33.0 cannot be downloaded: github.com (or the proxy in HTTPS_PROXY) refuses the connection \
             (hint: check the network and the proxy that HTTPS_PROXY names, or name a mirror in OIDC_LAB_GITHUB)"
        );
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        let status = |code| Trouble::Status(Status { code, ..Status::default() });
        for (trouble, passes) in [
            (status(500), true),
            (status(503), true),
            (status(404), false),
            (status(403), false),
            (Trouble::Status(Status { code: 503, limited: true, ..Status::default() }), false),
            (Trouble::Broke(String::new()), true),
            (Trouble::Unreached(String::new()), false),
            (Trouble::TooLarge(1), false),
        ] {
            assert_eq!(trouble.passes(), passes, "{trouble:?}");
        }
    }
}
