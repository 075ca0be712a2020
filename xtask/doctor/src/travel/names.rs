//! Names of people, groups and hosts in a file of evidence: pseudonyms in their place, the same one wherever the same
//! name stands, and so that what matters of a name can still be seen: what it shares with another, the case of its
//! letters, white space, a port, a path. Names of objects in the cluster stay.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use crate::evidence::Evidence;
use crate::evidence::claims::{TECHNICAL, behind_sub, with_id};
use crate::mask::Mask;

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
const BEFORE_HOST: [&str; 4] = ["lookup ", "host ", "host \"", "Host: "];
/// What a policy's line is made of, beside names.
const OF_POLICIES: [&str; 26] = [
    "p",
    "g",
    "g2",
    "allow",
    "deny",
    "*",
    "*/*",
    "get",
    "create",
    "update",
    "delete",
    "sync",
    "override",
    "action",
    "action/*",
    "invoke",
    "applications",
    "applicationsets",
    "clusters",
    "projects",
    "repositories",
    "accounts",
    "certificates",
    "gpgkeys",
    "logs",
    "exec",
];
/// Words that are left where they stand in a sentence, although somebody is called so.
const WORDS: [&str; 22] = [
    "admin", "argocd", "argo-cd", "client", "code", "email", "expired", "group", "groups", "https",
    "invalid", "issuer", "login", "name", "openid", "profile", "provider", "redirect", "server", "timeout",
    "token", "user",
];

/// Who a name belongs to.
#[derive(Clone, Copy)]
enum Kind {
    User,
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
pub struct Names {
    mask: Mask,
    /// Whether names stay what they are.
    real: bool,
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

impl Names {
    /// None yet.
    pub fn new(mask: Mask, real: bool, seen: &Evidence) -> Self {
        let deployments = [
            seen.server.there(),
            seen.bundled.deployment.there(),
            seen.provider.dex.there().map(|dex| &dex.deployment),
        ];
        let deployments: Vec<_> =
            deployments.into_iter().flatten().chain(seen.redis.there().into_iter().flatten()).collect();
        let secrets = [seen.argocd_secret.there(), seen.named_secret.there()];
        let meant = seen.meant_secret.iter().map(|(secret, _)| secret);
        let secrets = secrets.into_iter().flatten().chain(meant).map(|it| (&it.namespace, &it.name));
        let named = deployments.iter().map(|it| (&it.namespace, &it.name)).chain(secrets);
        let objects = named.flat_map(|(namespace, name)| [namespace, name]).chain([&seen.namespace]);
        Self {
            mask,
            real,
            objects: objects.map(|name| name.to_lowercase()).collect(),
            services: deployments.iter().map(|it| format!("{}.{}", it.name, it.namespace)).collect(),
            hosts: BTreeMap::new(),
            hosts_met: 0,
            parts: BTreeMap::new(),
            addresses: BTreeMap::new(),
            ids: BTreeMap::new(),
            cases: BTreeMap::new(),
            whole: BTreeMap::new(),
        }
    }

    /// Meets all names, so that sentences which stand before the place where a name stands alone have it replaced too.
    pub fn learn(&mut self, value: &Value) {
        self.walk(&mut value.clone(), "");
    }

    /// Replaces the names in a value, and takes out secrets that somebody's words have.
    pub fn apply(&mut self, value: &mut Value) {
        self.walk(value, "");
    }

    /// `key` is the last field's name on the way here: by it the evidence says what stands there.
    fn walk(&mut self, value: &mut Value, key: &str) {
        /// Words of ours.
        const OURS: [&str; 9] =
            ["step", "answer", "cause", "candidates", "verdict", "form", "by", "secret", "kind"];
        match value {
            Value::String(_) if OURS.contains(&key) => {}
            Value::String(text) => {
                self.mask.apply(text);
                if text.contains("://") {
                    // What stands there has to be an address still.
                    *text = without_users(&text.replace('…', "masked"));
                }
                *text = self.field(text, key);
            }
            Value::Array(items) => {
                for item in items {
                    self.walk(item, key);
                }
            }
            Value::Object(fields) if key == "claims" => {
                for (name, value) in fields.iter_mut() {
                    match TECHNICAL.contains(&name.as_str()) {
                        true => *value = Value::Null,
                        false => self.claim(value, name),
                    }
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    // What stands there, or how it came there, is said by the field around it.
                    let inner = ["text", "there"];
                    let stays = inner.contains(&name.as_str()) && (is_proxys(key) || key == "hosts");
                    self.walk(value, if stays { key } else { name });
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn claim(&mut self, value: &mut Value, name: &str) {
        match value {
            Value::String(text) if self.real => self.mask.apply(text),
            Value::String(text) => {
                self.mask.apply(text);
                let kind = if ["groups", "roles"].iter().any(|it| name.contains(it)) {
                    Kind::Group
                } else {
                    Kind::User
                };
                *text = self.subject(text, kind);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.claim(item, name)),
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| self.claim(value, name)),
            Value::Number(_) => *value = Value::Null,
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn field(&mut self, text: &str, key: &str) -> String {
        // What the form says of a thing that was not seen.
        const NOT_SEEN: [&str; 3] = ["not_looked", "absent", "other"];
        if self.real || NOT_SEEN.contains(&text) {
            return text.to_owned();
        }
        match key {
            "username" => self.subject(text, Kind::User),
            "groups" => self.name(text, Kind::Group),
            "subject" | "role" if text.starts_with("role:") => text.to_owned(),
            "subject" if text.contains('@') => self.subject(text, Kind::User),
            "subject" | "role" => self.subject(text, Kind::Group),
            "invalid" if !text.starts_with("policy.") => self.policy(text),
            "hosts" | "host_aliases" => self.host(text),
            "image" => self.image(text),
            // A context has the name of a cluster or of a user, and the path of its file that of a user.
            "kubectl" if text.starts_with("kubectl -") => "kubectl --context CONTEXT".to_owned(),
            key if is_proxys(key) => {
                let words = text.split(',').map(|word| match word.contains("://") {
                    true => self.text(word),
                    false => self.authority(word),
                });
                words.collect::<Vec<_>>().join(",")
            }
            _ => self.text(text),
        }
    }

    /// What policies know somebody by, which may be Dex's `sub` with a name in it.
    fn subject(&mut self, text: &str, kind: Kind) -> String {
        match behind_sub(text) {
            Some(id) => {
                let id = self.name(&id, Kind::User);
                with_id(text, &id).unwrap_or(id)
            }
            None => self.name(text, kind),
        }
    }

    /// A line that is no policy: whatever is no word of policies may be a name.
    fn policy(&mut self, line: &str) -> String {
        let is_end = |c: char| c == ',' || c.is_whitespace();
        let mut all = String::new();
        for part in line.split_inclusive(is_end) {
            let word = part.trim_end_matches(is_end);
            let stays = word.is_empty() || word.starts_with("role:") || OF_POLICIES.contains(&word);
            let kind = if word.contains('@') { Kind::User } else { Kind::Group };
            all.push_str(&if stays { word.to_owned() } else { self.name(word, kind) });
            all.push_str(&part[word.len()..]);
        }
        all
    }

    /// The name of an image. Whose registry it is from is nobody's business.
    fn image(&mut self, text: &str) -> String {
        const KNOWN: [&str; 6] = [
            "oidc-lab/",
            "quay.io/argoproj/",
            "ghcr.io/argoproj/",
            "ghcr.io/dexidp/",
            "quay.io/dexidp/",
            "public.ecr.aws/docker/library/",
        ];
        match text.rsplit_once('/') {
            Some((registry, name)) if !KNOWN.iter().any(|known| text.starts_with(known)) => {
                let (host, _) = registry.split_once('/').unwrap_or((registry, ""));
                format!("{}/{name}", self.authority(host))
            }
            _ => text.to_owned(),
        }
    }

    /// A name of a user or a group, part by part: two that share a part go on doing so.
    fn name(&mut self, name: &str, kind: Kind) -> String {
        let key = name.trim().to_lowercase();
        if key.chars().count() > 3 && !WORDS.contains(&key.as_str()) && !self.objects.contains(&key) {
            self.whole.entry(key).or_insert(kind);
        }
        let is_end = |c: char| c.is_whitespace() || "/:@,;=\"'`‘’“”()<>".contains(c);
        let mut all = String::new();
        let mut rest = name;
        while let Some(first) = rest.chars().next() {
            let end = match is_end(first) {
                true => first.len_utf8(),
                false => rest.find(is_end).unwrap_or(rest.len()),
            };
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
    fn host(&mut self, text: &str) -> String {
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
            (None, Some((first @ ("" | "*"), end))) => format!("{first}.{}", self.end_of_host(end, true)),
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
    fn authority(&mut self, text: &str) -> String {
        let port = |text: &str| text.rfind(':').filter(|at| !text[..*at].contains(':'));
        let end = text.find('/').or_else(|| text.rfind(']').map(|at| at + 1)).or_else(|| port(text));
        let (host, rest) = text.split_at(end.unwrap_or(text.len()));
        format!("{}{rest}", self.host(host))
    }

    /// A sentence, an address, anything: what in it is known for a name, or stands where one does.
    fn text(&mut self, text: &str) -> String {
        const STARTS: [&str; 2] = ["://", "%3A%2F%2F"];
        const USER: &str = "User \"";
        let alone =
            !text.contains(['"', '\'', ',']) && (text.starts_with("http://") || text.starts_with("https://"));
        let ends = move |c: char| "/?#\"'`<>()\\,%&".contains(c) || (!alone && c.is_whitespace());
        let is_word = |c: char| c.is_alphanumeric() || "-_.@+".contains(c);
        let mut all = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let start = STARTS.iter().find(|start| rest.starts_with(**start));
            let at_word = !all.ends_with(is_word);
            let mut taken = first.len_utf8();
            if let Some(start) = start {
                let end = rest[start.len()..].find(ends).map_or(rest.len(), |at| start.len() + at);
                let authority = self.authority(&rest[start.len()..end]);
                all.push_str(start);
                all.push_str(&authority);
                taken = end;
            } else if let Some(after) = rest.strip_prefix(USER).filter(|after| !after.starts_with("system:"))
            {
                let end = after.find('"').unwrap_or(after.len());
                all.push_str(USER);
                all.push_str(&self.name(&after[..end], Kind::User));
                taken = USER.len() + end;
            } else if let Some((name, kind)) =
                self.whole_name(rest, is_word).filter(|_| at_word && text.contains(' '))
            {
                all.push_str(&self.name(name, kind));
                taken = name.len();
            } else if is_word(first) && at_word {
                taken = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let word = rest[..taken].trim_end_matches('.');
                let is_host = BEFORE_HOST.iter().any(|it| all.ends_with(it)) || all.contains("valid for ");
                all.push_str(&self.word(word, is_host));
                all.push_str(&rest[word.len()..taken]);
            } else {
                all.push(first);
            }
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

/// A text without the users and passwords that addresses in it are asked with.
pub fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| {
        let end = part.find(|c: char| "/?#\"'`<>,".contains(c) || c.is_whitespace()).unwrap_or(part.len());
        let start = part[..end].rfind('@').map_or(0, |at| at + 1);
        format!("{before}://{}", &part[start..])
    })
}

/// Whether a variable is about a proxy.
pub fn is_proxys(key: &str) -> bool {
    ["http_proxy", "https_proxy", "no_proxy"].iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// Whether a word is a number that somebody is given once: a tenant, a client.
fn is_id(word: &str) -> bool {
    let parts: Vec<&str> = word.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
