//! Durations: as people read them, and as Go writes them.

use std::time::Duration;

/// A duration for a person: `7 ms`, `1.4 s`, `2 min 5 s`.
pub fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.as_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// A duration as Go writes it: `24h`, `1h30m`, `1.5h`, `500ms`. Go knows no words, blanks or days.
pub fn go_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() && text != "0" {
        let (number, unit) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, after) = unit.split_at(unit.find(is_number).unwrap_or(unit.len()));
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    Duration::try_from_secs_f64(sum).ok().filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (millis, text) in [(7, "7 ms"), (1449, "1.4 s"), (59_900, "59.9 s"), (125_000, "2 min 5 s")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn durations_are_gos() {
        for (text, seconds) in [
            ("24h", 86_400.0),
            ("1h30m", 5400.0),
            ("30m1h", 5400.0),
            ("1.5h30m", 7200.0),
            ("100ms", 0.1),
            ("500ms", 0.5),
            ("1.5s", 1.5),
            ("1ns", 1e-9),
            ("0", 0.0),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "1", "5", "1d", "h", "-1s", "1h 30m", "-1h", "one hour", "P1D", "1h0", "1..5h"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
