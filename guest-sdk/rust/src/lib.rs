//! Write durable workflows and activities for Dacapo in Rust.
//!
//! A **workflow** is an `async fn` that may run for milliseconds or for years.
//! If the machine dies, it goes on where it was: the runtime recorded what
//! happened and plays it back. An **activity** is an ordinary function that
//! touches the world, is given a time limit, and is tried again when it fails.
//!
//! ```
//! use std::time::Duration;
//!
//! use dacapo::{ActivityOptions, Failure, RetryPolicy, sleep};
//!
//! #[dacapo::activity]
//! fn charge(cents: u64) -> Result<String, Failure> {
//!     let receipt = dacapo::http::post("https://bank.example/charges")
//!         .header("idempotency-key", dacapo::activity_info().idempotency_key())
//!         .json(&cents)
//!         .send()?
//!         .error_for_status()?;
//!     Ok(receipt.text()?.to_owned())
//! }
//!
//! #[dacapo::workflow]
//! async fn subscription(cents: u64) -> Result<Vec<String>, Failure> {
//!     let mut receipts = Vec::new();
//!     for _month in 0..12 {
//!         let patient = RetryPolicy::new().maximum_interval(Duration::from_secs(3_600));
//!         receipts.push(charge(cents).options(ActivityOptions::new().retry(patient)).await?);
//!         sleep(Duration::from_secs(30 * 24 * 3_600)).await?;
//!     }
//!     Ok(receipts)
//! }
//!
//! dacapo::module! { workflows: [subscription], activities: [charge] }
//! # fn main() {}
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2` as a crate of
//! type `cdylib`; the `.wasm` file is the module.
//!
//! # What is safe in a workflow
//!
//! What `std` offers without threads and the outside: `SystemTime::now`, `Instant`, `HashMap`,
//! `std::thread::sleep`, `println!` and environment variables are answered by
//! the runtime in a way that repeats. HTTP is not; it belongs into activities.
//! Files and sockets are there for neither, and `std::thread::spawn` panics.

// The macros name this crate as its users do, in its own tests too.
extern crate self as dacapo;

mod activity_call;
mod attempt;
mod attributes;
#[doc(hidden)]
pub mod bindings;
mod cancellation;
mod child;
mod concurrent;
mod condition;
mod continue_as_new;
mod err_group;
mod executor;
mod external;
mod failure;
mod finite;
mod group;
mod host;
pub mod http;
mod info;
mod join;
mod module;
mod options;
mod payload;
mod queries;
mod race;
mod retry;
mod run;
mod saga;
mod scope;
mod select;
mod side_effects;
mod signals;
pub mod sync;
mod task;
mod tasks;
mod time;
mod timers;
mod updates;
mod versions;
mod wait;
mod waiters;
mod waits;
mod woken;

pub use activity_call::{ActivityCall, ActivityFuture};
pub use attempt::{
    AttemptSignals, attempt_signals, complete_later, heartbeat, heartbeat_details,
    wait_cancel_requested,
};
pub use attributes::{
    SearchValue, memo, remove_memo, remove_search_attributes, search_attributes, upsert_memo,
    upsert_search_attributes,
};
pub use cancellation::{cancelled, is_cancel_requested, shielded};
pub use child::{
    ChildCall, ChildCancellation, ChildFuture, ChildHandle, ChildResult, ChildStart, IdReusePolicy,
    ParentClosePolicy,
};
pub use concurrent::{
    for_each_concurrent, map_concurrent, try_for_each_concurrent, try_map_concurrent,
};
pub use condition::{WaitUntil, wait_until};
pub use continue_as_new::{ContinueAsNew, continue_as_new};
pub use dacapo_macros::{activity, workflow};
pub use err_group::ErrGroup;
pub use external::{ExternalCall, ExternalWorkflow, external};
pub use failure::{Failure, FailureInfo, FailureKind};
pub use group::{join_all, race_all, try_join_all};
pub use info::{
    ActivityInfo, WorkflowInfo, activity_info, continue_as_new_suggested, continued_failure,
    history_bytes, history_length, workflow_info,
};
pub use options::{ActivityOptions, CancellationType, RetryPolicy};
pub use queries::{publish, query};
pub use race::{Either, race};
pub use retry::retry;
pub use saga::{Saga, SagaFailure, saga};
pub use scope::{CancellationScope, with_timeout};
pub use side_effects::{mutable_side_effect, side_effect};
pub use signals::{InvalidSignal, RawSignal, Recv, RecvRaw, Signals, signals};
pub use task::{Task, spawn};
pub use timers::{Elapsed, Sleep, sleep, timeout};
pub use updates::{Updates, updates, updates_finished};
pub use versions::{patched, version};

/// What the macros expand to. Not for people; may change at any time.
#[doc(hidden)]
pub mod __private {
    pub use serde::Serialize;
    pub use wit_bindgen;

    pub use crate::bindings;
    pub use crate::bindings::dacapo::workflow::types::Failure as WitFailure;
    pub use crate::bindings::exports::dacapo::workflow::{
        activity, after_end, definitions, workflow,
    };
    pub use crate::executor::run_activity as block_on_activity;
    pub use crate::join::{Join, TryJoin};
    pub use crate::module::{
        Activity, Fallible, Workflow, activity_input, activity_result, answer_after_end,
        exported_in_components_only, list_definitions, run_activity, run_workflow,
        unknown_activity, unknown_workflow, workflow_input, workflow_result,
    };
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the workflow of the quickstart.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/quickstart.md")]
struct Quickstart;

#[cfg(test)]
mod tests;
