//! `doctor` and `explain`: why a login fails, on the lab, on any cluster, from outside alone, or by what was pasted.

use std::sync::Arc;

use doctor::command::{self, Answer, Around, DoctorArgs, ExplainArgs};
use doctor::{Reader, Subject, User};
use probe::Password;
use serde_json::Map;

use crate::console::Console;
use crate::login;
use crate::record::{Entry, GoalRecord};
use crate::session::Session;
use base::{Error, Exit, Result};
use cluster::names::{ARGOCD_HOST, DEX_HOST, PASSWORD, USER, Workload};

/// Looks and says what it found.
///
/// # Errors
/// There is no lab and nothing else was named, or the kubeconfig cannot be used.
pub async fn doctor(session: &Session, args: &DoctorArgs, entry: &mut Entry<'_>) -> Result<Exit> {
    let report = &mut *entry.report;
    let lab = if args.looks_elsewhere() { None } else { Some(lab(session).await?) };
    if lab.is_some() {
        report.argocd = session.program(Workload::Argocd).await.unwrap_or_default();
        report.dex = session.program(session.dex()).await.unwrap_or_default();
    } else {
        // It is no lab that is looked at.
        (report.place, report.provider, report.tls) = (None, None, None);
    }
    let console = session.console.clone();
    let (wait, release) = (session.options.wait, session.options.argocd.clone());
    let around = Around { lab, wait, release };
    let answer = command::doctor(args, around, Arc::new(move |line| console.note(line))).await?;
    Ok(said(&session.console, answer, entry))
}

/// Says what a pasted error, an address, a HAR or a log means.
///
/// # Errors
/// There is no input, or it cannot be read.
pub fn explain(console: &Console, args: &ExplainArgs, record: &mut GoalRecord) -> Result<Exit> {
    Ok(said(console, command::explain(args)?, record))
}

fn said(console: &Console, answer: Answer, record: &mut GoalRecord) -> Exit {
    // Roles are no line, and may be on their way to kubectl.
    match answer.headline.contains('\n') {
        true => console.verbatim(&answer.headline),
        false => console.judged(answer.exit == Exit::Done, &answer.headline),
    }
    console.explain(&answer.body);
    console.annotate(&answer.annotations);
    record.more = answer.fields;
    record.shown = Map::from_iter([("traces".to_owned(), answer.traces.into())]);
    answer.exit
}

/// The lab, if there is one.
async fn lab(session: &Session) -> Result<Subject> {
    if session.lab.find().await?.is_none() {
        return Err(Error::environment("no lab is up, and nothing else is named to be looked at").hint(
            "`--context NAME` looks at a cluster of your kubeconfig, `--url URL` from outside, `cargo xtask working` brings a lab up",
        ));
    }
    of_lab(session).await
}

/// A lab as a subject: everything may be read, every name leads to its ingress, and its user
/// is known.
///
/// # Errors
/// It is not up.
pub async fn of_lab(session: &Session) -> Result<Subject> {
    let access = session.access().await?;
    let login = login::options(session).await?;
    // Argo CD may have been pointed at a provider that is none of the lab's.
    let only_at = [DEX_HOST, ARGOCD_HOST].map(str::to_owned).to_vec();
    let user = User { only_at, ..User::new(USER, Password::new(PASSWORD)) };
    Ok(Subject {
        cluster: Some(Reader::of_kubeconfig(&access.kubeconfig, &access.context).await?),
        provider_namespace: (session.dex() == Workload::Dex).then(|| Workload::Dex.namespace().to_owned()),
        address: Some(login.argocd),
        user: Some(user),
        resolve: login.resolve,
        tls: login.tls,
        ..Subject::new(Workload::Argocd.namespace(), "cargo xtask kubectl --")
    })
}
