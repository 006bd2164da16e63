//! The pure core: history in, transition out. No clock, no randomness, no I/O.
//!
//! ```text
//!  input ──decide──▶ Transition { events, timers, tasks, effects }
//!                        │ apply
//!                        ▼
//!                    RunState          live and after a crash: the same `apply`
//!
//!  guest call ──▶ Cursor ──matches history, or becomes a Command──▶ decide
//! ```
//!
//! * An [`decide::Input`] is something that happened to a run.
//! * An *event* records it; [`state::RunState`] is what all events so far make.
//! * A [`transition::Transition`] is committed whole or not at all.
//! * An [`transition::Effect`] is done after the commit, and may be done again.
//!
//! [`guest`] is the port through which the service reaches whatever runs guests. Its
//! traits are async, since a guest waits for memory and an attempt for the world
//! outside; nothing in this crate calls them but [`guest::replay`]. It is here because it
//! speaks of cursors' waits, commands and events, and because the service and the host
//! both know this crate and not each other: a crate of its own would be one file.
//!
//! Invariant: the state that `decide` leaves is the state that `apply` makes of
//! the same events. The property tests hold it.

pub mod compat;
pub mod decide;
pub mod guest;
pub mod replay;
pub mod state;
pub mod transition;
pub mod waits;
