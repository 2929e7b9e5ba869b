//! What this program does when a benchmark starts it again as another process.
//!
//! A role obeys the lines on its standard input (`console`). The worker tells the starter over a Unix socket (`ended`)
//! how many executions have come to their last activity, so that nobody has to ask the coordinator.

pub(crate) mod console;
mod ended;
pub(crate) mod starter;
pub(crate) mod worker;

use std::future::Future;

/// gRPC connections of a process that makes unary calls.
const CONNECTIONS: u32 = 4;

/// Runs a role on one thread: two cores are shared by three processes.
fn block_on(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(role)
}
