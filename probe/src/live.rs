//! The hops of a series on a terminal, drawn over while it runs.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use base::terminal::Screen;
use probe::Event;
use probe::hops::Hops;

/// The shortest time between two drawings; nobody reads faster.
const PAUSE: Duration = Duration::from_millis(50);

/// What is drawn on standard error.
pub(crate) struct Live {
    screen: Screen,
    hops: Hops,
    /// The lines that stand there now.
    drawn: usize,
    last: Option<Instant>,
}

impl Live {
    /// Nothing yet, of so many logins.
    pub(crate) fn new(screen: Screen, logins: u32) -> Self {
        Self { screen, hops: Hops::new(logins), drawn: 0, last: None }
    }

    /// Takes in what happens, and draws it.
    pub(crate) fn hear(&mut self, event: &Event) {
        self.hops.hear(event);
        if self.last.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.last = Some(Instant::now());
            self.draw();
        }
    }

    fn draw(&mut self) {
        let mut lines = vec![self.hops.ended()];
        lines.extend(self.hops.lines());
        let text: String = lines.iter().map(|line| format!("{}\r\n", self.screen.cut(line))).collect();
        self.put(&text);
        self.drawn = lines.len();
    }

    /// Leaves the terminal as it was.
    pub(crate) fn clear(&mut self) {
        self.put("");
        (self.drawn, self.last) = (0, None);
    }

    /// Writes in place of what was drawn. Nothing is lost if the terminal is gone.
    fn put(&self, text: &str) {
        let up = if self.drawn > 0 { format!("\u{1b}[{}A\r\u{1b}[J", self.drawn) } else { String::new() };
        let mut terminal = io::stderr().lock();
        let _ = terminal.write_all(format!("{up}{text}").as_bytes());
        let _ = terminal.flush();
    }
}
