//! One instance of a workflow: a guest, its cursor, and the future that runs it.

pub(crate) mod after_end;
pub(crate) mod conversation;
pub(crate) mod debt;
pub(crate) mod instance;
pub(crate) mod memory;
mod outcome;
pub(crate) mod state;
