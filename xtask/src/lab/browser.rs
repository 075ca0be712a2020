//! A browser on the lab: what it is told to find the lab's names by.

use std::io;

use base::browser::Profile;
use cluster::Access;
use cluster::names::{Place, Provider, hosts};

/// What Chromium and its kin are told of a lab: how its names are found, the lab's key alone as
/// good, and a profile that nobody else uses. `fingerprint` is the lab's authority's, with TLS.
pub fn options(
    place: Place,
    provider: Provider,
    access: &Access,
    profile: &Profile,
    fingerprint: Option<&str>,
) -> Vec<String> {
    let way = match place {
        // The ingress is a forward proxy too: whatever the lab calls itself is found, and nothing else.
        Place::Local => format!("--proxy-server=http://{}", access.ingress),
        // An ingress in a cluster is no forward proxy: each client maps the names itself.
        Place::Kind => {
            let each = hosts(provider).iter().map(|host| format!("MAP {host} {}", access.front()));
            format!("--host-resolver-rules={}", each.collect::<Vec<_>>().join(","))
        }
    };
    let key = fingerprint.map(|key| format!("--ignore-certificate-errors-spki-list={key}"));
    [way, format!("--user-data-dir={}", profile.path().display())].into_iter().chain(key).collect()
}

/// What Firefox is told of the local lab: a profile's `user.js`. It maps no names, but the
/// lab's ingress is a proxy.
///
/// # Errors
/// It cannot be written.
pub fn write_firefox_profile(profile: &Profile, access: &Access) -> io::Result<()> {
    let (host, port) = (access.ingress.ip(), access.ingress.port());
    let quiet = [
        "app.normandy.enabled",
        "browser.aboutwelcome.enabled",
        "browser.shell.checkDefaultBrowser",
        "datareporting.policy.dataSubmissionEnabled",
        "dom.security.https_first",
        "network.captive-portal-service.enabled",
        "network.connectivity-service.enabled",
    ];
    let mut text: String = quiet.iter().map(|name| format!("user_pref(\"{name}\", false);\n")).collect();
    text += "user_pref(\"browser.startup.homepage_override.mstone\", \"ignore\");\n\
             user_pref(\"network.proxy.type\", 1);\n";
    for scheme in ["http", "ssl"] {
        text += &format!("user_pref(\"network.proxy.{scheme}\", \"{host}\");\n");
        text += &format!("user_pref(\"network.proxy.{scheme}_port\", {port});\n");
    }
    base::files::make_private_folder(profile.path())?;
    base::files::write_private(&profile.path().join("user.js"), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use super::*;

    #[test]
    fn each_lab_has_its_own_way_for_a_browser() {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let access = Access {
            kubeconfig: "/lab/kubeconfig".into(),
            context: "c".into(),
            ingress: loopback(8080),
            tls: Some(loopback(8443)),
        };
        let plain = Access { tls: None, ..access.clone() };
        let profile = Profile::of(Path::new("/lab"));
        assert_eq!(
            options(Place::Local, Provider::Dex, &plain, &profile, None),
            ["--proxy-server=http://127.0.0.1:8080", "--user-data-dir=/lab/browser"]
        );
        assert_eq!(
            options(Place::Kind, Provider::Dex, &plain, &profile, None)[0],
            "--host-resolver-rules=MAP argocd.host 127.0.0.1:8080,MAP dex.host 127.0.0.1:8080"
        );
        assert_eq!(
            options(Place::Kind, Provider::Bundled, &access, &profile, Some("k=")),
            [
                "--host-resolver-rules=MAP argocd.host 127.0.0.1:8443",
                "--user-data-dir=/lab/browser",
                "--ignore-certificate-errors-spki-list=k="
            ]
        );
    }
}
