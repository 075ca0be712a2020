//! Who called whom in one login: a column for the browser and for each host, a row for each
//! exchange, the failing one in red. What only a server can see is dashed.

use serde_json::Value;

use super::svg::{Anchor, Drawing, Svg};
use crate::hidden::{self, Hidden};
use crate::read::{Read as _, host, passed, path, status};
use crate::text::{Face, fit, millis, width, words, wrap};

/// The most exchanges that are drawn one by one.
const MOST: usize = 30;
/// The most columns of hosts; what is asked of others is drawn in the last.
const HOSTS: usize = 4;
/// The size of letters.
const SIZE: f64 = 11.5;
/// What is said of a call that was not seen.
const UNSEEN: &str = "not seen from here; Argo CD's answer says so";

/// One login.
pub struct Sequence<'a> {
    trace: &'a Value,
    hidden: Option<Hidden>,
    columns: Vec<Column<'a>>,
    wide: f64,
    top: f64,
}

struct Column<'a> {
    role: &'static str,
    name: &'a str,
    at: f64,
    /// Whether the browser called it.
    seen: bool,
}

impl<'a> Sequence<'a> {
    /// A login as a drawing that is so wide.
    pub fn draw(trace: &'a Value, wide: f64, title: &str) -> Drawing {
        let hidden = hidden::of(trace);
        let columns = columns(trace, hidden.is_some());
        let mut sequence = Self { trace, hidden, columns, wide, top: 0.0 };
        sequence.place_columns();
        let mut rows = Svg::new(wide);
        sequence.top = 50.0;
        sequence.rows(&mut rows);
        let height = sequence.top + 8.0;
        let mut svg = Svg::new(wide);
        sequence.heads(&mut svg, height);
        svg.append(rows);
        svg.finish(height, title, &sequence.described())
    }

    fn place_columns(&mut self) {
        let count = self.columns.len();
        let room = self.wide / count as f64;
        let half = (room / 2.0).min(58.0);
        let step = (self.wide - 2.0 * half - 2.0) / (count as f64 - 1.0).max(1.0);
        for (place, column) in self.columns.iter_mut().enumerate() {
            column.at = half + 1.0 + step * place as f64;
        }
    }

    fn heads(&self, svg: &mut Svg, height: f64) {
        let room = (self.wide / self.columns.len() as f64 - 6.0).min(150.0);
        for column in &self.columns {
            let class = if column.seen { "life" } else { "life unseen" };
            svg.line(class, [column.at, 42.0], [column.at, height]);
            let half = (room / 2.0).min(column.at - 0.5).min(self.wide - column.at - 0.5);
            let class = if column.seen { "box" } else { "box unseen" };
            svg.rect(class, [column.at - half, 0.5, 2.0 * half, 41.0], 6.0);
            let fitted = |text: &str, size| fit(text, 2.0 * half - 6.0, size, Face::Sans);
            svg.text("name", [column.at, 17.0], Anchor::Middle, &fitted(column.role, 12.0));
            svg.text("mute", [column.at, 33.0], Anchor::Middle, &fitted(&words(column.name, 80), 10.5));
        }
    }

    fn rows(&mut self, svg: &mut Svg) {
        let exchanges = self.trace.list("exchanges");
        let left_out = exchanges.len().saturating_sub(MOST);
        let mut step = None;
        for (place, exchange) in exchanges.iter().enumerate() {
            if left_out > 0 && place == MOST - 5 {
                self.top += 22.0;
                let said = format!("… {left_out} more exchanges, which are in trace.har");
                svg.text("mute", [self.columns[0].at + 8.0, self.top], Anchor::Start, &said);
                self.top += 4.0;
            }
            if left_out > 0 && (MOST - 5..MOST - 5 + left_out).contains(&place) {
                continue;
            }
            if step != exchange.text("step") {
                step = exchange.text("step");
                self.step(svg, step.unwrap_or("?"));
            }
            self.exchange(svg, place, exchange, place + 1 == exchanges.len());
        }
        match self.trace.at("user").text("username") {
            Some(user) if passed(self.trace) => self.verdict(svg, "good", &format!("logged in as {user}")),
            _ if passed(self.trace) => self.verdict(svg, "good", "logged in"),
            _ if exchanges.is_empty() => {
                let said = self.trace.at("failure").text("message").unwrap_or("no answer");
                self.verdict(svg, "bad", said);
            }
            _ => {}
        }
    }

    fn step(&mut self, svg: &mut Svg, step: &str) {
        self.top += 9.0;
        svg.line("rule", [0.0, self.top], [self.wide, self.top]);
        let step = fit(&words(step, 40), self.wide / 4.0, 10.0, Face::Sans);
        svg.text("step", [self.wide, self.top + 12.0], Anchor::End, &step);
        self.top += 3.0;
    }

    /// What stands for the status of an exchange that has none.
    fn unanswered(&self, failed: bool) -> &'static str {
        match self.trace.at("failure").text("answer").filter(|_| failed) {
            Some("too-large" | "not-http") => "no answer that can be read",
            _ => "no answer",
        }
    }

    fn exchange(&mut self, svg: &mut Svg, place: usize, exchange: &Value, last: bool) {
        let failed = last && !passed(self.trace);
        let (from, to) = (self.columns[0].at, self.columns[self.column_of(exchange)].at);
        let begin = self.top + 20.0;
        let method = exchange.text("method").unwrap_or("?");
        let asked = format!("{} {}", words(method, 10), words(path(exchange), 200));
        // Beside the name of the step, which stands at the right end of the first line.
        self.label(svg, "call", &asked, begin - 5.0, 60.0);
        svg.arrow("out", from + 3.0, to - 3.0, begin);
        self.top = begin;
        if let Some(hidden) = self.hidden.take_if(|hidden| hidden.within == place) {
            self.hidden(svg, &hidden, to);
        }
        let end = self.top + 19.0;
        let class = if failed { "back bad" } else { "back" };
        let status = status(exchange);
        let answer = status.as_deref().unwrap_or_else(|| self.unanswered(failed));
        let came = format!("{answer} · {}", millis(exchange.number("ms")));
        let note = exchange.text("note").filter(|_| !failed).map(|note| words(note, 200));
        let text = if failed { "call bad" } else { "call mute" };
        let said = note.map_or(came.clone(), |note| format!("{came}  {note}"));
        self.label(svg, text, &said, end - 5.0, 0.0);
        if status.is_some() {
            svg.arrow(class, to - 3.0, from + 3.0, end);
        } else {
            svg.cross("back bad", to - 3.0, end - 9.0);
        }
        svg.rect(
            if failed { "busy bad" } else { "busy" },
            [to - 3.0, begin - 3.0, 6.0, end - begin + 6.0],
            2.0,
        );
        svg.rect("busy", [from - 3.0, begin - 3.0, 6.0, end - begin + 6.0], 2.0);
        self.top = end;
        if failed {
            let failure = self.trace.at("failure");
            let said = failure.text("message").or(exchange.text("note")).unwrap_or("no words");
            self.verdict(svg, "bad", said);
        }
    }

    /// A text from the browser's line to the right end, over the lines of the others.
    fn label(&self, svg: &mut Svg, class: &str, text: &str, y: f64, kept_free: f64) {
        let x = self.columns[0].at + 8.0;
        let text = fit(text, self.wide - x - kept_free - 4.0, SIZE, Face::Mono);
        svg.text(class, [x, y], Anchor::Start, &text);
    }

    fn hidden(&mut self, svg: &mut Svg, hidden: &Hidden, from: f64) {
        let to = self.columns.iter().rev().find(|column| column.role == "provider");
        let to = to.map_or(self.wide - 10.0, |column| column.at);
        let right = from.max(to) - 8.0;
        // Between the two lines where that is wide enough, else from the browser's.
        let between = (to - from).abs() - 24.0;
        let room = if between > 200.0 { between } else { right - self.columns[0].at - 16.0 };
        // Texts grow upwards from the arrow that they belong to.
        let above = |svg: &mut Svg, class: &str, text: &str, top: f64| {
            let lines = wrap(text, room, SIZE, Face::Mono, 2);
            for (place, line) in lines.iter().enumerate() {
                svg.text(class, [right, top + 16.0 + 14.0 * place as f64], Anchor::End, line);
            }
            top + 7.0 + 14.0 * lines.len() as f64
        };
        let bad = if hidden.failed { " bad" } else { "" };
        let asked = above(svg, "call", hidden.asks, self.top);
        let head = if hidden.arrived { to - 3.0 } else { f64::midpoint(from, to) };
        svg.arrow("out unseen", from + 3.0, head, asked);
        if !hidden.arrived {
            svg.cross("back bad", head + 7.0, asked);
        }
        let mut y = above(svg, &format!("call{bad}"), hidden.came, asked - 1.0);
        if hidden.arrived {
            svg.arrow(&format!("back unseen{bad}"), to - 3.0, from + 3.0, y);
            svg.rect("busy unseen", [to - 3.0, asked - 3.0, 6.0, y - asked + 6.0], 2.0);
        }
        for line in wrap(UNSEEN, room, 10.0, Face::Sans, 2) {
            y += 12.0;
            svg.text("aside", [right, y], Anchor::End, &line);
        }
        self.top = y + 2.0;
    }

    /// How it ended, in a box.
    fn verdict(&mut self, svg: &mut Svg, class: &str, said: &str) {
        let x = self.columns[0].at + 8.0;
        let room = self.wide - x - 1.0;
        let lines = wrap(&words(said, 400), room - 20.0, SIZE, Face::Mono, 4);
        let widest = lines.iter().map(|line| width(line, SIZE, Face::Mono)).fold(0.0, f64::max);
        let height = 15.0 * lines.len() as f64 + 11.0;
        self.top += 9.0;
        svg.rect(&format!("said {class}"), [x, self.top, (widest + 20.0).min(room), height], 5.0);
        for (place, line) in lines.iter().enumerate() {
            let y = self.top + 17.5 + 15.0 * place as f64;
            svg.text(&format!("call {class}"), [x + 10.0, y], Anchor::Start, line);
        }
        self.top += height;
    }

    fn column_of(&self, exchange: &Value) -> usize {
        let host = host(exchange);
        let last = self.columns.iter().rposition(|column| column.seen).unwrap_or(0);
        self.columns.iter().position(|column| column.seen && column.name == host).unwrap_or(last)
    }

    fn described(&self) -> String {
        let exchanges = self.trace.list("exchanges");
        let mut said = format!("{} exchanges", exchanges.len());
        if let Some(last) = exchanges.last().filter(|_| !passed(self.trace)) {
            let place = format!("{}{}", host(last), path(last));
            let message = self.trace.at("failure").text("message").unwrap_or("no words");
            said += &format!(
                "; the last one, {} {}, failed: {}",
                last.named("method", 10),
                words(&place, 120),
                words(message, 200)
            );
        }
        said + "."
    }
}

/// The browser and every host, in the order in which they were called; and a provider that only
/// Argo CD calls.
fn columns(trace: &Value, provider_needed: bool) -> Vec<Column<'_>> {
    let mut columns = vec![Column { role: "browser", name: "the probe", at: 0.0, seen: true }];
    for exchange in trace.list("exchanges") {
        let (name, step) = (host(exchange), exchange.text("step"));
        if columns.iter().skip(1).any(|column| column.name == name) || columns.len() > HOSTS {
            continue;
        }
        let asked_at_provider = matches!(step, Some("authorize" | "form" | "token"));
        let has_provider = columns.iter().any(|column| column.role == "provider");
        let role = match columns.len() {
            1 => "Argo CD",
            _ if asked_at_provider && !has_provider => "provider",
            _ => "another host",
        };
        columns.push(Column { role, name, at: 0.0, seen: true });
    }
    if provider_needed && !columns.iter().any(|column| column.role == "provider") {
        let inside = trace.list("exchanges").iter().any(|exchange| path(exchange).contains("/api/dex/"));
        let name = if inside { "Dex inside Argo CD" } else { "never asked by browser" };
        columns.push(Column { role: "provider", name, at: 0.0, seen: false });
    }
    columns
}
