//! The executor, the operations and what is built on them, run against a
//! script instead of the runtime.

mod cancelling;
mod concurrency;
mod script;
mod signals;
mod waiting;
