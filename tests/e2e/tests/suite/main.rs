//! One coordinator process (sometimes two, a worker, a proxy) per test; each test owns a folder and a port.

mod backup;
mod bad_input;
mod data_folder;
mod disk;
mod eviction;
mod example;
mod fleet;
mod machines;
mod programs;
mod retention;
mod security;
mod shutdown;
mod timers;
mod tokens;
