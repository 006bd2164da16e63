//! What an attempt makes the host do and hold: time in the host costs fuel as the
//! guest's own time does, what the host holds for it counts as its memory, and a guest
//! that calls without end yields to others.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTable;
use wasmtime::{CallHook, CallHookHandler, StoreContextMut, Trap};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
use wasmtime_wasi_http::p2::body::{HostIncomingBodyStream, HostOutgoingBody};
use wasmtime_wasi_http::p2::types::{HostIncomingResponse, HostOutgoingRequest};

use super::http::CHUNK_BYTES;
use super::state::ActivityState;
use crate::hook::{Done, nothing};

/// Fuel of a call, however short it is or long it waits.
const FUEL_PER_CALL: u64 = 500;

/// Fuel of a nanosecond in the host: what a busy guest uses in one.
const FUEL_PER_NANO: u128 = 2;

/// More is not charged for one call: none copies for so long. Where the host is busy with
/// something else meanwhile, that is not the guest's doing.
const CHARGED_MAX: Duration = Duration::from_millis(5);

/// Calls may go on for so long before the guest yields.
const TURN_MAX: Duration = Duration::from_millis(1);

/// How often it is looked at what the host holds: after so many calls, more if there is
/// much to look at, and after each call that took so long, since it may have copied much.
const CALLS_BETWEEN_LOOKS: usize = 16;
const LONG_CALL: Duration = Duration::from_micros(20);

/// What is not counted: what a request takes that is nothing special. An attempt that
/// asks for no more memory than its component needs at first is never refused any.
const HELD_BYTES_FREE: usize = 256 * 1024;

/// What a handle takes besides what is counted.
const HANDLE_BYTES: usize = 512;

/// What a header takes besides its name and value.
const HEADER_BYTES: usize = 128;

/// Counts polls of an attempt's future. A call that began in one and ended in another
/// has waited.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<AtomicU64>);

impl Turns {
    /// Runs an attempt to its end.
    pub(super) async fn count<F: Future>(&self, attempt: F) -> F::Output {
        let mut attempt = std::pin::pin!(attempt);
        std::future::poll_fn(|context| {
            self.0.fetch_add(1, Ordering::Relaxed);
            attempt.as_mut().poll(context)
        })
        .await
    }

    fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The calls of one attempt.
#[derive(Debug)]
pub(super) struct Calls {
    turns: Turns,
    /// The turn that is under way, as far as calls have seen.
    turn: u64,
    turn_began: Instant,
    /// When the host was entered, if the guest is in it.
    entered: Option<Instant>,
    until_look: usize,
    fuel: u64,
}

impl Calls {
    pub(super) fn new(turns: Turns) -> Self {
        Self {
            turns,
            turn: 0,
            turn_began: now(),
            entered: None,
            until_look: CALLS_BETWEEN_LOOKS,
            fuel: 0,
        }
    }

    fn enter(&mut self, at: Instant) {
        let turn = self.turns.current();
        if turn != self.turn {
            self.turn = turn;
            self.turn_began = at;
        }
        self.entered = Some(at);
    }

    /// How long the host was busy for the guest. None if the guest was not in it.
    fn leave(&mut self, at: Instant) -> Option<Duration> {
        let busy = at.saturating_duration_since(self.entered.take()?);
        Some(if self.turns.current() == self.turn { busy } else { Duration::ZERO })
    }

    fn is_time_to_look(&mut self, busy: Duration) -> bool {
        self.until_look = self.until_look.saturating_sub(1);
        self.until_look == 0 || busy >= LONG_CALL
    }

    fn looked_at(&mut self, handles: usize) {
        self.until_look = CALLS_BETWEEN_LOOKS.saturating_add(handles / 8);
    }

    fn charge(&mut self, busy: Duration) {
        let nanos = busy.min(CHARGED_MAX).as_nanos();
        let fuel = u64::try_from(nanos.saturating_mul(FUEL_PER_NANO));
        let fuel = fuel.unwrap_or(u64::MAX).saturating_add(FUEL_PER_CALL);
        self.fuel = self.fuel.saturating_add(fuel);
    }

    fn is_turn_over(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.turn_began) >= TURN_MAX
    }
}

/// Called whenever a guest enters the host or leaves it.
pub(super) struct Hook;

impl CallHookHandler<ActivityState> for Hook {
    fn handle_call_event<'s, 'c, 'f>(
        &'s self,
        mut store: StoreContextMut<'c, ActivityState>,
        event: CallHook,
    ) -> Done<'f>
    where
        's: 'f,
        'c: 'f,
        Self: 'f,
    {
        let at = now();
        match event {
            CallHook::CallingHost | CallHook::ReturningFromWasm => {
                store.data_mut().calls.enter(at);
                nothing()
            }
            // The host calls the guest as well: for room to put a list into.
            CallHook::ReturningFromHost | CallHook::CallingWasm => match account(&mut store, at) {
                Ok(()) if store.data().calls.is_turn_over(at) => Box::pin(async {
                    tokio::task::yield_now().await;
                    Ok(())
                }),
                Ok(()) => nothing(),
                Err(error) => Box::pin(std::future::ready(Err(error))),
            },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what a guest costs the machine is measured")]
fn now() -> Instant {
    Instant::now()
}

/// What the host did until then is the guest's to pay.
fn account(store: &mut StoreContextMut<'_, ActivityState>, at: Instant) -> wasmtime::Result<()> {
    let state = store.data_mut();
    let Some(mut busy) = state.calls.leave(at) else {
        return Ok(());
    };
    if state.calls.is_time_to_look(busy) {
        let (handles, bytes) = held(&mut state.table);
        state.calls.looked_at(handles);
        busy = busy.saturating_add(at.elapsed());
        if !state.limiter.hold(bytes.saturating_sub(HELD_BYTES_FREE)) {
            return Err(wasmtime::Error::msg("the host holds too much for the guest"));
        }
    }
    state.calls.charge(busy);
    let fuel = state.calls.fuel;
    // The guest's own part is taken from the store's.
    if store.get_fuel()? < fuel { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// How many handles a guest has, and what the host holds for them in bytes. What clones
/// share is counted for each.
fn held(table: &mut ResourceTable) -> (usize, usize) {
    table.iter_mut().fold((0, 0), |(handles, bytes), entry| {
        (handles + 1, bytes.saturating_add(HANDLE_BYTES).saturating_add(content(entry)))
    })
}

fn content(entry: &(dyn Any + Send)) -> usize {
    if let Some(fields) = entry.downcast_ref::<FieldMap>() {
        return headers(fields);
    }
    if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let method = match &request.method {
            Method::Other(method) => method.len(),
            _ => 0,
        };
        let scheme = match &request.scheme {
            Some(Scheme::Other(scheme)) => scheme.len(),
            _ => 0,
        };
        let authority = request.authority.as_ref().map_or(0, String::len);
        let path = request.path_with_query.as_ref().map_or(0, String::len);
        return headers(&request.headers) + method + scheme + authority + path;
    }
    if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        return headers(&response.headers);
    }
    if entry.is::<HostOutgoingBody>() || entry.is::<HostIncomingBodyStream>() {
        return CHUNK_BYTES;
    }
    0
}

fn headers(fields: &FieldMap) -> usize {
    fields.iter().map(|(name, value)| HEADER_BYTES + name.as_str().len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[tokio::test]
    async fn a_call_that_waited_costs_no_time() {
        let turns = Turns::default();
        let mut calls = Calls::new(turns.clone());
        turns
            .count(async {
                calls.enter(now());
                assert!(calls.leave(now()).is_some());
                calls.enter(now());
                tokio::task::yield_now().await;
                assert_eq!(calls.leave(now()), Some(Duration::ZERO));
                assert_eq!(calls.leave(now()), None, "it is not in the host");
            })
            .await;
    }

    #[test]
    fn headers_are_counted_with_what_they_take() {
        let mut table = ResourceTable::new();
        let mut fields = FieldMap::new_mutable(10_000);
        let name = HeaderName::from_static("x-name");
        fields.append_raw(name, HeaderValue::from_static("value")).expect("there is room");
        table.push(fields).expect("there is room");
        let (handles, bytes) = held(&mut table);
        assert_eq!((handles, bytes), (1, HANDLE_BYTES + HEADER_BYTES + 6 + 5));
    }
}
