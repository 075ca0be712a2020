//! The command line without a lab: wrong words, nothing up, plans, faults.

use crate::support::{Ended, Lab, files};

#[test]
fn an_unknown_goal_gets_a_suggestion() {
    let ended = Lab::new().expect(2, &["wroking"]);
    assert!(ended.stderr.contains("a similar value exists: 'working'"), "{ended}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn an_unknown_release_gets_a_suggestion() {
    let ended = Lab::new().expect(2, &["--argocd", "v3.3", "working"]);
    assert!(ended.stderr.contains("did you mean v3.3."), "{ended}");
}

#[test]
fn without_a_lab_goals_that_need_one_say_what_to_do() {
    let lab = Lab::new();
    for goal in ["test", "break", "fix", "status"] {
        let ended = lab.expect(3, &[goal]);
        assert_eq!(
            ended.error(),
            "error: no lab is up (hint: `cargo xtask working` or `cargo xtask broken` brings one up)"
        );
    }
    assert_eq!(lab.expect(3, &["kubectl", "--", "get", "pods"]).stdout, "");
}

#[test]
fn alone_it_shows_the_status_and_what_to_type_next() {
    let ended = Lab::new().expect(0, &[]);
    assert!(ended.stdout.starts_with("no lab is up\nnext: cargo xtask working test"), "{ended}");
}

#[test]
fn down_without_a_lab_is_done() {
    let ended = Lab::new().expect(0, &["down"]);
    assert_eq!(ended.stdout, "there was no lab\n");
}

#[test]
fn a_dry_run_prints_the_plan_and_touches_nothing() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["--dry-run", "broken", "fix", "test"]);
    for line in ["broken\n", "  oidc-secret ", "fix\n", "  argocd-restart ", "test\n"] {
        assert!(ended.stdout.contains(line), "{ended}");
    }
    let document = lab.json(0, &["--dry-run", "broken"]);
    let steps = document["goals"][0]["plan"].as_array().unwrap();
    let last = steps.last().unwrap();
    assert_eq!(last["name"], "oidc-secret");
    assert_eq!(last["after"], serde_json::json!(["dex-secret", "argocd-settled"]));
    assert!(!lab.path().exists());
    assert!(!lab.path().with_extension("lock").exists());
}

#[test]
fn faults_are_listed() {
    let ended = Lab::new().expect(0, &["break", "--fault", "list"]);
    let names: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .take_while(|name| *name != "Of")
        .collect();
    for name in ["rotate", "rotate-twice", "secret-unlabelled", "provider-ca", "first-start"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(names.len(), 49, "{names:?}");
}

#[test]
fn what_is_rendered_masks_every_secret() {
    let lab = Lab::new();
    let ended = lab.expect(0, &["render"]);
    for part in [
        "# manifests/oidc-secret.yaml.j2",
        "clientSecret: \"********\"",
        "# values/argocd.yaml",
        "kind: Deployment",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
    let document = lab.json(0, &["render"]);
    assert_eq!(document["goals"][0]["goal"], "render");
}

#[test]
fn completions_are_for_each_shell() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        let ended = lab.expect(0, &["completions", shell]);
        assert!(ended.stdout.contains("OIDC_LAB_COMPLETE"), "{ended}");
    }
    // It is no plugin of kubectl.
    lab.expect(2, &["completions", "kubectl"]);
    assert!(files(&lab.home()).is_empty());
}

#[test]
fn an_option_of_the_other_lab_is_refused() {
    let ended = Lab::new().expect(2, &["--ingress", "traefik", "working"]);
    assert!(ended.error().contains("--ingress is of the kind lab, and this is the local lab"), "{ended}");
}

#[test]
fn github_folds_what_happens_and_shows_what_was_found() {
    let lab = Lab::new();
    let github = |args: &[&str]| Ended::of(lab.command(args).env("GITHUB_ACTIONS", "true"));
    let ended = github(&["broken", "test"]);
    assert_eq!(ended.status, 1, "{ended}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("::")).collect();
    let begins = [
        "::group::broken: ",
        "::endgroup::",
        "::group::test: ",
        "::endgroup::",
        "::error title=test::refused at ",
    ];
    assert_eq!(lines.len(), begins.len(), "{ended}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{ended}");
    assert!(lines[4].contains("%0Afailed to get token: oauth2: \"invalid_client\""), "{ended}");
    assert!(!ended.stdout.contains("::"), "{ended}");
    let ended = github(&["--format", "json", "test"]);
    assert!(serde_json::from_str::<serde_json::Value>(&ended.stdout).is_ok(), "{ended}");
    assert!(ended.stderr.contains("\n::error title=test::refused at callback"), "{ended}");
    lab.expect(0, &["down"]);
    let ended = github(&["test"]);
    assert!(ended.stderr.contains("::error title=cargo xtask::no lab is up"), "{ended}");
}

#[test]
fn a_locale_without_unicode_gets_ascii() {
    let lab = Lab::new();
    let ended = Ended::of(lab.command(&["broken", "test"]).env("LC_ALL", "C").env("CLICOLOR_FORCE", "1"));
    assert_eq!(ended.status, 1, "{ended}");
    assert!(ended.stdout.contains("x callback") && ended.stdout.contains("\u{1b}[31m"), "{ended}");
    assert!(ended.stdout.is_ascii() && ended.stderr.is_ascii(), "{ended}");
    lab.expect(0, &["down"]);
}

/// The commands that the help of all names.
fn commands(help: &str) -> Vec<String> {
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn each_help_is_short_and_about_its_command() {
    let lab = Lab::new();
    let help = |args: &[&str]| {
        let ended = Ended::of(
            lab.command(args).env("COLUMNS", "100").env_remove("OIDC_LAB").env_remove("CLICOLOR_FORCE"),
        );
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended}");
        ended.stdout
    };
    let all = help(&["-h"]);
    insta::assert_snapshot!("help", all);
    let commands = commands(&all);
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        insta::assert_snapshot!(format!("help_{command}"), help(&[&command, "--help"]));
    }
}

#[test]
fn pages_for_man_are_written_for_every_command() {
    let lab = Lab::new();
    assert!(lab.expect(0, &["man"]).stdout.contains(".TH cargo-xtask 1"));
    let folder = lab.home().join("man");
    lab.expect(0, &["man", folder.to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.join("cargo-xtask-doctor.1")).unwrap();
    assert!(page.contains("before\\-rotation") && !page.contains("node\\-image"), "{page}");
    assert!(!folder.join("cargo-xtask-serve-local-lab.1").exists());
    let taken = lab.file("taken", "");
    let ended = lab.expect(3, &["man", taken.to_str().unwrap()]);
    assert!(ended.error().contains("cannot be written"), "{ended}");
}

#[test]
fn what_is_mistyped_gets_the_nearest() {
    let lab = Lab::new();
    for (args, nearest) in [
        (&["docter"][..], "there is a command `doctor`"),
        (&["break", "--fault", "rotat"], "did you mean rotate?"),
        (&["faults", "secret-mismach"], "did you mean secret-mismatch?"),
        (&["explain", "--id", "stale-argocs"], "stale-argocd"),
    ] {
        let ended = lab.expect(2, args);
        assert!(ended.stderr.contains(nearest), "{ended}");
    }
    let ended = lab.expect(1, &["explain", "stale-argocs"]);
    assert!(ended.stdout.contains("did you mean stale-argocd?"), "{ended}");
    let ended = lab.expect(0, &["--argocd", "v3.3.66", "working", "down"]);
    assert!(
        ended.stderr.contains("v3.3.66 is no release that this program knows; did you mean v3.3.6?"),
        "{ended}"
    );
}
