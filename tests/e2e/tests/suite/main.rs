//! One coordinator process (sometimes two, a worker, a proxy) per test; each test owns a folder and a port.

mod backup;
mod bad_input;
mod data_folder;
mod deletion;
mod disk;
mod eviction;
mod example;
mod express;
mod expressions;
mod fleet;
mod full_disk_stop;
mod hello;
mod http;
mod large;
mod machines;
mod namespaces;
mod nested;
mod observe;
mod programs;
mod redrive;
mod retention;
mod security;
mod shutdown;
mod starts;
mod timers;
mod tokens;
