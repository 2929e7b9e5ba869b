//! Serves the activity `checksum`: `cargo run -p stepfleet-sdk --example checksum_worker`, with a coordinator at
//! `STEPFLEET_ENDPOINT` or on this machine.

use serde::{Deserialize, Serialize};
use stepfleet_sdk::{CancellationToken, Client, Endpoint, Task, TaskError, Worker};

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    checksum: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let client = Client::connect_lazy(Endpoint::from_env()?)?;
    let worker = Worker::new(client)
        .create_activities(true)
        .activity("checksum", |task: Task<Input>| async move {
            if task.input.text.is_empty() {
                return Err(TaskError::new("EmptyText", "there is nothing to sum up"));
            }
            let checksum = task
                .input
                .text
                .bytes()
                .fold(0, |sum, byte| sum + u32::from(byte));
            Ok(Output { checksum })
        })
        .slots(16);

    let shutdown = CancellationToken::new();
    let mut work = std::pin::pin!(worker.run(shutdown.clone()));
    tokio::select! {
        result = work.as_mut() => return Ok(result?),
        interrupt = tokio::signal::ctrl_c() => interrupt?,
    }
    shutdown.cancel();
    Ok(work.await?)
}
