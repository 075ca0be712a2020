//! The logins of an entry: each as a drawing and as a table.

use serde_json::{Value, json};

use crate::draw::sequence::Sequence;
use crate::draw::{NARROW, WIDE};
use crate::read::{Read as _, examples, host, passed, path, status};
use crate::text::{Limits, grouped, millis, words};

/// The drawings of an entry's logins: one for each way of ending, side by side if there are several.
pub fn of(entry: &Value, limits: &Limits) -> Vec<Value> {
    let traces = entry.list("traces");
    let examples = examples(traces);
    let side_by_side = examples.len() > 1;
    let shown = examples.into_iter().take(limits.drawings.min(4));
    shown.map(|trace| login(trace, side_by_side, &caption(trace), limits)).collect()
}

fn caption(trace: &Value) -> String {
    let end = if passed(trace) { "passed" } else { "was refused" };
    match trace.count("login") {
        0 => format!("A login that {end}"),
        login => format!("Login {login}, which {end}, in {}", millis(trace.number("ms"))),
    }
}

/// A login as a drawing, and its exchanges as a table for whoever reads that more easily.
pub fn login(trace: &Value, small: bool, caption: &str, limits: &Limits) -> Value {
    let title = format!("Who called whom: {caption}");
    let narrow = Sequence::draw(trace, NARROW, &title).within();
    let wide = (!small).then(|| Sequence::draw(trace, WIDE, &title).within());
    let exchanges = trace.list("exchanges");
    let rows: Vec<Value> = exchanges.iter().take(limits.rows).map(|exchange| row(exchange, limits)).collect();
    let more = exchanges.len() - rows.len();
    json!({
        "caption": caption,
        "wide": wide,
        "narrow": narrow,
        "rows": rows,
        "more": (more > 0).then(|| format!("{} more exchanges are in trace.har.", grouped(more))),
    })
}

fn row(exchange: &Value, limits: &Limits) -> Value {
    let place = format!("{}{}", host(exchange), path(exchange));
    json!({
        "step": exchange.named("step", 20),
        "asked": format!("{} {}", exchange.named("method", 10), words(&place, limits.words.min(200))),
        "status": status(exchange).unwrap_or_else(|| "none".to_owned()),
        "ms": millis(exchange.number("ms")),
        "note": words(exchange.text("note").unwrap_or(""), limits.words),
    })
}
