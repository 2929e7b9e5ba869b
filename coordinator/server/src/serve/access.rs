//! What is configured and what is stored of who may do what, put together at start.

use std::sync::Arc;

use anyhow::Context as _;

use super::open::TOKEN_KEY;
use crate::auth::Access;
use crate::auth::audit::Audit;
use crate::auth::seal::Seal;
use crate::catalog::records::{self, Versioned};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{ControlStore as _, LocalControl};
use crate::entropy::Entropy;
use crate::metrics::Metrics;

/// See the module. The key of task tokens is stored by now.
///
/// # Errors
/// The audit log cannot be opened, a policy or record cannot be read, or a secret cannot be opened.
pub(super) async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    control: &Arc<LocalControl>,
    metrics: &Metrics,
    entropy: &Entropy,
) -> anyhow::Result<Arc<Access>> {
    let audit = Audit::open(config, metrics, clock)?;
    let access = Access::of(config, clock.clone())?.audited(audit);
    access.load(control.as_ref())?;
    let token_key = control.get(TOKEN_KEY);
    let token_key = token_key.context("the key of task tokens is gone")?;
    let seal = Seal::of(config.auth.seal_key_file.as_deref(), &token_key.value)?;
    renew(&access, control, &seal, entropy).await?;
    access.credentials.set_seal(seal);
    Ok(Arc::new(access))
}

/// Seals with the newest key what was stored otherwise.
async fn renew(
    access: &Access,
    control: &Arc<LocalControl>,
    seal: &Seal,
    entropy: &Entropy,
) -> anyhow::Result<()> {
    for issued in access.credentials.all() {
        let stored = &issued.stored;
        let Some(record) = seal.renewed(&stored.record, || entropy.bytes16())? else {
            continue;
        };
        let (key, value) = (record.key(), records::write(&record));
        let written = control.put(key, Some(stored.version), Some(value)).await;
        written.context("cannot store a secret that was sealed again")?;
        tracing::info!(credential.name = %record.name, "the secret of an access key was sealed again");
        let version = stored.version + 1;
        access.put_credential(Versioned { version, record });
    }
    Ok(())
}
