//! Logs of tasks.
