//! Git's packet lines, as far as listing a repository's tags takes.

/// Writes a line.
pub fn line(text: &str) -> String {
    format!("{:04x}{text}\n", text.len() + 5)
}

/// What ends a message.
pub const FLUSH: &str = "0000";
/// What stands between its parts.
pub const DELIMITER: &str = "0001";

/// Reads all packets: lines, without their ends, and nothing for what ends or parts a message.
///
/// # Errors
/// They are cut off, or it is something else; where, in bytes.
pub fn packets(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>, usize> {
    let mut packets = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at..at + 4).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or(at)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let length =
            usize::from_str_radix(digits, 16).ok().filter(|length| plain && *length != 3).ok_or(at)?;
        let line = if length < 4 { None } else { Some(bytes.get(at + 4..at + length).ok_or(at)?) };
        packets.push(line.map(|line| line.strip_suffix(b"\n").unwrap_or(line)));
        at += length.max(4);
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
        let expected = [Some(&b"a"[..]), None, Some(b"b"), None, Some(b"c")];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_found() {
        for (text, at) in [("00", 0), ("0009ab", 0), ("0000zzzz", 4), ("0003", 0), ("<htm", 0), ("-001", 0)] {
            assert_eq!(packets(text.as_bytes()), Err(at), "{text}");
        }
    }
}
