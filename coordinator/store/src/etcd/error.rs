//! What etcd's refusals mean. Whatever is not known to be a refusal is an unknown outcome: the request may have taken
//! effect, or may yet.

use tonic::{Code, Status};

use crate::error::StoreError;

/// A failed request to etcd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdError {
    /// No member gave an answer that says what became of the request.
    #[error("etcd did not answer: {0}")]
    Unknown(String),
    /// The quota of the database is used up: nothing is written until space is freed and the alarm is disarmed.
    #[error("etcd has no space left: {0}")]
    NoSpace(String),
    /// The request breaks a bound of etcd.
    #[error("etcd refuses the request as too large: {0}")]
    TooLarge(String),
    /// The revision that was asked for is no longer there.
    #[error("etcd has compacted the revision: {0}")]
    Compacted(String),
    /// The lease is not there, or no longer.
    #[error("etcd does not know its lease: {0}")]
    NoLease(String),
    /// Name, password or certificate do not open etcd, or not this key.
    #[error("etcd denies access: {0}")]
    Denied(String),
}

impl EtcdError {
    /// Whether another member, or the same one later, may answer the same request.
    pub(super) fn may_answer_elsewhere(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::NoSpace(_)
            | Self::TooLarge(_)
            | Self::Compacted(_)
            | Self::NoLease(_)
            | Self::Denied(_) => false,
        }
    }
}

impl From<etcd_client::Error> for EtcdError {
    fn from(error: etcd_client::Error) -> Self {
        if let etcd_client::Error::GRpcStatus(status) = &error {
            return refusal(status);
        }
        let text = error.to_string();
        if matches!(error, etcd_client::Error::LeaseKeepAliveError(_)) {
            return Self::NoLease(text);
        }
        // Everything else is about a connection that could not be made or was lost.
        Self::Unknown(text)
    }
}

impl From<EtcdError> for StoreError {
    fn from(error: EtcdError) -> Self {
        let text = error.to_string();
        match error {
            EtcdError::Unknown(_)
            | EtcdError::Denied(_)
            | EtcdError::NoLease(_)
            | EtcdError::Compacted(_) => Self::Unavailable(text),
            EtcdError::NoSpace(_) => Self::Full(text),
            EtcdError::TooLarge(_) => Self::LimitExceeded(text),
        }
    }
}

/// etcd tells its reasons in texts; codes alone are shared by several.
fn refusal(status: &Status) -> EtcdError {
    let text = status.message().to_owned();
    let says = |words: &str| text.contains(words);
    match status.code() {
        Code::ResourceExhausted if says("database space exceeded") => EtcdError::NoSpace(text),
        Code::InvalidArgument if says("too large") || says("too many operations") => {
            EtcdError::TooLarge(text)
        }
        // The client's own bound on messages.
        Code::OutOfRange if says("message length too large") => EtcdError::TooLarge(text),
        Code::OutOfRange if says("compacted") => EtcdError::Compacted(text),
        Code::NotFound if says("lease not found") => EtcdError::NoLease(text),
        Code::PermissionDenied | Code::Unauthenticated => EtcdError::Denied(text),
        Code::InvalidArgument if says("authentication failed") => EtcdError::Denied(text),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => EtcdError::Unknown(format!("{text} ({})", status.code())),
    }
}
