//! The steps of an entry as bars over time: what ran side by side stands side by side.

use serde_json::Value;

use super::svg::{Anchor, Drawing, Svg};
use crate::read::Read as _;
use crate::text::{Face, believed, fit, millis, width, words};

/// How wide a timeline is on a phone at most.
const NARROW: f64 = 500.0;
const SIZE: f64 = 11.5;

/// Draws steps, if there is something to see: more than one of which it is known how long it took.
pub fn draw(steps: &[Value], most: usize, wide: f64, title: &str) -> Option<Drawing> {
    let known = |step: &&Value| believed(step.number("ms")).is_some();
    let known: Vec<&Value> = steps.iter().filter(known).collect();
    if known.len() < 2 {
        return None;
    }
    let begins = |step: &Value| believed(step.number("at_ms"));
    let placed = known.iter().all(|step| begins(step).is_some());
    let mut rows: Vec<(f64, f64, &Value)> = known
        .iter()
        .map(|step| {
            let begin = begins(step).filter(|_| placed).unwrap_or(0.0);
            (begin, believed(step.number("ms")).unwrap_or(0.0), *step)
        })
        .collect();
    if placed {
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    let whole = rows.iter().map(|(begin, ms, _)| begin + ms).fold(1.0, f64::max);
    let (names, above) = if wide < NARROW { (0.0, 14.0) } else { (130.0, 0.0) };
    let (left, room) = (names, wide - names - 2.0);
    let row_height = 22.0 + above;
    let mut svg = Svg::new(wide);
    let shown = rows.len().min(most);
    let bottom = row_height * shown as f64 + 6.0;
    for quarter in 0..=4 {
        let x = left + room * f64::from(quarter) / 4.0;
        svg.line("rule", [x, 0.0], [x, bottom]);
        let (anchor, text) = match quarter {
            0 => (Anchor::Start, "0".to_owned()),
            4 => (Anchor::End, millis(Some(whole))),
            _ => (Anchor::Middle, millis(Some(whole * f64::from(quarter) / 4.0))),
        };
        svg.text("end", [x, bottom + 13.0], anchor, &text);
    }
    for (place, (begin, ms, step)) in rows.iter().take(most).enumerate() {
        let top = row_height * place as f64 + 4.0;
        let name = step.named("name", 60);
        let outcome = step.text("outcome").filter(|outcome| *outcome != "done");
        let failed = outcome.is_some_and(|outcome| outcome.starts_with("failed"));
        let outcome = outcome.map(|outcome| format!(" · {}", words(outcome, 160))).unwrap_or_default();
        let said = format!("{}{outcome}", millis(Some(*ms)));
        let (x, long) = (left + room * begin / whole, (room * ms / whole).max(2.0));
        let x = x.min(left + room - long);
        let bar = if failed { "bar bad" } else { "bar" };
        svg.rect(bar, [x, top + above, long, 13.0], 2.5);
        let class = if failed { "call bad" } else { "call mute" };
        let y = top + above + 10.5;
        if above > 0.0 {
            let said = fit(&format!("{name}  {said}"), wide, SIZE, Face::Mono);
            svg.text(if failed { "call bad" } else { "call" }, [0.0, top + 9.5], Anchor::Start, &said);
            continue;
        }
        svg.text("call", [names - 10.0, y], Anchor::End, &fit(&name, names - 12.0, SIZE, Face::Mono));
        let after = wide - (x + long) - 8.0;
        let before = x - left - 8.0;
        if after >= before || width(&said, SIZE, Face::Mono) <= after {
            svg.text(class, [x + long + 6.0, y], Anchor::Start, &fit(&said, after, SIZE, Face::Mono));
        } else {
            svg.text(class, [x - 6.0, y], Anchor::End, &fit(&said, before, SIZE, Face::Mono));
        }
    }
    let mut described = format!("{} steps in {}", steps.len(), millis(Some(whole)));
    if let Some((_, ms, step)) = rows.iter().max_by(|one, other| one.1.total_cmp(&other.1)) {
        described += &format!("; the longest, {}, took {}", step.named("name", 60), millis(Some(*ms)));
    }
    let mut height = bottom + 20.0;
    let unplaced = || "When each step began is not in the file: all bars begin at 0.".to_owned();
    let more = || format!("{} more steps are not drawn; run.json has them.", rows.len() - shown);
    for said in [(!placed).then(unplaced), (rows.len() > shown).then(more)].into_iter().flatten() {
        height += 14.0;
        svg.text("end", [left, height - 6.0], Anchor::Start, &said);
    }
    Some(svg.finish(height, title, &described))
}
