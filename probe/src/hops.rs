//! How far logins are, hop by hop: lines that are drawn over while a series runs.

use std::collections::HashSet;
use std::time::Duration;

use crate::run::Event;
use crate::trace::Step;

/// What the hops of a series are at.
#[derive(Debug)]
pub struct Hops {
    logins: u32,
    ended: u32,
    hops: Vec<Hop>,
}

/// One step, over all logins.
#[derive(Debug)]
struct Hop {
    step: Step,
    status: Option<u16>,
    /// The logins that came to it.
    reached: HashSet<u32>,
    /// Those that went no further.
    failed: u32,
    exchanges: u32,
    time: Duration,
}

impl Hops {
    /// Those of a series of so many logins, before it begins.
    pub fn new(logins: u32) -> Self {
        Self { logins, ended: 0, hops: vec![] }
    }

    /// Takes in what happens; a series has to be told to tell ([`crate::Options::each_exchange`]).
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Exchange { login, exchange } => {
                let hop = self.hop(exchange.step);
                hop.status = exchange.status;
                hop.reached.insert(*login);
                hop.exchanges += 1;
                hop.time += exchange.time;
            }
            Event::Finished(login) => {
                self.ended += 1;
                if let Err(failure) = &login.outcome {
                    let hop = self.hop(failure.step);
                    hop.failed += 1;
                    // With some refused and some not, the last answer may have been either.
                    hop.status = failure.status.or(hop.status);
                }
            }
            Event::Waiting { .. } | Event::Answering { .. } => {}
        }
    }

    fn hop(&mut self, step: Step) -> &mut Hop {
        let at = self.hops.partition_point(|hop| hop.step < step);
        if self.hops.get(at).is_none_or(|hop| hop.step != step) {
            let (status, reached) = (None, HashSet::new());
            self.hops
                .insert(at, Hop { step, status, reached, failed: 0, exchanges: 0, time: Duration::ZERO });
        }
        &mut self.hops[at]
    }

    /// How many have ended: `3 of 5 logins`.
    pub fn ended(&self) -> String {
        format!("{} of {} logins", self.ended, self.logins.max(self.ended))
    }

    /// A line a hop: step, the last status, how many of all logins passed or were refused there, its mean time.
    pub fn lines(&self) -> Vec<String> {
        self.hops.iter().map(|hop| self.line(hop)).collect()
    }

    fn line(&self, hop: &Hop) -> String {
        let status = hop.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let all = self.logins.max(self.ended);
        let ended = if hop.status.is_some() { "refused" } else { "failed" };
        let passed = hop.reached.len();
        let count = match (all, hop.failed) {
            (1, 0) => String::new(),
            (1, _) => ended.to_owned(),
            (all, 0) => format!("{passed} of {all}"),
            (all, failed) => format!("{failed} of {all} {ended}"),
        };
        let mean = hop.time.checked_div(hop.exchanges).unwrap_or_default().as_millis();
        let mark = if hop.failed > 0 { "✗" } else { " " };
        format!("{mark} {:<10} {status:>3}  {count:<16} {mean:>5} ms", hop.step)
    }
}
