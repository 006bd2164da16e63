//! The executor, the operations and what is built on them, run against a
//! script instead of the runtime.

mod attributes;
mod cancelling;
mod children;
mod concurrency;
mod determinism;
mod helpers;
mod left_out;
mod messages;
mod recording;
mod scopes;
mod script;
mod signals;
mod sync;
mod tasks;
mod waiting;
mod waits;
