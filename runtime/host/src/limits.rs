//! Memory and tables of one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dacapo_model::limits::Limits;
use wasmtime::ResourceLimiter;

use crate::activity::memory::Share;

/// What an element of a table takes.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// What the host holds for an instance is told from so many bytes on.
const HELD_BYTES_SHOWN: usize = 1024 * 1024;

/// Counts what the memories and tables of an instance have together, and
/// remembers whether it had to refuse.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Account,
    tables: Account,
    meter: Arc<AtomicUsize>,
    /// Of what all activities have together, if it is one.
    share: Option<Share>,
    /// Bytes of all activities, if there was no room for more.
    crowded: Option<usize>,
    /// Bytes that the host holds for it; they are part of its memory.
    held: usize,
}

/// One kind of resource.
#[derive(Debug)]
struct Account {
    used: usize,
    max: usize,
    /// What the last growth took, in case it fails elsewhere.
    last_growth: usize,
    refused: bool,
}

impl Limiter {
    /// For a new instance.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: Account::new(limits.instance_memory_bytes_max),
            tables: Account::new(limits.instance_table_elements_max),
            meter: Arc::default(),
            share: None,
            crowded: None,
            held: 0,
        }
    }

    /// The same for an instance that has its memory of a share.
    pub(crate) fn sharing(limits: &Limits, share: Share) -> Self {
        Self { share: Some(share), ..Self::new(limits) }
    }

    /// Shows how many bytes the instance has, as long as there is one.
    pub(crate) fn meter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.meter)
    }

    /// The host holds so many bytes for the instance. False if that is more than it may
    /// have.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        self.memory.used = self.memory.used.saturating_sub(self.held).saturating_add(bytes);
        self.held = bytes;
        self.show();
        if self.memory.used > self.memory.max {
            self.memory.refused = true;
            return false;
        }
        if let Some(share) = &mut self.share
            && !share.cover(self.memory.used)
        {
            self.crowded = Some(share.bytes_of_all());
            return false;
        }
        true
    }

    fn show(&self) {
        let tables = self.tables.used.saturating_mul(TABLE_ELEMENT_BYTES);
        self.meter.store(self.memory.used.saturating_add(tables), Ordering::Relaxed);
    }

    /// What was refused since the last call of [`Self::forget_refusals`], for
    /// people. A guest that is refused memory traps some time later, in whatever
    /// way its language has.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.memory.refused {
            return Some(format!(
                "more than {} bytes of memory, which is its limit{}",
                self.memory.max,
                self.shown_held()
            ));
        }
        if let Some(bytes) = self.crowded {
            return Some(format!(
                "more memory when there was none left of the {bytes} bytes that all activities of \
                 this server have together (`activities_bytes_max`){}",
                self.shown_held()
            ));
        }
        let elements = self.tables.max;
        let refused = self.tables.refused;
        refused.then(|| format!("more than {elements} table elements, which is its limit"))
    }

    /// A guest does not see in its own memory what takes so much.
    fn shown_held(&self) -> String {
        if self.held < HELD_BYTES_SHOWN {
            return String::new();
        }
        format!("; the host holds {} bytes of it, such as headers of requests", self.held)
    }

    /// A refusal long ago does not explain a trap now.
    pub(crate) fn forget_refusals(&mut self) {
        self.memory.refused = false;
        self.tables.refused = false;
    }
}

impl Account {
    fn new(max: usize) -> Self {
        Self { used: 0, max, last_growth: 0, refused: false }
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        let growth = desired.saturating_sub(current);
        let used = self.used.saturating_add(growth);
        if used > self.max {
            self.refused = true;
            return false;
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        self.used = used;
        self.last_growth = growth;
        true
    }

    fn undo(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last_growth));
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let mut grows = self.memory.grow(current, desired, maximum);
        if grows
            && let Some(share) = &mut self.share
            && !share.cover(self.memory.used)
        {
            self.memory.undo();
            self.crowded = Some(share.bytes_of_all());
            grows = false;
        }
        self.show();
        Ok(grows)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        self.show();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grows = self.tables.grow(current, desired, maximum);
        self.show();
        Ok(grows)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.tables.undo();
        self.show();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::memory::ActivityMemory;

    #[test]
    fn all_memories_together_are_limited_and_a_refusal_is_remembered() {
        let limits = Limits { instance_memory_bytes_max: 300, ..Limits::default() };
        let mut limiter = Limiter::new(&limits);
        assert!(limiter.memory_growing(0, 200, None).expect("no trap"));
        assert!(limiter.memory_growing(0, 100, None).expect("no trap"));
        assert_eq!(limiter.refusal(), None);
        assert!(!limiter.memory_growing(100, 101, None).expect("no trap"));
        assert_eq!(
            limiter.refusal().as_deref(),
            Some("more than 300 bytes of memory, which is its limit")
        );
        limiter.forget_refusals();
        assert_eq!(limiter.refusal(), None);
        let meter = limiter.meter();
        assert_eq!(meter.load(Ordering::Relaxed), 300);
        assert!(limiter.table_growing(0, 10, None).expect("no trap"));
        assert_eq!(meter.load(Ordering::Relaxed), 300 + 10 * TABLE_ELEMENT_BYTES);
    }

    #[tokio::test]
    async fn what_an_activity_is_refused_for_others_is_said_so() {
        const PAGE: usize = 64 * 1024;
        let share = ActivityMemory::new(4 * PAGE).begin(PAGE).await.expect("there is room");
        let mut limiter = Limiter::sharing(&Limits::default(), share);
        assert!(limiter.memory_growing(0, 3 * PAGE, None).expect("no trap"));
        assert!(!limiter.memory_growing(3 * PAGE, 5 * PAGE, None).expect("no trap"));
        assert_eq!(limiter.meter().load(Ordering::Relaxed), 3 * PAGE);
        assert!(limiter.memory_growing(3 * PAGE, 4 * PAGE, None).expect("no trap"));
        let refusal = limiter.refusal().expect("it was refused");
        assert!(refusal.contains("activities_bytes_max"), "{refusal}");
    }

    #[test]
    fn what_the_host_holds_is_part_of_the_memory_of_an_instance() {
        const MIB: usize = 1024 * 1024;
        let limits = Limits { instance_memory_bytes_max: 4 * MIB, ..Limits::default() };
        let mut limiter = Limiter::new(&limits);
        assert!(limiter.memory_growing(0, MIB, None).expect("no trap"));
        assert!(limiter.hold(3 * MIB) && limiter.hold(2 * MIB));
        assert!(!limiter.memory_growing(MIB, 3 * MIB, None).expect("no trap"));
        assert!(limiter.memory_growing(MIB, 2 * MIB, None).expect("no trap"));
        assert!(!limiter.hold(3 * MIB));
        let refusal = limiter.refusal().expect("it was refused");
        assert!(refusal.contains("the host holds 3145728 bytes"), "{refusal}");
    }

    #[test]
    fn the_modules_own_maximum_is_no_refusal() {
        let mut limiter = Limiter::new(&Limits::default());
        assert!(!limiter.memory_growing(0, 100, Some(50)).expect("no trap"));
        assert_eq!(limiter.refusal(), None);
    }
}
