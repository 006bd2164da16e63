//! What clients can ask for: one file per verb, independent of HTTP.

mod cancel;
mod check_start;
mod complete_activity;
mod control_activity;
mod delete_module;
mod delete_run;
mod describe;
mod gate;
mod history;
mod list;
mod locate;
mod modules;
mod move_run;
mod pages;
mod query;
mod repeat;
mod replay;
mod reset;
mod result;
mod retry;
mod said;
mod signal;
mod start;
mod terminate;
mod update;
mod waiting;
mod waits;

use dacapo_model::ids::{NamespaceName, RunId, WorkflowId};

pub use self::complete_activity::{ActivityRef, canceled_report};
pub use self::describe::{
    ActivityDescription, ChainDescription, ChildDescription, ExternalDescription, RunDescription,
    TimerDescription, UpdateDescription,
};
pub use self::gate::GateReport;
pub use self::history::{HistoryFollower, HistoryPage, PAGE_BYTES_MAX};
pub use self::list::RunList;
pub use self::modules::CheckedModule;
pub use self::move_run::{MoveChange, MoveTarget, MovedRun};
pub use self::pages::page_size_of;
pub use self::query::{QueryOutcome, QueryResult, RejectIf};
pub(crate) use self::replay::{REPLAY_TIME_MAX, took_too_long};
pub use self::replay::{ReplayOutcome, ReplayPage, ReplayRequest, ReplayedRun, VersionRef};
pub use self::reset::ResetRequest;
pub use self::result::{Closing, RunResult};
pub(crate) use self::start::ChildStart;
pub use self::start::{StartOptions, StartRequest, Started};
pub use self::update::{UpdateResult, UpdateWait, WaitFor, made_up_update_id};
pub use self::waiting::{Awaited, SignalsLeft, Wait, WaitingDescription};
pub use self::waits::{look_wait_of, wait_of};
pub use crate::salvage::DamagedEvent;
pub use crate::update_watch::UpdateProgress;
pub use dacapo_engine::decide::{ActivityControl, Reapply, Report, ResetPoint};
pub use dacapo_engine::guest::AttemptSignals;
pub use dacapo_store::execution::{ExecutionCursor, ExecutionFilter};

/// Names a run: the latest of a workflow id (the open one, if there is one), or
/// a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Where it lives.
    pub namespace: NamespaceName,
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// A certain run; none means the latest.
    pub run_id: Option<RunId>,
}
