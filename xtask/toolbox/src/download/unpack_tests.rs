//! Archives that behave, and archives that try to lead elsewhere.

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

    fn unpack(self) -> Result<(Found, Option<Vec<u8>>), String> {
        let (folder, bytes) = self.tar();
        let mut gzip = GzEncoder::new(vec![], Compression::fast());
        gzip.write_all(&bytes).unwrap();
        unpack_bytes(&folder, &gzip.finish().unwrap())
    }
}

fn unpack_bytes(folder: &TempDir, bytes: &[u8]) -> Result<(Found, Option<Vec<u8>>), String> {
    let archive = folder.path().join("archive");
    std::fs::write(&archive, bytes).unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir_all(&inner).unwrap();
    let to = inner.join("out");
    let found = unpack(&archive, WANTED, &to);
    // Whatever the archive says, nothing is anywhere but at the one path.
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["archive", "inner"]);
    assert!(std::fs::read_dir(&inner).unwrap().all(|entry| entry.unwrap().file_name() == "out"));
    match found {
        Ok(found) => Ok((found, std::fs::read(to).ok())),
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
    let (found, bytes) = made.unpack().unwrap();
    assert_eq!(found, Found::File(Unpacked { sha256: Sha256::of(b"the program"), size: 11 }));
    assert_eq!(bytes.unwrap(), b"the program");
}

#[test]
fn names_are_read_in_every_form() {
    for name in ["./usr/local/bin/dex", "usr//local/./bin/dex"] {
        let (found, _) = Made::new().file(name, b"x").unpack().unwrap();
        assert!(matches!(found, Found::File(_)), "{name}");
    }
    // Long names: GNU's and POSIX's way. The name in the entry itself then says nothing.
    let long = Made::new().entry("././@LongLink", EntryType::GNULongName, "", b"usr/local/bin/dex\0");
    let (found, _) = long.file("usr/local/bin/xxx", b"x").unpack().unwrap();
    assert!(matches!(found, Found::File(_)));
    let posix = Made::new().entry("pax", EntryType::XHeader, "", b"26 path=usr/local/bin/dex\n");
    let (found, _) = posix.file("usr/local/bin/xxx", b"x").unpack().unwrap();
    assert!(matches!(found, Found::File(_)));
}

#[test]
fn plain_and_joined_archives_are_read() {
    let (folder, tar) = Made::new().file(WANTED, b"x").tar();
    let (found, _) = unpack_bytes(&folder, &tar).unwrap();
    assert!(matches!(found, Found::File(_)));
    let halves: Vec<u8> = tar
        .chunks(tar.len() / 2)
        .flat_map(|half| {
            let mut gzip = GzEncoder::new(vec![], Compression::fast());
            gzip.write_all(half).unwrap();
            gzip.finish().unwrap()
        })
        .collect();
    let (found, _) = unpack_bytes(&folder, &halves).unwrap();
    assert!(matches!(found, Found::File(_)));
}

#[test]
fn a_layer_can_remove_what_is_below_it() {
    for name in [
        "usr/local/bin/.wh.dex",
        "usr/local/bin/.wh..wh..opq",
        "usr/local/.wh.bin",
        "usr/.wh..wh..opq",
        ".wh.usr",
        ".wh..wh..opq",
    ] {
        assert_eq!(Made::new().file(name, b"").unpack().unwrap().0, Found::Removed, "{name}");
        // What the same layer adds is not meant by it.
        let both = Made::new().file(WANTED, b"x").file(name, b"").unpack().unwrap().0;
        assert!(matches!(both, Found::File(_)), "{name}");
    }
    for name in ["usr/local/bin/.wh.dex2", "usr/local/.wh.sbin", "srv/.wh..wh..opq", "dex", "local/bin/dex"] {
        assert_eq!(Made::new().file(name, b"").unpack().unwrap().0, Found::Nothing, "{name}");
    }
    assert_eq!(Made::new().unpack().unwrap().0, Found::Nothing);
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let with = |name: &str, kind, link: &str| Made::new().entry(name, kind, link, b"").unpack();
    for (outcome, words) in [
        (with("../usr/local/bin/dex", EntryType::Regular, ""), "a path with .. in it"),
        (with("usr/local/bin/../bin/dex", EntryType::Regular, ""), "a path with .. in it"),
        (with("x/../../etc/passwd", EntryType::Regular, ""), "a path with .. in it"),
        (with("/usr/local/bin/dex", EntryType::Regular, ""), "an absolute path in it"),
        (with("/etc/cron.d/x", EntryType::Regular, ""), "an absolute path in it"),
        (with(WANTED, EntryType::Symlink, "/etc/passwd"), "/usr/local/bin/dex is a symbolic link"),
        (with(WANTED, EntryType::Link, "../../etc/passwd"), "/usr/local/bin/dex is a hard link"),
        (with(WANTED, EntryType::Directory, ""), "/usr/local/bin/dex is a folder"),
        (with(WANTED, EntryType::Fifo, ""), "/usr/local/bin/dex is something special"),
        (with(WANTED, EntryType::Char, ""), "/usr/local/bin/dex is something special"),
        (with("usr/local/bin", EntryType::Symlink, "/tmp"), "/usr/local/bin, a folder above"),
        (with("usr", EntryType::Regular, ""), "/usr, a folder above"),
    ] {
        let said = outcome.unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
    }
    let twice = Made::new().file(WANTED, b"a").file("./usr/local/bin/dex", b"b").unpack();
    assert!(twice.unwrap_err().contains("twice"));
    let long = Made::new().entry("././@LongLink", EntryType::GNULongName, "", b"../../etc/passwd\0");
    assert!(long.file("x", b"").unpack().unwrap_err().contains(".."));
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
    let said = unpack_bytes(&folder, &gzip[..gzip.len() - 20]).unwrap_err();
    assert!(said.contains("damaged"), "{said}");
    let mut broken = gzip.clone();
    let sum = broken.len() - 8;
    broken[sum] ^= 0xff;
    assert!(unpack_bytes(&folder, &broken).unwrap_err().contains("damaged"));
    assert!(unpack_bytes(&folder, b"no archive at all").unwrap_err().contains("damaged"));
    assert!(unpack_bytes(&folder, &[0x28, 0xb5, 0x2f, 0xfd, 0]).unwrap_err().contains("zstd"));
}
