//! Files as Windows PowerShell's `>` writes them: UTF-16, with a mark at the start that says so.

/// The text of bytes that begin with UTF-16's mark; none if they do not.
pub fn text(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2)? {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_read() {
        for (bytes, read) in [
            (&b"\xff\xfea\0\xe4\0"[..], Some("aä")),
            (b"\xfe\xff\0a\0\xe4", Some("aä")),
            (b"\xff\xfea\0\0", Some("a")),
            (b"\xff\xfe", Some("")),
            (b"\xff\xfe\0\xd8", Some("\u{fffd}")),
            (b"a\0", None),
            (b"\xff", None),
            (b"", None),
        ] {
            assert_eq!(text(bytes).as_deref(), read, "{bytes:?}");
        }
    }
}
