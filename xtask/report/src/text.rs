//! Texts of others made fit for a page: how long they may be, how wide they are, and numbers as
//! people read them.

use std::time::Duration;

/// How much of a run is shown. What is hostile or huge is shown with less, until it fits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most characters of one text.
    pub words: usize,
    /// The most rows of a table, or entries of a list.
    pub rows: usize,
    /// The most drawings of one entry.
    pub drawings: usize,
    /// The most entries of a run.
    pub entries: usize,
    /// The most logins of a plot.
    pub logins: usize,
}

impl Limits {
    /// From what suffices for every run that was made in earnest to what always fits.
    pub const ALL: [Self; 3] = [
        Self { words: 1_000, rows: 120, drawings: 60, entries: 30, logins: 2_000 },
        Self { words: 200, rows: 40, drawings: 8, entries: 12, logins: 500 },
        Self { words: 60, rows: 10, drawings: 2, entries: 4, logins: 200 },
    ];
}

/// A text on one line, without what a terminal or a page would obey, cut where it is longer than
/// `most` characters.
pub fn words(text: &str, most: usize) -> String {
    if text.len() <= most && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.trim_end().to_owned();
    }
    let blank = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    match text.char_indices().nth(most) {
        None => base::shown::clean(&text.trim_end().chars().map(blank).collect::<String>()),
        Some((end, _)) => {
            let kept: String = text[..end].chars().map(blank).collect();
            format!("{}… ({} characters)", base::shown::clean(&kept), grouped(text.chars().count()))
        }
    }
}

/// A text line by line, each as [`words`], and how many lines there are more than `most`.
pub fn lines(text: &str, most: usize, longest: usize) -> String {
    let mut lines: Vec<String> = text.lines().take(most).map(|line| words(line, longest)).collect();
    let more = text.lines().skip(most).count();
    if more > 0 {
        lines.push(format!("… ({} more lines)", grouped(more)));
    }
    lines.join("\n")
}

/// A whole number, its digits in groups of three.
pub fn grouped(number: usize) -> String {
    let digits: Vec<char> = number.to_string().chars().collect();
    let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
    groups.join(",")
}

/// The longest time that is believed, in milliseconds: a month.
const LONGEST: f64 = 31.0 * 86_400_000.0;

/// Milliseconds that can be.
pub fn believed(ms: Option<f64>) -> Option<f64> {
    ms.filter(|ms| (0.0..=LONGEST).contains(ms))
}

/// Milliseconds for a person; a dash where they are not known or cannot be.
pub fn millis(ms: Option<f64>) -> String {
    match believed(ms) {
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => base::duration(Duration::from_secs_f64(ms / 1000.0)),
        None => "–".to_owned(),
    }
}

/// `1 login`, `5 logins`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A kind of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// All of one width.
    Mono,
    /// As the page's text.
    Sans,
}

/// How wide a text is at most, in units of its size: page and picture are read with fonts that
/// are not known here.
fn width_of(c: char, face: Face) -> f64 {
    match (face, c) {
        (Face::Mono, '\u{20}'..='\u{7e}') => 0.62,
        (
            Face::Sans,
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '/' | ' ',
        ) => 0.42,
        (Face::Sans, 'm' | 'w' | 'M' | 'W' | '@' | '%') => 0.98,
        (Face::Sans, 'A'..='Z') => 0.76,
        (Face::Sans, '\u{20}'..='\u{7e}') => 0.63,
        (_, '…' | '→' | '·' | '–') => 1.0,
        _ => 1.2,
    }
}

/// How wide a text is at most, in pixels.
pub fn width(text: &str, size: f64, face: Face) -> f64 {
    text.chars().map(|c| width_of(c, face)).sum::<f64>() * size
}

/// As much of a text as fits.
pub fn fit(text: &str, room: f64, size: f64, face: Face) -> String {
    if width(text, size, face) <= room {
        return text.to_owned();
    }
    let (mut kept, mut taken) = (String::new(), size);
    for c in text.chars() {
        taken += width_of(c, face) * size;
        if taken > room {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// A text on several lines that fit, broken at blanks where there are some; at most `most`.
pub fn wrap(text: &str, room: f64, size: f64, face: Face, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    let mut rest = text.trim();
    while !rest.is_empty() {
        if lines.len() + 1 == most {
            lines.push(fit(rest, room, size, face));
            break;
        }
        let (mut end, mut blank, mut taken) = (rest.len(), None, 0.0);
        for (place, c) in rest.char_indices() {
            taken += width_of(c, face) * size;
            if taken > room {
                end = blank.unwrap_or(place.max(c.len_utf8()));
                break;
            }
            if c == ' ' {
                blank = Some(place);
            }
        }
        lines.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    lines
}
