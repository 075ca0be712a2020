//! How one login of many ended, for whoever makes them again and again; and how long it waits where a server asks to
//! be left alone.

use std::num::IntErrorKind;
use std::time::Duration;

use base::shown::clean;
use jiff::Timestamp;
use serde::Serialize;

use crate::catalogue::Cause;
use crate::cookie_date;
use crate::lockout::Sign;
use crate::login::Failure;
use crate::report::Login;
use crate::trace::milliseconds;

/// The first pause where a server names none, and the longest at all.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// How a login ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    LoggedIn,
    /// Argo CD or the provider said no.
    Refused,
    /// One of them wants fewer requests (429).
    Throttled,
    /// Nobody's own answer was met.
    Unreachable,
    /// The password was not sent: it is not for whom the form leads to, or was refused before.
    Withheld,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LoggedIn, Self::Refused, Self::Throttled, Self::Unreachable, Self::Withheld];

    /// How `login` ended.
    pub fn of(login: &Login) -> Self {
        match &login.outcome {
            Ok(_) => Self::LoggedIn,
            Err(failure) => match failure.cause {
                Cause::Throttled => Self::Throttled,
                Cause::PasswordElsewhere | Cause::PasswordWithheld | Cause::InsecureForm => Self::Withheld,
                _ if login.answered => Self::Refused,
                _ => Self::Unreachable,
            },
        }
    }

    /// The word, in JSON, in text and as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoggedIn => "logged-in",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Withheld => "withheld",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How a login ended, in one line: what, where, with which words and what they mean.
pub fn in_words(login: &Login) -> String {
    let outcome = Outcome::of(login);
    let words = match &login.outcome {
        Ok(user) => format!("{outcome} as {} in {} ms", user.username, milliseconds(login.time)),
        Err(failure) => {
            let status = failure.status.map_or_else(String::new, |status| format!(" {status}"));
            let names: Vec<_> = failure.cause.candidates(false).ids.iter().map(|id| id.name()).collect();
            let causes = match names.as_slice() {
                [] => String::new(),
                [one] => format!(" ({one})"),
                several => format!(" (one of {})", several.join(", ")),
            };
            format!("{outcome} at {}{status}: {}{causes}", failure.step, failure.message)
        }
    };
    clean(&words)
}

/// The pauses that a target's answers ask for, one after another.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// How long to leave everybody alone after this login, where it has a sign of a lock-out: as long as a 429 says
    /// (`Retry-After`), else longer each time. A password that is not taken needs no pause: it is not sent again.
    pub fn after(&mut self, login: &Login) -> Option<Duration> {
        let sign = login.outcome.as_ref().err().and_then(Failure::sign);
        if sign.is_none_or(|sign| sign == Sign::Refused) {
            self.last = None;
            return None;
        }
        let longer = self.last.map_or(PAUSES.0, |last| last.saturating_mul(2));
        let pause = retry_after(login).unwrap_or(longer).clamp(Duration::from_secs(1), PAUSES.1);
        self.last = Some(pause.max(PAUSES.0));
        Some(pause)
    }
}

/// How long the last answer asks to wait: in seconds, or until a date.
fn retry_after(login: &Login) -> Option<Duration> {
    let headers = &login.exchanges.last()?.headers;
    let value = headers.iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value.trim())?;
    match value.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A number too large to hold is longer than any pause.
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(Duration::MAX),
        Err(_) => cookie_date::parse(value)?.duration_since(Timestamp::now()).try_into().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Step;

    fn login(step: Step, status: u16, cause: Cause, retry_after: &[&str]) -> Login {
        let exchange = serde_json::json!({"step": step, "url": "http://dex.host/auth", "status": status});
        let mut exchange: crate::trace::Exchange = serde_json::from_value(exchange).unwrap();
        exchange.headers =
            retry_after.iter().map(|value| ("retry-after".to_owned(), (*value).to_owned())).collect();
        Login {
            started: jiff::Timestamp::UNIX_EPOCH,
            at: Duration::ZERO,
            number: 1,
            outcome: Err(Failure::new(step, Some(status), "no", cause)),
            time: Duration::ZERO,
            waited: Duration::ZERO,
            restarts: 0,
            answered: true,
            exchanges: vec![exchange],
        }
    }

    #[test]
    fn a_server_says_how_long() {
        let far = "Fri, 23 Nov 2096 22:41:40 GMT";
        let endless = "9".repeat(30);
        for (value, seconds) in [
            ("7", 7),
            ("0", 1),
            ("-5", 60),
            ("99999999", 3600),
            (endless.as_str(), 3600),
            (far, 3600),
            ("soon", 60),
        ] {
            let throttled = login(Step::Form, 429, Cause::Throttled, &[value]);
            let pause = Backoff::default().after(&throttled);
            assert_eq!(pause, Some(Duration::from_secs(seconds)), "{value}");
        }
        // A date that is over asks for the shortest pause there is, or for the usual one.
        let over = login(Step::Form, 429, Cause::Throttled, &["Fri, 23 Nov 2001 22:41:40 GMT"]);
        assert!(Backoff::default().after(&over).is_some_and(|pause| pause <= PAUSES.0));
    }

    #[test]
    fn without_its_word_pauses_get_longer_and_begin_anew_when_it_is_over() {
        let mut backoff = Backoff::default();
        let throttled = login(Step::Authorize, 429, Cause::Throttled, &[]);
        let seconds: Vec<u64> = (0..8).map(|_| backoff.after(&throttled).unwrap().as_secs()).collect();
        assert_eq!(seconds, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(backoff.after(&login(Step::Callback, 500, Cause::InvalidClient, &[])), None);
        assert_eq!(backoff.after(&throttled), Some(PAUSES.0));
    }

    #[test]
    fn an_unknown_error_of_the_form_may_count_attempts() {
        let mut backoff = Backoff::default();
        assert!(backoff.after(&login(Step::Form, 403, Cause::Unknown, &[])).is_some());
        for other in [
            login(Step::Form, 500, Cause::Unknown, &[]),
            login(Step::Form, 401, Cause::WrongPassword, &[]),
            login(Step::Userinfo, 403, Cause::Unknown, &[]),
        ] {
            assert_eq!(backoff.after(&other), None, "{other:?}");
        }
    }
}
