//! The runtime without HTTP, SQL or wasmtime.
//!
//! ```text
//!  operation ──▶ delivery ──▶ run actor ──▶ committer ──▶ store
//!                   ▲            │  ▲                       │ committed
//!      timers ──────┤            ▼  └── guest (resumed) ◀───┤
//!      activities ──┘        decide                         ▼ effects
//! ```
//!
//! Each open run has one *actor*, the only writer of its history. It takes what
//! happened from its mailbox, decides, lets the guest go on, and hands one
//! transition to the *committer*, which writes the transitions of many runs in
//! one database transaction. Only then are effects done and callers answered.
//!
//! Invariants: nothing is visible outside before it is committed. Whatever is in
//! memory can be dropped at any time: history, timer rows and nothing else say
//! what is to be done. Nothing on the hot path reads the database.

pub mod access;
mod activities;
mod backoff;
mod builtin;
mod builtin_activities;
mod capacity;
mod catalog;
mod cleanup;
pub mod clock;
mod committer;
pub mod config;
mod delivery;
mod detach;
pub mod error;
mod fair;
mod health;
mod hold;
mod life;
mod loader;
mod log;
pub mod log_limit;
pub mod operations;
pub mod ownership;
mod panics;
mod portions;
mod queues;
mod recovery;
mod relations;
mod residency;
mod run;
mod runtime;
mod salvage;
mod search_attributes;
mod shared_read;
pub mod tenancy;
mod timers;
pub mod traces;
mod types;
mod update_watch;
mod workload;

pub use self::detach::to_the_end;
pub use self::runtime::Runtime;
