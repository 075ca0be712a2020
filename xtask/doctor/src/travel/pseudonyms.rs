//! Pseudonyms of people, groups and hosts: the same one wherever the same name stands, and so that what matters of a
//! name can still be seen: what it shares with another, the case of its letters, white space, a port, a path.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::evidence::Evidence;
use crate::evidence::claims::{behind_sub, with_id};

/// Domains of providers and programs that anybody may name, of which it matters which they are. What stands before
/// one is somebody's.
const PUBLIC: [&str; 14] = [
    "login.microsoftonline.com",
    "sts.windows.net",
    "accounts.google.com",
    "github.com",
    "gitlab.com",
    "okta.com",
    "oktapreview.com",
    "auth0.com",
    "amazoncognito.com",
    "onelogin.com",
    "pingone.com",
    "quay.io",
    "ghcr.io",
    "docker.io",
];
/// Names without a domain that every cluster has.
const LOCAL: [&str; 6] = ["localhost", "kubernetes", "dex", "argocd", "argocd-server", "argocd-dex-server"];
/// Words after which a server's message names a host.
const BEFORE_HOST: [&str; 5] = ["lookup ", "host ", "host \"", "Host: ", "one of "];
/// Words that are left where they stand in a sentence, although somebody is called so.
const WORDS: &str = "admin and app argocd argo-cd client code dex email expired for get group groups https invalid issuer key log login name not openid profile provider redirect server sub the timeout token url user";

/// Who a name belongs to.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

/// Pseudonyms by what they stand for.
#[derive(Default)]
pub struct Pseudonyms {
    /// Names of objects in the cluster.
    objects: BTreeSet<String>,
    /// Deployments, each as the beginning of its Service's name: `dex.auth`.
    services: BTreeSet<String>,
    /// Hosts and the domains that they lie in; with a dot before it, the last part of one.
    hosts: BTreeMap<String, String>,
    hosts_met: usize,
    parts: BTreeMap<String, String>,
    addresses: BTreeMap<IpAddr, IpAddr>,
    ids: BTreeMap<String, String>,
    /// In which cases the letters of a name were met.
    cases: BTreeMap<String, Vec<String>>,
    /// Names as they were met, for sentences.
    whole: BTreeMap<String, Kind>,
}

impl Pseudonyms {
    /// None yet. Names of objects that were seen are no names.
    pub fn new(seen: &Evidence) -> Self {
        let deployments: Vec<_> = seen.deployments().collect();
        let secrets = [seen.argocd_secret.there(), seen.named_secret.there()];
        let meant = seen.meant_secret.iter().map(|(secret, _)| secret);
        let secrets = secrets.into_iter().flatten().chain(meant).map(|it| (&it.namespace, &it.name));
        let named = deployments.iter().map(|it| (&it.namespace, &it.name)).chain(secrets);
        let objects = named.flat_map(|(namespace, name)| [namespace, name]).chain([&seen.namespace]);
        Self {
            objects: objects.map(|name| name.to_lowercase()).collect(),
            services: deployments.iter().map(|it| format!("{}.{}", it.name, it.namespace)).collect(),
            ..Self::default()
        }
    }

    /// What policies know somebody by, which may be Dex's `sub` with a name in it.
    pub fn subject(&mut self, text: &str, kind: Kind) -> String {
        match behind_sub(text) {
            Some(id) => {
                let id = self.name(&id, Kind::User);
                with_id(text, &id).unwrap_or(id)
            }
            None => self.name(text, kind),
        }
    }

    /// A name of a user or a group, part by part: two that share a part go on doing so.
    pub fn name(&mut self, name: &str, kind: Kind) -> String {
        let key = name.trim().to_lowercase();
        if key.chars().count() > 2
            && !WORDS.split(' ').any(|word| word == key)
            && !self.objects.contains(&key)
        {
            self.whole.entry(key).or_insert(kind);
        }
        let is_end = |c: char| c.is_whitespace() || "/:@,;=\"'`‘’“”()<>".contains(c);
        let mut all = String::new();
        let mut rest = name;
        while let Some(first) = rest.chars().next() {
            let end = if is_end(first) { first.len_utf8() } else { rest.find(is_end).unwrap_or(rest.len()) };
            let part = &rest[..end];
            let is_domain = all.ends_with('@') && part.contains('.');
            all.push_str(&match (is_end(first), is_domain) {
                (true, _) => part.to_owned(),
                (false, true) => self.host(part),
                (false, false) => self.part(part, kind),
            });
            rest = &rest[end..];
        }
        all
    }

    fn part(&mut self, part: &str, kind: Kind) -> String {
        let key = part.to_lowercase();
        let number = self.parts.len() + 1;
        // A letter from elsewhere among others: it is what makes two names differ.
        let odd: String = key.chars().filter(|c| !c.is_ascii()).collect();
        let shown = odd.chars().count() <= 2 && key.chars().filter(char::is_ascii_alphabetic).count() >= 3;
        let new = || format!("{}-{number}{}", kind.word(), if shown { odd.as_str() } else { "" });
        let pseudonym = self.parts.entry(key.clone()).or_insert_with(new).clone();
        self.in_case(part, &key, pseudonym)
    }

    /// A pseudonym with as many capitals as there were other spellings of the same name before this one.
    fn in_case(&mut self, met: &str, key: &str, pseudonym: String) -> String {
        if met == key {
            return pseudonym;
        }
        let cases = self.cases.entry(key.to_owned()).or_default();
        let at = cases.iter().position(|known| known == met).unwrap_or_else(|| {
            cases.push(met.to_owned());
            cases.len() - 1
        });
        let letters =
            pseudonym.char_indices().map(|(place, c)| if place <= at { c.to_ascii_uppercase() } else { c });
        letters.collect()
    }

    /// A host, as people write it: `dex.example.com`, `*.example.com`, `10.0.0.1`.
    pub fn host(&mut self, text: &str) -> String {
        let host = text.trim();
        let Some(at) = text.find(host).filter(|_| !host.is_empty()) else { return text.to_owned() };
        let key = host.to_lowercase();
        let bare = key.trim_end_matches('.');
        let pseudonym = if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            let other = self.address(address);
            if other == address {
                host.to_owned()
            } else {
                host.replace(host.trim_matches(['[', ']']), &other.to_string())
            }
        } else if self.stays(bare) {
            host.to_owned()
        } else {
            let ascii =
                Some(bare).filter(|bare| !bare.is_ascii()).and_then(|bare| url::Host::parse(bare).ok());
            let ascii = ascii.map_or_else(|| bare.to_owned(), |host| host.to_string());
            let pseudonym = format!("{}{}", self.end_of_host(&ascii, false), &key[bare.len()..]);
            self.in_case(host, &key, pseudonym)
        };
        format!("{}{pseudonym}{}", &text[..at], &text[at + host.len()..])
    }

    fn stays(&self, host: &str) -> bool {
        let in_cluster = host.ends_with(".svc") || host.contains(".svc.") || host.ends_with("cluster.local");
        let alone = !host.contains('.') && (LOCAL.contains(&host) || self.objects.contains(host));
        in_cluster || alone || self.services.contains(host) || PUBLIC.contains(&host)
    }

    /// A host, or the end of one, so that what lies in one domain still does.
    fn end_of_host(&mut self, host: &str, below: bool) -> String {
        if host.is_empty() || host == "*" || PUBLIC.contains(&host) {
            return host.to_owned();
        }
        if let Some((first @ ("" | "*"), end)) = host.split_once('.') {
            return format!("{first}.{}", self.end_of_host(end, true));
        }
        // The last part of a name is another thing than a name without a domain.
        let is_top = below && !host.contains('.');
        let key = if is_top { format!(".{host}") } else { host.to_owned() };
        if let Some(known) = self.hosts.get(&key) {
            return known.clone();
        }
        let in_service =
            |it: &&String| host.strip_prefix(it.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let service = self.services.iter().find(in_service).cloned();
        let pseudonym = match (service, host.split_once('.')) {
            (Some(service), _) => {
                let end = self.end_of_host(&host[service.len() + 1..], true);
                format!("{service}.{end}")
            }
            (None, _) if is_top => match self.hosts.keys().filter(|key| key.starts_with('.')).count() {
                0 => "example".to_owned(),
                others => format!("domain-{}.example", others + 1),
            },
            (None, parts) => {
                let end = parts.map(|(_, end)| format!(".{}", self.end_of_host(end, true)));
                let label = parts.map_or(host, |(label, _)| label);
                let odd = match (label.contains(char::is_whitespace), label.starts_with("xn--")) {
                    (true, _) => " name",
                    (_, true) => "-not-ascii",
                    _ => "",
                };
                self.hosts_met += 1;
                format!("host-{}{odd}{}", self.hosts_met, end.unwrap_or_default())
            }
        };
        self.hosts.insert(key, pseudonym.clone());
        pseudonym
    }

    /// An address of the internet; others are the same in many networks, and say nothing.
    fn address(&mut self, address: IpAddr) -> IpAddr {
        let says_nothing = match address {
            IpAddr::V4(it) => {
                let shared = it.octets()[0] == 100 && (64..128).contains(&it.octets()[1]);
                it.is_private() || it.is_loopback() || it.is_link_local() || it.is_unspecified() || shared
            }
            IpAddr::V6(it) => {
                it.is_loopback() || it.is_unspecified() || it.is_unique_local() || it.is_unicast_link_local()
            }
        };
        if says_nothing {
            return address;
        }
        let number = u16::try_from(self.addresses.len() + 1).unwrap_or(u16::MAX);
        let [high, low] = number.to_be_bytes();
        let new = match address {
            // What documentation may use, and beyond that what tests may.
            IpAddr::V4(_) if high == 0 => Ipv4Addr::new(203, 0, 113, low).into(),
            IpAddr::V4(_) => Ipv4Addr::new(198, 18, high, low).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into(),
        };
        *self.addresses.entry(address).or_insert(new)
    }

    /// `host:port`, or a network in a list of such: `10.0.0.0/8`.
    pub fn authority(&mut self, text: &str) -> String {
        let port = |text: &str| text.rfind(':').filter(|at| !text[..*at].contains(':'));
        let end = text.find('/').or_else(|| text.rfind(']').map(|at| at + 1)).or_else(|| port(text));
        let (host, rest) = text.split_at(end.unwrap_or(text.len()));
        format!("{}{rest}", self.host(host))
    }

    /// A sentence, an address, anything: what in it is known for a name, or stands where one does.
    pub fn text(&mut self, text: &str) -> String {
        const USER: &str = "User \"";
        let alone =
            !text.contains(['"', '\'', ',']) && (text.starts_with("http://") || text.starts_with("https://"));
        let ends = move |c: char| "/?#\"'`<>()\\,%&".contains(c) || (!alone && c.is_whitespace());
        let is_word = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
        let is_sentence = text.contains(' ');
        let mut all = String::new();
        let (mut rest, mut at_word) = (text, true);
        while let Some(first) = rest.chars().next() {
            let start = Some(rest.len() - after_scheme(rest).len()).filter(|start| *start > 0);
            let whole = if at_word && is_sentence { self.whole_name(rest, is_word) } else { None };
            let user = rest.strip_prefix(USER).filter(|after| !after.starts_with("system:"));
            let mut taken = first.len_utf8();
            let mut replaced = None;
            if let Some(start) = start {
                taken = rest[start..].find(ends).map_or(rest.len(), |at| start + at);
                replaced = Some(format!("{}{}", &rest[..start], self.authority(&rest[start..taken])));
            } else if let Some(after) = user {
                let end = after.find('"').unwrap_or(after.len());
                taken = USER.len() + end;
                replaced = Some(format!("{USER}{}", self.name(&after[..end], Kind::User)));
            } else if let Some((name, kind)) = whole {
                taken = name.len();
                replaced = Some(self.name(name, kind));
            } else if is_escape(rest) {
                taken = 3;
            } else if first == '[' {
                taken = rest
                    .find(']')
                    .filter(|end| rest[1..*end].parse::<IpAddr>().is_ok())
                    .map_or(1, |end| end + 1);
                replaced = (taken > 1).then(|| self.host(&rest[..taken]));
            } else if is_word(first) && at_word {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                taken = rest[..end].trim_end_matches('.').len().max(taken);
                let is_host = BEFORE_HOST.iter().any(|it| all.ends_with(it)) || all.contains("valid for ");
                replaced = Some(self.word(&rest[..taken], is_host));
            }
            at_word = is_escape(rest) || !rest[..taken].ends_with(is_word);
            all.push_str(replaced.as_deref().unwrap_or(&rest[..taken]));
            rest = &rest[taken..];
        }
        all
    }

    /// A name that was met, at the start of a text and up to the end of a word.
    fn whole_name<'a>(&self, text: &'a str, is_word: impl Fn(char) -> bool) -> Option<(&'a str, Kind)> {
        let starts = |name: &str| {
            let found = text.get(..name.len()).filter(|found| found.to_lowercase() == name)?;
            // A full stop may end a sentence.
            let mut after = text[name.len()..].chars();
            let ends = match after.next() {
                Some('.') => !after.next().is_some_and(&is_word),
                next => !next.is_some_and(&is_word),
            };
            ends.then_some(found)
        };
        let found = self.whole.iter().filter_map(|(name, kind)| Some((starts(name)?, *kind)));
        found.max_by_key(|(name, _)| name.len())
    }

    fn word(&mut self, word: &str, is_host: bool) -> String {
        let is_domain = |text: &str| text.trim_matches('.').contains('.');
        if let Some((local, domain)) =
            word.split_once('@').filter(|(local, domain)| !local.is_empty() && is_domain(domain))
        {
            return format!("{}@{}", self.part(local, Kind::User), self.host(domain));
        }
        if word.parse::<IpAddr>().is_ok() || (is_host && is_domain(word)) {
            return self.host(word);
        }
        if is_id(word) {
            let number = self.ids.len() + 1;
            let new = || format!("00000000-0000-0000-0000-{number:012}");
            return self.ids.entry(word.to_owned()).or_insert_with(new).clone();
        }
        // A known host, or one in a known domain.
        let key = word.to_lowercase();
        let ends = key.match_indices('.').map(|(at, _)| &key[at + 1..]);
        let known = std::iter::once(key.as_str()).chain(ends).filter(|end| end.contains('.'));
        let is_known = known.into_iter().any(|end| self.hosts.contains_key(end));
        if is_known && !PUBLIC.contains(&key.as_str()) { self.host(word) } else { word.to_owned() }
    }
}

/// What comes after `://`, or that as a part of another address.
fn after_scheme(text: &str) -> &str {
    let encoded = text.get(..9).filter(|start| start.eq_ignore_ascii_case("%3A%2F%2F"));
    text.strip_prefix("://").unwrap_or(&text[encoded.map_or(0, str::len)..])
}

/// Whether a text begins with a character as it stands in an address.
fn is_escape(text: &str) -> bool {
    let code = text.strip_prefix('%').and_then(|rest| rest.get(..2));
    code.is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a word is a number that somebody is given once: a tenant, a client.
fn is_id(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::well;

    fn all(texts: &[&str], of: impl Fn(&mut Pseudonyms, &str) -> String) -> Vec<String> {
        let mut pseudonyms = Pseudonyms::new(&well());
        texts.iter().map(|text| of(&mut pseudonyms, text)).collect()
    }

    #[test]
    fn hosts_keep_what_they_share_and_in_what_they_differ() {
        for (hosts, pseudonyms) in [
            (
                &["dex.company.com", "argocd.company.com", "company.com", ".company.com", "*.company.com"][..],
                &[
                    "host-2.host-1.example",
                    "host-3.host-1.example",
                    "host-1.example",
                    ".host-1.example",
                    "*.host-1.example",
                ][..],
            ),
            (
                &["dex.host", "Dex.Host", "DEX.host", "dex.host."],
                &["host-1.example", "Host-1.example", "HOst-1.example", "host-1.example."],
            ),
            (&["dex.corp", "dex.com", ".corp"], &["host-1.example", "host-2.domain-2.example", ".example"]),
            (&[" dex.host ", "dex .host"], &[" host-1.example ", "host-2 name.example"]),
            (
                &["аrgocd.host", "xn--rgocd-3ve.host"],
                &["host-1-not-ascii.example", "host-1-not-ascii.example"],
            ),
            (&["jenkins", "com", "a.com"], &["host-1", "host-2", "host-3.example"]),
            (
                &["10.0.0.1", "8.8.8.8", "[2a02::1]", "[::1]", "8.8.8.8"],
                &["10.0.0.1", "203.0.113.1", "[2001:db8::2]", "[::1]", "203.0.113.1"],
            ),
            (
                &["localhost", "argocd-server.argocd.svc", "argocd-server.argocd"],
                &["localhost", "argocd-server.argocd.svc", "argocd-server.argocd"],
            ),
            (&["argocd-server.argocd.company.com"], &["argocd-server.argocd.host-1.example"]),
            (
                &["login.microsoftonline.com", "dev-1.okta.com"],
                &["login.microsoftonline.com", "host-1.okta.com"],
            ),
        ] {
            assert_eq!(all(hosts, Pseudonyms::host), pseudonyms, "{hosts:?}");
        }
    }

    #[test]
    fn names_keep_what_they_share_and_in_what_they_differ() {
        for (names, pseudonyms) in [
            (
                &["jane@company.com", "jane", "Jane@company.com", "jane@other.org"][..],
                &[
                    "user-1@host-1.example",
                    "user-1",
                    "User-1@host-1.example",
                    "user-1@host-2.domain-2.example",
                ][..],
            ),
            (
                &["/org/admins", "admins", "org:Admins", "\"admins\" "],
                &["/user-1/user-2", "user-2", "user-1:User-2", "\"user-2\" "],
            ),
            (&["аdmins", "漢字漢字"], &["user-1а", "user-2"]),
            (&["", " "], &["", " "]),
            // Dex's `sub`, with the ID in it and the connector's.
            (&["CgR1c2VyEgVsb2NhbA", "user"], &["CgZ1c2VyLTESBWxvY2Fs", "user-1"]),
        ] {
            assert_eq!(all(names, |it, name| it.subject(name, Kind::User)), pseudonyms, "{names:?}");
        }
    }

    #[test]
    fn names_are_found_in_whatever_is_said() {
        let known = |it: &mut Pseudonyms, text: &str| {
            it.host("dex.company.com");
            it.name("Platform Team", Kind::Group);
            it.name("zaphod", Kind::User);
            it.text(text)
        };
        for (text, said) in [
            ("http://dex.company.com:5556/dex", "http://host-2.host-1.example:5556/dex"),
            ("Get \"https://DEX.company.com/a\": EOF", "Get \"https://Host-2.host-1.example/a\": EOF"),
            (
                "dial tcp: lookup idp.other.com on 10.0.0.10:53: no such host",
                "dial tcp: lookup host-4.host-3.example on 10.0.0.10:53: no such host",
            ),
            ("dial tcp 52.1.2.3:443: i/o timeout", "dial tcp 203.0.113.1:443: i/o timeout"),
            ("dial tcp [2a02::1]:443: i/o timeout", "dial tcp [2001:db8::1]:443: i/o timeout"),
            (
                "is valid for a.other.com, *.other.com, not dex.company.com.",
                "is valid for host-4.host-3.example, *.host-3.example, not host-2.host-1.example.",
            ),
            (
                "?redirect_uri=https%3A%2F%2Fa.company.com%2Fauth",
                "?redirect_uri=https%3A%2F%2Fhost-3.host-1.example%2Fauth",
            ),
            ("hint=jane%40company.com", "hint=jane%40host-1.example"),
            ("mail of jane.doe@company.com.", "mail of user-4@host-1.example."),
            ("User \"trillian\" cannot get secrets", "User \"user-4\" cannot get secrets"),
            ("User \"system:anonymous\" cannot", "User \"system:anonymous\" cannot"),
            (
                "the groups platform team, zaphods and Zaphod.",
                "the groups group-1 group-2, zaphods and User-3.",
            ),
            ("tenant 08a8684b-db88-4b73-90a9-3cd1661f5466", "tenant 00000000-0000-0000-0000-000000000001"),
            (
                "ConfigMap argocd-cm, oidc.config 100% v2.10.3 …",
                "ConfigMap argocd-cm, oidc.config 100% v2.10.3 …",
            ),
            ("://", "://"),
            ("...", "..."),
        ] {
            assert_eq!(all(&[text], known), [said], "{text}");
        }
    }
}
