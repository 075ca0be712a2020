//! `cargo xtask render`: every document as it would be applied, secrets masked.

use local_lab::charts;
use serde_json::Value;

use super::{Manifest, Sources, TlsSecret, Variables};
use crate::programs::Program;
use base::{Error, Result};
use cluster::names::{ARGOCD_TLS, DEX_TLS, HOST_PROCESS, Place, Workload};

/// What stands in a secret's place.
const MASK: &str = "********";

/// A rendered file: a heading that says where it comes from, and its text.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rendered {
    /// The file it comes from.
    pub source: String,
    /// YAML.
    pub text: String,
}

/// Every manifest and values file, and what the local lab derives from the values.
///
/// # Errors
/// As [`Sources::text`] and [`Sources::values`].
pub fn everything(sources: &Sources, argocd: &Program, dex: &Program) -> Result<Vec<Rendered>> {
    let sources = &sources.masked();
    let https = sources.scheme().is_https();
    let masked =
        |namespace| TlsSecret { namespace, name: ARGOCD_TLS.name, chain: MASK.into(), key: MASK.into() };
    let variables = Variables {
        tls_port: https.then_some(0),
        certificates: [ARGOCD_TLS, DEX_TLS].map(|secret| masked(secret.namespace)).to_vec(),
        client_secret: Some(MASK.into()),
        admin_password_hash: Some(MASK.into()),
        admin_password_mtime: Some(MASK.into()),
        server_secretkey: Some(MASK.into()),
        redis_password: Some(MASK.into()),
        user_password: MASK,
        ..Variables::new(0)
    };
    let mut all = vec![];
    for manifest in Manifest::ALL.into_iter().filter(|it| https || *it != Manifest::INGRESS_TLS) {
        let text = sources.text(manifest, &variables)?;
        all.push(Rendered { source: format!("manifests/{}", manifest.file()), text });
    }
    let images = [argocd.image(Workload::Argocd), dex.image(Workload::Dex), dex.image_inside(argocd)];
    let [argocd, inside, dex] = [(argocd, 0), (dex, 2), (dex, 1)].map(|(it, image)| runs(it, &images[image]));
    for chart in sources.charts() {
        for file in sources.files(chart) {
            all.push(Rendered { source: format!("values/{file}.yaml"), text: sources.values_text(file)? });
        }
        let derived = match *chart {
            "argocd" => charts::argocd(&sources.values(chart)?, argocd, inside, MASK),
            _ => charts::dex(&sources.values(chart)?, dex, MASK),
        };
        let derived = derived.map_err(|error| Error::environment(error.to_string()))?;
        all.push(Rendered {
            source: format!("values/{chart}.yaml, on the local lab"),
            text: yaml(&derived)?,
        });
    }
    let local = charts::Runs { image: HOST_PROCESS, executable: Some("probe") };
    let kind = charts::Runs { image: "the image of --probe-image", executable: None };
    for (place, runs) in [(Place::Local, local), (Place::Kind, kind)] {
        let source = format!("manifests/monitor, on the {} lab", place.name());
        all.push(Rendered { source, text: yaml(&sources.exporter(runs, place, MASK)?)? });
    }
    for file in ["ingress-nginx", "traefik"].into_iter().flat_map(|ingress| sources.files(ingress)) {
        let text = sources.values_text(file)?;
        all.push(Rendered { source: format!("values/{file}.yaml, on the kind lab"), text });
    }
    Ok(all)
}

fn runs<'a>(program: &'a Program, image: &'a str) -> charts::Runs<'a> {
    charts::Runs { image, executable: program.executable() }
}

/// Documents in one text.
///
/// # Errors
/// One is no YAML.
pub fn yaml(documents: &[Value]) -> Result<String> {
    let texts: Result<Vec<String>, _> = documents.iter().map(serde_yaml::to_string).collect();
    let texts = texts.map_err(|error| Error::environment(format!("a document is not YAML: {error}")))?;
    Ok(texts.join("---\n"))
}
