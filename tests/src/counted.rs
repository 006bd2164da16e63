//! A server inside the test, whose every use of the database is counted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use dacapo_cli::config::{ServerConfig, ServerFlags};
use dacapo_cli::server::{Edge, Server};
use dacapo_cli::store::{self, OpenFile};
use dacapo_store::Store;
use dacapo_store::faulty::{Fault, FaultyStore, Operation};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::database::{Database, Kind};
use crate::guests::root;

/// What a server does by the clock, whatever its runs do, and in how many statements on
/// SQLite; on PostgreSQL it is one each.
const BY_THE_CLOCK: [(Operation, u64); 6] = [
    (Operation::DueTimers, 1),
    (Operation::ShardOwners, 1),
    (Operation::RenewLease, 1),
    // Leases and tasks whose time is over, and what waits while there are polls.
    (Operation::ExpiredLeases, 4),
    (Operation::ExpiredTasks, 4),
    (Operation::WaitingQueues, 1),
];

type Calls = Arc<Mutex<HashMap<Operation, u64>>>;

/// What was asked of the database, apart from what is done by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Transactions that write.
    pub commits: u64,
    /// Everything else that was asked.
    pub reads: u64,
    /// Statements of both, as the back end counts them.
    pub statements: u64,
}

/// The product, put together as its program does it, but around a store that
/// counts. A process could not be asked so exactly.
pub struct CountedServer {
    address: SocketAddr,
    kind: Kind,
    store: Arc<dyn Store>,
    calls: Calls,
    /// Threads of its own, as a process has. There until this is dropped.
    runtime: Option<Runtime>,
    _lock: Option<OpenFile>,
}

impl CountedServer {
    /// Starts one. What that takes is counted, too.
    pub async fn start(database: &Database) -> Self {
        let cache_dir = root().join("target/test-cache");
        let flags = ServerFlags {
            database: Some(database.url().parse().expect("the URL of a database")),
            instances_max: Some(250),
            ..ServerFlags::default()
        };
        let config = ServerConfig::resolve(flags, []).expect("the settings are valid");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let kind = database.kind();

        let calls = Calls::default();
        let counted = Arc::clone(&calls);
        let starting = runtime.spawn(async move {
            let database = config.database.as_ref().expect("it is set");
            let (store, lock) = store::open(database, true).await.expect("the database opens");
            let counting = FaultyStore::new(Arc::clone(&store), move |call| {
                let mut calls = counted.lock().unwrap_or_else(PoisonError::into_inner);
                *calls.entry(call.operation).or_default() += 1;
                Fault::None
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let (host, service) = (config.host(cache_dir), config.service);
            let server =
                Server::start(Arc::new(counting), host, service, Edge::default(), listener).await;
            (server.expect("the server starts").address(), store, lock)
        });
        let (address, store, lock) = starting.await.expect("the server starts");
        Self { address, kind, store, calls, runtime: Some(runtime), _lock: lock }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// What was asked of the database since the start.
    pub fn spent(&self) -> Spent {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |operation: Operation| calls.get(&operation).copied().unwrap_or_default();
        let by_the_clock = BY_THE_CLOCK.map(|(operation, on_sqlite)| match self.kind {
            Kind::Sqlite => (of(operation), of(operation) * on_sqlite),
            Kind::Postgres => (of(operation), of(operation)),
        });
        let statements: u64 = by_the_clock.iter().map(|(_, statements)| statements).sum();
        let statements = self.statements() - statements;
        let by_the_clock: u64 = by_the_clock.iter().map(|(calls, _)| calls).sum();
        let commits = of(Operation::Commit);
        Spent { commits, reads: calls.values().sum::<u64>() - commits - by_the_clock, statements }
    }

    /// Statements since the start, also of what is done by the clock.
    pub fn statements(&self) -> u64 {
        self.store.statistics().statements
    }

    /// What some work asks of the database.
    pub async fn spent_on(&self, work: impl AsyncFnOnce(Client)) -> Spent {
        let before = self.spent();
        work(self.client()).await;
        let after = self.spent();
        Spent {
            commits: after.commits - before.commits,
            reads: after.reads - before.reads,
            statements: after.statements - before.statements,
        }
    }
}

impl Drop for CountedServer {
    fn drop(&mut self) {
        // The test's own runtime drops this, so it must not wait for the threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
