//! `status`: what is up and how to reach it.

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::lab::{Access, Place};
use crate::names::{ARGOCD_HOST, DEX_HOST, NAMESPACES, PASSWORD, USER, Workload};
use crate::programs::Program;
use crate::session::Session;

/// A lab that is up.
pub struct Status {
    place: Place,
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
        let access = session.access()?;
        let argocd = session.program(Workload::Argocd).await?;
        let dex = session.program(Workload::Dex).await?;
        Ok(Self { place: session.lab.place(), access, argocd, dex })
    }

    /// For `--format json`.
    pub fn fields(&self) -> Map<String, Value> {
        let fields = json!({
            "kubeconfig": self.access.kubeconfig,
            "context": self.access.context,
            "address": self.access.ingress.to_string(),
            "hosts": {"argocd": ARGOCD_HOST, "dex": DEX_HOST},
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
        let kubeconfig = self.access.kubeconfig.display();
        format!(
            "{} lab, up
  argocd      {}
  dex         {}
  address     {address}  (ingress for {ARGOCD_HOST} and {DEX_HOST}, and a forward proxy to them)
  login       {USER} / {PASSWORD}
  namespaces  {}
  curl        curl -L -x http://{address} http://{ARGOCD_HOST}/auth/login
  browser     chromium --proxy-server=http://{address} http://{ARGOCD_HOST}/auth/login
  kubectl     cargo xtask kubectl -- get pods -A
              or kubectl --kubeconfig {kubeconfig}
",
            self.place.name(),
            described(&self.argocd),
            described(&self.dex),
            NAMESPACES.join(", "),
        )
    }
}
