//! `status`: what is up and how to reach it.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::lab::Access;
use crate::names::{self, ARGOCD_HOST, DEX_HOST, NAMESPACES, PASSWORD, Place, Provider, USER, Workload};
use crate::programs::Program;
use crate::session::Session;
use base::Result;

/// A lab that is up.
pub struct Status {
    place: Place,
    provider: Provider,
    access: Access,
    argocd: Option<Program>,
    dex: Option<Program>,
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
        Ok(Self { place: session.lab.place(), provider: session.provider, access, argocd, dex })
    }

    /// For `--format json`.
    pub fn fields(&self) -> Map<String, Value> {
        let mut hosts = json!({"argocd": ARGOCD_HOST});
        if self.provider == Provider::Dex {
            hosts["dex"] = DEX_HOST.into();
        }
        let fields = json!({
            "kubeconfig": self.access.kubeconfig,
            "context": self.access.context,
            "address": self.access.ingress.to_string(),
            "hosts": hosts,
            "user": USER,
            "password": PASSWORD,
            "namespaces": super::strings(&NAMESPACES),
        });
        match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let described = |program: &Option<Program>| {
            program.as_ref().map_or_else(|| "not installed".to_owned(), Program::described)
        };
        let address = self.access.ingress;
        let reach = reach(self.place, self.provider, address);
        let kubeconfig = self.access.kubeconfig.display();
        let inside = if self.provider == Provider::Bundled { ", inside Argo CD" } else { "" };
        format!(
            "{} lab, up
  argocd      {}
  dex         {}{inside}
  address     {address}  ({})
  login       {USER} / {PASSWORD}
  namespaces  {}
  curl        curl -L {} http://{ARGOCD_HOST}/auth/login
  browser     chromium {} http://{ARGOCD_HOST}/auth/login
  kubectl     cargo xtask kubectl -- get pods -A
              or kubectl --kubeconfig {kubeconfig}
",
            self.place.name(),
            described(&self.argocd),
            described(&self.dex),
            reach.what,
            NAMESPACES.join(", "),
            reach.curl,
            reach.browser,
        )
    }
}

/// How programs reach both hosts without DNS.
struct Reach {
    what: String,
    curl: String,
    browser: String,
}

fn reach(place: Place, provider: Provider, address: SocketAddr) -> Reach {
    let all = names::hosts(provider);
    let hosts = format!("ingress for {}", all.join(" and "));
    let each = |form: &dyn Fn(&str) -> String, between: &str| -> String {
        all.iter().map(|host| form(host)).collect::<Vec<_>>().join(between)
    };
    match place {
        Place::Local => Reach {
            what: format!("{hosts}, and a forward proxy to them"),
            curl: format!("-x http://{address}"),
            browser: format!("--proxy-server=http://{address}"),
        },
        // An ingress in a cluster is no forward proxy: each client maps the names itself.
        Place::Kind => Reach {
            what: hosts,
            curl: each(&|host| format!("--connect-to {host}:80:{address}"), " "),
            browser: format!(
                "--host-resolver-rules='{}'",
                each(&|host| format!("MAP {host} {address}"), ",")
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lab_is_reached_in_its_own_way() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(reach(Place::Local, Provider::Dex, address).curl, "-x http://127.0.0.1:8080");
        let kind = reach(Place::Kind, Provider::Dex, address);
        assert_eq!(
            kind.curl,
            "--connect-to argocd.host:80:127.0.0.1:8080 --connect-to dex.host:80:127.0.0.1:8080"
        );
        assert!(!kind.what.contains("proxy"));
        let kind = reach(Place::Kind, Provider::Bundled, address);
        assert_eq!(kind.curl, "--connect-to argocd.host:80:127.0.0.1:8080");
        assert_eq!(kind.what, "ingress for argocd.host");
    }
}
