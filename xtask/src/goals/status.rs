//! `status`: what is up and how to reach it.

use serde_json::{Map, Value, json};

use super::monitor::Exporter;
use crate::programs::Program;
use crate::session::Session;
use base::Result;
use base::shown::quoted;
use cluster::Access;
use cluster::names::{
    self, ARGOCD_HOST, DEX_HOST, NAMESPACES, PASSWORD, Place, Provider, Scheme, USER, Workload,
};

/// A lab that is up.
pub struct Status {
    place: Place,
    provider: Provider,
    access: Access,
    /// With `--tls`: the authority's file.
    ca: Option<String>,
    /// What a browser is told.
    browser: Vec<String>,
    argocd: Option<Program>,
    dex: Option<Program>,
    /// After `monitor`: its program, and where it is.
    exporter: Option<(Program, Exporter)>,
}

impl Status {
    /// The lab's status.
    ///
    /// # Errors
    /// No lab is up, or its cluster does not answer.
    pub async fn of(session: &Session) -> Result<Self> {
        let access = session.access().await?;
        let argocd = session.program(Workload::Argocd).await?;
        let dex = session.program(session.dex()).await?;
        let ca = session.scheme().is_https().then(|| session.authority().file().display().to_string());
        let browser = session.browser_options(&access)?;
        let exporter = match session.program(Workload::Exporter).await? {
            Some(program) => Some((program, Exporter::of(session).await?)),
            None => None,
        };
        Ok(Self {
            place: session.lab.place(),
            provider: session.provider,
            access,
            ca,
            browser,
            argocd,
            dex,
            exporter,
        })
    }

    /// For `--format json`.
    pub fn fields(&self) -> Map<String, Value> {
        let mut hosts = json!({"argocd": ARGOCD_HOST});
        if self.provider == Provider::Dex {
            hosts["dex"] = DEX_HOST.into();
        }
        let mut fields = json!({
            "kubeconfig": self.access.kubeconfig,
            "context": self.access.context,
            "address": self.access.ingress.to_string(),
            "hosts": hosts,
            "user": USER,
            "password": PASSWORD,
            "namespaces": NAMESPACES,
        });
        if let (Some(ca), Some(address)) = (&self.ca, self.access.tls) {
            fields["tls"] = json!({"address": address.to_string(), "ca": ca});
        }
        if let Some((_, exporter)) = &self.exporter {
            fields["exporter"] = exporter.fields().into();
        }
        fields.as_object().cloned().unwrap_or_default()
    }

    /// For a person.
    pub fn text(&self) -> String {
        let described = |program: &Option<Program>| {
            program.as_ref().map_or_else(|| "not installed".to_owned(), Program::described)
        };
        let address = self.access.ingress;
        let (what, curl) = reach(self.place, self.provider, &self.access, self.ca.as_deref());
        let browser = self.browser.iter().map(|option| quoted(option)).collect::<Vec<_>>().join(" ");
        let login = format!("{}/auth/login", Scheme::of(self.ca.is_some()).url(ARGOCD_HOST));
        let kubeconfig = self.access.kubeconfig.display();
        let inside = if self.provider == Provider::Bundled { ", inside Argo CD" } else { "" };
        let exporter = self.exporter.as_ref().map_or_else(String::new, |(program, exporter)| {
            format!("\n  exporter    {}, {}", program.described(), exporter.login())
        });
        format!(
            "{} lab, up
  argocd      {}
  dex         {}{inside}
  address     {address}  ({what})
  login       {USER} / {PASSWORD}
  namespaces  {}
  curl        curl -L {curl} {login}
  browser     cargo xtask open --launch
              or chromium {browser} {login}
  kubectl     cargo xtask kubectl -- get pods -A
              or kubectl --kubeconfig {kubeconfig}{exporter}
",
            self.place.name(),
            described(&self.argocd),
            described(&self.dex),
            NAMESPACES.join(", "),
        )
    }
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
