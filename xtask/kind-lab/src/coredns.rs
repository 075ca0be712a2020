//! The cluster's own name server learns that `dex.host` is Dex's Service.
//!
//! Inside the cluster Argo CD asks for the issuer under the name that browsers use.
//! Nothing there knows that name, and `.host` is a top-level domain of the internet,
//! where somebody else may answer. So one line goes into the live Corefile, between
//! markers: the rest is the cluster's own, differs from release to release, and stays.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use base::{Error, Result};
use cluster::names::COREDNS;
use cluster::{Cluster, failed};

/// The line before what is the lab's.
const BEGIN: &str = "# oidc-lab begin";
/// The line after it.
const END: &str = "# oidc-lab end";

/// On CoreDNS's pods: the Corefile that they were started for.
const STARTED_FOR: &str = "oidc-lab/corefile";

/// Puts lines into the live Corefile and starts CoreDNS anew, if it has not read them
/// yet. Says what was done.
///
/// # Errors
/// There is no CoreDNS as kubeadm makes it, or the cluster does not answer.
pub async fn rewrite(cluster: &Cluster, lines: &str) -> Result<&'static str> {
    let configs: Api<ConfigMap> = Api::namespaced(cluster.client(), COREDNS.namespace);
    let config = configs.get(COREDNS.name).await.map_err(|error| failed(error).context("CoreDNS"))?;
    let live = config.data.as_ref().and_then(|data| data.get("Corefile"));
    let live = live.ok_or_else(|| Error::environment("CoreDNS has no Corefile"))?;
    let wanted = with_lines(live, lines)?;
    if wanted != *live {
        // With the version that was read: what somebody else changed meanwhile is not lost.
        let version = config.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "data": {"Corefile": wanted}});
        configs.patch(COREDNS.name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
    }
    let hash = super::hash(wanted.as_bytes(), 8);
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), COREDNS.namespace);
    let deployment = deployments.get(COREDNS.name).await.map_err(failed)?;
    let template = deployment.spec.and_then(|spec| spec.template.metadata);
    let started_for = template.and_then(|metadata| metadata.annotations?.remove(STARTED_FOR));
    if started_for.as_ref() == Some(&hash) {
        return Ok("kept");
    }
    // Left alone it would read the text within a minute or two; new pods read it at once.
    // The annotation also tells a later run that a killed one had come this far.
    let annotations = json!({STARTED_FOR: hash});
    let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
    deployments.patch(COREDNS.name, &PatchParams::default(), &Patch::Merge(patch)).await.map_err(failed)?;
    Ok("rewritten")
}

/// A Corefile with lines at the beginning of its `.:53` block, in place of those that
/// stand between the markers.
fn with_lines(corefile: &str, lines: &str) -> Result<String> {
    let mut kept = vec![];
    let mut inside = false;
    for line in corefile.lines() {
        match line.trim() {
            BEGIN => inside = true,
            END => inside = false,
            _ if !inside => kept.push(line),
            _ => {}
        }
    }
    let block = kept.iter().position(|line| {
        let line = line.trim();
        line.ends_with('{') && line.split_whitespace().any(|part| part.trim_end_matches('{') == ".:53")
    });
    let Some(block) = block.filter(|_| !inside) else {
        return Err(Error::environment("CoreDNS's Corefile has no `.:53` block to put a rewrite into").hint(
            "`cargo xtask kubectl -- -n kube-system get configmap coredns -o yaml` shows it; `cargo xtask down working` begins anew",
        ));
    };
    let indent: String = kept
        .get(block + 1)
        .map_or("    ".into(), |line| line.chars().take_while(|c| c.is_whitespace()).collect());
    let mut text = String::new();
    for (place, line) in kept.iter().enumerate() {
        text.push_str(line);
        text.push('\n');
        if place == block {
            for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                text.push_str(&indent);
                text.push_str(line.trim());
                text.push('\n');
            }
        }
    }
    if !corefile.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str =
        "# oidc-lab begin\nrewrite name dex.host dex-host.dex.svc.cluster.local\n# oidc-lab end\n";

    /// kubeadm's, since late 2024.
    const LIVE: &str = include_str!("../../examples/fake_tools/Corefile");

    #[test]
    fn the_lines_go_first_into_the_block_and_all_else_stays() {
        let once = with_lines(LIVE, LINES).unwrap();
        assert!(once.starts_with(
            ".:53 {\n    # oidc-lab begin\n    rewrite name dex.host dex-host.dex.svc.cluster.local\n    # oidc-lab end\n    errors\n"
        ));
        let without: Vec<&str> = once.lines().filter(|line| !LINES.contains(line.trim())).collect();
        assert_eq!(without.join("\n") + "\n", LIVE.replace("    \n", ""));
    }

    #[test]
    fn a_second_time_changes_nothing_and_other_lines_take_the_place_of_the_first() {
        let once = with_lines(LIVE, LINES).unwrap();
        assert_eq!(with_lines(&once, LINES).unwrap(), once);
        let other = LINES.replace("dex-host", "other");
        assert_eq!(with_lines(&once, &other).unwrap(), with_lines(LIVE, &other).unwrap());
    }

    #[test]
    fn a_stub_domain_before_the_block_stays_where_it_is() {
        let live = format!("corp.example:53 {{\n    forward . 10.0.0.1\n}}\n{LIVE}");
        let text = with_lines(&live, LINES).unwrap();
        assert!(
            text.starts_with("corp.example:53 {\n    forward . 10.0.0.1\n}\n.:53 {\n    # oidc-lab begin")
        );
    }

    #[test]
    fn a_text_without_its_last_newline_keeps_it_so() {
        let text = with_lines(LIVE.trim_end(), LINES).unwrap();
        assert!(text.ends_with('}'));
    }

    #[test]
    fn a_corefile_that_is_not_kubeadms_is_left_alone() {
        for text in ["", "cluster.local {\n}\n", ".:53 {\n# oidc-lab begin\n}\n"] {
            assert!(with_lines(text, LINES).unwrap_err().to_string().contains("no `.:53` block"), "{text}");
        }
    }
}
