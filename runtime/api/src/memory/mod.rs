//! How much memory requests take together.
//!
//! ```text
//!  body arrives ─▶ operation ─▶ answer ─▶ written to the client
//!  └──────────────── one charge on the budget ──────────────┘
//! ```
//!
//! A request is charged before it costs anything: for its body by the length it
//! announces, for what it reads by how much that can be. The charge stays until
//! the operation has ended, also when its client is gone, and that for the answer
//! until the last byte of it was taken. Whoever finds no room waits a moment, and
//! is then refused with `overloaded`.
//!
//! Small requests have a share of their own, so that signals and ordinary starts
//! get through while large ones wait for each other. Modules have no more than half of
//! what is for large ones.

mod answer;
mod budget;

use std::future::Future;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use dacapo_model::event::HistoryEvent;
use dacapo_model::limits::Limits;
use dacapo_service::operations::PAGE_BYTES_MAX;
use parking_lot::Mutex;

pub(crate) use self::budget::Charge;
pub use self::budget::MemoryBudget;
use crate::error::ApiError;

/// What a request of a body costs for each of its bytes until it is answered: the
/// body, its fields, the event that holds it, and its row on the way to the
/// database.
pub(crate) const BODY_FACTOR: usize = 6;

/// What an event of a page costs for each of its bytes: itself, and its JSON.
const PAGE_FACTOR: usize = 2;

/// Events that a page may have beyond its bytes: stores read a few at a time.
const EVENTS_BEYOND: usize = 4;

/// What a page of a history may cost, before it is known what it does.
pub(crate) fn page_cost_max(limits: &Limits) -> usize {
    PAGE_FACTOR * (PAGE_BYTES_MAX + EVENTS_BEYOND * limits.payload_bytes_max)
}

/// What a page does cost.
pub(crate) fn page_cost(page: &[HistoryEvent]) -> usize {
    let bytes: u64 = page.iter().map(|event| event.attributes.bytes()).sum();
    PAGE_FACTOR * usize::try_from(bytes).unwrap_or(usize::MAX / PAGE_FACTOR)
}

tokio::task_local! {
    static REQUEST: Arc<Account>;
}

/// The charges of one request.
pub(crate) struct Account {
    budget: Arc<MemoryBudget>,
    charges: Mutex<Vec<Charge>>,
}

impl Account {
    fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, charges: Mutex::new(Vec::new()) }
    }

    fn add(&self, charge: Charge) {
        self.charges.lock().push(charge);
    }

    /// One charge of so many bytes, if there is one that covers it; the others are
    /// given back.
    fn keep(&self, bytes: usize) -> Option<Charge> {
        let charges = std::mem::take(&mut *self.charges.lock());
        let mut kept = charges.into_iter().find(|charge| charge.covers(bytes))?;
        kept.shrink(bytes);
        Some(kept)
    }

    fn clear(&self) {
        self.charges.lock().clear();
    }
}

/// Says of a request that it is one of several on its connection: whoever accepts
/// connections puts it into the extensions.
#[derive(Debug, Clone, Copy)]
pub struct SharedConnection;

/// What a request on a shared connection holds by itself: its head, and an answer that
/// is not charged for. Alone it has the connection's.
const SHARED_BYTES: usize = 24 * 1024;

/// Keeps the account of each request.
pub(crate) async fn keep_account(
    State(budget): State<Arc<MemoryBudget>>,
    request: Request,
    next: Next,
) -> Response {
    let mut own = None;
    if request.extensions().get::<SharedConnection>().is_some() {
        own = match budget.acquire(SHARED_BYTES).await {
            Ok(charge) => Some(charge),
            Err(refusal) => return refusal.into_response(),
        };
    }
    let account = Arc::new(Account::new(budget));
    let response = REQUEST.scope(account.clone(), next.run(request)).await;
    let response = answer::charge(&account, response).await;
    match own {
        Some(charge) => answer::hold(charge, response),
        None => response,
    }
}

/// Runs an operation to its end, even if the client goes away meanwhile. What the
/// request was charged for stays charged until then.
pub(crate) async fn to_the_end<T, F>(operation: F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    dacapo_service::to_the_end(with_account(operation)).await
}

/// Runs a part of a request that outlives its handler: its charges stay with it.
fn with_account<F: Future>(part: F) -> impl Future<Output = F::Output> {
    let account = REQUEST.try_with(Arc::clone).ok();
    async move {
        match account {
            Some(account) => REQUEST.scope(account, part).await,
            None => part.await,
        }
    }
}

/// Charges the request for bytes that it is about to take. Waits a moment for room.
pub(crate) async fn reserve(bytes: usize) -> Result<(), ApiError> {
    let Some(account) = account() else { return Ok(()) };
    let charge = account.budget.acquire(bytes).await?;
    account.add(charge);
    Ok(())
}

/// The same for a module, which is there for longer than anything else.
pub(crate) async fn reserve_for_module(bytes: usize) -> Result<(), ApiError> {
    let Some(account) = account() else { return Ok(()) };
    let charge = account.budget.acquire_for_module(bytes).await?;
    account.add(charge);
    Ok(())
}

/// Whether the request holds what others may have to wait for.
pub(crate) fn holds_much() -> bool {
    account().is_some_and(|account| account.charges.lock().iter().any(Charge::is_large))
}

/// The request has come to where it only waits: what it was charged for is gone.
pub(crate) fn give_back() {
    if let Some(account) = account() {
        account.clear();
    }
}

/// The budget of the request, if it has one.
pub(crate) fn budget() -> Option<Arc<MemoryBudget>> {
    account().map(|account| account.budget.clone())
}

fn account() -> Option<Arc<Account>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// Runs a part of a test as a request on this budget.
#[cfg(test)]
pub(crate) fn with_budget<F: Future>(
    budget: &Arc<MemoryBudget>,
    part: F,
) -> impl Future<Output = F::Output> + use<F> {
    REQUEST.scope(Arc::new(Account::new(budget.clone())), part)
}
