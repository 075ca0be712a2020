//! Archives that behave, and archives that do not.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;

const WANTED: &str = "usr/local/bin/dex";

struct Made {
    folder: TempDir,
    builder: Builder<Vec<u8>>,
}

impl Made {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), builder: Builder::new(vec![]) }
    }

    /// An entry with exactly this name: the library's own check of names is not asked.
    fn entry(mut self, name: &str, kind: EntryType, link: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.builder.append(&header, bytes).unwrap();
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, "", bytes)
    }

    fn tar(self) -> (TempDir, Vec<u8>) {
        (self.folder, self.builder.into_inner().unwrap())
    }

    fn unpack(self) -> Result<Option<Vec<u8>>, String> {
        let (folder, bytes) = self.tar();
        let mut gzip = GzEncoder::new(vec![], Compression::fast());
        gzip.write_all(&bytes).unwrap();
        unpack_bytes(&folder, &gzip.finish().unwrap())
    }
}

/// What was taken out, if the archive has it.
fn unpack_bytes(folder: &TempDir, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let archive = folder.path().join("archive");
    std::fs::write(&archive, bytes).unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir_all(&inner).unwrap();
    let to = inner.join("out");
    let found = take_out(&archive, WANTED, &to);
    // Whatever the archive says, nothing is anywhere but at the one path.
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["archive", "inner"]);
    assert!(std::fs::read_dir(&inner).unwrap().all(|entry| entry.unwrap().file_name() == "out"));
    match found {
        Ok(found) => Ok(found.then(|| std::fs::read(to).unwrap())),
        Err(Trouble::Archive(words)) => Err(words),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_one_file_is_taken_out_and_nothing_else() {
    let made = Made::new()
        .entry("usr/local/bin/", EntryType::Directory, "", b"")
        .entry("bin/sh", EntryType::Symlink, "/bin/busybox", b"")
        .entry("bin/ls", EntryType::Link, "bin/busybox", b"")
        .file("usr/local/bin/docker-entrypoint", b"other")
        .file("usr/local/bin/dex", b"the program")
        .file("usr/local/bin/dex.old", b"other");
    assert_eq!(made.unpack().unwrap().unwrap(), b"the program");
    assert_eq!(Made::new().unpack().unwrap(), None);
}

#[test]
fn names_are_read_in_every_form() {
    let x = Some(b"x".to_vec());
    for name in ["./usr/local/bin/dex", "usr//local/./bin/dex"] {
        assert_eq!(Made::new().file(name, b"x").unpack().unwrap(), x, "{name}");
    }
    // Long names: GNU's and POSIX's way. The name in the entry itself then says nothing.
    let long = Made::new().entry("././@LongLink", EntryType::GNULongName, "", b"usr/local/bin/dex\0");
    assert_eq!(long.file("usr/local/bin/xxx", b"x").unpack().unwrap(), x);
    let posix = Made::new().entry("pax", EntryType::XHeader, "", b"26 path=usr/local/bin/dex\n");
    assert_eq!(posix.file("usr/local/bin/xxx", b"x").unpack().unwrap(), x);
}

#[test]
fn plain_and_joined_archives_are_read() {
    let (folder, tar) = Made::new().file(WANTED, b"x").tar();
    assert!(unpack_bytes(&folder, &tar).unwrap().is_some());
    let halves: Vec<u8> = tar
        .chunks(tar.len() / 2)
        .flat_map(|half| {
            let mut gzip = GzEncoder::new(vec![], Compression::fast());
            gzip.write_all(half).unwrap();
            gzip.finish().unwrap()
        })
        .collect();
    assert!(unpack_bytes(&folder, &halves).unwrap().is_some());
}

#[test]
fn what_leads_elsewhere_is_not_the_program() {
    for name in ["../usr/local/bin/dex", "usr/local/bin/../bin/dex", "/usr/local/bin/dex", "dex", "bin/dex"] {
        assert_eq!(Made::new().file(name, b"x").unpack().unwrap(), None, "{name}");
    }
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo, EntryType::Char]
    {
        let said = Made::new().entry(WANTED, kind, "/etc/passwd", b"").unpack().unwrap_err();
        assert!(said.contains("/usr/local/bin/dex is not a file in it"), "{said}");
    }
}

#[test]
fn sizes_that_no_program_has_are_refused() {
    // The header claims more than there is: it is refused before anything is written.
    let (folder, mut tar) = Made::new().file(WANTED, b"x").tar();
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&tar[..512]);
    header.set_size(PROGRAM + 1);
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    let said = unpack_bytes(&folder, &tar).unwrap_err();
    assert!(said.contains("claims to have 1073741825 bytes"), "{said}");
}

#[test]
fn damage_is_said() {
    let (folder, tar) = Made::new().file(WANTED, &[7; 5000]).tar();
    let said = unpack_bytes(&folder, &tar[..3000]).unwrap_err();
    assert!(said.contains("damaged") || said.contains("cut off"), "{said}");
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let said = unpack_bytes(&folder, &gzip[..gzip.len() / 2]).unwrap_err();
    assert!(said.contains("damaged") || said.contains("cut off"), "{said}");
    assert!(unpack_bytes(&folder, b"no archive at all").unwrap_err().contains("damaged"));
    assert!(unpack_bytes(&folder, &[0x28, 0xb5, 0x2f, 0xfd, 0]).unwrap_err().contains("zstd"));
}
