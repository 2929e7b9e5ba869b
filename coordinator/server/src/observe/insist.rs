//! Sends the same thing again, with growing pauses, until the receiver takes it, refuses it, or has been asked for too long.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::queue::Losses;

/// The first pause between attempts.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// How long a receiver is asked.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) pause_max: Duration,
    pub(super) give_up: Duration,
}

/// What became of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    Taken,
    /// Worth another one.
    Failed(String),
    Refused(String),
}

/// Counts with `losses` what became of the `count` things that each attempt sends.
pub(super) async fn insist<F: Future<Output = Attempt>>(
    patience: &Patience,
    losses: &Losses,
    count: u64,
    mut attempt: impl FnMut() -> F,
) {
    let (begun, mut pause) = (Instant::now(), PAUSE_MIN);
    loop {
        match attempt().await {
            Attempt::Taken => return losses.delivered(count),
            Attempt::Refused(why) => return losses.lost(count, &why),
            Attempt::Failed(why) if begun.elapsed() > patience.give_up => {
                return losses.lost(count, &why);
            }
            Attempt::Failed(why) => losses.refused(&why),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(patience.pause_max);
    }
}
