//! Asks a run something that it answers.

use std::sync::Arc;

use dacapo_model::code::ErrorCode;
use tokio::sync::oneshot;

use super::{Address, Reached, deliver, find, is_here};
use crate::error::{Result, ServiceError};
use crate::run::{Message, OpenRun};
use crate::runtime::Shared;

/// How often whoever has something to say to a run looks for it again: each time, the
/// run that was found had closed before it heard it.
pub(crate) const LOOKS_MAX: usize = 32;

/// Asks a run, or the one that follows it if that is meant as well.
pub(crate) async fn ask<A>(
    shared: &Arc<Shared>,
    address: Address<'_>,
    message: impl Fn(oneshot::Sender<A>) -> Message,
) -> Result<Reached<(Arc<OpenRun>, A)>> {
    for _ in 0..LOOKS_MAX {
        let run = match find(shared, address).await?.here() {
            Ok(run) => run,
            Err(elsewhere) => return Ok(elsewhere),
        };
        let (answer, answered) = oneshot::channel();
        if deliver(shared, &run, message(answer)).await.is_err() {
            continue;
        }
        match answered.await {
            Ok(answer) => return Ok(Reached::Here((run, answer))),
            // It closed before it came to this message.
            Err(_) if !is_here(shared, run.key.run_id) => {}
            Err(_) => return Err(no_answer()),
        }
    }
    Err(not_reached())
}

/// The run's actor went away without an answer.
pub(crate) fn no_answer() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the run did not answer; whether the request had its effect is not known. Send it again, \
         with the same request id if it changes something",
    )
}

/// Each run that had the workflow id closed before it took the request.
pub(crate) fn not_reached() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the runs of this workflow id follow each other too fast to be reached; nothing was \
         changed. Send the request again",
    )
}
