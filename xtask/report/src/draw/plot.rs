//! How long each login of a series took, by colour and shape how it ended.

use std::fmt::Write as _;

use serde_json::Value;

use super::svg::{Anchor, Drawing, Svg};
use crate::read::{Read as _, failed_at};
use crate::text::{Face, believed, fit, grouped, millis, words};

/// Ways of failing that have a colour of their own; the last is that of all others.
const WAYS: usize = 4;
/// How high the ground of the points is.
const HIGH: f64 = 120.0;

/// Draws a series, if it has more than one login; `failures` names its ways of failing.
pub fn draw(series: &[Value], failures: &[Value], most: usize, wide: f64, title: &str) -> Option<Drawing> {
    let points: Vec<(f64, Option<usize>)> = series
        .iter()
        .take(most)
        .filter_map(|login| {
            let way = login.at("failure").as_u64().and_then(|way| usize::try_from(way).ok());
            Some((believed(login.number("ms"))?, way))
        })
        .collect();
    if points.len() < 2 {
        return None;
    }
    let highest = nice(points.iter().map(|(ms, _)| *ms).fold(1.0, f64::max));
    let (left, right) = (52.0, wide - 8.0);
    let step = (right - left - 12.0) / (points.len() as f64 - 1.0);
    let mut svg = Svg::new(wide);
    for half in 0..=2 {
        let y = 8.0 + HIGH * (1.0 - f64::from(half) / 2.0);
        svg.line("rule", [left, y], [right, y]);
        let said = millis(Some(highest * f64::from(half) / 2.0));
        svg.text("end", [left - 6.0, y + 3.5], Anchor::End, if half == 0 { "0" } else { &said });
    }
    let mut paths = vec![String::new(); WAYS + 1];
    let mut counts = [0_usize; WAYS + 1];
    for (place, (ms, way)) in points.iter().enumerate() {
        let (x, y) = (left + 6.0 + step * place as f64, 8.0 + HIGH * (1.0 - ms / highest));
        let kind = way.map_or(0, |way| way.min(WAYS - 1) + 1);
        counts[kind] += 1;
        mark(&mut paths[kind], kind, x, y);
    }
    for (kind, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        svg.path(&class(kind), path);
    }
    let mut y = HIGH + 24.0;
    svg.text("end", [left, y], Anchor::Start, "login 1");
    svg.text("end", [right, y], Anchor::End, &grouped(points.len()));
    for kind in (0..=WAYS).filter(|kind| counts[*kind] > 0) {
        y += 18.0;
        let mut sample = String::new();
        mark(&mut sample, kind, left + 6.0, y - 4.0);
        svg.path(&class(kind), &sample);
        let said = format!("{} {}", grouped(counts[kind]), ended(kind, failures));
        svg.text("call", [left + 18.0, y], Anchor::Start, &fit(&said, right - left - 20.0, 11.5, Face::Mono));
    }
    let left_out = series.len() - points.len();
    if left_out > 0 {
        y += 16.0;
        let said = format!("{} more logins are not drawn; run.json has them.", grouped(left_out));
        svg.text("end", [left, y], Anchor::Start, &said);
    }
    let failed: usize = counts[1..].iter().sum();
    let described = format!("{} logins, of which {failed} failed.", points.len());
    Some(svg.finish(y + 8.0, title, &described))
}

fn class(kind: usize) -> String {
    match kind {
        0 => "dots good".to_owned(),
        kind => format!("dots f{}", kind - 1),
    }
}

fn ended(kind: usize, failures: &[Value]) -> String {
    let Some(failure) = kind.checked_sub(1).and_then(|way| failures.get(way)) else {
        return if kind == 0 { "logged in" } else { "failed" }.to_owned();
    };
    let also = if kind == WAYS && failures.len() > WAYS { "and otherwise " } else { "" };
    let message = words(failure.text("message").unwrap_or("no words"), 160);
    format!("{also}refused at {}: {message}", failed_at(failure))
}

/// The shape of a way of ending: a dot for a login, a cross, a triangle, a square, an upright cross.
fn mark(path: &mut String, kind: usize, x: f64, y: f64) {
    let _ = match kind {
        0 => write!(path, "M{x:.1} {y:.1}h0"),
        1 => write!(path, "M{:.1} {:.1}l7 7m0-7l-7 7", x - 3.5, y - 3.5),
        2 => write!(path, "M{:.1} {:.1}l4 7h-8z", x, y - 3.5),
        3 => write!(path, "M{:.1} {:.1}h6v6h-6z", x - 3.0, y - 3.0),
        _ => write!(path, "M{:.1} {y:.1}h8m-4-4v8", x - 4.0),
    };
}

/// The next number that has one digit other than zeros, so that an axis reads well.
fn nice(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]
        .iter()
        .map(|digit| digit * power)
        .find(|nice| *nice >= number)
        .unwrap_or(number)
}
