//! How often `explain` names what people's reports turned out to be, by what they pasted alone. The table:
//! `cargo test -p explain --test reports -- --nocapture`; REPORTS names another file of the same shape.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
struct Reports {
    cases: Vec<Report>,
}

#[derive(Deserialize)]
struct Report {
    id: String,
    class: String,
    paste: String,
}

/// The causes that belong to each class, by docs/reports.md.
fn classes() -> BTreeMap<String, Vec<String>> {
    let page = include_str!("../../../docs/reports.md");
    let table = page.split("## ").find(|part| part.starts_with("By class")).unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.split('|').collect();
        (names(cells[1]).remove(0), names(cells[2]))
    });
    rows.collect()
}

#[test]
fn what_was_the_cause_is_named_first_or_soon() {
    let file = std::env::var_os("REPORTS").map(|path| std::fs::read_to_string(path).unwrap());
    let text = file.as_deref().unwrap_or(include_str!("reports.json"));
    let reports: Reports = serde_json::from_str(text).unwrap();
    let classes = classes();
    let (mut first, mut soon) = (0, 0);
    for Report { id, class, paste } in &reports.cases {
        let explanation = explain::explain(paste.as_bytes()).unwrap();
        let named: Vec<&str> = explanation.causes.iter().map(|cause| cause.id.name()).collect();
        let place = named.iter().position(|name| classes[class].iter().any(|id| id == name));
        first += usize::from(place == Some(0));
        soon += usize::from(place.is_some_and(|place| place < 3));
        let place = place.map_or("-".to_owned(), |place| (place + 1).to_string());
        println!("{place}  {id:<42} {class:<26} {}", named.join(", "));
    }
    let all = reports.cases.len();
    println!("{first} of {all} first, {soon} among the first three");
    assert!(first * 100 >= all * 60, "{first} of {all} first");
    assert!(soon * 100 >= all * 85, "{soon} of {all} among the first three");
}
