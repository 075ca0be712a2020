//! What a dry run prints, held against what the fakes were asked and the cluster's audit.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

/// A printed command as the fakes write it down: what is not known beforehand is `*`.
fn pattern(world: &World, command: &str) -> String {
    let command = command.strip_prefix("$ ").unwrap();
    let command = command.split_once(" && ").map_or(command, |(_, command)| command);
    let line = command.lines().next().unwrap().split("    # ").next().unwrap();
    let line = line.trim_end_matches(" <<'END'").replace("$LAB", &world.lab().display().to_string());
    let mut shown = String::new();
    for (place, part) in line.split('\'').enumerate() {
        match (place % 2, part.split_once('<')) {
            (1, Some((before, _))) => shown.push_str(&format!("{before}*")),
            _ => shown.push_str(part),
        }
    }
    shown
}

fn matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().any(|(at, _)| at > 0 && matches(after, &rest[at..]))
                || (after.is_empty() && !rest.is_empty())
        }),
    }
}

fn about(request: &Value) -> [String; 4] {
    ["verb", "resource", "namespace", "name"]
        .map(|field| request[field].as_str().unwrap_or_default().to_owned())
}

/// What this program itself has changed in the cluster since a line of its audit.
fn changes(world: &World, since: usize) -> BTreeSet<[String; 4]> {
    let lines = audit(world).into_iter().skip(since);
    let own = lines.filter(|line| line["userAgent"].as_str().unwrap_or_default().starts_with("oidc-lab/"));
    own.map(|line| about(&line)).filter(|it| !["get", "list", "watch"].contains(&it[0].as_str())).collect()
}

fn audit(world: &World) -> Vec<Value> {
    let text = std::fs::read_to_string(world.path("clusters/oidc-lab/lab/audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_a_dry_run_prints_is_what_is_run_and_asked() {
    printed_is_run("dex");
    printed_is_run("bundled");
}

#[track_caller]
fn printed_is_run(provider: &str) {
    let world = World::new();
    let on_kind = ["--lab", "kind", "--provider", provider];
    let versions = |line: &str| line.split(' ').nth(1) == Some("version") || line.contains("context inspect");
    for (place, goal) in ["working", "break", "fix", "broken", "fix", "test"].into_iter().enumerate() {
        let document = world.json(0, &[&on_kind[..], &["--dry-run", goal]].concat());
        let steps = document["goals"][0]["plan"].as_array().unwrap().clone();
        let of =
            |field: &'static str| steps.iter().flat_map(move |step| step[field].as_array().unwrap().clone());
        let patterns: Vec<String> = of("commands")
            .filter_map(|it| it.as_str().filter(|it| it.starts_with("$ ")).map(|it| pattern(&world, it)))
            .collect();
        let since = audit(&world).len();
        world.forget_calls();
        world.expect(0, &[&on_kind[..], &[goal]].concat());
        let calls: Vec<String> =
            world.calls().into_iter().map(|call| call.line).filter(|line| !versions(line)).collect();
        for line in &calls {
            assert!(patterns.iter().any(|it| matches(it, line)), "{goal} did not say: {line}\n{patterns:#?}");
        }
        if place == 0 {
            // Nothing was there, so everything had to be done.
            for pattern in &patterns {
                assert!(
                    calls.iter().any(|it| matches(pattern, it)),
                    "{goal} did not do: {pattern}\n{calls:#?}"
                );
            }
        }
        let asked = changes(&world, since);
        let requests: Vec<Value> = of("requests").collect();
        for one in &asked {
            assert!(requests.iter().any(|it| about(it) == *one), "{goal} did not say: {one:?}");
        }
        for one in requests.iter().filter(|it| it["verb"] != "watch" && it["if_needed"] == false) {
            assert!(asked.contains(&about(one)), "{goal} did not do: {one}");
        }
    }
}
