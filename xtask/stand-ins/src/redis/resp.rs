//! RESP: requests in, replies out.

use bytes::{Bytes, BytesMut};

/// The longest request, and the most arguments in it: far more than a login's, far less
/// than Redis' own half gigabyte.
const REQUEST: usize = 16 * 1024 * 1024;
const WORDS: usize = 1024;
/// The longest line, which is a number.
const LINE: usize = 32;

/// Why something cannot be a request, in Redis' words; the connection ends with it.
type Garbage = &'static str;

/// Takes the next whole request from `buffer`: an array of strings. `None` if more has to
/// come first.
pub(super) fn request(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, Garbage> {
    let mut at = 0;
    let Some(count) = number(buffer, &mut at, b'*')? else { return Ok(None) };
    // Redis takes less than none for an empty request.
    let count = usize::try_from(count).unwrap_or(0);
    if count > WORDS {
        return Err("invalid multibulk length");
    }
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let Some(length) = number(buffer, &mut at, b'$')? else { return Ok(None) };
        let end = usize::try_from(length).ok().filter(|length| *length <= REQUEST).map(|length| at + length);
        let end = end.filter(|end| *end <= REQUEST).ok_or("invalid bulk length")?;
        if buffer.len() < end + 2 {
            return Ok(None);
        }
        places.push(at..end);
        at = end + 2;
    }
    let whole = buffer.split_to(at).freeze();
    Ok(Some(places.into_iter().map(|place| whole.slice(place)).collect()))
}

/// The number on the line at `at`, which moves behind it.
fn number(buffer: &[u8], at: &mut usize, kind: u8) -> Result<Option<i64>, Garbage> {
    let (begin, length) = match kind {
        b'*' => ("expected '*': this stand-in takes no inline commands", "invalid multibulk length"),
        _ => ("expected '$'", "invalid bulk length"),
    };
    let Some((first, rest)) = buffer[*at..].split_first() else { return Ok(None) };
    if *first != kind {
        return Err(begin);
    }
    let Some(end) = rest.iter().take(LINE).position(|byte| *byte == b'\n') else {
        return if rest.len() < LINE { Ok(None) } else { Err(length) };
    };
    let digits = std::str::from_utf8(rest[..end].trim_ascii_end()).ok();
    *at += end + 2;
    digits.and_then(|digits| digits.parse().ok()).ok_or(length).map(Some)
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Simple(&'static str),
    Error(String),
    Integer(i64),
    Bulk(Bytes),
    /// No value.
    Null,
    Array(Vec<Reply>),
    /// Names, each with its value behind it.
    Map(Vec<Reply>),
    /// What nobody asked for just now.
    Push(Vec<Reply>),
    /// One after the other.
    Several(Vec<Reply>),
}

impl Reply {
    pub(super) const OK: Self = Self::Simple("OK");

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Bulk(Bytes::from(text.into()))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Adds its bytes in RESP 2 or 3.
    pub(super) fn write(&self, protocol: u8, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, kind: char, count: usize| {
            out.extend_from_slice(format!("{kind}{count}\r\n").as_bytes());
        };
        match self {
            Self::Simple(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Self::Error(text) => {
                // One line, whatever was quoted in it.
                let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
                out.extend_from_slice(format!("-{text}\r\n").as_bytes());
            }
            Self::Integer(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Self::Bulk(bytes) => {
                head(out, '$', bytes.len());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Null if protocol == 3 => out.extend_from_slice(b"_\r\n"),
            Self::Null => out.extend_from_slice(b"$-1\r\n"),
            Self::Array(all) | Self::Push(all) | Self::Map(all) | Self::Several(all) => {
                match self {
                    Self::Several(_) => {}
                    Self::Push(_) if protocol == 3 => head(out, '>', all.len()),
                    Self::Map(_) if protocol == 3 => head(out, '%', all.len() / 2),
                    _ => head(out, '*', all.len()),
                }
                all.iter().for_each(|it| it.write(protocol, out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<Option<Vec<String>>, Garbage> {
        let words = request(&mut BytesMut::from(text))?;
        Ok(words.map(|words| words.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect()))
    }

    #[test]
    fn requests_are_arrays_of_strings() {
        let words = |words: &[&str]| Ok(Some(words.iter().map(|&it| it.to_owned()).collect()));
        for (text, expected) in [
            ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", words(&["GET", "a"])),
            ("*0\r\n", words(&[])),
            ("*-1\r\n", words(&[])),
            ("", Ok(None)),
            ("*1\r\n$1", Ok(None)),
            ("*x\r\n", Err("invalid multibulk length")),
            ("*99999999\r\n", Err("invalid multibulk length")),
            ("*00000000000000000000000000000000001", Err("invalid multibulk length")),
            ("*1\r\n:1\r\n", Err("expected '$'")),
            ("*1\r\n$-1\r\n", Err("invalid bulk length")),
            ("*1\r\n$99999999999999999999\r\n", Err("invalid bulk length")),
            ("*1\r\n$536870912\r\n", Err("invalid bulk length")),
            ("PING\r\n", Err("expected '*': this stand-in takes no inline commands")),
        ] {
            assert_eq!(parsed(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_request_in_pieces_waits_for_its_end_and_leaves_the_next() {
        let whole = b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n";
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            let mut seen = vec![];
            while let Some(request) = request(&mut buffer).unwrap() {
                seen.push(request);
            }
            buffer.extend_from_slice(&whole[cut..]);
            while let Some(request) = request(&mut buffer).unwrap() {
                seen.push(request);
            }
            assert_eq!(seen, [vec!["PING"], vec!["ECHO", "hi"]], "cut at {cut}");
        }
    }

    #[test]
    fn replies_differ_between_the_protocols() {
        let reply = Reply::Map(vec![Reply::text("a"), Reply::Null, Reply::text("b"), Reply::Push(vec![])]);
        let bytes = |protocol| {
            let mut out = vec![];
            reply.write(protocol, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(bytes(2), "*4\r\n$1\r\na\r\n$-1\r\n$1\r\nb\r\n*0\r\n");
        assert_eq!(bytes(3), "%2\r\n$1\r\na\r\n_\r\n$1\r\nb\r\n>0\r\n");
    }
}
