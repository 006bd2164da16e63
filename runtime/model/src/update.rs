//! Requests to change a run, whose callers wait for the answer.

use crate::ids::{UpdateId, UpdateName};
use crate::payload::Payload;
use crate::time::Timestamp;

/// One request, on its way into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// By which a repeat is recognised within a run, and the outcome is found.
    pub id: UpdateId,
    /// What it asks for.
    pub name: UpdateName,
    /// Its argument.
    pub input: Payload,
}

/// A request that the guest has neither accepted nor rejected yet. It is durable,
/// and no event: a rejected one leaves none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmittedUpdate {
    /// The request.
    pub update: Update,
    /// When it arrived. Those of a run are offered in this order.
    pub admitted_at: Timestamp,
}
