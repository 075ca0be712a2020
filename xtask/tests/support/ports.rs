//! Ports that a test may wish for.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems give away by themselves, so that nobody who asks for any port gets
/// one of these between now and its use.
const FIRST: u16 = 20_000;
const MANY: u16 = 12_000;

/// A port of loopback that nothing listens on, and each only once.
pub fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different places.
    let begin = u16::try_from(std::process::id() * 97 % u32::from(MANY)).unwrap();
    loop {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % MANY;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
