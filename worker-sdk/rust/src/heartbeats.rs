//! Prolongs the leases of all tasks in hand, many in one request.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until};

use crate::api::Api;
use crate::backoff::Backoff;
use crate::clock::now;
use crate::error::RequestError;
use crate::held::Held;
use crate::in_hand::InHand;
use crate::payload::Payload;
use crate::wire::{Heartbeat, HeartbeatsRequest, batches};

const BACKOFF_INITIAL: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Shortest time for an answer, however short the leases are.
const TIMEOUT_MIN: Duration = Duration::from_millis(500);

/// Goes on until it is dropped.
pub(crate) async fn run(api: Arc<Api>, in_hand: Arc<InHand>) {
    let mut backoff = Backoff::new(BACKOFF_INITIAL, BACKOFF_MAX);
    loop {
        let Some(due_at) = in_hand.due_at() else {
            in_hand.changed().await;
            continue;
        };
        if due_at > now() {
            tokio::select! {
                () = sleep_until(due_at) => {}
                () = in_hand.changed() => continue,
            }
        }
        match send_all(&api, &in_hand).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                let wait = backoff.next(error.retry_after());
                tracing::warn!(%error, ?wait, "leases could not be prolonged; trying again");
                sleep(wait).await;
            }
        }
    }
}

async fn send_all(api: &Api, in_hand: &InHand) -> Result<(), RequestError> {
    let begun = now();
    let due: Vec<_> =
        in_hand.to_send(begun).into_iter().map(|held| Beat::take(held, begun)).collect();
    let mut rest = due.as_slice();
    let mut problem = Ok(());
    for count in batches(due.iter().map(Beat::size)) {
        let (batch, others) = rest.split_at(count);
        rest = others;
        if let Err(error) = send(api, batch).await {
            problem = Err(error);
        }
    }
    problem
}

/// Says what one task has to say, now: before it ends.
pub(crate) async fn flush(api: &Api, held: Arc<Held>) {
    if let Err(error) = send(api, &[Beat::take(held, now())]).await {
        tracing::debug!(%error, "the last heartbeat of an attempt is lost");
    }
}

async fn send(api: &Api, batch: &[Beat]) -> Result<(), RequestError> {
    let sent_at = now();
    let patience = batch.iter().map(|beat| beat.held.length()).min().unwrap_or_default() / 2;
    let heartbeats = batch.iter().map(Beat::wire).collect();
    let request = HeartbeatsRequest { heartbeats };
    match api.heartbeats(&request, patience.max(TIMEOUT_MIN)).await {
        Ok(results) => {
            tracing::debug!(tasks = results.len(), "leases are prolonged");
            for (beat, heard) in batch.iter().zip(&results) {
                beat.held.heard(heard, sent_at);
                if !heard.held && heard.error.as_ref().is_some_and(|error| error.retryable) {
                    beat.held.missed(beat.details());
                }
            }
            Ok(())
        }
        Err(error) => {
            // Details that the server does not take must not cost the leases of all.
            let keep = error.is_passing();
            for beat in batch {
                beat.held.missed(if keep { beat.details() } else { None });
            }
            Err(error)
        }
    }
}

/// One heartbeat on its way.
struct Beat {
    held: Arc<Held>,
    details: Option<Box<RawValue>>,
}

impl Beat {
    fn take(held: Arc<Held>, at: Instant) -> Self {
        let details = held.take(at).and_then(|details| details.into_wire().into_json());
        Self { held, details }
    }

    fn details(&self) -> Option<Payload> {
        self.details.clone().map(Payload::from)
    }

    fn wire(&self) -> Heartbeat<'_> {
        Heartbeat { token: self.held.token(), details: self.details.as_deref() }
    }

    fn size(&self) -> usize {
        const FRAME: usize = 50;
        let details = self.details.as_ref().map_or(0, |details| details.get().len());
        FRAME + self.held.token().len() + details
    }
}
