//! How argocd-server is started: its command-line flags and, behind each, the
//! variable that the flag defaults to.
//!
//! Flags that mean nothing to a stand-in (Redis, the repo-server, metrics) are
//! accepted and have no effect here.

use std::collections::BTreeMap;

/// Where the Dex inside Argo CD is, unless a flag says otherwise.
const DEX_SERVER: &str = "argocd-dex-server:5556";
/// Flags that need no value.
const SWITCHES: [&str; 3] = ["insecure", "dex-server-plaintext", "disable-tls"];

/// What it is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// `--insecure`: plain HTTP on the port.
    pub(super) insecure: bool,
    /// `--port`.
    pub(super) port: u16,
    /// `--basehref`: where browsers find the pages.
    pub(super) base_href: String,
    /// `--rootpath`: a prefix of all paths.
    pub(super) root_path: String,
    /// `--logformat`, if it is given.
    pub(super) log_format: Option<String>,
    /// `--x-frame-options`, for pages.
    pub(super) frame_options: String,
    /// `--content-security-policy`, for pages.
    pub(super) content_security_policy: String,
    /// `--dex-server`, with its scheme: https, unless it is said or `--dex-server-plaintext`.
    pub(super) dex_server: String,
}

impl Flags {
    /// Reads them. An argument comes before the variable.
    ///
    /// # Errors
    /// The line that argocd-server prints before it exits.
    pub(super) fn read(args: &[String], env: &BTreeMap<String, String>) -> Result<Self, String> {
        let find = |flag: &str| find(args, flag);
        let text = |flag: &str, variable: &str| find(flag).or_else(|| env.get(variable).cloned());
        let switch = |flag: &str, variable: &str| {
            match find(flag) {
            Some(value) => parse_bool(&value).ok_or_else(|| {
                format!("invalid argument {value:?} for \"--{flag}\" flag: strconv.ParseBool: parsing {value:?}: invalid syntax")
            }),
            None => Ok(env.get(variable).and_then(|value| parse_bool(value)).unwrap_or(false)),
        }
        };
        let insecure = switch("insecure", "ARGOCD_SERVER_INSECURE")?;
        let mut dex_server =
            text("dex-server", "ARGOCD_SERVER_DEX_SERVER").unwrap_or_else(|| DEX_SERVER.into());
        if !dex_server.contains("://") {
            let plain = switch("dex-server-plaintext", "ARGOCD_SERVER_DEX_SERVER_PLAINTEXT")?;
            dex_server.insert_str(0, if plain { "http://" } else { "https://" });
        }
        let port = find("port").unwrap_or_else(|| "8080".into());
        let port = port.parse().map_err(|_| {
            format!("invalid argument {port:?} for \"--port\" flag: strconv.ParseInt: parsing {port:?}: invalid syntax")
        })?;
        let root_path = text("rootpath", "ARGOCD_SERVER_ROOTPATH").unwrap_or_default();
        let mut base_href = text("basehref", "ARGOCD_SERVER_BASEHREF").unwrap_or_else(|| "/".into());
        if !root_path.is_empty() {
            base_href.clone_from(&root_path);
        }
        Ok(Self {
            insecure,
            port,
            base_href,
            root_path,
            log_format: text("logformat", "ARGOCD_SERVER_LOGFORMAT"),
            frame_options: text("x-frame-options", "ARGOCD_SERVER_X_FRAME_OPTIONS")
                .unwrap_or_else(|| "sameorigin".into()),
            content_security_policy: text("content-security-policy", "ARGOCD_SERVER_CONTENT_SECURITY_POLICY")
                .unwrap_or_else(|| "frame-ancestors 'self';".into()),
            dex_server,
        })
    }
}

/// The value of `--flag=value`, `--flag value` or, alone, `--flag`.
pub(super) fn find(args: &[String], flag: &str) -> Option<String> {
    let mut found = None;
    let mut rest = args.iter().peekable();
    while let Some(arg) = rest.next() {
        let Some(name) = arg.strip_prefix("--") else { continue };
        match name.split_once('=') {
            Some((name, value)) if name == flag => found = Some(value.to_owned()),
            None if name == flag => {
                let value = rest.peek().filter(|next| !SWITCHES.contains(&flag) && !next.starts_with("--"));
                found = Some(value.map_or_else(|| "true".to_owned(), |value| (*value).clone()));
            }
            _ => {}
        }
    }
    found
}

/// As `strconv.ParseBool`.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str], env: &[(&str, &str)]) -> Result<Flags, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Flags::read(&args, &env)
    }

    #[test]
    fn arguments_come_before_variables() {
        let plain =
            flags(&["/usr/local/bin/argocd-server", "--port=8080", "--metrics-port=8083"], &[]).unwrap();
        assert_eq!((plain.insecure, plain.port, plain.base_href.as_str()), (false, 8080, "/"));
        assert!(flags(&[], &[("ARGOCD_SERVER_INSECURE", "true")]).unwrap().insecure);
        assert!(!flags(&["--insecure=false"], &[("ARGOCD_SERVER_INSECURE", "true")]).unwrap().insecure);
        assert!(flags(&["--insecure", "--port", "80"], &[]).unwrap().insecure);
        assert_eq!(flags(&["--insecure", "--port", "80"], &[]).unwrap().port, 80);
        assert_eq!(flags(&["--rootpath", "/argo"], &[]).unwrap().base_href, "/argo");
        assert!(flags(&["--port=x"], &[]).unwrap_err().contains("--port"));
        assert!(flags(&["--insecure=maybe"], &[]).is_err());
        assert_eq!(plain.dex_server, "https://argocd-dex-server:5556");
        let dex = |args: &[&str], env: &[(&str, &str)]| flags(args, env).unwrap().dex_server;
        assert_eq!(dex(&["--dex-server-plaintext", "--dex-server=d:1"], &[]), "http://d:1");
        let env =
            [("ARGOCD_SERVER_DEX_SERVER", "http://d:2"), ("ARGOCD_SERVER_DEX_SERVER_PLAINTEXT", "false")];
        assert_eq!(dex(&[], &env), "http://d:2");
    }
}
