//! Connectors for work on this host: `stepfleet:runCommand` and `stepfleet:runContainer`. What they run outlives the worker:
//! a supervisor, another process of the same program, runs it and writes how it ended into a folder of its own. `command`
//! and `container` say what a task may ask for, `request` is what is run, `place` the folders, `supervise` the
//! supervisor, `ended` what it leaves, `connector` serves all that.

mod command;
mod connector;
mod container;
mod ended;
mod place;
mod request;
mod supervise;
#[cfg(test)]
mod tests;

pub(crate) use self::command::{CommandSettings, FileRunCommand};
pub(crate) use self::connector::Hosted;
pub(crate) use self::container::{ContainerRunSettings, FileRunContainer};
pub(crate) use self::supervise::supervise;
