//! Whether this installation survives a change of its client secret.

use probe::CauseId;
use releases::Era;

use super::{at_field, stale};
use crate::advice::{self, Reloader};
use crate::evidence::{Evidence, OWN, Reference, Term};
use crate::finding::{Certainty, Finding, When};
use crate::shown::object;

/// What would fail after the client secret is changed at the provider and in the Secret.
pub fn check(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = vec![];
    let deployment = advice::at_server(evidence);
    let reloader = advice::reloader(evidence);
    if let Some(Term::Plain(value)) = evidence.oidc().map(|config| &config.client_secret)
        && !value.is_empty()
    {
        findings.push(
            Finding::new(CauseId::SecretReference, at_field("clientSecret"))
                .when(When::Later)
                .seen("the client secret stands in argocd-cm itself")
                .why("whoever may read ConfigMaps may read it, and a rotation has to edit argocd-cm")
                .fix("put it into a Secret with the label app.kubernetes.io/part-of=argocd, and name it: clientSecret: $SECRET:KEY"),
        );
    }
    if reloader == Some(Reloader::Named) {
        return findings;
    }
    let Some(release) = &evidence.release else { return findings };
    let finding = |id: CauseId| {
        let auto = (reloader == Some(Reloader::AutoOnly)).then(|| {
            "Reloader is to find out by itself which Secrets matter, and does not see those that are read through the API".to_owned()
        });
        Finding::new(id, deployment.clone())
            .when(When::Later)
            .seen_if(stale::era(evidence))
            .seen_if(auto)
            .fix(format!("after the rotation: {}", advice::restart_argocd(evidence)))
            .lasting(advice::lasting(evidence))
    };
    let of_era = match release.era() {
        Era::NoReferences | Era::ComparesText | Era::KeepsClientApp => finding(CauseId::StaleArgocd)
            .why("this release goes on with the old client secret: every login is refused until a restart"),
        Era::BothAnswer => finding(CauseId::StaleReplica).why(
            "the old handler goes on beside the new one: logins are refused now and then until a restart",
        ),
        Era::ReloadsInLoop => finding(CauseId::StaleArgocd)
            .certainty(Certainty::Likely)
            .why("this release rebuilds its server when the secret changes, and may hang while it does"),
        Era::Reloads | Era::ReloadsAgain => {
            return findings.into_iter().chain(unlabelled_own(evidence)).collect();
        }
    };
    findings.push(of_era);
    findings
}

/// From v3.5.0 a change of an unlabelled argocd-secret is noticed by nobody.
fn unlabelled_own(evidence: &Evidence) -> Option<Finding> {
    let own = matches!(evidence.client_reference(), Some(Reference::Own(_)));
    let secret = evidence.argocd_secret.there()?;
    let release = evidence.release.as_ref()?;
    (own && !secret.labelled && release.is_at_least(3, 5, 0)).then(|| {
        Finding::new(
            CauseId::SecretUnlabelled,
            format!("{}, metadata.labels", object("Secret", &evidence.namespace, OWN)),
        )
        .when(When::Later)
        .seen("argocd-secret holds the client secret and has no label app.kubernetes.io/part-of=argocd")
        .why(advice::LABELLED_ALONE)
        .fix(advice::label_own_secret(evidence))
    })
}

/// How a rotation is done safely here, in order.
pub fn safe_order(evidence: &Evidence) -> Vec<String> {
    let reloads = evidence.release.as_ref().is_some_and(advice::reloads);
    let then = match reloads {
        true => "wait until logins pass again: this release takes it over by itself, after open requests have ended (20 s at most); change nothing else meanwhile, since a second change in that time is lost".to_owned(),
        false => format!("restart argocd-server: {}", advice::restart_argocd(evidence)),
    };
    let provider = match evidence.provider.own_secret() {
        Some((secret, key)) => format!(
            "write the new secret into {}, and restart Dex, which reads it when it starts: {}",
            secret.place_of(key),
            advice::restart_dex(evidence)
        ),
        None => "write the new secret at the provider; where it takes the old one for a while too, let it"
            .to_owned(),
    };
    vec![provider, "write it into Argo CD's Secret".to_owned(), then]
}
