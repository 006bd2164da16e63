//! One node, from start to stop.

use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::GuestHost;
use dacapo_engine::replay::Budget;
use dacapo_store::Store;
use dacapo_store::shard::NodeId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::access::{ApiKeys, AuditTrail};
use crate::builtin::BuiltinHost;
use crate::capacity::Capacity;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::ServiceConfig;
use crate::delivery::Directory;
use crate::error::{Result, ServiceError};
use crate::health::{self, StoreHealth};
use crate::hold::Hold;
use crate::life::Life;
use crate::loader::Loader;
use crate::ownership::{Owned, Phase};
use crate::queues::{self, Queues};
use crate::relations::UnderWay;
use crate::search_attributes::RegisteredAttributes;
use crate::tenancy::{self, Namespaces};
use crate::timers::{self, Timers};
use crate::traces::Traces;
use crate::workload::Workload;
use crate::{cleanup, ownership, recovery};

/// What all parts of a node share: one field for each thing that one may need. A part that
/// needs only one of them is given that one.
pub(crate) struct Shared {
    /// Histories are written by the committer alone.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) host: Arc<dyn GuestHost>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Where it is between its start and its end, and its tasks.
    pub(crate) life: Life,
    /// Its shards, and whether it can write.
    pub(crate) hold: Arc<Hold>,
    /// What there is only so much of.
    pub(crate) capacity: Capacity,
    /// What each namespace may do.
    pub(crate) namespaces: Namespaces,
    /// Which code there is.
    pub(crate) catalog: Arc<Catalog>,
    /// Which search attributes there are.
    pub(crate) search_attributes: RegisteredAttributes,
    /// Which keys there are.
    pub(crate) api_keys: ApiKeys,
    pub(crate) audit_trail: AuditTrail,
    /// The open runs, which only `delivery` looks for there.
    pub(crate) directory: Directory,
    /// Writes what runs have decided.
    pub(crate) committer: Committer,
    /// Reads runs that wake.
    pub(crate) loader: Loader,
    /// The timers of the near future.
    pub(crate) timers: Timers,
    /// Task queues, and what workers have of them.
    pub(crate) queues: Queues,
    /// What runs do with each other.
    pub(crate) under_way: UnderWay,
    /// Whose spans are collected.
    pub(crate) traces: Traces,
}

impl Shared {
    /// Refuses new work while the node stops, and once its memory does not count.
    pub(crate) fn admit(&self) -> Result<()> {
        self.hold.admit()?;
        self.life.admit()
    }

    /// Like [`Self::admit`], for what changes something: refuses it while the store
    /// takes no writes.
    pub(crate) fn admit_write(&self) -> Result<()> {
        self.admit()?;
        self.hold.admit_write()
    }
}

/// A running node. What clients ask for are methods of a [`Tenant`](crate::tenancy::Tenant),
/// which [`Self::tenant`] makes.
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
    shutdown_grace: Duration,
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
        let halted = CancellationToken::new();
        let health = Arc::new(StoreHealth::new(halted.clone()));
        let hold = Arc::new(Hold::new(store.clone(), config.tenure, owned, health));
        let life = Life::new(halted, Workload::default());
        let namespaces = Namespaces::load(store.clone(), config.limits.clone())
            .await
            .map_err(ServiceError::at_start)?;
        let queues = Queues::load(&*store, clock.now()).await.map_err(ServiceError::at_start)?;
        let budget = Budget::from(&config.limits);
        let host: Arc<dyn GuestHost> = Arc::new(BuiltinHost::new(host, budget));
        let catalog = Catalog::load(store.clone()).await.map_err(ServiceError::at_start)?;
        let search_attributes = RegisteredAttributes::load(store.clone()).await;
        let shared = Arc::new(Shared {
            search_attributes: search_attributes.map_err(ServiceError::at_start)?,
            api_keys: ApiKeys::new(store.clone()),
            audit_trail: AuditTrail::default(),
            capacity: Capacity::new(&config, &*host),
            namespaces,
            catalog: Arc::new(catalog),
            directory: Directory::new(life.workload.clone()),
            committer: Committer::start(hold.clone()),
            loader: Loader::start(store.clone()),
            timers: Timers::default(),
            queues,
            under_way: UnderWay::default(),
            traces: config.traces,
            life,
            hold,
            store,
            host,
            clock,
        });
        let (life, hold) = (&shared.life, &shared.hold);
        // Recovery may take longer than a lease.
        life.spawn(ownership::keep(hold.clone(), life.halted.clone()));
        life.spawn(health::watch(hold.clone()));
        let runtime = Arc::new(Self { shared, shutdown_grace: config.shutdown_grace });
        if let Err(error) = recovery::recover(&runtime.shared).await {
            // What was woken so far must not work on beside the next try.
            runtime.halt().await;
            return Err(ServiceError::at_start(error));
        }
        runtime.shared.life.spawn(timers::run(runtime.shared.clone()));
        runtime.shared.life.spawn(queues::run(runtime.shared.clone()));
        runtime.shared.life.spawn_until_halted(tenancy::keep_up(runtime.shared.clone()));
        runtime.shared.life.spawn_until_halted(cleanup::run(runtime.shared.clone()));
        Ok(runtime)
    }

    /// True while the node takes work: it has recovered, still owns its shards,
    /// and is not stopping.
    pub fn is_ready(&self) -> bool {
        self.shared.life.recovered.is_cancelled() && self.shared.admit().is_ok()
    }

    /// How many things this node has in hand: messages, runs that are going on,
    /// attempts of activities. With none, nothing happens before a timer is due or
    /// somebody asks for something.
    pub fn in_hand(&self) -> usize {
        self.shared.life.workload.in_hand()
    }

    /// Returns once this node has at most `max` things in hand.
    pub async fn in_hand_at_most(&self, max: usize) {
        self.shared.life.workload.at_most(max).await;
    }

    /// Asks the store whether it answers, takes writes, and says that the shards are
    /// still this node's.
    pub async fn check_store(&self) -> Result<()> {
        self.shared.hold.confirm.all().await?;
        health::check(&self.shared.hold).await
    }

    /// Returns once the store is known to lack what it has acknowledged: it failed
    /// over to a copy that was behind, or was restored. What is in memory counts no
    /// more: [halt](Self::halt) this node, and start another on the same store.
    pub async fn store_went_back(&self) {
        self.shared.hold.loss.of_commits().await;
    }

    /// Returns once another node has taken this one's shards. The process can do
    /// nothing more and should end. Never returns once the store is known to have
    /// [gone back](Self::store_went_back): who takes the shards then may be the next
    /// runtime of this process.
    pub async fn ownership_lost(&self) {
        self.shared.hold.loss.to_another().await;
    }

    /// Refuses new work from now on; those who wait for a run are answered.
    pub fn begin_shutdown(&self) {
        self.shared.life.stopping.cancel();
    }

    /// Lets go of everything at once, as a process that dies does, but for commits
    /// under way: they finish. Attempts stop where they are.
    pub async fn halt(&self) {
        self.shared.life.halt().await;
        // As the end of its session would, if the process had died.
        ownership::release(&self.shared.hold).await;
    }

    /// Stops: waits for attempts under way, as long as the configuration allows,
    /// so that their results are committed; then lets go of everything. What was
    /// not finished is found in history by the next node.
    pub async fn shutdown(&self) {
        self.shutdown_within(self.shutdown_grace).await;
    }

    /// The same with so much of that time left.
    pub async fn shutdown_within(&self, grace: Duration) {
        if self.shared.life.end(health::now() + grace).await {
            ownership::release(&self.shared.hold).await;
        } else {
            // A database that has no answer for them has none for the lease either, which
            // ends by itself.
            tracing::warn!("some runs did not come to rest; their last commit decides");
        }
    }
}
