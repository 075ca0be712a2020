//! The doctor as a command: what `kubectl argocd-sso` and `cargo xtask doctor` both do, by the same arguments.
//! What is said and exited with is an [`Answer`]; who prints it is the caller's business.

mod args;
mod typed;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use explain::Explanation;
use probe::password::{self, Source};
use probe::usage::nearest;
use probe::{CauseId, Password, Tls};
use releases::Release;
use serde_json::{Map, Value};

use crate::collect::{Reader, Say, Subject, User, collect};
use crate::files::standard_input;
use crate::shown::argument;
use crate::{Diagnosis, Files, Upgrade, role, travel, upgrade, watch};
use base::{Error, Exit, Result};

pub use args::{DoctorArgs, ExplainArgs, web_address};
pub use typed::releases;

/// What `explain --help` ends with.
pub const EXPLAIN_EXAMPLES: &str = "Examples:
  explain 'failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"'
  explain 'https://argocd.example.com/auth/callback?error=invalid_scope'
  explain argocd.har
  kubectl -n argocd logs deploy/argocd-server | explain -
  explain stale-argocd

Exit codes: 0 a cause is known, 1 none is, 2 no input, 3 it cannot be read.";

/// What came of it.
#[derive(Default)]
pub struct Answer {
    /// The outcome in a line.
    pub headline: String,
    /// More about it, for a person.
    pub body: String,
    /// For `--format json`: the fields of the command.
    pub fields: Map<String, Value>,
    /// For a report: logins with what was exchanged.
    pub traces: Vec<Value>,
    /// What the program exits with.
    pub exit: Exit,
    /// What GitHub is told of files, where it runs this: a command a line, for standard error.
    pub annotations: String,
}

/// What the arguments of the doctor alone do not say.
#[derive(Default)]
pub struct Around {
    /// What is looked at where nothing else is named.
    pub lab: Option<Subject>,
    /// How long `--watch` goes on.
    pub wait: Option<Duration>,
    /// The release that runs what `-f` names, where no image in it says so.
    pub release: Option<Release>,
}

/// Looks and says what it found.
///
/// # Errors
/// The kubeconfig, a file or the password cannot be used, or options do not go together.
pub async fn doctor(args: &DoctorArgs, around: Around, say: Say) -> Result<Answer> {
    if !args.files.is_empty() {
        return of_files(args, around.release).await;
    }
    if let Some(path) = &args.evidence {
        // It would be said after all was looked at.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let why = match (path.symlink_metadata().is_ok(), folder.is_none_or(Path::is_dir)) {
            (true, _) => Some("is there, and is not written over"),
            (false, false) => Some("cannot be written: there is no such folder"),
            (false, true) => None,
        };
        if let Some(why) = why {
            return Err(Error::environment(format!("{} {why}", path.display())).hint("name a new file"));
        }
    }
    let mut context = None;
    let evidence = match &args.from {
        Some(path) => travel::load(path)?,
        None => {
            let subject = subject(args, around.lab, &say).await?;
            context.clone_from(&subject.context);
            if args.print_role {
                return Ok(Answer::text("role", role(&subject).await?));
            }
            if args.watch {
                return watched(subject, around.wait).await;
            }
            collect(&subject).await?
        }
    };
    if let Some(path) = &args.evidence {
        travel::save(&evidence, path, args.names)?;
        say(&format!(
            "what was seen is in {}: no secret is in it{}",
            path.display(),
            match args.names {
                true => ", and the names are the real ones",
                false => ", and hosts, users and groups have other names there",
            }
        ));
    }
    if let Some(to) = &args.upgrade_to {
        return Ok(upgrade(&evidence, to)?.into());
    }
    let diagnosis = Diagnosis::of(&evidence, args.before_rotation);
    let mut answer = Answer::from(if args.names { diagnosis } else { diagnosis.without_names() });
    answer.traces = match args.from {
        // What was written down has no answers in full.
        Some(_) => vec![],
        None => evidence.outside.as_ref().map_or_else(Vec::new, |it| it.shown(args.names)),
    };
    answer.fields.extend(context.map(|name| ("context".to_owned(), name.into())));
    Ok(answer)
}

/// What is to be looked at.
async fn subject(args: &DoctorArgs, lab: Option<Subject>, say: &Say) -> Result<Subject> {
    let mut subject = match lab {
        Some(lab) => of_lab(args, lab)?,
        None => named(args, say).await?,
    };
    subject.secret_check = !args.no_secret_check;
    subject.say = Some(say.clone());
    if args.token_stdin {
        let token = probe::token_of(password::read(Source::Token).await?.reveal());
        if !probe::claims(&token).is_some_and(|claims| claims.is_object()) {
            return Err(Error::usage("standard input (--token-stdin) has no token that can be read")
                .hint("paste the value of the cookie argocd.token: three parts with dots between"));
        }
        subject.token = Some(Password::new(token));
    }
    Ok(subject)
}

async fn watched(mut subject: Subject, wait: Option<Duration>) -> Result<Answer> {
    // The lab's user is known, and not asked to log in again and again.
    subject.user = None;
    subject.each_replica = true;
    let (watched, diagnosis) = watch::watch(&subject, wait.unwrap_or(watch::WAIT)).await?;
    let mut fields = diagnosis.fields();
    fields.insert("watch".to_owned(), serde_json::json!(watched));
    let exit = match (watched.healed, diagnosis.looked) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Verdict,
        (false, false) => Exit::Environment,
    };
    Ok(Answer::new(watched.headline(&diagnosis), diagnosis.body(), fields, exit))
}

/// What manifests say.
async fn of_files(args: &DoctorArgs, release: Option<Release>) -> Result<Answer> {
    let input = match args.files.iter().any(|path| path.as_os_str() == "-") {
        true => standard_input()?,
        false => vec![],
    };
    let files = Files::read(&args.files, &input, args.namespace.as_deref())?;
    let evidence = files.evidence(release).await?;
    if let Some(to) = &args.upgrade_to {
        return Ok(upgrade(&evidence, to)?.into());
    }
    let diagnosis = files.diagnosis(&evidence, args.before_rotation);
    let annotations = diagnosis.annotations();
    Ok(Answer { annotations, ..Answer::from(diagnosis) })
}

impl Answer {
    /// A text that is printed as it is, and stands in this field of the document.
    pub fn text(field: &str, text: String) -> Self {
        let fields = Map::from_iter([(field.to_owned(), text.clone().into())]);
        Self { headline: text, fields, ..Self::default() }
    }

    fn new(headline: String, body: String, fields: Map<String, Value>, exit: Exit) -> Self {
        Self { headline, body, fields, exit, ..Self::default() }
    }
}

impl From<Upgrade> for Answer {
    fn from(it: Upgrade) -> Self {
        Self::new(it.headline(), it.body(), it.fields(), it.exit())
    }
}

impl From<Diagnosis> for Answer {
    fn from(it: Diagnosis) -> Self {
        Self::new(it.headline(), it.body(), it.fields(), it.exit())
    }
}

impl From<Explanation> for Answer {
    fn from(it: Explanation) -> Self {
        Self::new(it.headline(), it.body(), it.fields(), it.exit())
    }
}

/// A lab, unless something is said that only another installation can mean.
fn of_lab(args: &DoctorArgs, lab: Subject) -> Result<Subject> {
    let elsewhere = [
        ("--namespace", args.namespace.is_some()),
        ("--as", args.as_user.is_some()),
        ("--provider-namespace", args.provider_namespace.is_some()),
        ("--resolve", !args.resolve.is_empty()),
        ("--ca", args.ca.is_some()),
        ("--user", args.user.is_some()),
    ];
    match elsewhere.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Error::usage(format!("{option} is for another installation than the lab"))
            .hint("name it with --context or --url")),
        None => Ok(lab),
    }
}

/// The installation that the arguments name: by a kubeconfig, by an address, or by both.
async fn named(args: &DoctorArgs, say: &Say) -> Result<Subject> {
    let namespace = args.namespace.as_deref().unwrap_or("argocd");
    let mut subject = Subject::new(namespace, "kubectl");
    if args.looks_at_cluster() {
        let (reader, context) = Reader::of_user(&args.access()).await?;
        if args.context.is_none() {
            say(&format!(
                "the cluster of context {}, Argo CD in namespace {}",
                argument(&context),
                argument(namespace)
            ));
        }
        subject.context = Some(context.clone());
        subject.kubectl = kubectl(args.kubeconfig.as_deref(), &context);
        subject.cluster = Some(reader);
        subject.provider_namespace.clone_from(&args.provider_namespace);
    }
    subject.address.clone_from(&args.url);
    subject.resolve.clone_from(&args.resolve);
    if let Some(path) = &args.ca {
        let failed = |what: String| Error::environment(format!("--ca {} {what}", path.display()));
        let pem = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        subject.tls = Tls::with_ca(&pem).map_err(|error| failed(format!("cannot be used: {error}")))?;
    }
    if let Some(user) = &args.user {
        let source = args.password_env.as_deref().map_or(Source::Input, Source::Environment);
        subject.user = Some(User::new(user, password::read(source).await?));
    }
    Ok(subject)
}

/// How a command for a cluster of the user's begins.
pub fn kubectl(kubeconfig: Option<&Path>, context: &str) -> String {
    let context = argument(context);
    match kubeconfig {
        Some(path) => {
            format!("kubectl --kubeconfig {} --context {context}", argument(&path.to_string_lossy()))
        }
        None => format!("kubectl --context {context}"),
    }
}

/// Says what a pasted error, an address, a HAR or a log means; nothing is asked of anybody.
///
/// # Errors
/// There is no input, or it cannot be read.
pub fn explain(args: &ExplainArgs) -> Result<Answer> {
    let id = |name: &str| CauseId::ALL.iter().copied().find(|id| id.name() == name);
    let ExplainArgs { input, id: forced, file, text } = args;
    let explanation = match (forced.as_deref().and_then(id), file, text, input.as_deref()) {
        (Some(id), ..) => Explanation::of_id(id),
        (_, Some(path), ..) => explain::explain(&read(path)?)?,
        (_, _, Some(text), _) => explain::explain(text.as_bytes())?,
        (.., Some("-")) => explain::explain(&bounded(&mut std::io::stdin().lock(), "standard input")?)?,
        (.., Some(input)) => match id(input) {
            Some(id) => Explanation::of_id(id),
            None if Path::new(input).is_file() => explain::explain(&read(Path::new(input))?)?,
            None => {
                let mut explanation = explain::explain(input.as_bytes())?;
                if explanation.causes.is_empty() && !input.contains(char::is_whitespace) {
                    let nearest = nearest(input, CauseId::ALL.iter().map(|id| id.name()));
                    let meant = nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
                    explanation.notes.push(format!("no file is called so, and no cause{meant}"));
                }
                explanation
            }
        },
        _ => return Err(Error::usage("there is nothing to explain").hint("`-` reads standard input")),
    };
    Ok(explanation.into())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display().to_string();
    bounded(&mut std::fs::File::open(path).map_err(|error| unreadable(&name, &error))?, &name)
}

fn unreadable(name: &str, error: &std::io::Error) -> Error {
    Error::environment(format!("{name} cannot be read: {error}"))
}

/// An input, up to what is looked at.
fn bounded(input: &mut dyn std::io::Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    let limit = explain::MOST as u64 + 1;
    input.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
    if bytes.len() > explain::MOST {
        return Err(Error::environment(format!("{name} is larger than {} MiB", explain::MOST >> 20))
            .hint("cut out the part around the error"));
    }
    Ok(bytes)
}
