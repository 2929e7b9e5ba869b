//! How storage fails. Five answers and one that is not a failure (`Fenced`).

/// A failed call to a log or a state store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another owner acquired the partition, or a chunk stands at this sequence already. An answer, not a fault: the
    /// partition drops its uncommitted state.
    #[error("fenced: {0}")]
    Fenced(String),
    /// Not now; the same call may succeed later. The outcome of an append is unknown: resend the same chunk.
    #[error("storage unavailable: {0}")]
    Unavailable(String),
    /// The disk is full or below its reserve; nothing was written. Resumes by itself when space is freed.
    #[error("storage full: {0}")]
    Full(String),
    /// A write or sync failed, so what the file holds is unknown: this process must not go on with it. A restart reads
    /// what is really there.
    #[error("storage failed: {0}")]
    Broken(String),
    /// The call broke a bound (chunk size).
    #[error("storage limit exceeded: {0}")]
    LimitExceeded(String),
    /// What is stored cannot be trusted: checksum, order or format. Never repaired silently.
    #[error("storage corrupt: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed later without anyone's doing.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}
