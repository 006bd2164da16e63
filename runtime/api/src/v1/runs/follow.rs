//! A live history as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::vec;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use dacapo_model::event::HistoryEvent;
use dacapo_model::ids::EventId;
use dacapo_service::operations::{HistoryFollower, RunRef};
use dacapo_service::tenancy::Tenant;
use futures::stream::{self, Stream};

use crate::error::ApiError;
use crate::memory::{self, Charge, MemoryBudget, page_cost, page_cost_max};
use crate::wire::event::HistoryEvent as WireEvent;

/// The history from `from` on, or from the event after `last`, the last one the
/// client has.
pub(super) async fn follow(
    tenant: &Tenant,
    run: RunRef,
    from: EventId,
    last: Option<EventId>,
) -> Result<Response, ApiError> {
    if let Some(last) = last
        && has_ended_with(tenant, &run, last).await?
    {
        // Clients resume whenever a stream ends, and this is how they are told
        // to stop.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let from = last.map_or(from, EventId::next);
    let follower = tenant.follow_history(&run, from).await?;
    let events = events(follower, page_cost_max(&tenant.policy().limits));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

async fn has_ended_with(tenant: &Tenant, run: &RunRef, last: EventId) -> Result<bool, ApiError> {
    let description = tenant.describe_run(run).await?;
    Ok(!description.execution.status.is_open() && last.0 >= description.history_length)
}

/// What is left to send. The connection pulls: events are read when it has room
/// for them, so a slow client holds one page of them and no more, and is charged for
/// that until the page is gone.
struct Unsent {
    follower: HistoryFollower,
    page: vec::IntoIter<HistoryEvent>,
    charge: Option<Charge>,
    budget: Option<Arc<MemoryBudget>>,
    /// What a page may cost before it is known what it does.
    page_cost_max: usize,
}

fn events(
    follower: HistoryFollower,
    page_cost_max: usize,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (page, budget) = (Vec::new().into_iter(), memory::budget());
    let unsent = Unsent { follower, page, charge: None, budget, page_cost_max };
    stream::unfold(unsent, |mut unsent| async move {
        loop {
            if let Some(event) = unsent.page.next() {
                return Some((Ok(message(event)), unsent));
            }
            match unsent.read_page().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    // The client resumes a stream that ends early, and then
                    // gets this as a proper answer if it is still so.
                    tracing::debug!(run_id = %unsent.follower.run_id, ?error, "live history ends early");
                    return None;
                }
            }
        }
    })
}

impl Unsent {
    /// Reads the next page; false after the last one. While nothing happens, nothing
    /// is charged for.
    async fn read_page(&mut self) -> Result<bool, ApiError> {
        loop {
            self.charge = None;
            if let Some(budget) = &self.budget {
                self.charge = Some(budget.acquire(self.page_cost_max).await?);
            }
            let page = self.follower.read().await?;
            if !page.is_empty() {
                if let Some(charge) = &mut self.charge {
                    charge.shrink(page_cost(&page));
                }
                self.page = page.into_iter();
                return Ok(true);
            }
            self.charge = None;
            if !self.follower.wait().await? {
                return Ok(false);
            }
        }
    }
}

/// On one line, which is what the simplest clients can read. A line break in
/// JSON text, which a payload may have, is white space between two tokens.
fn message(event: HistoryEvent) -> Event {
    let message = Event::default().id(event.id.to_string()).event(event.attributes.type_name());
    let json = serde_json::to_string(&WireEvent::from(event));
    message.data(json.expect("an event has a JSON form").replace(['\r', '\n'], " "))
}
