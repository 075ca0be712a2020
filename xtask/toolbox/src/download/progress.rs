//! What a download says while it runs. The console owns the bars; whoever downloads
//! only reports.

/// Listens to a download.
pub trait Progress: Send + Sync {
    /// So many bytes of `what` are here, of so many in all if that is known.
    fn at(&self, what: &str, bytes: u64, total: Option<u64>);

    /// Something that people should know: that it waits for another process, say.
    fn note(&self, text: &str);
}

/// `12.3 of 45.6 MB`.
pub fn part(bytes: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {}", size(bytes), size(total)),
        None => size(bytes),
    }
}

/// A size for people.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        for (bytes, text) in [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (45_600_000, "45.6 MB")]
        {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(part(1_500, Some(45_600_000)), "1.5 kB of 45.6 MB");
        assert_eq!(part(1_500, None), "1.5 kB");
    }
}
