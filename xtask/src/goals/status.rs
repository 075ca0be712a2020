//! `status`: what is up and how to reach it.

use serde_json::json;

use super::monitor::Exporter;
use crate::record::GoalRecord;
use crate::session::Session;
use base::shown::quoted;
use base::{Error, Result};
use cluster::Access;
use cluster::names::{
    self, ARGOCD_HOST, DEX_HOST, NAMESPACES, PASSWORD, Place, Provider, Scheme, USER, Workload,
};

/// Says what is up, to a person and in fields.
///
/// # Errors
/// No lab is up, or its cluster does not answer.
pub async fn run(session: &Session, record: &mut GoalRecord) -> Result<()> {
    let access = session.access().await?;
    let (place, provider, scheme) = (session.lab.place(), session.provider, session.scheme());
    let ca = scheme.is_https().then(|| session.authority().file().display().to_string());
    let described = async |workload| {
        let program = session.program(workload).await?;
        Ok::<_, Error>(program.map_or_else(|| "not installed".to_owned(), |program| program.described()))
    };
    let (argocd, dex) = (described(Workload::Argocd).await?, described(session.dex()).await?);
    let inside = if provider == Provider::Bundled { ", inside Argo CD" } else { "" };
    let browser = session.browser_options(&access)?;
    let browser = browser.iter().map(|option| quoted(option)).collect::<Vec<_>>().join(" ");

    let mut fields = json!({
        "kubeconfig": access.kubeconfig,
        "context": access.context,
        "address": access.ingress.to_string(),
        "hosts": {"argocd": ARGOCD_HOST},
        "user": USER,
        "password": PASSWORD,
        "namespaces": NAMESPACES,
    });
    if provider == Provider::Dex {
        fields["hosts"]["dex"] = DEX_HOST.into();
    }
    if let (Some(ca), Some(address)) = (&ca, access.tls) {
        fields["tls"] = json!({"address": address.to_string(), "ca": ca});
    }
    let mut exporter = String::new();
    if let Some(program) = session.program(Workload::Exporter).await? {
        let own = Exporter::of(session).await?;
        fields["exporter"] = own.fields();
        exporter = format!("\n  exporter    {}, {}", program.described(), own.login());
    }
    record.say(fields);

    let (what, curl) = reach(place, provider, &access, ca.as_deref());
    let login = format!("{}/auth/login", scheme.url(ARGOCD_HOST));
    session.console.result(&format!(
        "{} lab, up
  argocd      {argocd}
  dex         {dex}{inside}
  address     {}  ({what})
  login       {USER} / {PASSWORD}
  namespaces  {}
  curl        curl -L {curl} {login}
  browser     cargo xtask open --launch
              or chromium {browser} {login}
  kubectl     cargo xtask kubectl -- get pods -A
              or kubectl --kubeconfig {}{exporter}
",
        place.name(),
        access.ingress,
        NAMESPACES.join(", "),
        access.kubeconfig.display(),
    ));
    Ok(())
}

/// How programs reach both hosts without DNS: in words, and as curl's options.
fn reach(place: Place, provider: Provider, access: &Access, ca: Option<&str>) -> (String, String) {
    let all = names::hosts(provider);
    let hosts = format!("ingress for {}", all.join(" and "));
    let (address, port) = (access.ingress, Scheme::of(ca.is_some()).port());
    let (mut what, mut curl) = match place {
        Place::Local => (format!("{hosts}, and a forward proxy to them"), format!("-x http://{address}")),
        // An ingress in a cluster is no forward proxy: each client maps the names itself.
        Place::Kind => {
            let each = all.iter().map(|host| format!("--connect-to {host}:{port}:{}", access.front()));
            (hosts, each.collect::<Vec<_>>().join(" "))
        }
    };
    if let Some(ca) = ca {
        what += &format!("; TLS on {}", access.front());
        curl = format!("--cacert {ca} {curl}");
    }
    (what, curl)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn each_lab_is_reached_in_its_own_way() {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let access = Access {
            kubeconfig: "/lab/kubeconfig".into(),
            context: "c".into(),
            ingress: loopback(8080),
            tls: Some(loopback(8443)),
        };
        let plain = Access { tls: None, ..access.clone() };
        assert_eq!(reach(Place::Local, Provider::Dex, &plain, None).1, "-x http://127.0.0.1:8080");
        let kind = reach(Place::Kind, Provider::Dex, &plain, None);
        assert_eq!(
            kind.1,
            "--connect-to argocd.host:80:127.0.0.1:8080 --connect-to dex.host:80:127.0.0.1:8080"
        );
        assert!(!kind.0.contains("proxy"));
        let kind = reach(Place::Kind, Provider::Bundled, &plain, None);
        assert_eq!(kind.1, "--connect-to argocd.host:80:127.0.0.1:8080");
        assert_eq!(kind.0, "ingress for argocd.host");
        let local = reach(Place::Local, Provider::Dex, &access, Some("/lab/ca.crt"));
        assert_eq!(local.1, "--cacert /lab/ca.crt -x http://127.0.0.1:8080");
        let kind = reach(Place::Kind, Provider::Bundled, &access, Some("/lab/ca.crt"));
        assert_eq!(kind.1, "--cacert /lab/ca.crt --connect-to argocd.host:443:127.0.0.1:8443");
    }
}
