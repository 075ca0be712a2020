//! What a series of logins says, in words for people.

use crate::report::Report;
use crate::table::Style;
use crate::verdict::Verdict;

/// The verdict in one line: `refused: 0 of 5 logins passed`.
pub fn headline(report: &Report) -> String {
    let (ok, total) = (report.ok(), report.logins.len());
    let logins = if total == 1 { "login" } else { "logins" };
    let counts = match report.verdict {
        Verdict::LoggedIn if total == 1 => "1 login passed".to_owned(),
        Verdict::LoggedIn => format!("all {total} logins passed"),
        _ => format!("{ok} of {total} {logins} passed"),
    };
    let user = report.logins.iter().find_map(|login| login.outcome.as_ref().ok());
    let user = user.map_or_else(String::new, |user| format!(" as {}", user.username));
    let missing = report.asked as usize - total.min(report.asked as usize);
    let missing = if missing == 0 { String::new() } else { format!(", {missing} not done") };
    format!("{}: {counts}{user}{missing}", report.verdict)
}

/// The verdict, each kind of failure with its meaning, how long logins took and what was waited for.
pub fn render(report: &Report, style: Style) -> String {
    let colour = match report.verdict {
        Verdict::LoggedIn => "1;32",
        Verdict::Mixed => "1;33",
        Verdict::Refused | Verdict::Unreachable => "1;31",
    };
    let mut text = style.painted(colour, &headline(report)) + "\n";
    for group in report.failures() {
        let status = group.status.map_or_else(String::new, |status| format!(" {status}"));
        text += &format!("  {} × {}{status}: {}\n", group.count, group.step, group.message);
        let names: Vec<_> = group.candidates.iter().map(|id| id.name()).collect();
        text += &match names.as_slice() {
            [] => format!("      {}\n", group.explanation),
            [one] => format!("      {one}: {}\n", group.explanation),
            several => format!("      {}\n      one of {}\n", group.explanation, several.join(", ")),
        };
        if let Some(decides) = group.decides {
            text += &format!("      to decide: {decides}\n");
        }
    }
    if let Some(latency) = report.latency() {
        text += &match report.logins.len() {
            1 => format!("  took {} ms\n", latency.max),
            _ => format!(
                "  took {} ms at best, {} ms at the median, {} ms for 95 of 100, {} ms at worst\n",
                latency.min, latency.median, latency.p95, latency.max
            ),
        };
    }
    if !report.waited.is_zero() {
        let restarts: u32 = report.logins.iter().map(|login| login.restarts).sum();
        let waited = crate::http::seconds(report.waited);
        let again = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
        text += &format!("  waited {waited} for what was not answering; logins began again {again}\n");
    }
    text
}
