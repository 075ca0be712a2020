//! What can go wrong on the way, and the sentence that says what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;

use super::progress::{part, size};
use super::settings::{CACHE, Site, host, shown};
use super::sha256::Sha256;
use base::Error;

/// Why something could not be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// `--offline` was given.
    Offline,
    /// The host's name does not resolve.
    Name,
    /// It is published, but not for this platform.
    Absent(String),
    /// Nothing listens there.
    Refused,
    /// There is no route to it.
    Unreachable,
    /// No connection within this time.
    NoConnection(Duration),
    /// TLS did not come about; the library's words.
    Tls(String),
    /// The proxy does not let it through; the library's words.
    Proxy(String),
    /// The connection ended before the answer did.
    Closed(Got),
    /// Nothing arrived for this long.
    Stalled(Duration, Got),
    /// An answer that is no file.
    Status(Status),
    /// A redirect that is not followed, and why.
    Redirect(&'static str),
    /// More bytes than such a file ever has.
    TooLarge(u64),
    /// Not as many bytes as were announced.
    WrongSize {
        /// As announced.
        expected: u64,
        /// As it came.
        got: u64,
    },
    /// Other bytes than they should be.
    Mismatch {
        /// As it should be.
        expected: Sha256,
        /// As it came.
        got: Sha256,
        /// What came calls itself a web page.
        page: bool,
    },
    /// A file cannot be written or read.
    Disk {
        /// The file.
        path: PathBuf,
        /// What kind of error it is.
        kind: ErrorKind,
        /// The system's words.
        words: String,
    },
    /// An archive that is not unpacked, and why.
    Archive(String),
    /// What came back makes no sense; in which way.
    Nonsense(String),
}

/// How much had come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// Bytes that are here.
    pub bytes: u64,
    /// Of so many, if that is known.
    pub total: Option<u64>,
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

/// What was being downloaded.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// In words: `kind v0.33.0 for linux/amd64`.
    pub what: &'a str,
    /// From where.
    pub url: &'a Url,
    /// Whose mirror could be named instead.
    pub site: Site,
    /// What it means when there is nothing at that URL.
    pub absent: &'a str,
    /// The variable that names a proxy.
    pub proxy: Option<&'static str>,
}

impl Trouble {
    /// A file that cannot be written or read.
    pub fn disk(path: &Path, error: &io::Error) -> Self {
        Self::Disk { path: path.to_owned(), kind: error.kind(), words: error.to_string() }
    }

    /// Whether the same request may well succeed in a moment.
    pub fn passes(&self) -> bool {
        match self {
            Self::Closed(_) | Self::Stalled(..) => true,
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
    /// The sentence for people, as of now.
    pub fn about(&self, about: About<'_>) -> Error {
        self.sentence(about, Timestamp::now().as_second())
    }

    fn sentence(&self, about: About<'_>, now: i64) -> Error {
        let host = self.host.clone().unwrap_or_else(|| host(about.url));
        let (what, from) = (about.what, shown(about.url));
        let failed = |why: String| Error::environment(format!("{what} cannot be downloaded: {why}"));
        let mirror = format!("name a mirror in {}", about.site.variable());
        let network = match about.proxy {
            Some(name) => format!("check the network and the proxy that {name} names, or {mirror}"),
            None => format!("check the network; behind a proxy set HTTPS_PROXY, or {mirror}"),
        };
        // Through a proxy only the proxy is spoken to, unless NO_PROXY says otherwise.
        let reached = match about.proxy {
            Some(name) => format!("{host} (or the proxy in {name})"),
            None => host.clone(),
        };
        match &self.trouble {
            Trouble::Offline => Error::environment(format!(
                "{what} is not in the cache, and --offline forbids downloading it"
            ))
            .hint("run it once without --offline; what was downloaded is kept"),
            Trouble::Absent(platform) => {
                Error::environment(format!("{what} cannot be downloaded: {from} is not for {platform}"))
                    .hint("another version may be, or build it from its source")
            }
            Trouble::Name => failed(format!("the name {reached} does not resolve")).hint(network),
            Trouble::Refused => failed(format!("{reached} refuses the connection")).hint(network),
            Trouble::Unreachable => failed(format!("there is no route to {reached}")).hint(network),
            Trouble::NoConnection(time) => {
                failed(format!("no connection to {reached} within {}", seconds(*time))).hint(network)
            }
            Trouble::Tls(words) => failed(format!("no trusted connection to {host}: {words}")).hint(
                "a proxy that opens TLS needs its certificate in the system's store or in SSL_CERT_FILE",
            ),
            Trouble::Proxy(words) => {
                let name = about.proxy.unwrap_or("HTTPS_PROXY");
                failed(format!("the proxy does not let it through to {host}: {words}"))
                    .hint(format!("check address, user and password in {name}, or {mirror}"))
            }
            Trouble::Closed(got) => {
                failed(format!("{host} closed the connection after {}", part(got.bytes, got.total)))
                    .hint("run it again: it goes on where it stopped")
            }
            Trouble::Stalled(time, got) => failed(format!(
                "{host} sent nothing for {} after {}",
                seconds(*time),
                part(got.bytes, got.total)
            ))
            .hint("run it again: it goes on where it stopped"),
            Trouble::Status(status) => self.status(status, about, &host, now),
            Trouble::Redirect(why) => failed(format!("{host} redirects {why}")).hint(mirror),
            Trouble::TooLarge(limit) => {
                failed(format!("{from} is larger than {}, which no such file is", size(*limit))).hint(mirror)
            }
            Trouble::WrongSize { expected, got } => {
                failed(format!("{from} has {got} bytes and should have {expected}: refused and removed"))
                    .hint("run it again; if it stays so, the source or a proxy changes the file")
            }
            Trouble::Mismatch { expected, got, page } => {
                let error = Error::environment(format!(
                    "{what} from {from} has SHA-256 {got} and should have {expected}: refused and removed"
                ));
                error.hint(match page {
                    true => "what came is a web page: a proxy or a login page of the network answers instead",
                    false => "run it again; if it stays so, the source or a proxy changes the file",
                })
            }
            Trouble::Disk { path, kind, words } => disk(what, path, *kind, words),
            Trouble::Archive(words) => {
                Error::environment(format!("{what} from {from} is not unpacked: {words}"))
                    .hint("the file is as its checksum says; another version may do")
            }
            Trouble::Nonsense(words) => failed(format!("{host} answers what makes no sense: {words}"))
                .hint(format!("a proxy or mirror may be in the way; check it, or {mirror}")),
        }
    }

    fn status(&self, status: &Status, about: About<'_>, host: &str, now: i64) -> Error {
        let what = about.what;
        let from = shown(about.url);
        let mirror = format!("name a mirror in {}", about.site.variable());
        if status.limited {
            let until = status.until.map_or_else(String::new, |until| {
                let time = Timestamp::from_second(until).map(|time| format!(" until {time}"));
                let left = Duration::from_secs(u64::try_from(until - now).unwrap_or(0));
                format!("{} (in {})", time.unwrap_or_default(), base::duration(left))
            });
            return Error::environment(format!(
                "{what} cannot be downloaded: {host} takes no more requests from here{until}, its rate limit \
                 is used up (status {})",
                status.code
            ))
            .hint(format!("wait until then, use --offline with what is in the cache, or {mirror}"));
        }
        match status.code {
            404 | 410 => Error::environment(about.absent.to_owned())
                .hint(format!("{from} answers {}; check the version", status.code)),
            407 => Error::environment(format!("{what} cannot be downloaded: the proxy asks for a password"))
                .hint(format!("put user and password into {}", about.proxy.unwrap_or("HTTPS_PROXY"))),
            401 | 403 => Error::environment(format!(
                "{what} cannot be downloaded: {host} refuses it (status {})",
                status.code
            ))
            .hint(format!("a proxy or mirror may forbid {from}; check it, or {mirror}")),
            code => Error::environment(format!("{what} cannot be downloaded: {from} answers status {code}"))
                .hint(format!("try again later, or {mirror}")),
        }
    }
}

fn disk(what: &str, path: &Path, kind: ErrorKind, words: &str) -> Error {
    let folder = path.parent().unwrap_or(path).display();
    let path = path.display();
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::environment(format!("there is no room for {what} in {folder}"))
                .hint(format!("make room, or name another folder in {CACHE}"))
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::environment(format!("{path} cannot be written: {words}"))
                .hint(format!("make it writable, or name another folder in {CACHE}"))
        }
        _ => Error::environment(format!("{path} cannot be used for {what}: {words}"))
            .hint(format!("{CACHE} names another folder")),
    }
}

fn seconds(time: Duration) -> String {
    base::duration(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret";

    fn said(trouble: Trouble) -> String {
        let url = Url::parse(&format!("https://user:{SECRET}@github.com/a/kind?sig={SECRET}")).unwrap();
        let about = About {
            what: "kind v0.33.0 for linux/amd64",
            url: &url,
            site: Site::Github,
            absent: "there is no kind v0.33.0 for linux/amd64",
            proxy: None,
        };
        trouble.at(&url).sentence(about, 1_000).to_string()
    }

    #[test]
    fn every_trouble_is_one_sentence_with_what_to_do() {
        let got = Got { bytes: 1_200_000, total: Some(5_000_000) };
        let status = |code| Trouble::Status(Status { code, ..Status::default() });
        let limited = |code, until| Status { code, limited: true, until, challenge: None };
        let full = io::Error::from(ErrorKind::StorageFull);
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        let path = Path::new("/cache/linux-amd64/.kind.part");
        let all = [
            Trouble::Offline,
            Trouble::Absent("linux/arm64".into()),
            Trouble::Name,
            Trouble::Refused,
            Trouble::Unreachable,
            Trouble::NoConnection(Duration::from_secs(10)),
            Trouble::Tls("invalid peer certificate: UnknownIssuer".into()),
            Trouble::Proxy("proxy authorization required".into()),
            Trouble::Closed(got),
            Trouble::Stalled(Duration::from_secs(30), got),
            status(404),
            status(401),
            status(403),
            status(407),
            status(500),
            Trouble::Status(limited(403, Some(1_720))),
            Trouble::Status(limited(429, None)),
            Trouble::Redirect("to plain http, where anybody on the way could change the file"),
            Trouble::TooLarge(500_000_000),
            Trouble::WrongSize { expected: 10, got: 11 },
            Trouble::Mismatch { expected: Sha256::of(b"a"), got: Sha256::of(b"b"), page: false },
            Trouble::Mismatch { expected: Sha256::of(b"a"), got: Sha256::of(b"b"), page: true },
            Trouble::disk(path, &full),
            Trouble::disk(path, &denied),
            Trouble::disk(path, &io::Error::from(ErrorKind::IsADirectory)),
            Trouble::Archive("it has a path with .. in it".into()),
            Trouble::Nonsense("a checksum file without a checksum".into()),
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
        let proxy = Some("HTTPS_PROXY");
        let about = About { what: "kind v0.33.0", url: &url, site: Site::Github, absent: "", proxy };
        let said = Trouble::Refused.at(&url).sentence(about, 0).to_string();
        assert_eq!(
            said,
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
            (Trouble::Closed(Got::default()), true),
            (Trouble::Refused, false),
            (Trouble::Name, false),
            (Trouble::TooLarge(1), false),
        ] {
            assert_eq!(trouble.passes(), passes, "{trouble:?}");
        }
    }
}
