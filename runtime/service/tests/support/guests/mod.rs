//! Guests as small state machines. Each workflow type is one `Program`.

mod activities;
mod counter;
mod instance;
mod program;
mod signals;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleRejected, Room, RunContext,
    Trace,
};
use dacapo_engine::replay::{Budget, Cursor};
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::Failure;
use dacapo_model::ids::TypeName;
use dacapo_model::limits::Limits;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::activities::queue;
use self::instance::Instance;

/// A host whose guests are Rust.
pub struct ScriptedHost {
    pub instances_max: usize,
    /// What each instance says that it holds.
    pub instance_bytes: Arc<AtomicUsize>,
    /// Instances that exist now, and the most that ever did.
    pub live: Arc<AtomicUsize>,
    pub live_max: AtomicUsize,
    pub launches: AtomicUsize,
    /// Attempts by (activity type, input).
    pub attempts: Mutex<HashMap<(String, String), u32>>,
    /// The `gated` activity takes a permit before it returns.
    pub gate: Semaphore,
    /// What attempts of `later` were given.
    pub tokens: Mutex<Vec<String>>,
    /// While true, the `faulty` workflow faults.
    pub faulty: Mutex<bool>,
    /// What was uploaded, as text. `reordered` asks for other activities than all
    /// others do; in `fixed`, the `faulty` workflow never faults.
    pub codes: Mutex<HashMap<ModuleDigest, String>>,
    /// The code of each launch, in order.
    pub launched: Mutex<Vec<ModuleDigest>>,
    /// While true, no code is at hand, and each launch takes a permit of `gate`.
    pub cold: Mutex<bool>,
}

impl ScriptedHost {
    pub fn new() -> Arc<Self> {
        Self::with_room_for(100)
    }

    pub fn with_room_for(instances_max: usize) -> Arc<Self> {
        Arc::new(Self {
            instances_max,
            instance_bytes: Arc::default(),
            live: Arc::default(),
            live_max: AtomicUsize::new(0),
            launches: AtomicUsize::new(0),
            attempts: Mutex::default(),
            gate: Semaphore::new(0),
            tokens: Mutex::default(),
            faulty: Mutex::new(true),
            codes: Mutex::default(),
            launched: Mutex::default(),
            cold: Mutex::default(),
        })
    }

    fn launch_instance(&self, run: Arc<RunContext>) -> Instance {
        self.launches.fetch_add(1, Ordering::SeqCst);
        self.launched.lock().push(run.module_digest);
        let code = self.codes.lock().get(&run.module_digest).cloned().unwrap_or_default();
        let live = self.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.live_max.fetch_max(live, Ordering::SeqCst);
        Instance {
            cursor: Cursor::new(Budget::from(&Limits::default())),
            program: None,
            faulty: *self.faulty.lock() && code != "fixed",
            reordered: code == "reordered",
            live: self.live.clone(),
            bytes: self.instance_bytes.clone(),
        }
    }

    pub fn attempts_of(&self, activity: &str, input: &str) -> u32 {
        self.attempts.lock().get(&(activity.to_owned(), input.to_owned())).copied().unwrap_or(0)
    }
}

const WORKFLOWS: [&str; 20] = [
    "sequential",
    "gated",
    "gated-once",
    "sleep",
    "flaky",
    "once",
    "remote",
    "remote-once",
    "forever",
    "faulty",
    "again",
    "collect",
    "relay",
    "family",
    "leaver",
    "messenger",
    "watch",
    "counter",
    "retried",
    "teller",
];

#[async_trait]
impl GuestHost for ScriptedHost {
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        self.codes.lock().insert(digest, String::from_utf8_lossy(bytes).into_owned());
        let workflows = WORKFLOWS.iter().map(|name| TypeName::new(name).expect("valid"));
        Ok(ModuleDefinitions { workflows: workflows.collect(), activities: Vec::new() })
    }

    fn is_at_hand(&self, _module: ModuleDigest) -> bool {
        !*self.cold.lock()
    }

    async fn launch(
        &self,
        run: Arc<RunContext>,
        _room: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked> {
        if !self.is_at_hand(run.module_digest) {
            self.gate.acquire().await.expect("the gate stays").forget();
        }
        Ok(Box::new(self.launch_instance(run)))
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        _room: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        let mut instance = self.launch_instance(run);
        instance.advance(history).await?;
        Ok(Trace {
            waiting: instance.cursor.waiting().cloned(),
            untaken_signals: instance.cursor.untaken_signals(),
            ..Trace::default()
        })
    }

    /// Like code that can't be asked after its end.
    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        _room: Arc<dyn Room>,
        mut history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked {
        let closing = history.pop().expect("a closed run has a history").attributes;
        assert!(closing.is_closing(), "{closing:?}");
        if !matches!(closing, EventAttributes::WorkflowExecutionTerminated { .. }) {
            return Asked::Ended;
        }
        let mut instance = self.launch_instance(run);
        instance.advance(history).await.expect("it fits");
        instance.query(query).await
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        self.attempt(task, link).await
    }

    fn instances_max(&self) -> usize {
        self.instances_max
    }

    fn activities_max(&self) -> usize {
        self.instances_max
    }
}

pub(super) fn text(payload: &Payload) -> String {
    String::from_utf8_lossy(payload.as_bytes()).into_owned()
}
