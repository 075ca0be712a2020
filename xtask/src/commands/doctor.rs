//! `doctor`: why a login fails, on the lab, on any cluster, or from outside alone.

use std::path::Path;
use std::time::Instant;

use probe::password::{self, NoPassword, Source};
use probe::{Password, Tls};

use crate::cli::DoctorArgs;
use crate::console::Tone;
use crate::login;
use crate::names::{ARGOCD_HOST, DEX_HOST, PASSWORD, USER, Workload};
use crate::report::Report;
use crate::session::Session;
use base::{Error, Exit, Result};
use doctor::{Diagnosis, Reader, Subject, User, examine};

/// Looks and says what it found.
///
/// # Errors
/// There is no lab and nothing else was named, or the kubeconfig cannot be used.
pub async fn doctor(session: &Session, args: &DoctorArgs, report: &mut Report) -> Result<Exit> {
    let since = Instant::now();
    let mut subject = subject(session, args).await?;
    subject.secret_check = !args.no_secret_check;
    let console = session.console.clone();
    subject.say = Box::new(move |line| console.note(line));
    let diagnosis = examine(&subject, args.before_rotation).await?;
    if !args.looks_elsewhere() {
        report.argocd = session.program(Workload::Argocd).await.unwrap_or_default();
        report.dex = session.program(session.dex()).await.unwrap_or_default();
    } else {
        // It is no lab that was looked at.
        (report.place, report.provider) = (None, None);
    }
    report.begun("doctor", since).more = diagnosis.fields();
    show(session, &diagnosis);
    Ok(diagnosis.exit())
}

fn show(session: &Session, diagnosis: &Diagnosis) {
    let console = &session.console;
    let tone = if diagnosis.findings.is_empty() { Tone::Good } else { Tone::Bad };
    console.result(&console.toned(tone, &diagnosis.headline()));
    console.explain(&diagnosis.body());
}

/// What is to be looked at, by the arguments.
async fn subject(session: &Session, args: &DoctorArgs) -> Result<Subject> {
    let mut subject = match (&args.context, &args.url) {
        (Some(context), _) => Subject {
            cluster: Some(Reader::of_context(args.kubeconfig.as_deref(), context).await?),
            provider_namespace: args.provider_namespace.clone(),
            ..Subject::new(&args.namespace, &kubectl(args.kubeconfig.as_deref(), context))
        },
        (None, Some(_)) => Subject::new(&args.namespace, "kubectl"),
        (None, None) => return lab(session, args).await,
    };
    subject.address.clone_from(&args.url);
    subject.resolve.clone_from(&args.resolve);
    if let Some(path) = &args.ca {
        let failed = |what: String| Error::environment(format!("--ca {} {what}", path.display()));
        let pem = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        subject.tls = Tls::with_ca(&pem).map_err(|error| failed(format!("cannot be used: {error}")))?;
    }
    if let Some(user) = &args.user {
        subject.user = Some(User::new(user, password(args).await?));
    }
    Ok(subject)
}

/// How a command for the cluster begins.
fn kubectl(kubeconfig: Option<&Path>, context: &str) -> String {
    match kubeconfig {
        Some(path) => format!("kubectl --kubeconfig {} --context {context}", path.display()),
        None => format!("kubectl --context {context}"),
    }
}

/// The lab, if there is one and no option is for another installation.
async fn lab(session: &Session, args: &DoctorArgs) -> Result<Subject> {
    if session.lab.find().await?.is_none() {
        return Err(Error::environment("no lab is up, and nothing else is named to be looked at").hint(
            "`--context NAME` looks at a cluster of your kubeconfig, `--url URL` from outside, `cargo xtask working` brings a lab up",
        ));
    }
    if !args.resolve.is_empty() || args.ca.is_some() || args.user.is_some() {
        return Err(Error::usage("--resolve, --ca and --user are for another installation than the lab")
            .hint("name it with --context or --url"));
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

async fn password(args: &DoctorArgs) -> Result<Password> {
    let source = args.password_env.as_deref().map_or(Source::Input, Source::Environment);
    password::read(source).await.map_err(|error| match error {
        NoPassword::Empty(_) => Error::usage(error.to_string()),
        NoPassword::Unreadable(message) => Error::environment(message),
    })
}
