//! Git's packet lines, as far as listing a repository's tags takes.

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A line; its end is not part of it.
    Line(&'a [u8]),
    /// The end of a message.
    Flush,
    /// Between the parts of a message.
    Delimiter,
}

/// Writes a line.
pub fn line(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

/// What ends a message.
pub const FLUSH: &str = "0000";
/// What stands between its parts.
pub const DELIMITER: &str = "0001";

/// Reads all packets.
///
/// # Errors
/// They are cut off, or it is something else; where, in bytes.
pub fn packets(bytes: &[u8]) -> Result<Vec<Packet<'_>>, usize> {
    let mut packets = vec![];
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let digits = rest.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)).ok_or(at)?;
        let digits = std::str::from_utf8(digits).map_err(|_| at)?;
        let length = usize::from_str_radix(digits, 16).map_err(|_| at)?;
        let packet = match length {
            0 => Packet::Flush,
            1 | 2 => Packet::Delimiter,
            3 => return Err(at),
            length => {
                let line = rest.get(4..length).ok_or(at)?;
                Packet::Line(line.strip_suffix(b"\n").unwrap_or(line))
            }
        };
        packets.push(packet);
        rest = &rest[length.max(4)..];
    }
    Ok(packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_written_and_read() {
        assert_eq!(line("command=ls-refs"), "0014command=ls-refs\n");
        let text = [&line("a"), DELIMITER, &line("b"), FLUSH, "0005c"].concat();
        let read = packets(text.as_bytes()).unwrap();
        let expected =
            [Packet::Line(b"a"), Packet::Delimiter, Packet::Line(b"b"), Packet::Flush, Packet::Line(b"c")];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_found() {
        for (text, at) in [("00", 0), ("0009ab", 0), ("0000zzzz", 4), ("0003", 0), ("<htm", 0), ("-001", 0)] {
            assert_eq!(packets(text.as_bytes()), Err(at), "{text}");
        }
    }
}
