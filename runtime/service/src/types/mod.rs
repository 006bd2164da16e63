//! What requests ask for and what they are told: plain data that all parts of the
//! service share. Nothing here knows how a request is served.

mod batch;
mod closing;
mod description;
mod run_ref;
mod schedule;
mod standalone;
mod start;
mod task;
mod waiting;

pub use self::batch::{
    BatchDescription, BatchFailure, BatchOperation, BatchProgress, BatchReapply, BatchResetPoint,
    BatchSpec, BatchSummary, BatchTarget, StartBatchRequest, StartedBatch,
};
pub use self::closing::Closing;
pub use self::description::{
    ActivityDescription, ChainDescription, ChildDescription, ExternalDescription, LeaseDescription,
    RunDescription, TimerDescription, UpdateDescription,
};
pub use self::run_ref::RunRef;
pub use self::schedule::{
    ActionFailure, ActionStatus, BufferedAction, CreateScheduleRequest, OverlapPolicy,
    ScheduleAction, ScheduleCounters, ScheduleDefinition, ScheduleDescription, SchedulePolicies,
    ScheduleStatus, ScheduleSummary, ScheduledAction,
};
pub use self::standalone::{
    StandaloneDescription, StandaloneRef, StandaloneResult, StandaloneSummary,
    StartActivityRequest, StartedActivity,
};
pub use self::start::{StartOptions, StartRequest, Started};
pub use self::task::HandedTask;
pub use self::waiting::{Awaited, SignalsLeft, Wait, WaitingDescription};
