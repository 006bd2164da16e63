//! Where runs are, and how they are told things. Nothing else knows which runs this
//! node has in memory.
//!
//! ```text
//!  operation, relation, timer, attempt
//!      │ address: namespace and workflow id, or the key of a run
//!      ▼
//!  in memory? ─ yes ──────────────────────────────▶ here ─▶ mailbox ─▶ actor
//!      │ no                                          ▲        (woken if it sleeps)
//!      ├─ another node owns its range ─▶ elsewhere   │
//!      └─ the store has ─ no such run ─▶ unknown     │
//!                       ─ a closed run ─▶ closed     │
//!                       ─ an open run ─ adopt it ────┘
//! ```
//!
//! That a run is not in memory says nothing about whether it is open. Only the store
//! says that a run has closed or never was.

mod address;
mod ask;
mod directory;
mod find;
mod mailbox;
mod places;
mod tell;

pub(crate) use self::address::Address;
pub(crate) use self::ask::{LOOKS_MAX, ask, no_answer, not_reached};
pub(crate) use self::directory::{Claim, Claimed, Directory};
pub(crate) use self::find::{Reached, find, find_run, is_here};
pub(crate) use self::mailbox::{deliver, try_deliver, wake_for_timer, wake_overdue};
pub(crate) use self::tell::{tell, tell_open};
