//! The vocabulary of Dacapo: plain data that every other crate agrees on.
//!
//! A *run* is one execution of a workflow. Its *history* is an append-only list
//! of [`event::HistoryEvent`]s, the only truth about it. What a guest asks for
//! is a [`command::Command`] until it is recorded as an event.
//!
//! Invariant: nothing here reads a clock, draws a random number or does I/O.

pub mod access;
pub mod attributes;
pub mod builtin;
pub mod code;
pub mod command;
pub mod event;
pub mod execution;
pub mod failure;
pub mod host_pattern;
pub mod ids;
pub mod json;
pub mod limits;
pub mod module;
pub mod namespace;
pub mod payload;
pub mod query;
pub mod queue_limits;
pub mod retry;
pub mod search_attribute;
pub mod signal;
pub mod tag;
pub mod task;
pub mod task_token;
pub mod text;
pub mod time;
pub mod timer;
pub mod trace;
pub mod update;
