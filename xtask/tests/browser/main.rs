//! The lab in a real browser, opened as `open` says: both stories as a person lives them, on
//! the stand-ins' pages and on Argo CD's own, and every fault that ends on the screen, held
//! against what the probe says of it. Needs a Chromium with its chromedriver; for how readable
//! pages are, npm; for Argo CD's page, real programs that have it (as `real.rs`; released ones
//! do). What lacks something is reported as ignored.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on fails")]

mod faults;
mod pages;
mod person;
#[path = "../support/mod.rs"]
mod support;
mod webdriver;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};
use person::Person;
use releases::{Era, Release};
use support::Lab;
use support::programs::{Real, measured};
use webdriver::Programs;

/// What is shown as ignored where there are no programs.
const WITH_PAGE: [&str; 2] = ["v3.3.6", "v3.5.1"];

/// The labs of stand-ins that a person logs in to.
const STAND_INS: [(&str, &[&str]); 3] = [
    ("both_stories_of_the_stand_ins", &[]),
    ("both_stories_of_the_stand_ins_over_tls", &["--tls"]),
    ("both_stories_of_the_stand_ins_with_the_dex_inside", &["--provider", "bundled"]),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each brings up a lab and a browser.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let programs = Programs::of_environment();
    let mut trials = of_stand_ins(programs.as_ref());
    trials.extend(of_real_programs(Real::of_environment().zip(programs)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn of_stand_ins(programs: Option<&Programs>) -> Vec<Trial> {
    if programs.is_none() {
        eprintln!("skipped: no chromium with a chromedriver");
    }
    let readable = support::has("npm", "every_page_of_the_stand_ins_and_every_report_is_readable");
    let trial = |name: &str, ignored: bool, run: Box<dyn FnOnce(&Programs) + Send>| {
        let programs = programs.cloned();
        let run = move || {
            run(&programs.unwrap());
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(ignored)
    };
    let stories = STAND_INS.map(|(name, options)| {
        trial(name, programs.is_none(), Box::new(move |programs| pages::both_stories(programs, options)))
    });
    let mut trials = Vec::from(stories);
    let ignored = programs.is_none() || !readable;
    trials.push(trial("every_page_of_the_stand_ins_is_readable", ignored, Box::new(pages::all_are_readable)));
    trials.push(trial("every_report_is_readable", ignored, Box::new(pages::reports_are_readable)));
    trials
}

fn of_real_programs(all: Option<(Real, Programs)>) -> Vec<Trial> {
    let with_page = all.as_ref().map(|(real, _)| releases_with_page(real)).unwrap_or_default();
    let ignored = with_page.is_empty();
    if ignored {
        eprintln!(
            "skipped: no chromium with a chromedriver, or LAB_ARGOCD_BINS and LAB_DEX_BIN name no real programs \
             with the page in them"
        );
    }
    let shown = || WITH_PAGE.map(|name| Release::parse(name).unwrap()).to_vec();
    let releases = if ignored { shown() } else { with_page };
    // Where a rotated secret is not noticed, all faults show.
    let broken = releases.iter().find(|release| release.era() == Era::KeepsClientApp).cloned();
    let stories = releases.into_iter().map(|release| {
        let all = all.clone();
        Trial::test(format!("both_stories_of_{release}"), move || {
            let (real, browser) = all.unwrap();
            both_stories(&real, &browser, &release);
            Ok(())
        })
    });
    let faults = faults::READ.iter().map(|fault| {
        let (all, release) = (all.clone(), broken.clone());
        let name = format!("{}_is_read_as_the_probe_says", fault.name.replace('-', "_"));
        Trial::test(name, move || {
            let (real, browser) = all.unwrap();
            fault.is_read(&real, &browser, &release.unwrap());
            Ok(())
        })
        .with_ignored_flag(broken.is_none())
    });
    let mut trials: Vec<Trial> = stories.map(|story| story.with_ignored_flag(ignored)).collect();
    trials.extend(faults.map(|fault| if ignored { fault.with_ignored_flag(true) } else { fault }));
    trials
}

/// The releases whose program carries the page: one that was built from source alone
/// has an empty folder in its place.
fn releases_with_page(real: &Real) -> Vec<Release> {
    let has_page = |release: &Release| {
        let mut grep = Command::new("grep");
        grep.args(["-aqF", r#"<div id="app"></div>"#]).arg(real.argocd(release));
        grep.status().unwrap().success()
    };
    real.releases().into_iter().filter(has_page).collect()
}

fn both_stories(real: &Real, programs: &Programs, release: &Release) {
    let lab = Lab::new();
    real.expect(0, &lab, release, &["working"]);
    let person = Person::before(&lab, programs);
    person.logs_in();
    person.logs_out();
    lab.expect(0, &["break"]);
    finds(&person, &lab, release);
    lab.expect(0, &["fix"]);
    person.logs_in();
    person.logs_out();
    person.logs_in();
    drop(person);

    lab.expect(0, &["down"]);
    real.expect(0, &lab, release, &["broken"]);
    let person = Person::before(&lab, programs);
    finds(&person, &lab, release);
    lab.expect(0, &["fix"]);
    person.logs_in();
}

/// What a release does after the secret has changed, by what it is known to do.
fn finds(person: &Person, lab: &Lab, release: &Release) {
    match measured(release.era()) {
        Some("refused") => {
            faults::ROTATE.is_read_by(person, lab);
            if let Some(folder) = pages::pictures() {
                person.takes_pictures(&folder, faults::INVALID_CLIENT);
            }
        }
        Some("logged-in") => {
            person.logs_in();
            person.logs_out();
        }
        // By chance.
        _ => {}
    }
}
