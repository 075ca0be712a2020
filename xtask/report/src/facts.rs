//! What ran: programs, versions, what was real, and how to have it again.

use serde_json::{Value, json};

use crate::read::{Read as _, Run, goal, host};
use crate::text::{millis, words};
use base::shown::quoted;

/// The most words of a command.
const ARGUMENTS: usize = 60;

/// What was logged in to, in a line.
pub fn subject(run: &Run<'_>, most: usize) -> Option<String> {
    let program = |field: &str, name: &str| {
        let it = run.whole.at(field);
        let version = words(it.text("version")?, 80);
        Some(match it.text("kind") {
            Some("stand-in") => format!("{name} {version} (stand-in)"),
            _ => format!("{name} {version}"),
        })
    };
    let programs: Vec<String> =
        [program("argocd", "Argo CD"), program("dex", "Dex")].into_iter().flatten().collect();
    if !programs.is_empty() {
        return Some(programs.join(" and "));
    }
    run.entries.iter().find_map(|entry| {
        let asked = || entry.list("traces").first()?.list("exchanges").first().map(host);
        let subject = entry.text("subject").or_else(asked);
        subject.map(|subject| words(subject, most.min(200)))
    })
}

/// Facts by name.
pub fn of(run: &Run<'_>, most: usize) -> Vec<Value> {
    let (whole, ran) = (run.whole, run.whole.at("run"));
    let mut facts: Vec<(&str, String)> = vec![];
    let version = ran.text("version").map(|version| format!(" {}", words(version, 80))).unwrap_or_default();
    facts.push(("Program", format!("{}{version}", words(run.program(), 80))));
    let mut fact = |name: &'static str, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    fact("Began", ran.text("started").map(|started| words(started, 40)));
    fact("Took", ran.number("ms").map(|ms| millis(Some(ms))));
    fact("Exit", run.exit().map(|exit| format!("{exit}, {}", meaning(exit, run))));
    fact(
        "Lab",
        whole.text("lab").map(|lab| match lab {
            "local" => "local: on one machine, without containers".to_owned(),
            "kind" => "kind: a cluster in containers".to_owned(),
            other => words(other, 80),
        }),
    );
    for (field, name) in [("argocd", "Argo CD"), ("dex", "Dex")] {
        let it = whole.at(field);
        let kind = match it.text("kind") {
            Some("stand-in") => ", the lab's stand-in",
            Some("real") => ", the real program",
            _ => "",
        };
        fact(name, it.text("version").map(|version| format!("{}{kind}", words(version, 80))));
    }
    fact("A changed secret", whole.at("argocd").text("because").map(|because| words(because, 200)));
    fact(
        "Provider",
        whole.text("provider").map(|provider| match provider {
            "dex" => "a Dex of its own".to_owned(),
            "bundled" => "the Dex inside Argo CD".to_owned(),
            other => words(other, 80),
        }),
    );
    fact(
        "TLS",
        whole.at("tls").as_bool().map(|tls| if tls { "https" } else { "none: plain http" }.to_owned()),
    );
    let context = run.entries.iter().find_map(|entry| entry.text("context"));
    fact("Context", context.map(|context| words(context, most.min(200))));
    facts.into_iter().map(|(name, value)| json!([name, value])).collect()
}

fn meaning(exit: u64, run: &Run<'_>) -> &'static str {
    match exit {
        0 if run.entries.last().is_some_and(|entry| goal(entry) == "doctor") => "nothing was found",
        1 if run.entries.last().is_some_and(|entry| goal(entry) == "doctor") => "something was found",
        0 => "as was asked",
        1 => "not as was asked",
        2 => "wrong usage",
        3 => "the environment is missing something, or failed",
        130 => "interrupted",
        _ => "another program's status",
    }
}

/// What is to be known of stand-ins, if there were any.
pub fn stand_ins(run: &Run<'_>) -> Option<String> {
    let stand_in = |field: &str| run.whole.at(field).text("kind") == Some("stand-in");
    let which = match (stand_in("argocd"), stand_in("dex")) {
        (true, true) => "Argo CD and Dex were",
        (true, false) => "Argo CD was",
        (false, true) => "Dex was",
        (false, false) => return None,
    };
    let is = if which.ends_with("were") {
        "stand-ins: small servers that answer"
    } else {
        "a stand-in: a small server that answers"
    };
    Some(format!(
        "{which} {is} a login as the real program of that release does, held against recordings of it. With --argocd-bin and \
         --dex-bin, or on --lab kind, the real programs run."
    ))
}

/// The commands that do it again, one a line.
pub fn commands(run: &Run<'_>, most: usize) -> Vec<String> {
    let typed: Vec<String> =
        run.whole.at("run").texts("command").take(ARGUMENTS).map(|word| quoted(&words(word, most))).collect();
    if !typed.is_empty() {
        return vec![typed.join(" ")];
    }
    if run.whole.get("goals").is_none() || run.entries.is_empty() {
        return vec![];
    }
    let mut command = "cargo xtask".to_owned();
    let makes = |entry: &&Value| matches!(goal(entry), "working" | "broken" | "reproduce");
    if run.whole.at("lab").as_str() == Some("kind") {
        command += " --lab kind";
    }
    if run.entries.iter().any(makes) {
        if let Some(version) = run.whole.at("argocd").text("version") {
            command += &format!(" --argocd {}", quoted(&words(version, 80)));
        }
        if run.whole.text("provider") == Some("bundled") {
            command += " --provider bundled";
        }
        if run.whole.at("tls").as_bool() == Some(true) {
            command += " --tls";
        }
    }
    for entry in run.entries.iter().take(ARGUMENTS) {
        command += &format!(" {}", quoted(&words(goal(entry), 60)));
        if let Some(fault) = entry.text("fault").filter(|fault| goal(entry) == "break" && *fault != "rotate")
        {
            command += &format!(" --fault {}", quoted(&words(fault, 60)));
        }
        let rows = entry.list("releases").iter().map(|row| row.text("version"));
        let rows = rows.chain(entry.list("faults").iter().map(|row| row.text("fault")));
        for name in rows.flatten().take(ARGUMENTS).filter(|_| matches!(goal(entry), "matrix" | "faults")) {
            command += &format!(" {}", quoted(&words(name, 80)));
        }
    }
    vec![command]
}
