//! A login as small as a word: the same columns and arrows as in the large drawing, without texts.

use std::fmt::Write as _;

use serde_json::Value;

use super::svg::{Drawing, Svg};
use crate::hidden;
use crate::read::{Read as _, host, passed};

/// The most exchanges in it.
const MOST: usize = 24;
const WIDE: f64 = 64.0;

/// Draws it.
pub fn draw(trace: &Value) -> Drawing {
    let exchanges = trace.list("exchanges");
    let mut hosts: Vec<&str> = vec![];
    for exchange in exchanges {
        if !hosts.contains(&host(exchange)) && hosts.len() < 4 {
            hosts.push(host(exchange));
        }
    }
    let hidden = hidden::of(trace);
    let columns = (hosts.len() + 1).max(if hidden.is_some() { 3 } else { 2 });
    let x = |column: usize| 4.0 + (WIDE - 8.0) * column as f64 / (columns as f64 - 1.0);
    let (mut seen, mut unseen, mut bad) = (String::new(), String::new(), String::new());
    let mut y = 5.0;
    for (place, exchange) in exchanges.iter().enumerate().take(MOST) {
        let column = hosts.iter().position(|it| *it == host(exchange)).map_or(1, |at| at + 1);
        let failed = place + 1 == exchanges.len() && !passed(trace);
        let path = if failed { &mut bad } else { &mut seen };
        let _ = write!(path, "M{:.1} {y:.1}H{:.1}", x(0), x(column));
        if let Some(hidden) = hidden.as_ref().filter(|hidden| hidden.within == place) {
            y += 4.0;
            let path = if hidden.failed { &mut bad } else { &mut unseen };
            let _ = write!(path, "M{:.1} {y:.1}H{:.1}", x(column), x(columns - 1));
        }
        y += 4.0;
    }
    let mut svg = Svg::new(WIDE);
    for column in 0..columns {
        svg.line("life", [x(column), 0.0], [x(column), y + 2.0]);
    }
    svg.path("out", &seen);
    svg.path("out unseen", &unseen);
    svg.path("bad", &bad);
    if passed(trace) {
        svg.path("dots good", &format!("M{:.1} {y:.1}h0", x(0)));
        y += 2.0;
    } else {
        svg.cross("bad", x(0), y + 1.0);
        y += 4.0;
    }
    let said = if passed(trace) { "a login that passed" } else { "a login that failed" };
    svg.finish(y + 4.0, said, &format!("{} exchanges", exchanges.len()))
}
