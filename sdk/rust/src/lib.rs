//! Client and worker library for Stepfleet.
//!
//! [`Client`] calls the coordinator; [`Worker`] serves activities. Data flow of a worker: one gRPC stream per process;
//! pushed tasks start their handler at once; results, heartbeats and acknowledgements go back in batches; nothing is
//! forgotten before the coordinator has confirmed it. Glossary: a *task* is one attempt of an activity, named by its
//! *task token*; a *slot* is room for one task; a result is *confirmed* when the coordinator has made it durable.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use stepfleet_sdk::{CancellationToken, Client, Task, TaskError, Worker};
//!
//! #[derive(Deserialize)]
//! struct Input { path: String }
//! #[derive(Serialize)]
//! struct Output { length: usize }
//!
//! # async fn example() -> Result<(), stepfleet_sdk::Error> {
//! let client = Client::connect("http://127.0.0.1:8083").await?;
//! let worker = Worker::new(client)
//!     .activity("measure", |task: Task<Input>| async move {
//!         Ok::<_, TaskError>(Output { length: task.input.path.len() })
//!     })
//!     .slots(16);
//! worker.run(CancellationToken::new()).await
//! # }
//! ```
#![warn(missing_docs)]

mod backoff;
mod client;
mod endpoint;
mod error;
mod spawn;
mod worker;

/// The messages of the gRPC API.
pub use stepfleet_proto::v1 as api;
pub use tokio_util::sync::CancellationToken;
/// For channels over other transports ([`Client::from_channel`]) and for the status codes in [`Error::Api`].
pub use tonic;

pub use self::client::{Client, Outcome, Responses};
pub use self::endpoint::{DEFAULT_ENDPOINT, Endpoint};
pub use self::error::Error;
pub use self::worker::{
    CAUSE_CHARS_MAX, Connector, ERROR_CHARS_MAX, Monitor, PROGRESS_BYTES_MAX, Pattern, Pulse,
    Reports, Resumed, SLOTS_DEFAULT, SlotsControl, Standing, Start, Started, Targets, Task,
    TaskContext, TaskError, Work, Worker,
};
