//! Runs activities of Dacapo's workflows in your own process.
//!
//! A workflow asks for an activity and names a task queue. A worker takes it from there over
//! HTTP, runs the function for it, and reports the result; the workflow goes on with it.
//!
//! ```no_run
//! use dacapo_worker::{ActivityContext, Connection, Failure, Worker};
//!
//! async fn greet(_: ActivityContext, name: String) -> Result<String, Failure> {
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), dacapo_worker::WorkerError> {
//! Worker::builder(Connection::new("http://127.0.0.1:7233")?, "greetings")
//!     .activity("greet", greet)
//!     .build()?
//!     .run_until(tokio::signal::ctrl_c())
//!     .await
//! # }
//! ```
//!
//! A task is leased: the worker says every third of the lease that it is alive, in one
//! request for all tasks in hand. When it dies, the lease ends and another worker tries
//! again. So a function may run more than once; [`TaskInfo::idempotency_key`] helps.
//!
//! ```text
//!  poller ──▶ attempt ──▶ reporter     one request each for many tasks
//!                │
//!            in hand ◀── heartbeats    prolongs all leases
//! ```

mod api;
mod attempt;
mod backoff;
mod builder;
mod cancellation;
mod clock;
mod connection;
mod context;
mod error;
mod execute;
mod failure;
mod heartbeats;
mod held;
mod in_hand;
mod info;
mod lease;
mod lock;
mod options;
mod outcome;
mod payload;
mod poller;
mod registry;
mod reporter;
pub mod testing;
mod wire;
mod worker;

pub use tokio_util::sync::CancellationToken;

pub use crate::builder::WorkerBuilder;
pub use crate::cancellation::CancelReason;
pub use crate::connection::Connection;
pub use crate::context::{ActivityContext, HEARTBEAT_DETAILS_BYTES_MAX, HeartbeatError};
pub use crate::error::WorkerError;
pub use crate::failure::{Failure, FailureInfo, FailureKind};
pub use crate::info::TaskInfo;
pub use crate::payload::Payload;
pub use crate::worker::Worker;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
