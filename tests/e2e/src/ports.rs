//! Ports below the range that the kernel hands to outgoing connections, so that nobody takes one between a kill and
//! the restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nobody listens on and that no other test of this process gets.
///
/// # Panics
/// When all of them are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes of one `cargo test` start at places of their own.
    let offset = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT");
    let free = (0..COUNT).find_map(|_| {
        let n = NEXT.fetch_add(7, Ordering::Relaxed);
        let port = FIRST + offset.wrapping_mul(13).wrapping_add(n) % COUNT;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .is_ok()
            .then_some(port)
    });
    free.expect("one of ten thousand ports is free")
}
