//! Writes down from time to time when credentials were used last, and forgets those that ended long ago.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::credentials::Issued;
use crate::control::ControlStore as _;
use crate::service::access::store_credential;
use crate::service::error::{ApiError, ErrorCode};
use crate::shared::Shared;

/// What a crash forgets of it.
const EVERY: Duration = Duration::from_secs(600);
/// How long a credential that has ended is shown.
const ENDED_MS: i64 = 90 * 86_400_000;

/// Works until the process ends.
pub(super) async fn every(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(EVERY).await;
        write_down(&shared).await;
    }
}

/// Does it once. What cannot be stored now is tried again the next time.
pub(super) async fn write_down(shared: &Shared) {
    let now = shared.clock.now();
    for issued in shared.access.credentials.all() {
        let ended = issued.stored.record.ends_at();
        let done = if ended.is_some_and(|end| end.0 + ENDED_MS < now.0) {
            forget(shared, &issued).await
        } else {
            note_use(shared, &issued).await
        };
        // Somebody who changes it in this moment wins.
        if let Err(error) = done
            && error.code != ErrorCode::ConflictException
        {
            tracing::warn!(%error, "when credentials were used could not be written down");
            return;
        }
    }
}

async fn forget(shared: &Shared, issued: &Issued) -> Result<(), ApiError> {
    let (key, version) = (issued.stored.record.key(), issued.stored.version);
    let put = shared.control.put(key, Some(version), None).await;
    put.map_err(|error| crate::catalog::control_error(&error))?;
    shared.access.remove_credential(issued);
    Ok(())
}

async fn note_use(shared: &Shared, issued: &Issued) -> Result<(), ApiError> {
    let used_at = issued.used_at().map(|at| at.0);
    if used_at <= issued.stored.record.used_at {
        return Ok(());
    }
    let mut record = issued.stored.record.clone();
    record.used_at = used_at;
    store_credential(shared, record, Some(issued.stored.version)).await
}
