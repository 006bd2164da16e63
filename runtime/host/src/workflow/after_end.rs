//! Asking a guest whose run is closed. Its history is replayed first; nothing of
//! what it does afterwards is recorded.

use std::pin::pin;
use std::sync::Arc;

use dacapo_engine::guest::{Asked, GuestInstance, RunContext};
use dacapo_model::event::{HistoryEvent, Role};
use dacapo_model::execution::Blocked;
use dacapo_model::query::Query;
use wasmtime::AsContextMut;

use super::conversation::Conversation;
use super::instance::{Instance, Place, fault, run_guest};
use super::state::{WorkflowState, enter_off_the_record};
use crate::bindings::exports::dacapo::workflow::after_end::GuestIndices;
use crate::interfaces::checked_outcome;
use crate::module::Module;

/// Replays the whole history of a closed run, and asks.
pub(crate) async fn query_closed(
    module: Arc<Module>,
    run: Arc<RunContext>,
    place: Place,
    mut history: Vec<HistoryEvent>,
    query: Query,
) -> Asked {
    // The guest did not end by itself: it still waits.
    if history.pop_if(|last| last.attributes.role() == Role::ClosedFromOutside).is_some() {
        let mut instance = Instance::new(module, run, place);
        return match instance.advance(history).await {
            Ok(_never_recorded) => instance.query(query).await,
            Err(blocked) => Asked::Broken(blocked),
        };
    }
    let Some(exports) = &module.after_end else {
        return Asked::Ended;
    };
    let limits = Arc::clone(&module.limits);
    let conversation = Arc::new(Conversation::new(&limits));
    conversation.cursor().extend(history);
    let state = WorkflowState::new(Arc::clone(&conversation), run, limits, Arc::clone(&place.room));
    let guest = pin!(run_and_ask(&module, exports, state, query));
    match conversation.run_until_wait(guest).await {
        Some(asked) => asked.unwrap_or_else(Asked::Broken),
        None => Asked::Ended,
    }
}

async fn run_and_ask(
    module: &Module,
    exports: &GuestIndices,
    state: WorkflowState,
    query: Query,
) -> Result<Asked, Blocked> {
    let mut returned = run_guest(module, state).await?;
    let store = &mut returned.store;
    store.data().conversation.cursor().ask_after_end();
    let answered = async {
        enter_off_the_record(&mut store.as_context_mut())?;
        let guest = exports.load(&mut *store, &returned.instance)?;
        let input = Vec::from(query.input.into_bytes());
        let answer = guest.call_answer_query(&mut *store, query.name.as_str(), &input).await?;
        Ok(checked_outcome("the answer to a query", answer, store.data())?)
    };
    match answered.await {
        Ok(answer) => Ok(Asked::Answered(answer)),
        Err(error) => Err(fault(&returned.store, &error)),
    }
}
