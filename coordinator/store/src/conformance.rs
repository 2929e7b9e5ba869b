//! What every log and every state store must do, as suites that each implementation and each wrapper runs.

mod log;
mod state;

pub use log::log_keeps_the_contract;
pub use state::store_keeps_the_contract;
