//! What clients can ask for: methods of a [`Tenant`](crate::tenancy::Tenant), one file per
//! verb, independent of HTTP.

mod access;
mod admit;
mod batches;
mod cancel;
mod check_start;
mod complete_activity;
mod control_activity;
mod count;
mod delete_module;
mod delete_run;
mod describe;
mod describe_limit;
mod filter;
mod gate;
mod heartbeat_tasks;
mod history;
mod list;
mod locate;
mod modules;
mod move_run;
mod namespaces;
mod pages;
mod poll_tasks;
mod query;
mod recorded;
mod repeat;
mod replay;
mod report_tasks;
mod reset;
mod result;
mod retry;
mod schedules;
mod search_attributes;
mod signal;
mod standalone;
mod start;
mod tag;
mod task_queues;
mod terminate;
mod update;
mod waiting;
mod waits;

pub use self::access::{AuditFilter, NumberedEntry};
pub(crate) use self::batches::Place;
pub use self::batches::{BatchFilter, BatchList};
pub use self::complete_activity::{ActivityRef, canceled_report};
pub use self::count::{RunCount, RunGroup};
pub use self::gate::GateReport;
pub use self::heartbeat_tasks::{HeartbeatAnswer, TaskHeartbeat, check_count};
pub use self::history::{HistoryFollower, HistoryPage, PAGE_BYTES_MAX};
pub use self::list::RunList;
pub use self::modules::{CheckedModule, ModuleList};
pub use self::move_run::{MoveChange, MoveTarget, MovedRun};
pub use self::namespaces::NamespaceList;
pub use self::pages::page_size_of;
pub use self::poll_tasks::PollRequest;
pub use self::query::{QueryOutcome, QueryResult, RejectIf};
pub use self::replay::{ReplayOutcome, ReplayPage, ReplayRequest, ReplayedRun, VersionRef};
pub use self::reset::ResetRequest;
pub use self::result::RunResult;
pub use self::schedules::{
    BackfillRequest, CATCHUP_WINDOW_DEFAULT, ScheduleFilter, ScheduleList, TimesRequest,
    UpdateScheduleRequest, WORKFLOW_ID_DEFAULT,
};
pub use self::standalone::{StandaloneFilter, StandaloneList};
pub(crate) use self::start::ChildStart;
pub use self::task_queues::{HeldTask, KeyUse, QueueDescription, QueueList};
pub use self::update::{UpdateResult, UpdateWait, WaitFor, made_up_update_id};
pub use self::waits::{look_wait_of, wait_of};
pub use crate::builtin::schedule::ActionsAsked;
pub use crate::queues::{LastMinute, LeaseAnswer, Offered, SeenWorker};
pub use crate::salvage::DamagedEvent;
pub use crate::types::{
    ActionFailure, ActionStatus, BufferedAction, CreateScheduleRequest, OverlapPolicy,
    ScheduleAction, ScheduleCounters, ScheduleDefinition, ScheduleDescription, SchedulePolicies,
    ScheduleStatus, ScheduleSummary, ScheduledAction,
};
pub use crate::types::{
    ActivityDescription, Awaited, BatchDescription, BatchFailure, BatchOperation, BatchProgress,
    BatchReapply, BatchResetPoint, BatchSpec, BatchSummary, BatchTarget, ChainDescription,
    ChildDescription, Closing, ExternalDescription, HandedTask, LeaseDescription, RunDescription,
    RunRef, SignalsLeft, StandaloneDescription, StandaloneRef, StandaloneResult, StandaloneSummary,
    StartActivityRequest, StartBatchRequest, StartOptions, StartRequest, Started, StartedActivity,
    StartedBatch, TimerDescription, UpdateDescription, Wait, WaitingDescription,
};
pub use crate::update_watch::UpdateProgress;
pub use dacapo_engine::decide::{ActivityControl, Reapply, Report, ResetPoint};
pub use dacapo_engine::guest::AttemptSignals;
pub use dacapo_filter::{Checked, FILTER_BYTES_MAX};
pub use dacapo_schedule::{Calendar, Due, Interval, InvalidSpec, ScheduleSpec, Times, ValueRange};
pub use dacapo_store::count::{CountBy, CountGroup};
pub use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ListPlace};
pub use dacapo_store::queue_settings::{QueueSettings, SettingsChange};
pub use dacapo_store::task::LeasedTask;
