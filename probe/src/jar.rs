//! A cookie jar with a browser's rules (RFC 6265 as browsers read it): one jar is one login.
//!
//! What is left out: the public suffix list (a `Domain` without a dot is refused instead) and `SameSite`,
//! which never withholds a cookie from the redirects of a login unless it is `Strict`.

use std::fmt;

use jiff::Timestamp;
use url::{Host, Url};

use crate::cookie_date;

/// The longest name and value together that browsers keep, in bytes.
const LONGEST: usize = 4096;

/// The cookies of one login.
#[derive(Default)]
pub struct Jar {
    cookies: Vec<Cookie>,
    next: u64,
}

struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    /// None lives as long as the jar.
    expires: Option<Timestamp>,
    /// Orders cookies of equally long paths; a replacement keeps its predecessor's.
    age: u64,
}

/// What became of one `Set-Cookie` header.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It is in the jar now.
    Kept,
    /// It was already over: whatever had its name is gone.
    Removed,
    /// A browser does not take it, for this reason.
    Refused(&'static str),
}

impl Jar {
    /// An empty jar.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one `Set-Cookie` header that came with an answer from `url`; gives the cookie's name and
    /// what became of it.
    pub fn store(&mut self, url: &Url, header: &str, now: Timestamp) -> (String, Kept) {
        let mut parts = header.split(';');
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        let attributes = Attributes::read(parts, now);
        match self.place(url, name.clone(), value, attributes, now) {
            Ok(kept) => (name, kept),
            Err(reason) => (name, Kept::Refused(reason)),
        }
    }

    fn place(
        &mut self,
        url: &Url,
        name: String,
        value: String,
        attributes: Attributes,
        now: Timestamp,
    ) -> Result<Kept, &'static str> {
        let secure_origin = is_trustworthy(url);
        let host = url.host_str().unwrap_or_default();
        if name.is_empty() && value.is_empty() {
            return Err("it has neither name nor value");
        }
        if name.len() + value.len() > LONGEST {
            return Err("it is longer than the 4096 bytes that browsers keep");
        }
        let is_control = |c: char| c.is_ascii_control() && c != '\t';
        if name.chars().chain(value.chars()).any(is_control) {
            return Err("it has control characters");
        }
        let (domain, host_only) = domain_for(url, attributes.domain.as_deref())?;
        let path = attributes.path.unwrap_or_else(|| default_path(url));
        if attributes.secure && !secure_origin {
            return Err("it is Secure and came over http");
        }
        let prefix = name.to_ascii_lowercase();
        if prefix.starts_with("__secure-") && !attributes.secure {
            return Err("its name begins with __Secure- and it is not Secure");
        }
        if prefix.starts_with("__host-") && !(attributes.secure && host_only && path == "/") {
            return Err("its name begins with __Host- and it is not Secure, host-only and for the path /");
        }
        if !secure_origin && self.overlays_a_secure_one(&name, &domain, host, &path) {
            return Err("it came over http and would hide a Secure cookie");
        }
        let same =
            |c: &Cookie| c.name == name && c.domain == domain && c.host_only == host_only && c.path == path;
        let before = self.cookies.iter().position(same).map(|found| self.cookies.remove(found).age);
        if attributes.expires.is_some_and(|expires| expires <= now) {
            return Ok(Kept::Removed);
        }
        let age = before.unwrap_or(self.next);
        self.next += 1;
        let (secure, expires) = (attributes.secure, attributes.expires);
        self.cookies.push(Cookie { name, value, domain, host_only, path, secure, expires, age });
        Ok(Kept::Kept)
    }

    /// A page over http may not put a cookie in front of one that was set over https.
    fn overlays_a_secure_one(&self, name: &str, domain: &str, host: &str, path: &str) -> bool {
        self.cookies.iter().any(|cookie| {
            cookie.secure
                && cookie.name == name
                && (domain_matches(domain, &cookie.domain) || domain_matches(&cookie.domain, host))
                && path_matches(path, &cookie.path)
        })
    }

    /// The `Cookie` header for a request to `url`, if any cookie belongs to it.
    pub fn header(&self, url: &Url, now: Timestamp) -> Option<String> {
        let sent = self.for_url(url, now);
        let pair = |cookie: &&Cookie| match cookie.name.as_str() {
            "" => cookie.value.clone(),
            name => format!("{name}={}", cookie.value),
        };
        (!sent.is_empty()).then(|| sent.iter().map(pair).collect::<Vec<_>>().join("; "))
    }

    /// The values of the cookies that a request to `url` carries and whose names begin so, in the order sent.
    pub fn values(&self, url: &Url, prefix: &str, now: Timestamp) -> Vec<&str> {
        let sent = self.for_url(url, now);
        sent.into_iter().filter(|it| it.name.starts_with(prefix)).map(|it| it.value.as_str()).collect()
    }

    /// The names of the cookies that a request to `url` carries, in the order sent.
    pub fn names(&self, url: &Url, now: Timestamp) -> Vec<String> {
        self.for_url(url, now).iter().map(|cookie| cookie.name.clone()).collect()
    }

    fn for_url(&self, url: &Url, now: Timestamp) -> Vec<&Cookie> {
        let host = url.host_str().unwrap_or_default();
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| match cookie.host_only {
                true => cookie.domain == host,
                false => domain_matches(host, &cookie.domain),
            })
            .filter(|cookie| path_matches(url.path(), &cookie.path))
            .filter(|cookie| !cookie.secure || is_trustworthy(url))
            .filter(|cookie| cookie.expires.is_none_or(|expires| expires > now))
            .collect();
        sent.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.age));
        sent
    }
}

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.cookies.iter().map(|cookie| &cookie.name)).finish()
    }
}

/// The attributes that decide where a cookie goes; of repeated ones the last counts.
#[derive(Default)]
struct Attributes {
    domain: Option<String>,
    path: Option<String>,
    secure: bool,
    expires: Option<Timestamp>,
}

impl Attributes {
    fn read<'a>(parts: impl Iterator<Item = &'a str>, now: Timestamp) -> Self {
        let mut read = Self::default();
        let mut max_age = None;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "domain" => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    read.domain = (!domain.is_empty()).then_some(domain);
                }
                "path" => read.path = value.starts_with('/').then(|| value.to_owned()),
                "secure" => read.secure = true,
                "expires" => read.expires = cookie_date::parse(value).or(read.expires),
                "max-age" => max_age = max_age_of(value, now).or(max_age),
                _ => {}
            }
        }
        // Max-Age wins over Expires, whichever comes first.
        read.expires = max_age.or(read.expires);
        read
    }
}

fn max_age_of(value: &str, now: Timestamp) -> Option<Timestamp> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if value.starts_with('-') {
        return Some(Timestamp::MIN);
    }
    // A number too large to hold is a cookie that outlives the login, as is one past the calendar's end.
    let seconds = digits.parse::<i64>().unwrap_or(i64::MAX);
    if seconds == 0 {
        return Some(Timestamp::MIN);
    }
    let end = now.as_second().saturating_add(seconds);
    Some(Timestamp::from_second(end).unwrap_or(Timestamp::MAX))
}

/// Whether browsers take what goes to `url` for safe from others: https, or this machine itself.
pub(crate) fn is_trustworthy(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// Whether `url` is on this machine by its own words, whatever a name resolves to.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

fn domain_for(url: &Url, asked: Option<&str>) -> Result<(String, bool), &'static str> {
    let host = url.host_str().unwrap_or_default();
    match asked {
        None => Ok((host.to_owned(), true)),
        Some(domain) if domain == host => Ok((host.to_owned(), !matches!(url.host(), Some(Host::Domain(_))))),
        Some(_) if !matches!(url.host(), Some(Host::Domain(_))) => {
            Err("its Domain is not the address it came from")
        }
        Some(domain) if !domain_matches(host, domain) => {
            Err("its Domain is not one of the host it came from")
        }
        Some(domain) if !domain.contains('.') => Err("its Domain is a whole top-level domain"),
        Some(domain) => Ok((domain.to_owned(), false)),
    }
}

/// Whether `host` is `domain` or below it.
fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
}

/// The path up to its last slash, without it: browsers send the cookie to everything beside the page.
fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(last) => url.path()[..last].to_owned(),
    }
}

/// Whether a cookie for `cookie_path` goes to `path`.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    match path.strip_prefix(cookie_path) {
        Some("") => true,
        Some(rest) => cookie_path.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
#[path = "jar_tests.rs"]
mod tests;
