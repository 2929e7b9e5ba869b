//! Randomness for the shell: seeds of decisions, names, session and batch ids. Drawn from the operating system in
//! blocks, because one system call per decision would cost more than the decision.

use std::sync::{Mutex, PoisonError};

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
        let mut bytes = self.bytes16();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}
