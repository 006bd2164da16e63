//! A live history as server-sent events.

use std::convert::Infallible;
use std::vec;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::EventId;
use dacapo_service::Runtime;
use dacapo_service::operations::{HistoryFollower, RunRef};
use futures::stream::{self, Stream};

use crate::error::ApiError;
use crate::wire::event::HistoryEvent as WireEvent;

/// The history from `from` on, or from the event after `last`, the last one the
/// client has.
pub(super) async fn follow(
    runtime: &Runtime,
    run: RunRef,
    from: EventId,
    last: Option<EventId>,
) -> Result<Response, ApiError> {
    if let Some(last) = last
        && has_ended_with(runtime, &run, last).await?
    {
        // Clients resume whenever a stream ends, and this is how they are told
        // to stop.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let from = last.map_or(from, EventId::next);
    let follower = runtime.follow_history(&run, from).await?;
    Ok(Sse::new(events(follower)).keep_alive(KeepAlive::default()).into_response())
}

async fn has_ended_with(runtime: &Runtime, run: &RunRef, last: EventId) -> Result<bool, ApiError> {
    let description = runtime.describe_run(run).await?;
    Ok(!description.execution.status.is_open() && last.0 >= description.history_length)
}

/// What is left to send. The connection pulls: events are read when it has room
/// for them, so a slow client holds one batch of them and no more.
struct Unsent {
    follower: HistoryFollower,
    batch: vec::IntoIter<HistoryEvent>,
}

fn events(follower: HistoryFollower) -> impl Stream<Item = Result<Event, Infallible>> {
    let unsent = Unsent { follower, batch: Vec::new().into_iter() };
    stream::unfold(unsent, |mut unsent| async move {
        loop {
            if let Some(event) = unsent.batch.next() {
                return Some((Ok(message(event)), unsent));
            }
            match unsent.follower.next().await {
                Ok(Some(batch)) => unsent.batch = batch.into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    // The client resumes a stream that ends early, and then
                    // gets this as a proper answer if it is still so.
                    tracing::debug!(run_id = %unsent.follower.run_id, %error, "live history ends early");
                    return None;
                }
            }
        }
    })
}

/// On one line, which is what the simplest clients can read. A line break in
/// JSON text, which a payload may have, is white space between two tokens.
fn message(event: HistoryEvent) -> Event {
    let message = Event::default().id(event.id.to_string()).event(event.attributes.type_name());
    let json = serde_json::to_string(&WireEvent::from(event));
    message.data(json.expect("an event has a JSON form").replace(['\r', '\n'], " "))
}
