//! Randomness for the shell: seeds of decisions, names, session and batch ids. Drawn from the operating system in
//! blocks, because one system call per decision would cost more than the decision.

use std::sync::{Mutex, PoisonError};

use uuid::{Builder, Uuid};

const BLOCK_BYTES: usize = 4096;

/// A buffered source of operating-system randomness.
#[derive(Debug)]
pub(crate) struct Entropy {
    block: Mutex<(Vec<u8>, usize)>,
}

impl Default for Entropy {
    fn default() -> Self {
        Self {
            block: Mutex::new((Vec::new(), 0)),
        }
    }
}

impl Entropy {
    /// The next 16 random bytes.
    pub(crate) fn bytes16(&self) -> [u8; 16] {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.1 + 16 > block.0.len() {
            block.0.resize(BLOCK_BYTES, 0);
            getrandom::fill(&mut block.0).expect("the operating system gives randomness");
            block.1 = 0;
        }
        let at = block.1;
        block.1 += 16;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&block.0[at..at + 16]);
        // Handed-out bytes do not stay in memory.
        block.0[at..at + 16].fill(0);
        bytes
    }

    /// The next 128 random bits.
    pub(crate) fn next_u128(&self) -> u128 {
        u128::from_le_bytes(self.bytes16())
    }

    /// The next 64 random bits.
    pub(crate) fn next_u64(&self) -> u64 {
        let bytes = self.bytes16();
        u64::from_le_bytes(bytes[..8].try_into().expect("eight of sixteen bytes"))
    }

    /// A random UUID (version 4), as AWS names executions that were given no name.
    pub(crate) fn uuid(&self) -> String {
        uuid(self.bytes16())
    }
}

/// These bytes as a UUID of version 4.
pub(crate) fn uuid(bytes: [u8; 16]) -> String {
    hyphenated(Builder::from_random_bytes(bytes).into_uuid())
}

/// A UUID as text.
pub(crate) fn hyphenated(uuid: Uuid) -> String {
    let mut buffer = Uuid::encode_buffer();
    uuid.hyphenated().encode_lower(&mut buffer).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_one_of_version_4() {
        let entropy = Entropy::default();
        let (first, second) = (entropy.uuid(), entropy.uuid());
        assert_ne!(first, second);
        let parts: Vec<&str> = first.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{first}");
        assert!(parts[2].starts_with('4'), "{first}");
        assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "{first}");
        let digit = |c: char| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(first.chars().all(digit), "{first}");
    }
}
