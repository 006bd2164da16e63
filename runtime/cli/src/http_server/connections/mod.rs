//! Which connections there are, and which of them has to go when there are too
//! many: the one that has been idle longest, or else one whose client waits for long.
//!
//! A connection is idle while no request is under way on it: before the first one,
//! between two, and while the head of one is still arriving.

mod busy;
mod table;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(super) use self::busy::Busy;
use self::table::Table;
use super::ConnectionLimits;

/// Why there is no room for another connection: all are at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// Those of its address, which has as many as it may.
    OfAddress,
    /// Those of everybody.
    AtAll,
}

/// All connections of a server.
pub(super) struct Connections {
    limits: ConnectionLimits,
    table: Mutex<Table>,
    /// Somebody has become idle, or is gone.
    changed: Notify,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default(), changed: Notify::new() })
    }

    /// Waits until there is room for one more, or somebody who can make some.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            let next_long = {
                let table = self.table.lock();
                let is_full = table.len() >= self.limits.connections_max;
                if !is_full || table.first_to_go(now()).is_some() {
                    return;
                }
                table.next_long()
            };
            match next_long {
                Some(at) => {
                    // Whichever comes first.
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// A new connection, if there is room or somebody makes some.
    pub(super) fn open(self: &Arc<Self>, client: IpAddr) -> Result<Connection, NoRoom> {
        let (address, now) = (network(client), now());
        let mut table = self.table.lock();
        let ConnectionLimits { connections_max, per_address_max } = self.limits;
        // Where one address may have all of them, it waits as everybody does.
        if per_address_max < connections_max && table.count(address) >= per_address_max {
            let first = table.first_to_go_of(address, now).ok_or(NoRoom::OfAddress)?;
            table.evict(first);
        }
        if table.len() >= connections_max {
            let first = table.first_to_go(now).ok_or(NoRoom::AtAll)?;
            table.evict(first);
        }
        let (id, evicted) = table.add(address, now);
        drop(table);
        Ok(Connection { connections: self.clone(), id, evicted })
    }

    fn close(&self, id: u64) {
        self.table.lock().remove(id);
        self.changed.notify_one();
    }

    fn begin_request(&self, id: u64) {
        self.table.lock().begin_request(id, now());
    }

    fn end_request(&self, id: u64) {
        if self.table.lock().end_request(id) {
            self.changed.notify_one();
        }
    }
}

pub(super) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "how long a client waits is no one's input")]
    Instant::now()
}

/// Who has an IPv6 address has a network of them.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// A place among the connections, until it is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    evicted: CancellationToken,
}

impl Connection {
    /// Resolves when it has to give way.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::busy::UnderWay;
    use super::table::LONG;
    use super::*;

    fn connections(connections_max: usize, per_address_max: usize) -> Arc<Connections> {
        Connections::new(ConnectionLimits { connections_max, per_address_max })
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_one_that_was_idle_longest_gives_way() {
        let connections = connections(2, 2);
        let first = connections.open(address(1)).expect("there is room");
        let second = connections.open(address(2)).expect("there is room");
        drop(UnderWay::begin(&connections, first.id));
        let _third = connections.open(address(3)).expect("somebody is idle");
        assert!(second.evicted.is_cancelled());
        assert!(!first.evicted.is_cancelled());
    }

    #[tokio::test]
    async fn who_is_at_work_is_not_disturbed() {
        let connections = connections(1, 1);
        let only = connections.open(address(1)).expect("there is room");
        let request = UnderWay::begin(&connections, only.id);
        tokio::select! {
            biased;
            () = connections.room() => panic!("there is none"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(connections.open(address(2)).err(), Some(NoRoom::AtAll));
        assert!(!only.evicted.is_cancelled());
        drop(request);
        connections.room().await;
        assert!(connections.open(address(2)).is_ok());
        assert!(only.evicted.is_cancelled());
    }

    #[test]
    fn an_address_with_as_many_as_it_may_makes_room_itself() {
        let connections = connections(10, 2);
        let other = connections.open(address(9)).expect("there is room");
        let first = connections.open(address(1)).expect("there is room");
        let second = connections.open(address(1)).expect("there is room");
        let _third = connections.open(address(1)).expect("one of its own gives way");
        assert!(first.evicted.is_cancelled());
        assert!(!second.evicted.is_cancelled() && !other.evicted.is_cancelled());
        let _work = UnderWay::begin(&connections, second.id);
        let fourth = connections.open(address(1)).expect("the third one gives way");
        assert!(!second.evicted.is_cancelled());
        let _more = UnderWay::begin(&connections, fourth.id);
        assert_eq!(connections.open(address(1)).err(), Some(NoRoom::OfAddress));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_long_gives_way_if_nobody_is_idle() {
        let connections = connections(3, 3);
        let open = |last| connections.open(address(last)).expect("there is room");
        let (alone, first, second) = (open(1), open(2), open(2));
        let _waits = [&alone, &first, &second].map(|it| UnderWay::begin(&connections, it.id));
        let start = now();
        connections.room().await;
        assert!(start.elapsed() >= LONG, "{:?}", start.elapsed());
        let _new = open(3);
        // Of the address with the most connections, though another has waited longer.
        assert!(first.evicted.is_cancelled());
        assert!(!alone.evicted.is_cancelled() && !second.evicted.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_goes_before_who_waits() {
        let connections = connections(2, 2);
        let waits = connections.open(address(1)).expect("there is room");
        let _wait = UnderWay::begin(&connections, waits.id);
        tokio::time::advance(2 * LONG).await;
        let idle = connections.open(address(1)).expect("there is room");
        let _new = connections.open(address(1)).expect("somebody is idle");
        assert!(idle.evicted.is_cancelled() && !waits.evicted.is_cancelled());
        let _other = connections.open(address(1)).expect("the new one is idle, too");
        assert!(!waits.evicted.is_cancelled());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let parse = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(parse("2001:db8:1:2:3::4"), parse("2001:db8:1:2::"));
        assert_ne!(parse("2001:db8:1:3::"), parse("2001:db8:1:2::"));
        assert_eq!(parse("::ffff:10.0.0.1"), address(1));
    }

    #[test]
    fn those_that_are_gone_leave_nothing_behind() {
        let connections = connections(2, 2);
        let first = connections.open(address(1)).expect("there is room");
        let work = UnderWay::begin(&connections, first.id);
        drop(first);
        drop(work);
        assert!(connections.table.lock().is_empty());
    }
}
