//! `monitor`: where the exporter is, and what Prometheus is told about it.

use serde_json::{Value, json};

use crate::session::Session;
use base::Result;
use cluster::names::{ARGOCD_HOST, EXPORTER_HOST};

/// An exporter that answers.
pub struct Exporter {
    address: String,
    target: String,
    rules: String,
}

impl Exporter {
    /// That of a lab that is up.
    ///
    /// # Errors
    /// It is not up.
    pub async fn of(session: &Session) -> Result<Self> {
        let port = session.access().await?.ingress.port();
        let rules = session.sources.root().join("manifests/monitor/rules.yaml");
        Ok(Self {
            address: format!("{EXPORTER_HOST}:{port}"),
            target: session.scheme().url(ARGOCD_HOST),
            rules: rules.display().to_string(),
        })
    }

    /// One login, and what came of it.
    pub fn login(&self) -> String {
        format!("http://{}/probe?target={}", self.address, self.target)
    }

    /// For `--format json`.
    pub fn fields(&self) -> Value {
        let address = format!("http://{}", self.address);
        json!({"address": address, "target": self.target, "login": self.login(), "prometheus": self.prometheus()})
    }

    /// The whole configuration of a Prometheus that watches the lab, and is told its alerts.
    pub fn prometheus(&self) -> String {
        let Self { address, target, rules } = self;
        format!(
            "global: {{scrape_interval: 5s, evaluation_interval: 5s}}
rule_files: ['{}']
scrape_configs:
  - job_name: argocd-logins
    metrics_path: /probe
    static_configs:
      - targets: ['{target}']
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: '{address}'}}
  - job_name: argocd-logins-exporter
    static_configs:
      - targets: ['{address}']
",
            rules.replace('\'', "''")
        )
    }
}
