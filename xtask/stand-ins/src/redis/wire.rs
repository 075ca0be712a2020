//! RESP: requests in, replies out.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest argument, and the most of them: far more than a login's, far less than
/// Redis' own half gigabyte.
const BULK: usize = 8 * 1024 * 1024;
const WORDS: usize = 1024;
/// The longest request as a whole.
const REQUEST: usize = 16 * 1024 * 1024;
/// The longest line: a length, or a request in plain words.
const LINE: usize = 64 * 1024;

/// What cannot be a request, in Redis' words; the connection ends with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage(pub(super) &'static str);

/// Takes the next whole request from `buffer`. `None` if more has to come first; an
/// empty request (a blank line) is none, and is skipped by the caller.
pub(super) fn request(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, Garbage> {
    if buffer.first().is_none_or(|first| *first == b'*') {
        return array(buffer);
    }
    let Some((line, taken)) = line(buffer, "too big inline request")? else { return Ok(None) };
    let words = words(&buffer[..line]).ok_or(Garbage("unbalanced quotes in request"))?;
    buffer.advance(taken);
    Ok(Some(words))
}

fn array(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, Garbage> {
    const COUNT: Garbage = Garbage("invalid multibulk length");
    const LENGTH: Garbage = Garbage("invalid bulk length");
    if buffer.len() > REQUEST + LINE {
        return Err(LENGTH);
    }
    let Some((end, mut at)) = line(buffer, "too big mbulk count string")? else { return Ok(None) };
    let count = number(&buffer[1..end]).ok_or(COUNT)?;
    // Redis takes none and less than none for an empty request.
    let count = usize::try_from(count).unwrap_or(0);
    if count > WORDS {
        return Err(COUNT);
    }
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let rest = &buffer[at..];
        match rest.first() {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err(Garbage("expected '$'")),
        }
        let Some((end, taken)) = line(rest, "too big bulk count string")? else { return Ok(None) };
        let length = number(&rest[1..end]).and_then(|it| usize::try_from(it).ok());
        let length = length.filter(|it| *it <= BULK).ok_or(LENGTH)?;
        let start = at + taken;
        if start + length > REQUEST {
            return Err(LENGTH);
        }
        if buffer.len() < start + length + 2 {
            return Ok(None);
        }
        places.push(start..start + length);
        at = start + length + 2;
    }
    let whole = buffer.split_to(at).freeze();
    Ok(Some(places.into_iter().map(|place| whole.slice(place)).collect()))
}

/// Where the first line of `bytes` ends, without and with its end.
fn line(bytes: &[u8], too_long: &'static str) -> Result<Option<(usize, usize)>, Garbage> {
    match bytes.iter().take(LINE).position(|byte| *byte == b'\n') {
        Some(end) => {
            let text = bytes[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
            Ok(Some((text, end + 1)))
        }
        None if bytes.len() >= LINE => Err(Garbage(too_long)),
        None => Ok(None),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A request in plain words, some of them in quotes.
fn words(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = vec![];
    let mut rest = line.iter().copied().peekable();
    loop {
        while rest.next_if(u8::is_ascii_whitespace).is_some() {}
        let Some(first) = rest.peek().copied() else { return Some(words) };
        let mut word = vec![];
        if first == b'"' || first == b'\'' {
            rest.next();
            loop {
                match rest.next()? {
                    quote if quote == first => break,
                    b'\\' if first == b'"' => word.push(match rest.next()? {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => other,
                    }),
                    byte => word.push(byte),
                }
            }
            if rest.peek().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return None;
            }
        } else {
            while let Some(byte) = rest.next_if(|byte| !byte.is_ascii_whitespace()) {
                word.push(byte);
            }
        }
        words.push(word.into());
    }
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
    /// No array: a transaction that did not happen.
    NoArray,
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// What nobody asked for just now.
    Push(Vec<Reply>),
}

impl Reply {
    pub(super) const OK: Self = Self::Simple("OK");

    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

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
            Self::Null | Self::NoArray if protocol == 3 => out.extend_from_slice(b"_\r\n"),
            Self::Null => out.extend_from_slice(b"$-1\r\n"),
            Self::NoArray => out.extend_from_slice(b"*-1\r\n"),
            Self::Array(all) | Self::Push(all) => {
                let push = protocol == 3 && matches!(self, Self::Push(_));
                head(out, if push { '>' } else { '*' }, all.len());
                all.iter().for_each(|it| it.write(protocol, out));
            }
            Self::Map(pairs) => {
                if protocol == 3 {
                    head(out, '%', pairs.len());
                } else {
                    head(out, '*', pairs.len() * 2);
                }
                for (key, value) in pairs {
                    key.write(protocol, out);
                    value.write(protocol, out);
                }
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

    fn words(text: &str) -> Result<Option<Vec<String>>, Garbage> {
        Ok(Some(text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect()))
    }

    #[test]
    fn requests_are_arrays_or_lines() {
        for (text, expected) in [
            ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", words("GET a")),
            ("*0\r\n", words("")),
            ("*-1\r\n", words("")),
            ("PING\r\n", words("PING")),
            ("  SET a  b\n", words("SET a b")),
            ("\r\n", words("")),
            ("SET \"a\\n\" ''\r\n", Ok(Some(vec!["SET".into(), "a\n".into(), String::new()]))),
            ("SET \"a", Ok(None)),
            ("SET \"a\r\n", Err(Garbage("unbalanced quotes in request"))),
            ("*x\r\n", Err(Garbage("invalid multibulk length"))),
            ("*99999999\r\n", Err(Garbage("invalid multibulk length"))),
            ("*1\r\n:1\r\n", Err(Garbage("expected '$'"))),
            ("*1\r\n$-1\r\n", Err(Garbage("invalid bulk length"))),
            ("*1\r\n$99999999999999999999\r\n", Err(Garbage("invalid bulk length"))),
            ("*1\r\n$536870912\r\n", Err(Garbage("invalid bulk length"))),
        ] {
            assert_eq!(parsed(text.as_bytes()), expected, "{text:?}");
        }
        let long = vec![b'x'; LINE];
        assert_eq!(parsed(&long), Err(Garbage("too big inline request")));
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
        let reply =
            Reply::Map(vec![(Reply::text("a"), Reply::Null), (Reply::text("b"), Reply::Push(vec![]))]);
        let bytes = |protocol| {
            let mut out = vec![];
            reply.write(protocol, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(bytes(2), "*4\r\n$1\r\na\r\n$-1\r\n$1\r\nb\r\n*0\r\n");
        assert_eq!(bytes(3), "%2\r\n$1\r\na\r\n_\r\n$1\r\nb\r\n>0\r\n");
    }
}
