//! Who is there, and who goes first.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A request that has been under way for so long waits for a run, follows a history, or
/// is slow. Its client can send it again; one that has no connection can do nothing.
pub(super) const LONG: Duration = Duration::from_secs(10);

/// All connections.
#[derive(Default)]
pub(super) struct Table {
    /// Counts what happens, which is how long ago something was.
    clock: u64,
    entries: HashMap<u64, Entry>,
    /// The idle ones: since when, and which.
    idle: BTreeMap<u64, u64>,
    addresses: HashMap<IpAddr, Address>,
}

struct Entry {
    address: IpAddr,
    /// When it became idle, or began to work.
    since: u64,
    /// When the request began that is under way.
    begun: Instant,
    /// Requests under way on it.
    requests: usize,
    evicted: CancellationToken,
}

/// The connections of one address, by when they became what they are.
#[derive(Default)]
struct Address {
    idle: BTreeMap<u64, u64>,
    working: BTreeMap<u64, u64>,
}

impl Address {
    fn count(&self) -> usize {
        self.idle.len() + self.working.len()
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Connections of an address.
    pub(super) fn count(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).map_or(0, Address::count)
    }

    /// One more, which is idle.
    pub(super) fn add(&mut self, address: IpAddr, now: Instant) -> (u64, CancellationToken) {
        let id = self.tick();
        let evicted = CancellationToken::new();
        let entry = Entry { address, since: id, begun: now, requests: 0, evicted: evicted.clone() };
        self.entries.insert(id, entry);
        self.set_idle(id);
        (id, evicted)
    }

    pub(super) fn begin_request(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.requests += 1;
        if entry.requests > 1 {
            return;
        }
        entry.begun = now;
        self.take_out(id);
        let since = self.tick();
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.since = since;
            self.addresses.entry(entry.address).or_default().working.insert(since, id);
        }
    }

    /// True if it is idle now.
    pub(super) fn end_request(&mut self, id: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.requests -= 1;
        let is_idle = entry.requests == 0;
        if is_idle {
            self.set_idle(id);
        }
        is_idle
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.take_out(id);
        let Some(entry) = self.entries.remove(&id) else { return };
        if self.count(entry.address) == 0 {
            self.addresses.remove(&entry.address);
        }
    }

    pub(super) fn evict(&mut self, id: u64) {
        if let Some(entry) = self.entries.get(&id) {
            entry.evicted.cancel();
        }
        self.remove(id);
    }

    /// Who has to go first: the one that has been idle longest; if there is none, the
    /// one of the address with the most connections that has worked longest, if that is
    /// [`LONG`].
    pub(super) fn first_to_go(&self, now: Instant) -> Option<u64> {
        let idle = self.idle.values().next().copied();
        idle.or_else(|| {
            let long = self
                .addresses
                .values()
                .filter_map(|address| Some((address.count(), self.longest_at_work(address, now)?)));
            long.max().map(|(_, id)| id)
        })
    }

    /// The same among those of one address.
    pub(super) fn first_to_go_of(&self, address: IpAddr, now: Instant) -> Option<u64> {
        let address = self.addresses.get(&address)?;
        let idle = address.idle.values().next().copied();
        idle.or_else(|| self.longest_at_work(address, now))
    }

    fn longest_at_work(&self, address: &Address, now: Instant) -> Option<u64> {
        let (_, id) = address.working.first_key_value()?;
        let entry = self.entries.get(id)?;
        (entry.begun + LONG <= now).then_some(*id)
    }

    /// When the next of those that are at work will have been for [`LONG`].
    pub(super) fn next_long(&self) -> Option<Instant> {
        let first = self.addresses.values().filter_map(|it| it.working.values().next());
        first.filter_map(|id| Some(self.entries.get(id)?.begun + LONG)).min()
    }

    fn set_idle(&mut self, id: u64) {
        self.take_out(id);
        let since = self.tick();
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.since = since;
            self.idle.insert(since, id);
            self.addresses.entry(entry.address).or_default().idle.insert(since, id);
        }
    }

    /// It is neither idle nor at work until somebody says which.
    fn take_out(&mut self, id: u64) {
        let Some(entry) = self.entries.get(&id) else { return };
        self.idle.remove(&entry.since);
        if let Some(address) = self.addresses.get_mut(&entry.address) {
            address.idle.remove(&entry.since);
            address.working.remove(&entry.since);
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.idle.is_empty() && self.addresses.is_empty()
    }
}
