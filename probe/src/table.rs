//! The exchanges of one login as a table for people.

use base::terminal::{Screen, columns, wrap};

use crate::jar::Kept;
use crate::report::Login;
use crate::trace::{Exchange, SetCookie, milliseconds};

/// How the table is dressed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether the failing hop is coloured by ANSI codes.
    pub colour: bool,
    /// The columns of a line, where they are limited.
    pub width: Option<usize>,
}

impl Style {
    /// A text in a colour, by its ANSI code, where there are colours.
    pub(crate) fn painted(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl From<Screen> for Style {
    fn from(screen: Screen) -> Self {
        Self { colour: screen.colours, width: screen.width }
    }
}

/// The narrowest place beside the other columns for what came of a hop; else it stands below them.
const BESIDE: usize = 24;

/// One line an exchange: step, request, status, milliseconds, what came of it. The hop at which a login
/// failed has a `✗` in front; the other lines have two spaces there. On a narrow screen what came of a hop goes on in
/// lines of its own.
pub fn render(login: &Login, style: Style) -> String {
    let failed = login.outcome.is_err().then(|| login.exchanges.len().saturating_sub(1));
    let mut rows = vec![["step", "request", "status", "ms", "what came of it"].map(str::to_owned)];
    rows.extend(login.exchanges.iter().enumerate().map(|(at, exchange)| row(exchange, failed == Some(at))));
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let mut widths = [width(0), width(1), width(2), width(3)];
    let others = 10 + widths[0] + widths[2] + widths[3];
    let all = style.width.unwrap_or(usize::MAX);
    let beside = all.saturating_sub(others + widths[1]);
    // Where the last column begins, and how wide it may be.
    let (at, wide) = match beside >= BESIDE || width(4) <= beside {
        true => (others + widths[1], beside),
        false => (widths[0] + 4, all.saturating_sub(widths[0] + 4)),
    };
    widths[1] = widths[1].min(all.saturating_sub(others - 2));
    let mut text = String::new();
    for (index, [step, request, status, ms, what]) in rows.iter().enumerate() {
        let is_failing = index > 0 && failed == Some(index - 1);
        let mark = if is_failing { "✗" } else { " " };
        let request = Screen { width: Some(widths[1] + 1), unicode: true, ..Screen::default() }.cut(request);
        let mut line = format!(
            "{mark} {step:0$}  {request:1$}  {status:>2$}  {ms:>3$}",
            widths[0], widths[1], widths[2], widths[3]
        );
        for (number, part) in wrap(what, wide).iter().filter(|part| !part.is_empty()).enumerate() {
            match (number, at == others + widths[1]) {
                (0, true) => line.push_str("  "),
                _ => line.push_str(&format!("\n{}", " ".repeat(at))),
            }
            line.push_str(part);
        }
        if index == 0 && at != others + widths[1] {
            line.truncate(line.find('\n').unwrap_or(line.len()));
        }
        let line = line.trim_end();
        text += &match (is_failing, index) {
            (true, _) => style.painted("31", line),
            (false, 0) => style.painted("2", line),
            _ => line.to_owned(),
        };
        text.push('\n');
    }
    text
}

/// The exchanges of a login with every header of their answers, secrets masked.
pub fn answers(login: &Login) -> String {
    let mut text = String::new();
    for exchange in &login.exchanges {
        text.push_str(&format!("    > {} {}\n", exchange.method, exchange.url));
        if !exchange.cookies_sent.is_empty() {
            text.push_str(&format!("    > Cookie: {}\n", exchange.cookies_sent.join(", ")));
        }
        if !exchange.fields_sent.is_empty() {
            text.push_str(&format!("    > form fields: {}\n", exchange.fields_sent.join(", ")));
        }
        match exchange.status {
            Some(status) => text.push_str(&format!("    < {status}, {} bytes\n", exchange.bytes)),
            None => text.push_str(&format!("    < {}\n", exchange.note)),
        }
        for (name, value) in &exchange.headers {
            text.push_str(&format!("    < {name}: {value}\n"));
        }
    }
    text
}

fn row(exchange: &Exchange, is_failing: bool) -> [String; 5] {
    let mut what = vec![exchange.note.clone()];
    // Where a login ends, only a cookie that went missing has a say.
    let says = |cookie: &&SetCookie| !is_failing || matches!(cookie.kept, Kept::Refused(_));
    for cookie in exchange.cookies.iter().filter(says) {
        what.push(match cookie.kept {
            Kept::Kept if cookie.empty => format!("empties {}", cookie.name),
            Kept::Kept => format!("sets {}", cookie.name),
            Kept::Removed => format!("removes {}", cookie.name),
            Kept::Refused(reason) => format!("{} is dropped: {reason}", cookie.name),
        });
    }
    what.retain(|part| !part.is_empty());
    [
        exchange.step.to_string(),
        format!("{:4} {}", exchange.method, exchange.place),
        exchange.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        format!("{:.1}", milliseconds(exchange.time)),
        what.join("; "),
    ]
}
