//! Channels, locks and counters for the tasks of one run.
//!
//! They are for what happens inside a workflow, and serve whoever waits in the
//! order in which it began to wait, so a replay takes the same course. They are
//! handles: a clone means the same channel or lock.
//!
//! A request to cancel does not end a wait on any of them by itself. It ends the
//! operations and signals that tasks wait for; what those tasks hold is then let
//! go, and so the others go on.

pub mod channel;
mod mutex;
pub mod oneshot;
mod semaphore;
mod wait_group;
pub mod watch;

use std::error::Error;
use std::fmt;

pub use mutex::{Lock, Mutex, MutexGuard};
pub use semaphore::{Acquire, Permit, Semaphore};
pub use wait_group::{WaitGroup, WaitGroupToken};

/// The other side is gone, and nothing will come any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side of the channel is gone")
    }
}

impl Error for Closed {}
