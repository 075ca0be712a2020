//! The dates of cookies, read as leniently as browsers do (RFC 6265, section 5.1.1).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads an `Expires` value; None when it is no date, which makes the attribute count for nothing.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let mut time = None;
    let (mut day, mut month, mut year) = (None, None, None);
    let words =
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).filter(|word| !word.is_empty());
    for word in words {
        let _ = fill(&mut time, time_of(word))
            || fill(&mut day, number(word, 1, 2))
            || fill(&mut month, month_of(word))
            || fill(&mut year, number(word, 2, 4));
    }
    let year = match year? {
        late @ 70..=99 => late + 1900,
        early @ 0..=69 => early + 2000,
        full if full >= 1601 => full,
        _ => return None,
    };
    let (hour, minute, second) = time?;
    // A leap second is a date for browsers and none for the calendar.
    let second = second.min(59);
    let date = DateTime::new(year, month?, i8::try_from(day?).ok()?, hour, minute, second, 0).ok()?;
    TimeZone::UTC.to_timestamp(date).ok()
}

/// Takes what was found for what is wanting still; says whether it did.
fn fill<T>(wanted: &mut Option<T>, found: Option<T>) -> bool {
    wanted.is_none() && found.map(|found| *wanted = Some(found)).is_some()
}

/// A word that begins with `min` to `max` digits, whatever follows that is no digit.
fn number(word: &str, min: usize, max: usize) -> Option<i16> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    if digits < min || digits > max { None } else { word[..digits].parse().ok() }
}

fn time_of(word: &str) -> Option<(i8, i8, i8)> {
    let mut parts = word.split(':');
    let mut next = || parts.next().and_then(|part| number(part, 1, 2)).and_then(|n| i8::try_from(n).ok());
    let time = (next()?, next()?, next()?);
    (time.0 < 24 && time.1 < 60 && time.2 < 61).then_some(time)
}

fn month_of(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = word.get(..3)?.to_ascii_lowercase();
    (1..).zip(MONTHS).find(|(_, month)| *month == start).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_that_servers_send() {
        let same = "2026-11-23T22:41:40Z";
        for (text, expected) in [
            ("Mon, 23 Nov 2026 22:41:40 GMT", Some(same)),
            ("Mon, 23-Nov-2026 22:41:40 GMT", Some(same)),
            ("Monday, 23-Nov-26 22:41:40 GMT", Some(same)),
            ("Mon Nov 23 22:41:40 2026", Some(same)),
            ("23 nov 2026 22:41:40", Some(same)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some("1970-01-01T00:00:00Z")),
            ("Thu, 1 Jan 70 0:00:00", Some("1970-01-01T00:00:00Z")),
            ("31 Dec 2026 23:59:60", Some("2026-12-31T23:59:59Z")),
            ("", None),
            ("0", None),
            ("never", None),
            ("Mon, 23 Nov 2026", None),
            ("Mon, 31 Feb 2026 22:41:40 GMT", None),
            ("Mon, 23 Nov 1600 22:41:40 GMT", None),
            ("Mon, 23 Nov 2026 24:41:40 GMT", None),
            ("Mon, 23 Növ 2026 22:41:40 GMT", None),
        ] {
            assert_eq!(parse(text), expected.map(|e| e.parse().unwrap()), "{text:?}");
        }
    }
}
