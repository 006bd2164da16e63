//! The host, driven through the engine's traits with real components.
//!
//! One binary: linking wasmtime takes long.

mod activities;
mod cache;
mod calls;
mod chain;
mod children;
mod guests;
mod heartbeats;
mod history;
mod kit;
mod limits;
mod log;
mod messages;
mod released;
mod replay;
mod requests;
mod scheduling;
mod scopes;
mod signals;
mod support;
mod task_queues;
mod uploads;
mod versions;
mod virtual_world;
