//! What every log and every state store must do, as suites that each implementation and each wrapper runs; and a real etcd
//! to run them on.

mod control;
mod etcd;
mod log;
mod state;
mod wire;

pub use control::control_keeps_the_contract;
pub use etcd::EtcdProcess;
pub use log::log_keeps_the_contract;
pub use state::store_keeps_the_contract;
pub use wire::{Passing, Wire};
