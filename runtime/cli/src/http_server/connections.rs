//! Which connections there are, and which of them has to go when there are too
//! many: the one that has been idle longest.
//!
//! A connection is idle while no request is under way on it: before the first one,
//! between two, and while the head of one is still arriving.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ConnectionLimits;

/// All connections of a server.
pub(super) struct Connections {
    limits: ConnectionLimits,
    table: Mutex<Table>,
    /// Somebody has become idle, or is gone.
    changed: Notify,
}

#[derive(Default)]
struct Table {
    /// Counts what happens, which is how long ago something was.
    clock: u64,
    entries: HashMap<u64, Entry>,
    /// The idle ones: since when, and which.
    idle: BTreeMap<u64, u64>,
    addresses: HashMap<IpAddr, Address>,
}

struct Entry {
    address: IpAddr,
    idle_since: Option<u64>,
    /// Requests under way on it.
    requests: usize,
    evicted: CancellationToken,
}

/// The connections of one address.
#[derive(Default)]
struct Address {
    count: usize,
    idle: BTreeMap<u64, u64>,
}

impl Table {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn set_idle(&mut self, id: u64) {
        let now = self.tick();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.idle_since = Some(now);
        self.idle.insert(now, id);
        self.addresses.entry(entry.address).or_default().idle.insert(now, id);
    }

    fn set_busy(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some(since) = entry.idle_since.take() {
            self.idle.remove(&since);
            self.addresses.entry(entry.address).or_default().idle.remove(&since);
        }
    }

    fn remove(&mut self, id: u64) {
        self.set_busy(id);
        let Some(entry) = self.entries.remove(&id) else { return };
        if let Some(address) = self.addresses.get_mut(&entry.address) {
            address.count -= 1;
            if address.count == 0 {
                self.addresses.remove(&entry.address);
            }
        }
    }

    /// False if there is nobody to evict.
    fn evict(&mut self, oldest: Option<u64>) -> bool {
        let Some(id) = oldest else { return false };
        if let Some(entry) = self.entries.get(&id) {
            entry.evicted.cancel();
        }
        self.remove(id);
        true
    }
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default(), changed: Notify::new() })
    }

    /// Waits until there is room for one more, or somebody idle who can make some.
    pub(super) async fn room(&self) {
        loop {
            let changed = self.changed.notified();
            {
                let table = self.table.lock();
                if table.entries.len() < self.limits.connections_max || !table.idle.is_empty() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// A new connection. None if its address has as many as it may and all of them
    /// are at work.
    pub(super) fn open(self: &Arc<Self>, client: IpAddr) -> Option<Connection> {
        let address = network(client);
        let mut table = self.table.lock();
        let of_address = table.addresses.get(&address);
        let count = of_address.map_or(0, |it| it.count);
        let oldest = of_address.and_then(|it| it.idle.values().next().copied());
        if count >= self.limits.per_address_max && !table.evict(oldest) {
            return None;
        }
        if table.entries.len() >= self.limits.connections_max {
            let oldest = table.idle.values().next().copied();
            if !table.evict(oldest) {
                return None;
            }
        }
        let id = table.tick();
        let evicted = CancellationToken::new();
        let entry = Entry { address, idle_since: None, requests: 0, evicted: evicted.clone() };
        table.entries.insert(id, entry);
        table.addresses.entry(address).or_default().count += 1;
        table.set_idle(id);
        drop(table);
        Some(Connection { connections: self.clone(), id, evicted })
    }

    fn close(&self, id: u64) {
        self.table.lock().remove(id);
        self.changed.notify_one();
    }

    fn begin_request(&self, id: u64) {
        let mut table = self.table.lock();
        table.set_busy(id);
        if let Some(entry) = table.entries.get_mut(&id) {
            entry.requests += 1;
        }
    }

    fn end_request(&self, id: u64) {
        let mut table = self.table.lock();
        let Some(entry) = table.entries.get_mut(&id) else { return };
        entry.requests -= 1;
        if entry.requests == 0 {
            table.set_idle(id);
            drop(table);
            self.changed.notify_one();
        }
    }
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

/// The API, which says when a request is under way.
pub(super) struct Busy {
    router: TowerToHyperService<Router>,
    connections: Arc<Connections>,
    id: u64,
}

impl Busy {
    pub(super) fn new(router: Router, connection: &Connection) -> Self {
        let router = TowerToHyperService::new(router);
        Self { router, connections: connection.connections.clone(), id: connection.id }
    }
}

impl Service<Request<Incoming>> for Busy {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let under_way = UnderWay::begin(&self.connections, self.id);
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Body::new(InAnswer { body, _under_way: under_way })))
        })
    }
}

/// A request from its head to the last byte of its answer.
struct UnderWay {
    connections: Arc<Connections>,
    id: u64,
}

impl UnderWay {
    fn begin(connections: &Arc<Connections>, id: u64) -> Self {
        connections.begin_request(id);
        Self { connections: connections.clone(), id }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connections.end_request(self.id);
    }
}

/// An answer that is being sent.
struct InAnswer {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for InAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(connections.open(address(2)).is_none());
        assert!(!only.evicted.is_cancelled());
        drop(request);
        connections.room().await;
        assert!(connections.open(address(2)).is_some());
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
        let _fourth = connections.open(address(1)).expect("the third one gives way");
        assert!(!second.evicted.is_cancelled());
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
        let table = connections.table.lock();
        assert!(table.entries.is_empty() && table.idle.is_empty() && table.addresses.is_empty());
    }
}
