//! Runs a function to its end, whatever it does.

use std::any::Any;

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::context::ActivityContext;
use crate::failure::{Failure, PANIC, WORKER_SHUTDOWN};
use crate::payload::Payload;
use crate::registry::Function;

/// Runs a function as a task of its own, so that what it holds up is itself alone, and its
/// panic ends nothing else. Dropping this drops the function where it waits.
pub(crate) async fn execute(
    function: Function,
    context: ActivityContext,
    input: Payload,
) -> Result<Payload, Failure> {
    let running = async move { function(context, input).await }.in_current_span();
    match AbortOnDropHandle::new(tokio::spawn(running)).await {
        Ok(returned) => returned,
        Err(error) => Err(match error.try_into_panic() {
            Ok(panic) => panicked(&*panic),
            Err(_aborted) => Failure::new(WORKER_SHUTDOWN, "the async runtime of the worker ended"),
        }),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the activity panicked: {}", text.unwrap_or("without a message"));
    tracing::error!(panic = text, "an activity panicked");
    Failure::new(PANIC, message)
}
