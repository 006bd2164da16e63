//! What a workflow makes the host do costs it fuel, as its own code does: so much for
//! each call, and for what is copied for it. Nothing is measured, so it is the same on
//! every replay.
//!
//! The fuel is owed until it is worth settling. Then the guest yields to others: it
//! may have kept the host busy for as long as a guest may be.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{CallHook, CallHookHandler, StoreContextMut, Trap};

use super::state::WorkflowState;
use crate::hook::{Done, nothing};

/// Fuel of a call. The shortest take as long as a busy guest needs for about half of it.
const FUEL_PER_CALL: u64 = 500;

/// Fuel of a text or a list of bytes that goes from one side to the other, which takes
/// memory on both, and of each byte of it.
const FUEL_PER_VALUE: u64 = 500;
const FUEL_PER_BYTE: u64 = 1;

/// Settled once it is so much: half a millisecond.
const SETTLED_AT: u64 = 1_000_000;

/// Fuel that a guest owes.
#[derive(Debug, Default)]
pub(crate) struct Debt(AtomicU64);

impl Debt {
    /// A text or a list of so many bytes is copied for the guest.
    pub(crate) fn value(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.add(bytes.saturating_mul(FUEL_PER_BYTE).saturating_add(FUEL_PER_VALUE));
    }

    /// The same for many.
    pub(crate) fn values(&self, bytes: impl IntoIterator<Item = usize>) {
        bytes.into_iter().for_each(|bytes| self.value(bytes));
    }

    /// The guest has been given new fuel.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn add(&self, fuel: u64) {
        // One thread is in the guest at a time.
        let owed = self.0.load(Ordering::Relaxed).saturating_add(fuel);
        self.0.store(owed, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= SETTLED_AT
    }

    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Called whenever a guest enters the host or leaves it.
pub(super) struct Hook;

impl CallHookHandler<WorkflowState> for Hook {
    fn handle_call_event<'s, 'c, 'f>(
        &'s self,
        store: StoreContextMut<'c, WorkflowState>,
        event: CallHook,
    ) -> Done<'f>
    where
        's: 'f,
        'c: 'f,
        Self: 'f,
    {
        let debt = &store.data().debt;
        match event {
            CallHook::CallingHost => debt.add(FUEL_PER_CALL),
            CallHook::ReturningFromHost if debt.is_due() => return Box::pin(settle(store)),
            _ => {}
        }
        nothing()
    }
}

async fn settle(mut store: StoreContextMut<'_, WorkflowState>) -> wasmtime::Result<()> {
    let owed = store.data().debt.take();
    let left = store.get_fuel()?.saturating_sub(owed);
    if left == 0 {
        return Err(Trap::OutOfFuel.into());
    }
    store.set_fuel(left)?;
    tokio::task::yield_now().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_is_owed_until_it_is_taken() {
        let debt = Debt::default();
        debt.values([0, 7]);
        assert!(!debt.is_due());
        debt.value(1_000_000);
        assert!(debt.is_due());
        assert_eq!(debt.take(), 3 * FUEL_PER_VALUE + 1_000_007 * FUEL_PER_BYTE);
        debt.add(u64::MAX);
        debt.value(1);
        assert_eq!(debt.take(), u64::MAX, "it does not wrap");
        debt.value(1);
        debt.forget();
        assert_eq!(debt.take(), 0);
    }
}
