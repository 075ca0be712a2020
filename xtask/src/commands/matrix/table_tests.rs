use std::time::Duration;

use probe::{Cause, Step};
use releases::Release;

use super::*;
use crate::cli::Goal;
use crate::known::Refusal;
use crate::programs::Program;
use base::Error;

const SECRET: &[Refusal] = &[Refusal { step: Step::Callback, answer: Cause::InvalidClient }];

fn row(after: Goal, stage: Stage, verdict: Verdict, ok: usize, known: Option<Verdict>) -> Row {
    Row {
        after,
        stage,
        verdict,
        logins: Logins { total: 20, ok, failed: 20 - ok },
        refusals: if ok < 20 { SECRET.to_vec() } else { vec![] },
        known,
        known_refusals: if known == Some(Verdict::Mixed) { SECRET } else { &[] },
        as_known: known.is_none_or(|known| known == verdict),
        message: (ok < 20).then(|| "failed to get token: \"invalid_client\" <x>".to_owned()),
        shown: Default::default(),
    }
}

fn all() -> Vec<Measured> {
    use Verdict::{LoggedIn, Mixed, Refused};
    let program = |release: &str| Some(Program::stand_in_argocd(&Release::parse(release).unwrap()));
    let measured = |release: &str, rows, error| Measured {
        label: release.into(),
        argocd: program(release),
        dex: Some(Program::stand_in_dex()),
        rows,
        error,
        time: Duration::from_millis(1500),
    };
    vec![
        measured(
            "v2.12.1",
            vec![
                row(Goal::Working, Stage::Working, LoggedIn, 20, Some(LoggedIn)),
                row(Goal::Break, Stage::Break, Mixed, 7, Some(Mixed)),
                row(Goal::Fix, Stage::Fix, LoggedIn, 20, Some(LoggedIn)),
                row(Goal::Broken, Stage::Broken, Mixed, 11, Some(Mixed)),
                row(Goal::Fix, Stage::Fix, LoggedIn, 20, Some(LoggedIn)),
            ],
            None,
        ),
        measured(
            "v3.3.7",
            vec![
                row(Goal::Working, Stage::Working, LoggedIn, 20, Some(LoggedIn)),
                row(Goal::Break, Stage::Break, Refused, 0, Some(LoggedIn)),
            ],
            Some(Error::environment("argocd/argocd-server was not ready after 60 s")),
        ),
    ]
}

#[test]
fn the_table_for_people() {
    insta::assert_snapshot!(text(&all(), None));
}

#[test]
fn the_table_for_a_page() {
    insta::assert_snapshot!(markdown(&all()));
}

#[test]
fn of_logins_that_end_in_two_ways_a_report_shows_one_that_failed() {
    let mut all = all();
    let mixed = all[0].rows.iter_mut().find(|row| row.after == Goal::Break).unwrap();
    let traces =
        serde_json::json!([{"login": 1, "failure": null}, {"login": 2, "failure": {"step": "callback"}}]);
    mixed.shown.insert("traces".into(), traces);
    assert_eq!(shown(&all)[0]["traces"]["break"]["login"], 2);
}

#[test]
fn the_table_for_programs() {
    insta::assert_snapshot!(format!("{:#}", json(&all())));
}

#[test]
fn the_table_for_ci() {
    insta::assert_snapshot!(junit(&all()));
}

#[test]
fn of_two_fixes_the_one_that_failed_counts() {
    let mut all = all();
    all[0].rows[4].verdict = Verdict::Refused;
    all[0].rows[4].logins = Logins { total: 20, ok: 0, failed: 20 };
    assert_eq!(cell(all[0].stage(Stage::Fix)), "refused 20/40");
    assert_eq!(cell(all[0].stage(Stage::FirstStart)), "–");
}
