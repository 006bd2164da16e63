//! One node, from start to stop.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::GuestHost;
use dacapo_model::code::ErrorCode;
use dacapo_store::Store;
use dacapo_store::shard::NodeId;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::ServiceConfig;
use crate::delivery::Directory;
use crate::error::{Result, ServiceError};
use crate::fair::FairPlaces;
use crate::health::{self, StoreHealth};
use crate::loader::Loader;
use crate::log_limit::LogLimit;
use crate::ownership::{Confirm, Loss, Owned, Phase};
use crate::relations::UnderWay;
use crate::residency::Residency;
use crate::tenancy::Namespaces;
use crate::timers::{self, Timers};
use crate::workload::Workload;
use crate::{ownership, recovery};

/// Requests that replay many runs, at a time. They take processors from runs.
const REPLAYS_MAX: usize = 2;

/// Children that are started at a time. Those of the others wait in the histories of
/// their parents, which costs little; an actor that waits for an instance costs more.
const CHILD_STARTS_MAX: usize = 1_024;

/// Time that commits under way have at the end of a node, also when its grace is over:
/// what attempts have come to at the last moment is worth it.
const COMMIT_TIME_MIN: Duration = Duration::from_secs(1);

/// The part of all open runs that children can't have: one of so many.
const CLIENTS_RESERVE: usize = 8;

static TOO_MANY_LOG: LogLimit = LogLimit::new();

/// What all parts of a node share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) host: Arc<dyn GuestHost>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: ServiceConfig,
    pub(crate) namespaces: Namespaces,
    pub(crate) catalog: Catalog,
    pub(crate) directory: Directory,
    pub(crate) committer: Committer,
    pub(crate) loader: Loader,
    pub(crate) owned: Owned,
    pub(crate) confirm: Confirm,
    pub(crate) timers: Timers,
    pub(crate) residency: Arc<Residency>,
    pub(crate) activity_slots: Arc<FairPlaces>,
    /// Children that are being started.
    pub(crate) child_starts: Arc<FairPlaces>,
    /// Requests that replay many runs, at a time.
    pub(crate) replays: Semaphore,
    pub(crate) workload: Workload,
    /// All actors.
    pub(crate) actors: TaskTracker,
    /// All attempts of activities.
    pub(crate) attempts: TaskTracker,
    /// No new work is taken.
    pub(crate) stopping: CancellationToken,
    /// Whatever still runs is to stop where it is.
    pub(crate) halted: CancellationToken,
    /// Whether what is in memory still counts.
    pub(crate) loss: Loss,
    pub(crate) health: Arc<StoreHealth>,
    /// What runs do with each other.
    pub(crate) under_way: UnderWay,
    /// All open runs are known.
    pub(crate) recovered: CancellationToken,
}

impl Shared {
    /// Refuses new work while the node stops, and once its memory does not count.
    pub(crate) fn admit(&self) -> Result<()> {
        self.loss.admit()?;
        if self.stopping.is_cancelled() {
            return Err(ServiceError::stopping());
        }
        Ok(())
    }

    /// Like [`Self::admit`], for what changes something: refuses it while the store
    /// takes no writes.
    pub(crate) fn admit_write(&self) -> Result<()> {
        self.admit()?;
        self.health.admit()
    }

    /// Refuses one more open run, which has its place in the directory already, if there
    /// are too many. Children don't have the last eighth: workflows that start them
    /// without end leave some to the clients.
    pub(crate) fn admit_open_run(&self, is_child: bool) -> Result<()> {
        let open_runs_max = self.config.open_runs_max;
        let reserve = if is_child { open_runs_max / CLIENTS_RESERVE } else { 0 };
        if self.directory.len() <= open_runs_max - reserve {
            return Ok(());
        }
        if let Some(withheld) = TOO_MANY_LOG.allows() {
            tracing::warn!(
                open_runs_max,
                withheld,
                "there are as many open runs as there may be; no other starts until some close"
            );
        }
        Err(ServiceError::new(
            ErrorCode::Overloaded,
            format!(
                "the server has {open_runs_max} open runs, and takes no more (`open_runs_max`); \
                 nothing was started. Send the request again once some have closed"
            ),
        ))
    }
}

/// A running node. What clients ask for are methods of a [`Tenant`](crate::tenancy::Tenant),
/// which [`Self::tenant`] makes.
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

impl Runtime {
    /// Takes the shards, recovers all open runs and starts to work. The store must
    /// have been migrated.
    pub async fn start(
        store: Arc<dyn Store>,
        host: Arc<dyn GuestHost>,
        clock: Arc<dyn Clock>,
        config: ServiceConfig,
    ) -> Result<Arc<Self>> {
        let (phase, _) = watch::channel(Phase::Starting);
        Self::start_in_phases(store, host, clock, config, phase).await
    }

    /// The same, and says how it comes along: a node that stands by starts when the
    /// one that has the shards is gone.
    pub async fn start_in_phases(
        store: Arc<dyn Store>,
        host: Arc<dyn GuestHost>,
        clock: Arc<dyn Clock>,
        config: ServiceConfig,
        phase: watch::Sender<Phase>,
    ) -> Result<Arc<Self>> {
        #[expect(clippy::disallowed_methods, reason = "a node's id is made once, at the edge")]
        let node = NodeId(Uuid::new_v4());
        let ownership = ownership::take(&*store, node, config.tenure, &phase).await;
        let owned = Owned::new(ownership.map_err(ServiceError::at_start)?);
        phase.send_replace(Phase::Recovering);
        // Attempts wait here, where their timeouts do not run yet.
        let attempts_max = config.activities_max.min(host.activities_max());
        let namespaces = Namespaces::load(&*store, config.limits.clone())
            .await
            .map_err(ServiceError::at_start)?;
        let catalog = Catalog::load(store.clone()).await.map_err(ServiceError::at_start)?;
        let loss = Loss::none_yet(store.clone(), owned.clone());
        let halted = CancellationToken::new();
        let health = Arc::new(StoreHealth::new(halted.clone()));
        let committer =
            Committer::start(store.clone(), owned.clone(), health.clone(), loss.clone());
        let workload = Workload::default();
        let shared = Arc::new(Shared {
            namespaces,
            catalog,
            directory: Directory::new(workload.clone()),
            committer,
            loader: Loader::start(store.clone()),
            confirm: Confirm::start(store.clone(), owned.clone(), loss.clone()),
            owned,
            timers: Timers::default(),
            residency: Residency::new(host.instances_max(), config.instances_bytes_max),
            activity_slots: FairPlaces::new(attempts_max),
            child_starts: FairPlaces::new(CHILD_STARTS_MAX),
            replays: Semaphore::new(REPLAYS_MAX),
            workload,
            actors: TaskTracker::new(),
            attempts: TaskTracker::new(),
            stopping: CancellationToken::new(),
            halted,
            loss,
            health,
            under_way: UnderWay::default(),
            recovered: CancellationToken::new(),
            store,
            host,
            clock,
            config,
        });
        // Recovery may take longer than a lease.
        shared.actors.spawn(ownership::keep(shared.clone()));
        shared.actors.spawn(health::watch(shared.clone()));
        let runtime = Arc::new(Self { shared });
        if let Err(error) = recovery::recover(&runtime.shared).await {
            // What was woken so far must not work on beside the next try.
            runtime.halt().await;
            return Err(ServiceError::at_start(error));
        }
        runtime.shared.actors.spawn(timers::run(runtime.shared.clone()));
        Ok(runtime)
    }

    /// True while the node takes work: it has recovered, still owns its shards,
    /// and is not stopping.
    pub fn is_ready(&self) -> bool {
        self.shared.recovered.is_cancelled() && self.shared.admit().is_ok()
    }

    /// How many things this node has in hand: messages, runs that are going on,
    /// attempts of activities. With none, nothing happens before a timer is due or
    /// somebody asks for something.
    pub fn in_hand(&self) -> usize {
        self.shared.workload.in_hand()
    }

    /// Returns once this node has at most `max` things in hand.
    pub async fn in_hand_at_most(&self, max: usize) {
        self.shared.workload.at_most(max).await;
    }

    /// Asks the store whether it answers, takes writes, and says that the shards are
    /// still this node's.
    pub async fn check_store(&self) -> Result<()> {
        self.shared.confirm.all().await?;
        health::check(&self.shared).await
    }

    /// Returns once the store is known to lack what it has acknowledged: it failed
    /// over to a copy that was behind, or was restored. What is in memory counts no
    /// more: [halt](Self::halt) this node, and start another on the same store.
    pub async fn store_went_back(&self) {
        self.shared.loss.of_commits().await;
    }

    /// Returns once another node has taken this one's shards. The process can do
    /// nothing more and should end. Never returns once the store is known to have
    /// [gone back](Self::store_went_back): who takes the shards then may be the next
    /// runtime of this process.
    pub async fn ownership_lost(&self) {
        self.shared.loss.to_another().await;
    }

    /// Refuses new work from now on; those who wait for a run are answered.
    pub fn begin_shutdown(&self) {
        self.shared.stopping.cancel();
    }

    /// Lets go of everything at once, as a process that dies does, but for commits
    /// under way: they finish. Attempts stop where they are.
    pub async fn halt(&self) {
        self.begin_shutdown();
        let shared = &self.shared;
        shared.halted.cancel();
        shared.actors.close();
        shared.actors.wait().await;
        shared.attempts.close();
        shared.attempts.wait().await;
        // As the end of its session would, if the process had died.
        ownership::release(shared).await;
    }

    /// Stops: waits for attempts under way, as long as the configuration allows,
    /// so that their results are committed; then lets go of everything. What was
    /// not finished is found in history by the next node.
    pub async fn shutdown(&self) {
        self.shutdown_within(self.shared.config.shutdown_grace).await;
    }

    /// The same with so much of that time left.
    pub async fn shutdown_within(&self, grace: Duration) {
        let deadline = health::now() + grace;
        self.begin_shutdown();
        let shared = &self.shared;
        shared.attempts.close();
        if tokio::time::timeout_at(deadline, shared.attempts.wait()).await.is_err() {
            tracing::warn!(
                attempts = shared.attempts.len(),
                "attempts of activities were still running; they will be made again"
            );
        }
        shared.halted.cancel();
        shared.actors.close();
        // An actor that is committing finishes its commit, and no more.
        let until = deadline.max(health::now() + COMMIT_TIME_MIN);
        if tokio::time::timeout_at(until, shared.actors.wait()).await.is_err() {
            tracing::warn!("some runs did not come to rest; their last commit decides");
            // A database that has no answer for them has none for the lease either, which
            // ends by itself.
            return;
        }
        ownership::release(shared).await;
    }
}
