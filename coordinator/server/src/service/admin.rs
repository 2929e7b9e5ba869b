//! What an operator asks of one installation.

use std::io::Write;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use tokio::sync::mpsc;

use super::Service;
use super::api::{Caller, StatusReport};
use super::error::{ApiError, ErrorCode};

/// Bytes of one piece of a backup.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for a slow reader; the copy waits for it in turn.
const PIECES_MAX: usize = 16;

impl Service {
    pub(crate) async fn status(&self, caller: &Caller) -> Result<StatusReport, ApiError> {
        let (live, resident) = self.count_running(None).await?;
        let mut unserved = self.shared.unserved();
        unserved.retain(|activity| activity.arn.split(':').nth(4) == Some(&*caller.namespace));
        Ok(StatusReport {
            unserved,
            cluster_id: HEXLOWER.encode(&self.shared.cluster_id),
            partitions: u32::from(self.shared.partition_count),
            live_executions: live,
            resident_executions: resident,
            refusing: self.shared.pressure.refusing().or_else(|| {
                let rows = self.shared.writer.is_failing();
                rows.then(|| "the state store refuses writes; the log cannot be trimmed".to_owned())
            }),
        })
    }

    /// A consistent copy of everything while the coordinator works. Checkpoints, and with them trimming, wait for it.
    pub(crate) async fn backup(
        &self,
        caller: &Caller,
    ) -> Result<mpsc::Receiver<Result<Bytes, ApiError>>, ApiError> {
        if caller.namespace != self.operator {
            let message = format!(
                "a backup holds every account's data: only callers of account {} may take it",
                self.operator
            );
            return Err(ApiError::new(ErrorCode::AccessDeniedException, message));
        }
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let shared = self.shared.clone();
        crate::task::spawn("backup", async move {
            let held = shared.checkpoints.lock().await;
            let (copier, pieces) = (shared.clone(), sender.clone());
            let copy = crate::task::blocking("copy", move || {
                let mut out = Pieces {
                    sender: pieces,
                    piece: Vec::with_capacity(PIECE_BYTES),
                };
                crate::partition::recovery::backup(&copier, &mut out)?;
                out.flush()
                    .map_err(|error| stepfleet_store::StoreError::Unavailable(error.to_string()))
            });
            let error = match copy.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("the backup stopped: {error}")),
                Err(_panic) => Some("the backup stopped".to_owned()),
            };
            drop(held);
            if let Some(message) = error {
                let _gone = sender
                    .send(Err(ApiError::new(ErrorCode::InternalServerError, message)))
                    .await;
            }
        });
        Ok(receiver)
    }
}

/// Writes into a channel, a piece at a time.
struct Pieces {
    sender: mpsc::Sender<Result<Bytes, ApiError>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender
            .blocking_send(Ok(Bytes::from(piece)))
            .map_err(|_gone| std::io::ErrorKind::BrokenPipe.into())
    }
}
