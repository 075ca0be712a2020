//! SHA-256: what every download is held against.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use ring::digest::{Context, SHA256};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, place) in bytes.iter_mut().zip(0..) {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// That of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = hasher();
        hasher.update(bytes);
        Self::by(hasher)
    }

    /// That of all that was taken.
    pub fn by(hasher: Context) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hasher.finish().as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

/// Takes bytes as they come.
pub fn hasher() -> Context {
    Context::new(&SHA256)
}

/// One that has taken a whole file. Blocks.
///
/// # Errors
/// The file cannot be read.
pub fn over_file(path: &Path) -> io::Result<Context> {
    let mut file = File::open(path)?;
    let mut hasher = hasher();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reads_and_writes_hexadecimal() {
        let sha256 = Sha256::parse(EMPTY).unwrap();
        assert_eq!(sha256, Sha256::of(b""));
        assert_eq!(sha256.to_string(), EMPTY);
        assert_eq!(Sha256::parse(&EMPTY.to_uppercase()), Some(sha256));
        let wrong = [&EMPTY[1..], "", &EMPTY.replace('e', "g"), &format!("{EMPTY}0"), &"é".repeat(32)];
        for text in wrong {
            assert_eq!(Sha256::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = vec![7; 1_000_000];
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Sha256::by(over_file(&path).unwrap()), Sha256::of(&bytes));
    }
}
