//! What runs do with other runs. The event that asks for it is the outbox: each of
//! these tasks can be done again, by this node or the next, and is recognised.
//!
//! ```text
//!  parent  Initiated ──▶ start ──▶ child starts ──▶ parent: Started
//!  child   closes ─────▶ report ─────────────────▶ parent: Completed, Failed, ...
//!  parent  closes ─────▶ leave ──▶ child: terminated, or asked to cancel
//!  run     Initiated ──▶ reach ──▶ other run: signal, cancel ──▶ run: Signaled, ...
//! ```

mod chain;
mod ends;
mod followed;
mod leave;
mod reach;
mod recover;
mod report;
mod start;
mod tell;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{Input, Refusal};
use dacapo_engine::state::RunState;
use dacapo_model::event::{ParentExecution, RootExecution};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, NamespaceName, RunId, RunKey, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_model::trace::TraceContext;
use parking_lot::Mutex;

pub(crate) use self::leave::leave;
pub(crate) use self::reach::reach;
pub(crate) use self::recover::Recovery;
pub(crate) use self::report::report;
pub(crate) use self::start::start;
use crate::backoff::Backoff;
use crate::delivery::{self, Address, Reached};
use crate::error::ServiceError;
use crate::run::OpenRun;
use crate::runtime::Shared;

/// First wait before something is tried again; doubled up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Runs that one task tells something at a time.
const AT_ONCE: usize = 64;

/// What is under way, so that it is not begun twice at a time. It would do no
/// harm, but thousands of children may be pending when their parent is read again.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<HashSet<(RunId, EventId)>>);

/// One thing that is under way, until it is dropped.
struct Entered {
    shared: Arc<Shared>,
    what: (RunId, EventId),
}

impl Entered {
    fn new(shared: &Arc<Shared>, what: (RunId, EventId)) -> Option<Self> {
        let new = shared.under_way.0.lock().insert(what);
        new.then(|| Self { shared: shared.clone(), what })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.under_way.0.lock().remove(&self.what);
    }
}

/// The run that asks something of others.
#[derive(Debug)]
pub(crate) struct Requester {
    namespace: NamespaceName,
    workflow_id: WorkflowId,
    key: RunKey,
    root: RootExecution,
    /// As its children count it.
    generation: u32,
    module_digest: ModuleDigest,
    environment: BTreeMap<String, String>,
    arguments: Vec<String>,
    /// What its children are started with, if it was started as a part of a trace.
    trace: Option<TraceContext>,
}

impl Requester {
    /// What children and other runs need to know of a run.
    pub(crate) fn of(run: &OpenRun, state: &RunState) -> Arc<Self> {
        let itself = RootExecution { workflow_id: run.workflow_id.clone(), run_id: run.key.run_id };
        Arc::new(Self {
            namespace: run.namespace.clone(),
            workflow_id: run.workflow_id.clone(),
            key: run.key,
            root: state.parent.as_ref().map_or(itself, |parent| parent.root.clone()),
            generation: state.parent.as_ref().map_or(0, |parent| parent.generation),
            module_digest: state.module_digest,
            environment: state.environment.clone(),
            arguments: state.arguments.clone(),
            trace: run.trace().filter(|_| state.options.trace.is_some()).cloned(),
        })
    }

    fn parent_of(
        &self,
        initiated_event_id: EventId,
        parent_close_policy: dacapo_model::event::ParentClosePolicy,
    ) -> ParentExecution {
        ParentExecution {
            workflow_id: self.workflow_id.clone(),
            run_id: self.key.run_id,
            initiated_event_id,
            parent_close_policy,
            root: self.root.clone(),
            generation: self.generation.saturating_add(1),
        }
    }
}

/// The pauses before something is tried again.
const fn backoff() -> Backoff {
    Backoff::new(BACKOFF, BACKOFF_MAX)
}

/// Does something until it is done or the node stops.
fn spawn(shared: &Arc<Shared>, work: impl Future<Output = ()> + Send + 'static) {
    let in_hand = shared.life.workload.begin();
    shared.life.spawn_until_halted(async move {
        work.await;
        drop(in_hand);
    });
}

/// What became of something that a run was to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recorded {
    /// It is recorded, now or before.
    Yes,
    /// The run has closed, or nobody runs it.
    Closed,
}

/// Tells a run what it waits for, and again until that is recorded.
async fn post(shared: Arc<Shared>, run: RunKey, input: Input) -> Recorded {
    let mut backoff = backoff();
    loop {
        match delivery::tell(&shared, Address::Key(run), &input).await {
            Ok(Reached::Here((_, Ok(()) | Err(Refusal::Stale)))) => return Recorded::Yes,
            Ok(Reached::Here((_, Err(_))) | Reached::Closed(_)) => return Recorded::Closed,
            Ok(Reached::Unknown | Reached::Unreadable(_)) => return Recorded::Closed,
            Ok(Reached::Elsewhere) | Err(_) => backoff.wait().await,
        }
    }
}

/// An error of an operation, as the workflow that asked for it gets it.
fn failure_of(error: ServiceError) -> Failure {
    let mut type_name = String::new();
    for word in error.code.as_str().split('_') {
        let mut letters = word.chars();
        type_name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        type_name.push_str(letters.as_str());
    }
    Failure::new(FailureKind::Application, type_name, error.message).non_retryable()
}
