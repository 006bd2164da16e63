//! Tells a run something that it records.

use std::sync::Arc;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_model::ids::RunKey;
use tokio::sync::oneshot;

use super::{Address, LOOKS_MAX, Reached, deliver, find, no_answer, not_reached};
use crate::error::Result;
use crate::run::{Message, OpenRun};
use crate::runtime::Shared;

/// Tells a run something, or the one that follows it if that is meant as well, and waits
/// until that is committed.
pub(crate) async fn tell(
    shared: &Arc<Shared>,
    address: Address<'_>,
    input: &Input,
) -> Result<Reached<(RunKey, std::result::Result<(), Refusal>)>> {
    for _ in 0..LOOKS_MAX {
        let run = match find(shared, address).await?.here() {
            Ok(run) => run,
            Err(elsewhere) => return Ok(elsewhere),
        };
        let (answer, answered) = oneshot::channel();
        let message = Message::Input { input: input.clone(), answer: Some(answer) };
        if deliver(shared, &run, message).await.is_err() {
            continue;
        }
        let verdict = answered.await.map_err(|_| no_answer())??;
        if verdict == Err(Refusal::Closed) && address.is_latest() {
            // It may go on as another run by now, which is the one that is meant.
            continue;
        }
        if verdict.is_err() {
            // Nothing was committed for it, which would have shown whose the run is.
            shared.hold.confirm.held(run.key.hash).await?;
        }
        return Ok(Reached::Here((run.key, verdict)));
    }
    Err(not_reached())
}

/// Tells a run something that was found a moment ago.
pub(crate) async fn tell_open(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    input: Input,
) -> Result<std::result::Result<(), Refusal>> {
    let (answer, answered) = oneshot::channel();
    let message = Message::Input { input, answer: Some(answer) };
    if deliver(shared, run, message).await.is_err() {
        return Ok(Err(Refusal::Closed));
    }
    answered.await.map_err(|_| no_answer())?
}
