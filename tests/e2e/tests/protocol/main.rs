//! What a worker's stream promises, step by step of its protocol: real processes, a proxy that cuts where it is told to,
//! and ledgers that handlers write.

mod cancel;
mod cuts;
mod scene;
mod tokens;
