//! Meets each replica alone, through the cluster API's proxy to its pod: makes it begin
//! a login and redeem a code that nobody gave out.

use http::header::{LOCATION, SET_COOKIE};
use probe::rehearsal::{self, Redeemed};
use probe::{Cause, Failure, Step};
use releases::Era;
use url::Url;

use super::cluster::{note, one};
use super::reader::{Page, Reader, Unread};
use crate::evidence::{Evidence, Rehearsed, Taken, is_known};
use crate::shown::shown;

/// The pods that are met. More of them are as old as one of these, most likely.
const MOST: usize = 10;
/// How often a server is met that may have several handlers.
const BOTH_ANSWER: usize = 4;

/// A login that a pod has begun.
struct Begun {
    /// Path and query of the callback with the code that nobody gave out.
    callback: String,
    /// The same with a state that nobody gave out.
    elsewhere: String,
    /// The cookie that has to come back with it.
    cookie: Option<String>,
}

/// Rehearses at each pod, and across pods where there are several.
pub async fn meet(reader: &Reader, evidence: &mut Evidence) {
    const WHAT: &str = "each replica by itself (whether all of them present the same client secret)";
    let times = if evidence.era() == Some(Era::BothAnswer) { BOTH_ANSWER } else { 1 };
    let way = Way::of(reader, evidence);
    let running: Vec<usize> = (0..evidence.pods.len()).filter(|at| evidence.pods[*at].runs()).collect();
    if running.len() > MOST {
        evidence.note(format!("all replicas but the first {MOST} by themselves"), "there are many");
    }
    let names: Vec<String> = running.iter().take(MOST).map(|at| evidence.pods[*at].name.clone()).collect();
    let rehearsals = names.iter().map(|name| way.rehearse(name, times));
    let (rehearsed, crossed) = futures::join!(futures::future::join_all(rehearsals), way.cross(&names));
    for (at, rehearsed) in running.into_iter().zip(rehearsed) {
        match rehearsed {
            Ok(rehearsed) => {
                if let Some(words) = rehearsed.iter().find_map(|it| foreign(evidence, it)) {
                    evidence.note(WHAT, words);
                }
                evidence.pods[at].rehearsed = rehearsed;
            }
            Err(unread) => evidence.note_all(note(WHAT, &unread)),
        }
    }
    evidence.crossed = crossed;
}

/// The words of an answer that says nothing about the installation: a mesh or a path in
/// between, or a provider with words of its own.
fn foreign(evidence: &Evidence, rehearsed: &Rehearsed) -> Option<String> {
    let failure = match rehearsed {
        Rehearsed::NotBegun(failure) => failure,
        Rehearsed::Redeemed(redeemed) if redeemed.answer().is_none() => &redeemed.0,
        Rehearsed::Redeemed(redeemed) if evidence.takes_presented(redeemed) == Taken::Unclear => {
            return Some(format!(
                "to a code that nobody gave out a pod says: {}",
                shown(&redeemed.0.message)
            ));
        }
        Rehearsed::Redeemed(_) => return None,
    };
    (!is_known(failure)).then(|| format!("a pod answers: {}", shown(&failure.message)))
}

/// The way to the pods.
struct Way<'a> {
    reader: &'a Reader,
    namespace: String,
    schemes: [&'static str; 2],
    root: String,
}

impl<'a> Way<'a> {
    fn of(reader: &'a Reader, evidence: &Evidence) -> Self {
        let root = evidence.root_path.trim_matches('/');
        Self {
            reader,
            namespace: evidence.namespace.clone(),
            // What the settings say comes first; they may be younger than the server.
            schemes: match evidence.insecure {
                Some(true) => ["http", "https"],
                _ => ["https", "http"],
            },
            root: if root.is_empty() { String::new() } else { format!("/{root}") },
        }
    }

    async fn get(&self, pod: &str, path: &str, cookie: Option<&str>) -> Result<Page, Unread> {
        let right = one(&self.namespace, "pods/proxy", pod);
        let path = format!("{}{path}", self.root);
        let mut first = None;
        for scheme in self.schemes {
            match self.reader.proxied(&right, &format!("{scheme}:{pod}:8080"), &path, cookie).await {
                Err(unread @ Unread::Failed(_)) => first = first.or(Some(unread)),
                other => return other,
            }
        }
        Err(first.unwrap_or(Unread::Absent))
    }

    async fn rehearse(&self, pod: &str, times: usize) -> Result<Vec<Rehearsed>, Unread> {
        let mut all = vec![];
        for _ in 0..times {
            all.push(match self.begin(pod).await? {
                Err(failure) => Rehearsed::NotBegun(failure),
                Ok(begun) => {
                    let page = self.get(pod, &begun.callback, begun.cookie.as_deref()).await?;
                    Rehearsed::Redeemed(Redeemed::of(page.status, &page.text()))
                }
            });
        }
        Ok(all)
    }

    /// Begins a login at the first pod and ends it at each other one, with another state: whether a pod can read
    /// the cookie of the first shows before anything is asked of the provider.
    async fn cross(&self, pods: &[String]) -> Vec<(String, String, Option<Failure>)> {
        let Some((first, others)) = pods.split_first() else { return vec![] };
        let each = others.iter().map(|other| async move {
            let begun = self.begin(first).await.ok()?.ok()?;
            let page = self.get(other, &begun.elsewhere, begun.cookie.as_deref()).await.ok()?;
            let failure = rehearsal::failure(Step::Callback, page.status, &page.text());
            Some((first.clone(), other.clone(), (failure.cause != Cause::StateMismatch).then_some(failure)))
        });
        futures::future::join_all(each).await.into_iter().flatten().collect()
    }

    async fn begin(&self, pod: &str) -> Result<Result<Begun, Failure>, Unread> {
        let page = self.get(pod, "/auth/login", None).await?;
        let location = page.headers.get(LOCATION).and_then(|it| it.to_str().ok());
        let authorize =
            location.filter(|_| (300..400).contains(&page.status)).and_then(|it| it.parse::<Url>().ok());
        let path = |url: Url| format!("/auth/callback?{}", url.query().unwrap_or_default());
        let callbacks = authorize.as_ref().and_then(|authorize| {
            Some((path(rehearsal::callback(authorize)?), path(rehearsal::callback_of_nobody(authorize)?)))
        });
        let Some((callback, elsewhere)) = callbacks else {
            return Ok(Err(match location {
                Some(to) if page.status < 400 => {
                    let words = format!("redirects to {}", shown(to.split('?').next().unwrap_or_default()));
                    Failure::new(Step::Login, Some(page.status), words, Cause::NoRedirect)
                }
                _ => rehearsal::failure(Step::Login, page.status, &page.text()),
            }));
        };
        let cookies: Vec<&str> = page
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .collect();
        Ok(Ok(Begun { callback, elsewhere, cookie: (!cookies.is_empty()).then(|| cookies.join("; ")) }))
    }
}
