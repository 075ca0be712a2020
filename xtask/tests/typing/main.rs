//! Completions as a person meets them: in a fresh bash, zsh and fish that have cargo's own, for `cargo xtask` and for
//! the program's name. Where a shell is missing, its tests are reported as ignored.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};
use support::Lab;

/// A line up to the cursor, what is offered there, and what is not.
const TYPED: [(&[&str], &[&str], &[&str]); 10] = [
    (&["cargo", "xtask", "w"], &["working"], &["doctor"]),
    (&["xtask", "w"], &["working"], &["doctor"]),
    (&["cargo", "xtask", "working", "te"], &["test"], &[]),
    (&["cargo", "xtask", "break", "--fault", "rot"], &["rotate", "rotate-twice"], &["secret-mismatch"]),
    (&["cargo", "xtask", "--argocd", "v3.3.1"], &["v3.3.14", "v3.3.1"], &["v3.5.1"]),
    (&["cargo", "xtask", "explain", "stale-a"], &["stale-argocd"], &[]),
    (&["cargo", "xtask", "doctor", "--bef"], &["--before-rotation"], &[]),
    (&["cargo", "xtask", "doctor", "--nod"], &[], &["--node-image"]),
    (&["cargo", "+stable", "xtask", "matr"], &["matrix"], &[]),
    // cargo's own.
    (&["cargo", "metad"], &["metadata"], &["working"]),
];

/// A line that asks kubectl.
const CONTEXT: (&[&str], &[&str], &[&str]) =
    (&["cargo", "xtask", "doctor", "--context", "arn"], &["arn:aws:eks:eu:1:cluster/prod"], &["staging"]);

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
contexts:
- {name: 'arn:aws:eks:eu:1:cluster/prod', context: {cluster: a, user: a}}
- {name: staging, context: {cluster: a, user: a}}
";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let kubectl = finds("kubectl");
    let shells = [("bash", in_bash as fn(&Place, &[&str]) -> String), ("zsh", in_zsh), ("fish", in_fish)];
    let mut trials = vec![];
    for (shell, ask) in shells {
        let there = finds(shell) && own(shell).is_none_or(|file| file.is_file());
        let trial = Trial::test(format!("{shell}_knows_goals_faults_and_releases"), move || {
            let place = Place::new(shell);
            TYPED.iter().for_each(|typed| offers(&ask(&place, typed.0), *typed));
            Ok(())
        });
        trials.push(trial.with_ignored_flag(!there));
        let trial = Trial::test(format!("{shell}_knows_contexts"), move || {
            offers(&ask(&Place::new(shell), CONTEXT.0), CONTEXT);
            Ok(())
        });
        trials.push(trial.with_ignored_flag(!there || !kubectl));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[track_caller]
fn offers(shown: &str, (typed, offered, others): (&[&str], &[&str], &[&str])) {
    let words: Vec<&str> = shown.split_whitespace().collect();
    for word in offered {
        assert!(words.contains(word), "{typed:?}: no {word} in {shown}");
    }
    for word in others {
        assert!(!words.contains(word), "{typed:?}: {word} in {shown}");
    }
}

fn finds(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(if program == "kubectl" { "help" } else { "--version" });
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Where the toolchain has cargo's own completions; fish brings them along.
fn own(shell: &str) -> Option<PathBuf> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).unwrap().trim());
    match shell {
        "bash" => Some(sysroot.join("etc/bash_completion.d/cargo")),
        "zsh" => Some(sysroot.join("share/zsh/site-functions/_cargo")),
        _ => None,
    }
}

/// A home with the completions in it.
struct Place {
    lab: Lab,
    script: PathBuf,
}

impl Place {
    fn new(shell: &str) -> Self {
        let lab = Lab::new();
        let script = lab.file("script", &lab.expect(0, &["completions", shell]).stdout);
        let (kubeconfig, fish) =
            (lab.home().join(".kube/config"), lab.home().join(".config/fish/conf.d/xtask.fish"));
        for (file, text) in [(&kubeconfig, KUBECONFIG), (&fish, &std::fs::read_to_string(&script).unwrap())] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        Self { lab, script }
    }

    fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(args).env("HOME", self.lab.home()).env_remove("KUBECONFIG").env("TERM", "xterm");
        command.current_dir(self.lab.home()).stdin(Stdio::null());
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }
}

/// By the function that bash calls at Tab, with the words as bash takes them apart.
fn in_bash(place: &Place, typed: &[&str]) -> String {
    let words: Vec<String> = typed.iter().map(|word| word.replace(':', " : ")).collect();
    let script = format!(
        "source '{}'\nsource '{}'\nCOMP_WORDS=({})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         f=$(complete -p {} | sed -n 's/.* -F \\([^ ]*\\) .*/\\1/p')\n$f {} \"${{COMP_WORDS[COMP_CWORD]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        own("bash").unwrap().display(),
        place.script.display(),
        words.join(" "),
        typed[0],
        typed[0],
    );
    place.run("bash", &["--norc", "--noprofile", "-c", &script])
}

/// By a terminal in which somebody types the line, and asks for what could follow.
fn in_zsh(place: &Place, typed: &[&str]) -> String {
    let own = own("zsh").unwrap();
    let script = format!(
        "zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z \"PS1=; fpath=('{}' \\$fpath); autoload -Uz compinit; compinit -u -d '{}'; source '{}'\"
zpty -w z \"look() {{ zle list-choices; zle -R; print D''ONE }}; zle -N look; bindkey '^I' look; print REA''DY\"
while zpty -r z line; do [[ $line == *READY* ]] && break; done
zpty -w -n z '{}'$'\\t'
while zpty -r z line; do print -r -- \"$line\"; [[ $line == *DONE* ]] && break; done",
        own.parent().unwrap().display(),
        place.lab.home().join("zcompdump").display(),
        place.script.display(),
        typed.join(" "),
    );
    let shown = place.run("zsh", &["-f", "-c", &script]);
    // What moves the cursor stands between the words.
    let mut text = String::new();
    for (number, part) in shown.split('\u{1b}').enumerate() {
        let rest = part.find(|c: char| c.is_ascii_alphabetic()).map_or("", |at| &part[at + 1..]);
        text.push_str(if number == 0 { part } else { rest });
    }
    // The line itself is echoed.
    text.replace(&typed.join(" "), " ")
}

/// By the builtin that says what Tab would.
fn in_fish(place: &Place, typed: &[&str]) -> String {
    place.run("fish", &["-c", &format!("complete -C '{}'", typed.join(" "))])
}
