//! What is kept ready: what was used last, as much as there is room for.

use std::collections::HashMap;
use std::sync::Arc;

use dacapo_model::module::ModuleDigest;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Modules kept ready. One that is not is loaded from disk in milliseconds.
const MODULES_MAX: usize = 256;

/// One module; empty while it is being prepared and after that has failed.
pub(super) type Slot<T> = OnceCell<Arc<T>>;

/// Modules by their digests. Who uses one has it also when it is not kept any more.
pub(super) struct Kept<T> {
    bytes_max: usize,
    table: Mutex<Table<T>>,
}

struct Table<T> {
    entries: HashMap<ModuleDigest, Entry<T>>,
    /// Of all entries.
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

struct Entry<T> {
    slot: Arc<Slot<T>>,
    /// What its code takes, once it is there.
    bytes: usize,
    /// The entry with the lowest number is the first to go.
    last_use: u64,
}

impl<T> Kept<T> {
    pub(super) fn new(bytes_max: usize) -> Self {
        let table = Table { entries: HashMap::new(), bytes: 0, clock: 0 };
        Self { bytes_max, table: Mutex::new(table) }
    }

    /// The module, if it needs no preparation.
    pub(super) fn ready(&self, digest: ModuleDigest) -> Option<Arc<T>> {
        self.table.lock().used(digest)?.get().cloned()
    }

    /// Where the module is, or is to be.
    pub(super) fn slot(&self, digest: ModuleDigest) -> Arc<Slot<T>> {
        let mut table = self.table.lock();
        if let Some(slot) = table.used(digest) {
            return slot;
        }
        while table.entries.len() >= MODULES_MAX && table.evict_oldest(digest) {}
        let (slot, last_use) = (Arc::default(), table.tick());
        let entry = Entry { slot: Arc::clone(&slot), bytes: 0, last_use };
        table.entries.insert(digest, entry);
        slot
    }

    /// A module is there, and takes so many bytes: others go if there is no room. It
    /// stays itself, however large it is.
    pub(super) fn filled(&self, digest: ModuleDigest, bytes: usize) {
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(&digest) else { return };
        let before = std::mem::replace(&mut entry.bytes, bytes);
        table.bytes = table.bytes - before + bytes;
        while table.bytes > self.bytes_max && table.evict_oldest(digest) {}
    }

    /// Drops a slot that nobody is filling any more.
    pub(super) fn forget(&self, digest: ModuleDigest, failed: &Arc<Slot<T>>) {
        let mut table = self.table.lock();
        let unused = table.entries.get(&digest).is_some_and(|entry| {
            Arc::ptr_eq(&entry.slot, failed)
                && !failed.initialized()
                && Arc::strong_count(failed) <= 2
        });
        if unused {
            table.entries.remove(&digest);
        }
    }
}

impl<T> Table<T> {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn used(&mut self, digest: ModuleDigest) -> Option<Arc<Slot<T>>> {
        let now = self.tick();
        let entry = self.entries.get_mut(&digest)?;
        entry.last_use = now;
        Some(Arc::clone(&entry.slot))
    }

    /// False if there is none that may go: what is being prepared is waited for.
    fn evict_oldest(&mut self, but: ModuleDigest) -> bool {
        let ready = self
            .entries
            .iter()
            .filter(|(digest, entry)| **digest != but && entry.slot.initialized());
        let oldest = ready.min_by_key(|(_, entry)| entry.last_use).map(|(digest, _)| *digest);
        let Some(entry) = oldest.and_then(|oldest| self.entries.remove(&oldest)) else {
            return false;
        };
        self.bytes -= entry.bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> ModuleDigest {
        ModuleDigest::of(&number.to_le_bytes())
    }

    fn fill(kept: &Kept<usize>, number: usize, bytes: usize) {
        kept.slot(digest(number)).set(Arc::new(number)).expect("it is empty");
        kept.filled(digest(number), bytes);
    }

    #[test]
    fn those_used_longest_ago_make_room_for_the_bytes_of_a_new_one() {
        let kept = Kept::new(100);
        (0..4).for_each(|number| fill(&kept, number, 25));
        assert!(kept.ready(digest(0)).is_some(), "there is room for four");
        fill(&kept, 4, 50);
        let left: Vec<usize> = (0..5).filter(|it| kept.ready(digest(*it)).is_some()).collect();
        assert_eq!(left, [0, 3, 4]);
        assert_eq!(kept.table.lock().bytes, 100);
    }

    #[test]
    fn one_that_is_larger_than_all_there_is_room_for_is_kept_alone() {
        let kept = Kept::new(100);
        fill(&kept, 0, 10);
        fill(&kept, 1, 1_000);
        assert!(kept.ready(digest(0)).is_none());
        assert!(kept.ready(digest(1)).is_some());
        fill(&kept, 2, 10);
        assert!(kept.ready(digest(1)).is_none());
        assert_eq!(kept.table.lock().bytes, 10);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let kept = Kept::new(usize::MAX);
        (0..=MODULES_MAX).for_each(|number| fill(&kept, number, 1));
        assert!(kept.ready(digest(0)).is_none());
        assert_eq!(kept.table.lock().entries.len(), MODULES_MAX);
    }

    #[test]
    fn a_slot_that_was_not_filled_is_dropped_by_the_last_who_tried() {
        let kept = Kept::<usize>::new(100);
        let (one, other) = (kept.slot(digest(0)), kept.slot(digest(0)));
        kept.forget(digest(0), &one);
        assert_eq!(kept.table.lock().entries.len(), 1, "another still tries");
        drop(one);
        kept.forget(digest(0), &other);
        assert!(kept.table.lock().entries.is_empty());
    }
}
