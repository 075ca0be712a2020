//! What releases are known to do, to hold what was seen against. It was measured on
//! real servers; nothing here reaches the stand-ins.

use probe::{Cause, FailureGroup, Step, Verdict};
use releases::{Era, Release};
use serde::Serialize;
use std::fmt;

pub use crate::cli::Stage;
use crate::programs::Kind;
use cluster::names::Provider;

/// The verdict that is known of a release at a stage; `None` where it is not certain.
pub fn verdict(release: &Release, stage: Stage, provider: Provider) -> Option<Verdict> {
    if provider == Provider::Bundled {
        return bundled(release.era(), stage);
    }
    match (release.era(), stage) {
        // The reference to another Secret reaches Dex as text.
        (Era::NoReferences, _) => Some(Verdict::Refused),
        (_, Stage::Working | Stage::Fix) => Some(Verdict::LoggedIn),
        (_, Stage::FirstStart) if release.first_start_loses_sso() => Some(Verdict::Refused),
        (_, Stage::FirstStart) => Some(Verdict::LoggedIn),
        (Era::ComparesText | Era::KeepsClientApp, _) => Some(Verdict::Refused),
        (Era::BothAnswer, _) => Some(Verdict::Mixed),
        // It passes or hangs.
        (Era::ReloadsInLoop, _) => None,
        (Era::Reloads | Era::ReloadsAgain, _) => Some(Verdict::LoggedIn),
    }
}

/// The same where the Dex inside Argo CD checks users: nothing refers to another Secret, and
/// every release compares what Dex is to run with, its client secret included.
fn bundled(era: Era, stage: Stage) -> Option<Verdict> {
    match (era, stage) {
        (_, Stage::Working | Stage::Fix) => Some(Verdict::LoggedIn),
        // It passes or hangs, as wherever a server is made anew in its process; and no story
        // begins on an empty Secret.
        (Era::NoReferences | Era::ComparesText | Era::ReloadsInLoop, _) | (_, Stage::FirstStart) => None,
        (Era::BothAnswer, _) => Some(Verdict::Mixed),
        (Era::KeepsClientApp, _) => Some(Verdict::Refused),
        (Era::Reloads | Era::ReloadsAgain, _) => Some(Verdict::LoggedIn),
    }
}

/// Releases whose stories with the Dex inside Argo CD were seen on the real programs.
const BUNDLED: [&str; 4] = ["v2.12.1", "v3.3.6", "v3.3.7", "v3.5.1"];

/// Whether what is known of a release was seen, and not concluded from others of its era.
pub fn is_measured(release: &Release, provider: Provider) -> bool {
    provider == Provider::Dex || BUNDLED.contains(&release.to_string().as_str())
}

/// What is said of releases whose stories were not seen.
pub fn assumed(releases: &[String]) -> String {
    format!(
        "  assumed, by the era: what is known of {} with the Dex inside Argo CD (seen of {})",
        releases.join(", "),
        BUNDLED.join(", ")
    )
}

/// Where a login is refused, and by what kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The step.
    pub step: Step,
    /// What kind of answer it was.
    pub answer: Cause,
}

impl Refusal {
    /// That of failures that are alike.
    pub fn of(failure: &FailureGroup) -> Self {
        Self { step: failure.step, answer: failure.answer }
    }
}

/// `callback (invalid-client)`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = serde_json::to_value(self.answer).unwrap_or_default();
        write!(f, "{} ({})", self.step, answer.as_str().unwrap_or_default())
    }
}

/// The refusals that are known at a stage: each login that fails there fails in one of
/// these ways. Empty where no failure is known, or none is certain.
pub fn refusals(release: &Release, stage: Stage, provider: Provider) -> &'static [Refusal] {
    // Dex does not take the secret that Argo CD shows.
    const SECRET: &[Refusal] = &[Refusal { step: Step::Callback, answer: Cause::InvalidClient }];
    // The server runs without SSO, or with none of its settings.
    const NO_SSO: &[Refusal] = &[
        Refusal { step: Step::Login, answer: Cause::SsoOff },
        Refusal { step: Step::Login, answer: Cause::FirstStart },
    ];
    // Of two servers each has its own key, of which the client secret is made and by which the
    // state's cookie is read: a login that one begins the other cannot end.
    const KEYS: &[Refusal] = &[SECRET[0], Refusal { step: Step::Callback, answer: Cause::ServerKeyChanged }];
    match (verdict(release, stage, provider), release.era(), stage) {
        (Some(Verdict::Mixed), ..) if provider == Provider::Bundled => KEYS,
        (Some(Verdict::Refused), Era::NoReferences, _) => SECRET,
        (Some(Verdict::Refused), _, Stage::FirstStart) => NO_SSO,
        (Some(Verdict::Refused | Verdict::Mixed), ..) => SECRET,
        _ => &[],
    }
}

/// Whether what was seen at a stage is what is known of it: the verdict, and how each
/// failure came about. Where no verdict is certain, everything is.
pub fn as_known(
    release: &Release,
    stage: Stage,
    provider: Provider,
    seen: Verdict,
    failures: &[Refusal],
) -> bool {
    let Some(known) = verdict(release, stage, provider) else { return true };
    let ways = refusals(release, stage, provider);
    known == seen && failures.iter().all(|failure| ways.contains(failure))
}

/// Logins that tell `mixed` from the rest: how many at least, and how many at most while
/// all of them end alike.
///
/// Where both handlers answer, a real server lets one of them take many connections in a
/// row: of twenty logins, none and one and three were seen to pass, of a hundred none. So
/// it goes on while all end alike, and lets others knock in between ([`probe::Options`]).
/// The stand-in's logins do not depend on each other. Elsewhere all logins fare alike, and
/// five are enough.
pub fn logins(release: Option<&Release>, kind: Kind) -> (u32, u32) {
    match (release.map(Release::era), kind) {
        (Some(Era::BothAnswer), Kind::Real) => (20, 100),
        (Some(Era::BothAnswer), Kind::StandIn) => (20, 20),
        _ => (5, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_releases() {
        use Verdict::{LoggedIn, Mixed, Refused};
        for (release, after_break) in [
            ("v2.1.0", Some(Refused)),
            ("v2.4.0", None),
            ("v2.12.1", Some(Mixed)),
            ("v3.2.0", Some(LoggedIn)),
            ("v3.3.6", Some(Refused)),
            ("v3.5.1", Some(LoggedIn)),
        ] {
            let release = Release::parse(release).unwrap();
            assert_eq!(verdict(&release, Stage::Break, Provider::Dex), after_break, "{release}");
            assert_eq!(verdict(&release, Stage::Broken, Provider::Dex), after_break, "{release}");
            assert_eq!(verdict(&release, Stage::Fix, Provider::Dex), Some(LoggedIn), "{release}");
        }
    }

    #[test]
    fn with_the_dex_inside_releases_are_known_as_they_were_seen_and_the_others_assumed() {
        use Verdict::{LoggedIn, Mixed, Refused};
        for (release, after_break, measured) in [
            ("v2.1.0", None, false),
            ("v2.12.1", Some(Mixed), true),
            ("v2.13.0", Some(Mixed), false),
            ("v3.3.6", Some(Refused), true),
            ("v3.3.7", Some(LoggedIn), true),
            ("v3.5.1", Some(LoggedIn), true),
        ] {
            let release = Release::parse(release).unwrap();
            assert_eq!(verdict(&release, Stage::Break, Provider::Bundled), after_break, "{release}");
            assert_eq!(verdict(&release, Stage::Working, Provider::Bundled), Some(LoggedIn), "{release}");
            assert_eq!(is_measured(&release, Provider::Bundled), measured, "{release}");
            assert!(is_measured(&release, Provider::Dex));
        }
    }

    #[test]
    fn a_refusal_counts_as_known_only_at_its_step_and_with_its_answer() {
        let release = |name: &str| Release::parse(name).unwrap();
        let at = |step, answer| vec![Refusal { step, answer }];
        let secret = at(Step::Callback, Cause::InvalidClient);
        for (name, stage, verdict, failures, expected) in [
            ("v3.3.6", Stage::Break, Verdict::Refused, secret.clone(), true),
            (
                "v3.3.6",
                Stage::Break,
                Verdict::Refused,
                at(Step::Authorize, Cause::FrontWithoutBackend),
                false,
            ),
            ("v3.3.6", Stage::Break, Verdict::Refused, at(Step::Callback, Cause::TokenRejected), false),
            ("v3.3.6", Stage::Break, Verdict::LoggedIn, vec![], false),
            ("v3.3.6", Stage::FirstStart, Verdict::Refused, at(Step::Login, Cause::SsoOff), true),
            ("v3.3.6", Stage::FirstStart, Verdict::Refused, secret.clone(), false),
            ("v2.12.1", Stage::Broken, Verdict::Mixed, secret.clone(), true),
            ("v2.12.1", Stage::Broken, Verdict::Mixed, at(Step::Login, Cause::Timeout), false),
            ("v2.4.2", Stage::Broken, Verdict::Mixed, at(Step::Login, Cause::Timeout), true),
            ("v3.5.1", Stage::Fix, Verdict::LoggedIn, vec![], true),
        ] {
            let seen = as_known(&release(name), stage, Provider::Dex, verdict, &failures);
            assert_eq!(seen, expected, "{name} {stage:?} {verdict} {failures:?}");
        }
        assert_eq!(secret[0].to_string(), "callback (invalid-client)");
    }

    #[derive(serde::Deserialize)]
    struct Measured {
        dex: String,
        logins: std::collections::BTreeMap<String, [usize; 2]>,
    }

    fn measured() -> std::collections::BTreeMap<String, Measured> {
        serde_json::from_str(include_str!("../measured.json")).unwrap()
    }

    /// `doctor --upgrade-to` between any two releases that were measured says what was seen of the second.
    #[tokio::test]
    async fn an_upgrade_is_foretold_as_it_was_measured() {
        use doctor::Change;
        const MANIFESTS: &str = "kind: ConfigMap\nmetadata: {name: argocd-cm}\ndata:\n  url: http://argocd.host\n  oidc.config: |\n    issuer: http://dex.host\n    clientID: argo-cd\n    clientSecret: $argocd-oidc:clientSecret\n---\nkind: Secret\nmetadata: {name: argocd-secret}\n";
        let files = doctor::Files::read(&["-".into()], MANIFESTS.as_bytes(), None).unwrap();
        let measured = measured();
        let mut foretold = 0;
        for (from, before) in &measured {
            let from = release_of(from);
            let evidence = files.evidence(Some(from.clone())).await.unwrap();
            for (to, after) in &measured {
                let to = release_of(to);
                if to < from {
                    assert!(doctor::upgrade(&evidence, &to).is_err(), "{from} {to}");
                    continue;
                }
                let upgrade = doctor::upgrade(&evidence, &to).unwrap();
                let says = |changes: &[Change]| upgrade.steps.iter().any(|step| changes.contains(&step.id));
                let [ok, total] = after.logins["break"];
                let expected: &[Change] = match ok {
                    0 => &[Change::KeepsOldSecret],
                    // That it may hang is known of the code, and was not met.
                    ok if ok == total => &[Change::TakesOver, Change::MayHang],
                    _ => &[Change::TwoMinds],
                };
                let kind = |[ok, total]: [usize; 2]| (ok > 0, ok == total);
                let differs = kind(before.logins["break"]) != kind(after.logins["break"]);
                let hangs = |release: &Release| release.era() == Era::ReloadsInLoop;
                assert!(!differs || says(expected), "{from} {to}: {:?}", upgrade.steps);
                let all = [Change::KeepsOldSecret, Change::TwoMinds, Change::TakesOver, Change::MayHang];
                let same = !differs && hangs(&from) == hangs(&to);
                assert!(!same || !says(&all), "{from} {to}: {:?}", upgrade.steps);
                let loses = from != to && after.logins["first_start"][0] == 0;
                assert_eq!(says(&[Change::FirstStart]), loses, "{from} {to}");
                foretold += usize::from(differs) + usize::from(loses);
            }
        }
        assert!(foretold > 100, "{foretold}");
    }

    /// What the program says of releases was measured: both are written by hand from the
    /// same servers, and neither may move without the other.
    #[test]
    fn what_is_known_is_what_was_measured() {
        let measured = measured();
        let stages = [
            ("working", Stage::Working),
            ("break", Stage::Break),
            ("broken", Stage::Broken),
            ("fix", Stage::Fix),
            ("first_start", Stage::FirstStart),
        ];
        let mut eras = std::collections::BTreeSet::new();
        for (name, Measured { dex, logins }) in &measured {
            assert!(dex.ends_with("(real)"), "{name}: a stand-in proves nothing: {dex}");
            let release = Release::parse(name).unwrap();
            eras.insert(release.era());
            assert_eq!(logins.len(), stages.len(), "{name}: {logins:?}");
            for (stage_name, stage) in stages {
                let [ok, total] = logins[stage_name];
                assert!(total >= 20, "{name} {stage_name}: {total} logins tell nothing");
                let seen = match ok {
                    0 => Verdict::Refused,
                    ok if ok == total => Verdict::LoggedIn,
                    _ => Verdict::Mixed,
                };
                let known = verdict(&release, stage, Provider::Dex);
                assert!(
                    known.is_none_or(|known| known == seen),
                    "{name} {stage_name}: {known:?}, {ok}/{total}"
                );
            }
            let [ok, _] = logins["first_start"];
            assert_eq!(release.first_start_loses_sso(), ok == 0, "{name}: first start");
        }
        // Every era, and both sides of each edge between two that behave differently.
        let known: std::collections::BTreeSet<Era> = Release::published()
            .map(|release| release.era())
            .filter(|era| *era != Era::NoReferences)
            .collect();
        assert_eq!(eras, known);
        let has = |name: &str| measured.contains_key(name);
        for edge in [
            ["v2.2.16", "v2.4.2"],
            ["v2.4.2", "v2.4.3"],
            ["v2.13.9", "v2.14.0"],
            ["v3.2.12", "v3.3.0"],
            ["v3.3.6", "v3.3.7"],
        ] {
            assert!(edge.into_iter().all(has), "{edge:?} is not measured");
        }
        for edge in [["v3.2.6", "v3.2.7"], ["v3.2.9", "v3.2.10"], ["v3.3.0", "v3.3.1"], ["v3.3.7", "v3.3.8"]]
        {
            assert!(edge.into_iter().all(has), "{edge:?} is not measured");
            let [left, right] = edge.map(|name| release_of(name).first_start_loses_sso());
            assert_ne!(left, right, "{edge:?} is no edge");
        }
    }

    fn release_of(name: &str) -> Release {
        Release::parse(name).unwrap()
    }
}
