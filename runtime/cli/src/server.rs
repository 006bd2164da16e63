//! A server: a store, a host, the runtime and the HTTP API, put together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use dacapo_api::{Access, ApiConfig, MemoryBudget, Oidc, OidcConfig, ServerNames};
use dacapo_engine::guest::{ModuleLoadError, ModuleSource};
use dacapo_host::{Host, HostConfig};
use dacapo_model::module::ModuleDigest;
use dacapo_service::Runtime;
use dacapo_service::clock::SystemClock;
use dacapo_service::config::{ServiceConfig, Tenure};
use dacapo_service::error::ServiceError;
use dacapo_service::ownership::Phase;
use dacapo_store::Store;
use dacapo_store::error::StoreError;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::client::now;
use crate::http_server::{ConnectionLimits, HttpServer, Tls};

/// How a server meets its clients.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Names by which clients call it besides its address.
    pub names: Vec<String>,
    /// Memory of all requests together.
    pub request_bytes: usize,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// What the process measures.
    pub metrics: Registry,
    /// Whom it lets in.
    pub access: Access,
    /// Whose tokens it takes beside API keys, if anybody's.
    pub oidc: Option<OidcConfig>,
    /// What connections are encrypted with, if they are.
    pub tls: Option<Arc<Tls>>,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            request_bytes: 512 * 1024 * 1024,
            connections: ConnectionLimits::default(),
            metrics: Registry::new(),
            access: Access::Open,
            oidc: None,
            tls: None,
        }
    }
}

/// A server that answers requests.
pub struct Server {
    address: SocketAddr,
    /// The one that serves now.
    runtime: watch::Receiver<Arc<Runtime>>,
    stop: CancellationToken,
    /// How long a stop may take.
    grace: Duration,
    http: JoinHandle<()>,
    keeper: JoinHandle<()>,
    /// Ends with the server.
    _renewal: Option<AbortOnDropHandle<()>>,
}

/// What a runtime is made of, each time the same.
struct Plan {
    store: Arc<dyn Store>,
    host: Arc<Host>,
    service: ServiceConfig,
}

impl Plan {
    async fn start(&self, phase: watch::Sender<Phase>) -> Result<Arc<Runtime>, ServiceError> {
        let (store, host) = (Arc::clone(&self.store), Arc::clone(&self.host));
        let (clock, service) = (Arc::new(SystemClock), self.service.clone());
        Runtime::start_in_phases(store, host, clock, service, phase).await
    }

    /// For another runtime of the same server. It has the shards, so it does not wait
    /// for the lease of the former one to end.
    fn again(mut self) -> Self {
        if let Tenure::Leased { take_over } = &mut self.service.tenure {
            *take_over = true;
        }
        self
    }
}

/// Between two tries to take the runs again.
const TAKE_PAUSE: Duration = Duration::from_secs(1);

/// Puts another runtime in the place of the current one whenever the database has
/// lost something that it had acknowledged. The new one goes by what is there.
async fn keep(plan: Plan, current: watch::Sender<Arc<Runtime>>) {
    loop {
        let former = Arc::clone(&current.borrow());
        former.store_went_back().await;
        tracing::warn!("reading all runs again, as the database has them");
        former.halt().await;
        drop(former);
        let runtime = loop {
            match plan.start(watch::channel(Phase::Starting).0).await {
                Ok(runtime) => break runtime,
                Err(error) => tracing::warn!(%error, "the runs can't be taken yet; trying again"),
            }
            tokio::time::sleep(TAKE_PAUSE).await;
        };
        current.send_replace(runtime);
    }
}

impl Server {
    /// Takes the runs of the store, brings them up to date, and serves them on
    /// `listener`. Bind that first: a server that could not listen would only
    /// disturb the one that has the runs now. If that takes a while, or this server
    /// stands by, it answers health checks on the same listener.
    pub async fn start(
        store: Arc<dyn Store>,
        host: HostConfig,
        service: ServiceConfig,
        edge: Edge,
        listener: TcpListener,
    ) -> Result<Self> {
        let oidc = edge.oidc.clone().map(Oidc::new).transpose()?.map(Arc::new);
        let address = listener.local_addr().context("the listening socket has no address")?;
        let grace = service.shutdown_grace;
        let modules = Arc::new(StoredModules(Arc::clone(&store)));
        let host = Arc::new(Host::new(host, modules)?);
        let listener = Arc::new(listener);
        let (phase, watched) = watch::channel(Phase::Starting);
        let starts = CancellationToken::new();
        // Ended also if this future is dropped.
        let waits = starts.clone().drop_guard();
        let memory = Arc::new(MemoryBudget::new(edge.request_bytes));
        let renewal = edge.tls.clone().map(renew);
        let standby = HttpServer {
            router: dacapo_api::standby(watched.clone()),
            limits: edge.connections,
            memory: Arc::clone(&memory),
            says_addresses: false,
            tls: edge.tls.clone(),
        };
        tokio::spawn(serve_standby(standby, Arc::clone(&listener), watched, starts));
        let plan = Plan { store, host, service };
        let runtime = plan.start(phase).await.map_err(cannot_start)?;
        drop(waits);
        let (current, runtime) = watch::channel(runtime);
        let names = ServerNames { loopback: address.ip().is_loopback(), listed: edge.names };
        let api = ApiConfig {
            names,
            memory: Arc::clone(&memory),
            metrics: edge.metrics,
            access: edge.access,
            oidc,
        };
        let router = dacapo_api::router(runtime.clone(), api);
        let stop = CancellationToken::new();
        let says_addresses = edge.access != Access::Open;
        let (limits, tls) = (edge.connections, edge.tls);
        let http = HttpServer { router, limits, memory, says_addresses, tls };
        let http = tokio::spawn(http.serve(listener, stop.clone(), grace));
        let keeper = tokio::spawn(keep(plan.again(), current));
        Ok(Self { address, runtime, stop, grace, http, keeper, _renewal: renewal })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub fn runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime.borrow())
    }

    /// Resolves when another node has taken the runs over. This one can do
    /// nothing more for them. Not while this server takes them again from itself.
    pub async fn ownership_lost(&self) {
        let mut current = self.runtime.clone();
        loop {
            let runtime = Arc::clone(&current.borrow_and_update());
            tokio::select! {
                () = runtime.ownership_lost() => return,
                // The keeper goes on for as long as this server. If it could not, there
                // is nobody who would take the runs again.
                changed = current.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Stops in order: takes no new request, finishes those under way, and
    /// leaves the runs for the next server to take over.
    pub async fn stop(self) {
        let (runtime, grace, begun) = (self.runtime(), self.grace, now());
        self.abandon().await;
        // Requests and attempts have the same time: a supervisor waits for both.
        runtime.shutdown_within(grace.saturating_sub(begun.elapsed())).await;
    }

    /// Stops when the runs belong to another server already: tells those who
    /// wait for an answer, and does not wait for anything else.
    pub async fn abandon(self) {
        // Before the connections are drained: those that wait for a run to
        // close would be waited for as well.
        self.keeper.abort();
        self.runtime().begin_shutdown();
        self.stop.cancel();
        if let Err(error) = self.http.await {
            tracing::error!(%error, "the HTTP server ended early");
        }
    }
}

/// Takes new certificates as they come.
fn renew(tls: Arc<Tls>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = tls.keep_up_to_date().await {
            tracing::error!(%error, "a new TLS certificate takes a restart from now on");
        }
    }))
}

/// Whoever starts a server is told what to do with it.
fn cannot_start(error: ServiceError) -> anyhow::Error {
    anyhow!("the server can't start: {error}. Start it again once that is fixed")
}

/// Time that requests to a server which does not serve yet have to finish when it
/// begins to. Each is answered at once.
const STANDBY_GRACE: Duration = Duration::from_secs(1);

/// A server that has not started by then answers health checks: reading many runs takes
/// minutes, and a supervisor must not take it for one that hangs. One that is quicker
/// answers nothing before it serves, which is what most clients want.
const SILENT_START_MAX: Duration = Duration::from_secs(1);

/// Answers for a server that does not serve yet, until it `starts`.
async fn serve_standby(
    http: HttpServer,
    listener: Arc<TcpListener>,
    mut phase: watch::Receiver<Phase>,
    starts: CancellationToken,
) {
    let stands_by = |phase: &Phase| matches!(phase, Phase::StandingBy { .. });
    let waited = tokio::time::timeout(SILENT_START_MAX, phase.wait_for(stands_by));
    let is_needed = match starts.run_until_cancelled(waited).await {
        Some(Ok(stands_by)) => stands_by.is_ok(),
        Some(Err(_elapsed)) => true,
        None => false,
    };
    if is_needed {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "answers health checks until it serves");
        }
        http.serve(listener, starts, STANDBY_GRACE).await;
    }
}

/// Between the tries to read a module: about a minute in all. The timeouts of an
/// activity that waits for it go on meanwhile.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::from_secs(30),
];

/// Gives the host the modules of the store.
struct StoredModules(Arc<dyn Store>);

#[async_trait]
impl ModuleSource for StoredModules {
    /// Tries again while the database does not answer: a run must not be blocked
    /// by a fault that passes.
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            match (self.0.module_bytes(digest).await, pauses.next()) {
                (Ok(Some(bytes)), _) => return Ok(bytes.into()),
                (Ok(None), _) => return Err(ModuleLoadError { digest, source: None }),
                (Err(error @ StoreError::Unavailable { .. }), Some(pause)) => {
                    tracing::warn!(%digest, error = ?error, "module can't be read; trying again");
                    tokio::time::sleep(pause).await;
                }
                (Err(error), _) => {
                    return Err(ModuleLoadError { digest, source: Some(Box::new(error)) });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dacapo_host::{ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, MODULES_BYTES_MAX};
    use dacapo_model::limits::Limits;
    use dacapo_store::faulty::{Fault, FaultyStore, Operation};
    use dacapo_store::memory::MemoryStore;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::Semaphore;

    use super::*;

    async fn answer(server: SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(server).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("it takes the request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("it answers");
        answer
    }

    fn host(folder: &Path) -> HostConfig {
        HostConfig {
            cache_dir: folder.join("cache"),
            limits: Limits::default(),
            instances_max: 1,
            modules_bytes_max: MODULES_BYTES_MAX,
            activities_bytes_max: ACTIVITIES_BYTES_MAX,
            activities: ActivityConfig::default(),
            compiler: Compiler::Here,
        }
    }

    #[tokio::test]
    async fn who_starts_a_server_is_not_told_to_send_a_request_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for failing in
            [Operation::AcquireAllShards, Operation::AllModules, Operation::OpenExecutions]
        {
            let store = FaultyStore::new(Arc::new(MemoryStore::new()), move |call| {
                if call.operation == failing { Fault::Unavailable } else { Fault::None }
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let (host, service) = (host(folder.path()), ServiceConfig::default());
            let started =
                Server::start(Arc::new(store), host, service, Edge::default(), listener).await;
            let told = started.map(drop).expect_err("it can't start").to_string();
            assert!(told.contains("the database does not answer"), "{failing:?}: {told}");
            assert!(told.contains("Start it again") && !told.contains("request"), "{told}");
        }
    }

    #[tokio::test]
    async fn a_server_that_starts_slowly_lives_and_is_not_ready() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wait = Arc::new(Semaphore::new(0));
        let delay = Arc::clone(&wait);
        let store =
            FaultyStore::new(Arc::new(MemoryStore::new()), move |call| match call.operation {
                Operation::AllModules => Fault::Delayed(Arc::clone(&delay)),
                _ => Fault::None,
            });
        let host = host(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let service = ServiceConfig::default();
        let start = Server::start(Arc::new(store), host, service, Edge::default(), listener);
        let looks = async {
            assert!(answer(address, "/health/live").await.starts_with("HTTP/1.1 200 "));
            let ready = answer(address, "/health/ready").await;
            assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("unavailable"), "{ready}");
            wait.add_permits(1_000);
        };
        let (server, ()) = tokio::join!(start, looks);
        let server = server.expect("it starts");
        let ready = answer(address, "/health/ready").await;
        assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        server.stop().await;
    }

    #[tokio::test]
    async fn a_module_is_read_again_while_the_database_does_not_answer() {
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), |call| {
            let early = call.operation == Operation::ModuleBytes && call.number <= 2;
            if early { Fault::Unavailable } else { Fault::None }
        });
        let missing = StoredModules(Arc::new(store)).module_bytes(ModuleDigest::of(b"x")).await;
        let error = missing.expect_err("the store has no modules");
        assert!(error.source.is_none(), "the third answer counts, which is that there is none");
    }
}
