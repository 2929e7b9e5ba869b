//! Harness of the end-to-end tests: real processes in temporary folders on ports of their own, killed and restarted at
//! will, watched through the public API alone.

mod aws;
mod binaries;
mod certificates;
mod collector;
mod condition;
mod coordinator;
mod cutter;
mod faults;
mod history;
mod issuer;
mod ledger;
mod machine;
mod ports;
mod process;
mod proxy;
mod random;
mod receiver;
mod world;

pub use aws::{Answer, call_aws, request};
pub use binaries::{Binaries, binaries};
pub use certificates::Certificates;
pub use collector::Collector;
pub use condition::{Deadline, until};
pub use coordinator::{Coordinator, Settings};
pub use cutter::{Cutter, Fault, Moment, Step, Strike};
pub use faults::Faults;
pub use history::{Event, History};
pub use issuer::{Issuer, TokenSigner};
pub use ledger::{Deed, Entry, Ledger, now_ms, read_ledgers, token_number};
pub use machine::{
    activity, create_express_machine, create_machine, outcome, refusal, start, wait_for_event,
};
pub use ports::free_port;
pub use process::{Process, Signal};
pub use proxy::{Direction, Proxy};
pub use random::Random;
pub use receiver::Receiver;
pub use world::{World, scenario, skipped, tell};
