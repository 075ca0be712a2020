//! What the help of each command shows: the options that mean something there, and examples. The others are accepted
//! as ever, for scripts that have them before every command.

use clap::{ArgAction, Command};

/// What every command understands: how it says what it has to say.
const SAID: [&str; 4] = ["format", "verbose", "quiet", "help"];
/// Which lab.
const WHICH: &[&str] = &["lab"];
/// What its programs are.
const PROGRAMS: &[&str] = &["provider", "tls", "argocd", "argocd_bin", "dex_bin", "real", "offline"];

/// What `--argocd` is for the doctor, who brings no lab up.
const DOCTORS_RELEASE: &str = "The release that runs what `-f` names, where no image in it says so";

/// A command: the options that it heeds besides its own, and examples.
const COMMANDS: [(&str, &[&[&str]], &str); 15] = [
    (
        "render",
        &[WHICH, PROGRAMS, &["argocd_image", "ingress"]],
        "cargo xtask render
  cargo xtask --lab kind --ingress traefik render",
    ),
    (
        "doctor",
        &[WHICH, &["argocd", "wait", "report"]],
        "cargo xtask doctor
  cargo xtask doctor --context prod -n argocd --url https://argocd.example.com
  helm template argo/argo-cd -f values.yaml | cargo xtask doctor -f -",
    ),
    ("explain", &[], ""),
    (
        "faults",
        &[PROGRAMS, &["logins", "wait", "dry_run", "report"]],
        "cargo xtask faults
  cargo xtask faults secret-mismatch provider-ca
  cargo xtask --real faults --update",
    ),
    (
        "rotate",
        &[WHICH, &["wait", "dry_run", "report"]],
        "cargo xtask rotate
  cargo xtask rotate --rate 20",
    ),
    (
        "matrix",
        &[&["provider", "tls", "dex_bin", "real", "offline", "logins", "wait", "dry_run", "report"]],
        "cargo xtask matrix v2.14.x v3.3.0..v3.3.7
  cargo xtask --real matrix new
  cargo xtask --real matrix --bisect v3.2.6..v3.3.7 --story break",
    ),
    (
        "load",
        &[WHICH, &["logins", "expect", "wait", "offline", "dry_run"]],
        "cargo xtask --lab kind load --workers 4 --rate 2",
    ),
    (
        "compare",
        &[&["provider", "argocd", "argocd_bin", "dex_bin", "real", "offline", "wait", "dry_run"]],
        "cargo xtask --real --argocd v3.3.6 compare",
    ),
    (
        "kubectl",
        &[WHICH, &["offline", "dry_run"]],
        "cargo xtask kubectl -- get pods -A
  cargo xtask kubectl -- -n argocd logs deploy/argocd-server -f",
    ),
    (
        "tools",
        &[&["argocd", "real", "offline"]],
        "cargo xtask tools
  cargo xtask --real tools --download",
    ),
    (
        "report",
        &[],
        "cargo xtask report out/run.json
  cargo xtask report out/run.json --pictures",
    ),
    (
        "open",
        &[WHICH, &["dry_run"]],
        "cargo xtask open
  cargo xtask open --launch",
    ),
    ("check", &[&["dry_run"]], "cargo xtask check"),
    (
        "completions",
        &[],
        "source <(cargo xtask completions bash)      in ~/.bashrc, behind cargo's own
  source <(cargo xtask completions zsh)       in ~/.zshrc, behind compinit
  cargo xtask completions fish > ~/.config/fish/conf.d/xtask.fish",
    ),
    (
        "man",
        &[],
        "cargo xtask man | man -l -
  cargo xtask man ~/.local/share/man/man1",
    ),
];

/// Whether a command heeds an option that is not its own.
pub fn heeds(command: &str, option: &str) -> bool {
    COMMANDS.iter().any(|(name, heeded, _)| *name == command && heeded.concat().contains(&option))
}

/// The command line with the help of each command fitted to it.
pub fn fitted(mut command: Command) -> Command {
    // From here on each command has the options of all.
    command.build();
    for (name, heeded, examples) in COMMANDS {
        command = command.mut_subcommand(name, |own| {
            let own = own.mut_args(|option| {
                let id = option.get_id().as_str();
                let heeds = SAID.contains(&id) || heeded.iter().any(|some| some.contains(&id));
                match (id, option.is_global_set() && !heeds) {
                    // One line for each option: what each value means is in the help of all.
                    ("help", _) => option.action(ArgAction::HelpShort).help("Print help").display_order(200),
                    (_, true) => option.hide(true),
                    ("argocd", _) if name == "doctor" => option.help(DOCTORS_RELEASE).display_order(100),
                    // Behind the command's own.
                    (_, false) if option.is_global_set() => option.display_order(100),
                    (_, false) => option,
                }
            });
            match examples {
                "" => own,
                examples => own.after_help(format!("Examples:\n  {examples}")),
            }
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_row_and_every_row_names_what_is_there() {
        let command = Cli::command();
        let named = |command: &Command| command.get_name().to_owned();
        let mut commands: Vec<String> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(named).collect();
        let mut rows: Vec<String> = COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        commands.sort();
        rows.sort();
        assert_eq!(rows, commands);
        for id in COMMANDS.iter().flat_map(|(_, heeded, _)| heeded.iter().copied().flatten()) {
            assert!(command.get_arguments().any(|option| option.get_id() == *id), "{id}");
        }
    }
}
