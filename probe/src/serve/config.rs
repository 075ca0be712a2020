//! The file of modules: which Argo CDs may be logged in to, as whom, and where the password is. Read whole or not at
//! all.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use probe::{Options, Password, PasswordHost, Resolve, Tls, password};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::cli;

/// A login to one target begins at most so often, whatever the file says.
const FLOOR: Duration = Duration::from_secs(1);

/// The largest file that a password is read from.
const LARGEST: u64 = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(deserialize_with = "not_empty")]
    modules: BTreeMap<String, Module>,
}

/// One way to log in, and where it may be used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    /// The addresses of Argo CD that may be asked for, letter for letter but for a slash at the end.
    #[serde(deserialize_with = "targets")]
    pub(super) targets: Vec<Url>,
    pub(super) user: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    /// The provider's hosts, the only ones that get the password.
    #[serde(deserialize_with = "each")]
    pub(super) password_hosts: Vec<PasswordHost>,
    #[serde(default)]
    as_cli: bool,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
    #[serde(default, deserialize_with = "each")]
    resolve: Vec<Resolve>,
    /// The longest that one login may take.
    #[serde(default = "Module::timeout", deserialize_with = "time")]
    pub(super) timeout: Duration,
    /// A login begins at most so often; meanwhile the last one is told again.
    #[serde(default = "Module::interval", deserialize_with = "interval")]
    pub(super) interval: Duration,
    /// What stands in `ca_file`.
    #[serde(skip)]
    ca: Option<Vec<u8>>,
}

impl Module {
    fn timeout() -> Duration {
        Duration::from_secs(30)
    }

    fn interval() -> Duration {
        Duration::from_secs(60)
    }

    /// The password as it stands now.
    pub(super) fn password(&self) -> Result<Password, String> {
        let read = match (&self.password_file, &self.password_env) {
            (Some(path), None) => {
                // A pipe or a device may have no end, and everybody would wait for it.
                let odd = std::fs::metadata(path).is_ok_and(|it| !it.is_file() || it.len() > LARGEST);
                if odd {
                    let most = LARGEST / 1024;
                    return Err(format!("password_file {} is no file of {most} KiB at most", path.display()));
                }
                password::of_file(path, "password_file")
            }
            (None, Some(name)) => password::of_environment(name, "password_env"),
            _ => return Err("name either password_file or password_env".to_owned()),
        };
        read.map_err(|error| error.to_string())
    }

    /// What a login by this module is told, all but its target and limits.
    pub(super) fn options(&self, target: &Url, password: Password) -> Result<Options, String> {
        let mut options = Options::new(target.clone(), &self.user, password);
        options.as_cli = self.as_cli;
        options.resolve.clone_from(&self.resolve);
        // Whoever asks every minute need not be patient.
        options.startup_grace = Duration::ZERO;
        if self.insecure {
            options.tls = Tls::insecure();
        }
        if let (Some(path), Some(pem)) = (&self.ca_file, &self.ca) {
            options.tls =
                Tls::with_ca(pem).map_err(|error| format!("ca_file {}: {error}", path.display()))?;
        }
        Ok(options)
    }

    /// Reads what the module names; a module that cannot log in is no module.
    fn complete(&mut self) -> Result<(), String> {
        if let Some(path) = &self.ca_file {
            if self.insecure {
                return Err("ca_file and insecure contradict each other".to_owned());
            }
            let pem = std::fs::read(path);
            self.ca =
                Some(pem.map_err(|error| format!("ca_file {} cannot be read: {error}", path.display()))?);
        }
        if self.user.is_empty() {
            return Err("user is empty".to_owned());
        }
        if self.password_hosts.is_empty() {
            return Err(
                "password_hosts is empty; name the identity provider's host, which gets the password"
                    .to_owned(),
            );
        }
        let first =
            self.targets.first().ok_or("targets is empty; name the Argo CDs that may be asked for")?;
        self.password().and_then(|password| self.options(first, password)).map(drop)
    }
}

/// Reads the file of modules.
///
/// # Errors
/// One sentence that names the file, and the line where there is one.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Module>, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let file: File = serde_yaml::from_str(&text).map_err(|error| {
        let said = error.to_string();
        match said.contains("unknown field `password`") {
            true => format!("{shown}: {said}; a password does not stand in this file: name its password_file or password_env"),
            false => format!("{shown}: {said}"),
        }
    })?;
    let mut modules = file.modules;
    for (name, module) in &mut modules {
        module.complete().map_err(|why| format!("{shown}: the module {name}: {why}"))?;
    }
    Ok(modules)
}

/// A target as it is compared: without a slash at its end.
pub(super) fn target(text: &str) -> Result<Url, String> {
    let mut url = cli::web_address(text)?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("a target is an address alone, without user, password, query or fragment".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Module>, D::Error> {
    let modules = BTreeMap::deserialize(deserializer)?;
    match modules.is_empty() {
        true => Err(de::Error::custom("there is no module")),
        false => Ok(modules),
    }
}

fn targets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Url>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| target(text).map_err(de::Error::custom)).collect()
}

fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    cli::time_limit(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let interval = time(deserializer)?;
    match interval < FLOOR {
        true => Err(de::Error::custom("interval is a second at least")),
        false => Ok(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "modules:\n  dex:\n    targets: [\"https://argocd.example.com/\"]\n    user: me\n    \
                        password_env: PATH\n    password_hosts: [dex.example.com]\n";

    fn written(text: &str) -> Result<BTreeMap<String, Module>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe.yaml");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn a_module_says_where_and_as_whom() {
        let modules = written(GOOD).unwrap();
        let module = &modules["dex"];
        assert_eq!(module.targets[0], target("https://argocd.example.com").unwrap());
        assert_eq!((module.interval.as_secs(), module.timeout.as_secs()), (60, 30));
    }

    #[test]
    fn the_sample_of_the_page_can_be_read() {
        let page = include_str!("../../../docs/monitor.md");
        let sample =
            page.split("```yaml\n# probe.yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let modules =
            written(&sample.replace("password_file: /etc/probe/password", "password_env: PATH")).unwrap();
        assert_eq!(modules["dex"].password_hosts[0].to_string(), "dex.example.com");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (from, to, says) in [
            ("modules:\n", "module:\n", "probe.yaml: unknown field `module`, expected `modules`"),
            ("    user: me\n", "", "missing field `user` at line 3 column 5"),
            ("user: me", "user: me\n    password: hush", "a password does not stand in this file"),
            ("user: me", "user: \"\"", "the module dex: user is empty"),
            (
                "password_env: PATH",
                "password_env: NO_SUCH_VARIABLE",
                "NO_SUCH_VARIABLE (password_env) is not set",
            ),
            ("password_env: PATH", "password_file: /no/such/file", "/no/such/file cannot be read"),
            (
                "password_env: PATH",
                "password_file: a\n    password_env: b",
                "either password_file or password_env",
            ),
            ("    password_env: PATH\n", "", "name either password_file or password_env"),
            ("[dex.example.com]", "[]", "password_hosts is empty"),
            ("[dex.example.com]", "[\"https://dex\"]", "`https://dex` is no host of a provider"),
            ("https://argocd.example.com/", "argocd.example.com", "write it with its scheme"),
            ("https://argocd.example.com/", "https://me:hush@a/", "a target is an address alone"),
            ("user: me", "user: me\n    interval: 10ms", "interval is a second at least at line 3"),
            ("user: me", "user: me\n    ca_file: /no/such/ca", "ca_file /no/such/ca cannot be read"),
            (GOOD, "modules: {}\n", "there is no module"),
            (GOOD, "modules: [\n", "probe.yaml: "),
        ] {
            let error = written(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.starts_with("probe.yaml: ") && error.contains(says), "{to}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
