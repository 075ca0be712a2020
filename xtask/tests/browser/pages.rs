//! The pages of the stand-ins, as a person meets them: they can be logged in by, and they are
//! readable on a phone and a desk, in light and dark, on paper and by a screen reader.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::person::Person;
use crate::support::{Lab, files};
use crate::webdriver::{Browser, Programs, Sight, View};

/// How each page is looked at.
const VIEWS: [View; 5] = [
    view("phone-light", 390, 844, "light"),
    view("phone-dark", 390, 844, "dark"),
    view("desk-light", 1280, 800, "light"),
    view("desk-dark", 1280, 800, "dark"),
    View { print: true, ..view("paper", 794, 1123, "light") },
];

/// What `axe` finds that is serious, with the elements that it is found at.
const AXE: &str = "const [source, done] = arguments;
    (0, eval)(source);
    axe.run(document).then((all) => done(all.violations
        .filter((it) => ['serious', 'critical'].includes(it.impact))
        .map((it) => `${it.id}: ${it.help}: ${it.nodes.map((node) => node.html).join(' ')}`)));";

/// By how much the page is wider than its window, in pixels.
const WIDER: &str = "arguments[0](document.documentElement.scrollWidth - innerWidth);";

const fn view(name: &'static str, width: u32, height: u32, scheme: &'static str) -> View {
    View { name, width, height, scheme, print: false }
}

/// The source of axe-core, which npm gets; none where there is no npm.
pub fn axe() -> Option<&'static str> {
    static SOURCE: OnceLock<Option<String>> = OnceLock::new();
    let get = || {
        let folder = tempfile::tempdir().unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        let ended = npm.arg(folder.path()).arg("axe-core@4").output().ok()?;
        assert!(ended.status.success(), "npm: {}", String::from_utf8_lossy(&ended.stderr));
        let source = folder.path().join("node_modules/axe-core/axe.min.js");
        Some(std::fs::read_to_string(source).unwrap())
    };
    SOURCE.get_or_init(get).as_deref()
}

/// The folder that `LAB_PICTURES` names, for whoever wants to look.
pub fn pictures() -> Option<PathBuf> {
    std::env::var_os("LAB_PICTURES").filter(|folder| !folder.is_empty()).map(Into::into)
}

/// What a person would stumble over on the page that is shown. Leaves it in the first view.
fn problems(browser: &Browser, name: &str) -> Vec<String> {
    let mut wrong = vec![];
    for view in &VIEWS {
        browser.view(view);
        let found = browser.run(AXE, &[axe().unwrap().into()]);
        wrong.extend(found.as_array().unwrap().iter().map(|it| format!("{}: {it}", view.name)));
        let wider = browser.run(WIDER, &[]);
        if wider.as_i64().unwrap() > 0 {
            wrong.push(format!("{}: {wider} pixels wider than the window", view.name));
        }
        if let Some(folder) = pictures() {
            browser.picture(&folder.join(format!("{name}-{}.png", view.name)), None);
        }
    }
    browser.view(&VIEWS[0]);
    wrong
}

#[track_caller]
fn is_readable(browser: &Browser, name: &str) {
    let wrong = problems(browser, name);
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

/// That the console says nothing but that a page came with the status of an error.
#[track_caller]
fn is_quiet(browser: &Browser, statuses: &[u16]) {
    let expected = |said: &String| {
        statuses.iter().any(|status| said.contains(&format!("responded with a status of {status}")))
    };
    let said: Vec<String> = browser.errors().into_iter().filter(|said| !expected(said)).collect();
    assert!(said.is_empty(), "{said:#?}");
}

#[track_caller]
fn sees(person: &Person, words: &str) -> Sight {
    person.browser.wait(words, |sight| sight.says(words).then(|| sight.clone()))
}

/// Both stories of a lab of stand-ins, by mouse and keyboard.
pub fn both_stories(programs: &Programs, options: &[&str]) {
    let lab = Lab::new();
    lab.expect(0, &[options, &["working"]].concat());
    let person = Person::before(&lab, programs);
    let logs_in = || {
        person.browser.go(&person.address);
        person.browser.click("Log in via");
        sees(&person, "What is going on");
        person.fills_the_form();
    };
    logs_in();
    let sight = sees(&person, "Logged in");
    assert!(sight.says("This is a stand-in for Argo CD"), "{sight:#?}");
    person.browser.click("Log out");
    sees(&person, "Not logged in");
    is_quiet(&person.browser, &[]);
    lab.expect(0, &["break"]);
    logs_in();
    sees(&person, "failed to get token: oauth2: \"invalid_client\" \"Invalid client credentials.\"");
    lab.expect(0, &["fix"]);
    logs_in();
    sees(&person, "Logged in");
    // The error is plain text, to which a browser wants a picture for its tab.
    is_quiet(&person.browser, &[500, 404]);
}

/// Each page that the stand-ins have, one after another.
pub fn all_are_readable(programs: &Programs) {
    let lab = Lab::new();
    lab.expect(0, &["working"]);
    let person = Person::before(&lab, programs);
    let browser = &person.browser;
    browser.go(&person.address);
    sees(&person, "Not logged in");
    is_readable(browser, "argocd-before");
    browser.click("Log in via");
    sees(&person, "What is going on");
    is_readable(browser, "dex-form");
    browser.fill("login", "\"><script>alert(1)</script>");
    browser.fill("password", "wrong");
    browser.submit();
    let sight = sees(&person, "Invalid Email Address and password.");
    assert!(sight.fields.iter().any(|field| field == "login"), "{sight:#?}");
    is_readable(browser, "dex-form-wrong");
    browser.go(&person.address);
    browser.click("Log in via");
    sees(&person, "What is going on");
    person.fills_the_form();
    sees(&person, "Logged in");
    is_readable(browser, "argocd-after");
    is_quiet(browser, &[401]);
    lab.expect(0, &["break", "--fault", "redirect-uri"]);
    browser.go(&person.address);
    browser.click("Log out");
    browser.click("Log in via");
    sees(&person, "Unregistered redirect_uri.");
    is_readable(browser, "dex-error");
    is_quiet(browser, &[400]);
    browser.go("http://dex.host/");
    sees(&person, "An OpenID Connect provider");
    is_readable(browser, "dex-root");
    is_quiet(browser, &[]);
}

/// The report of every kind of run, as it is written: on its own, in a file.
pub fn reports_are_readable(programs: &Programs) {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("report/tests/fixtures");
    let (folder, profile) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let profile = format!("--user-data-dir={}", profile.path().display());
    // Nothing that a report needs is elsewhere.
    let browser = Browser::open(programs, &[profile, "--proxy-server=http://127.0.0.1:9".to_owned()]);
    let look = |report: &Path| {
        browser.go(&format!("file://{}", report.join(report::PAGE).display()));
        is_readable(&browser, &format!("report-{}", report.file_name().unwrap().to_string_lossy()));
        is_quiet(&browser, &[]);
    };
    for run in files(&runs) {
        let into = folder.path().join(run.file_stem().unwrap());
        report::write(&into, &serde_json::from_slice(&std::fs::read(&run).unwrap()).unwrap()).unwrap();
        look(&into);
    }
    // And of one that was made just now.
    let (lab, into) = (Lab::new(), folder.path().join("run"));
    lab.expect(1, &["working", "break", "test", "--report", into.to_str().unwrap()]);
    look(&into);
    // What is wrong is found.
    let bad = "<title>x</title><img src='data:,'><p style='color:%23ddd;width:2000px'>hardly seen</p><script>nothing()</script>";
    browser.go(&format!("data:text/html,{bad}"));
    let (wrong, said) = (problems(&browser, "bad").join("\n"), browser.errors().join("\n"));
    for word in ["phone-light: \"image-alt", "html-has-lang", "desk-light: \"color-contrast", "pixels wider"]
    {
        assert!(wrong.contains(word), "{word}: {wrong}");
    }
    assert!(said.contains("nothing is not defined"), "{said}");
}
