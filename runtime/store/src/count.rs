//! Counts of runs.

use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::TypeName;
use dacapo_model::module::ModuleDigest;

/// Groups of one count at most.
pub const GROUPS_MAX: u32 = 1_000;

/// By what runs are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountBy {
    /// Where they stand.
    ExecutionStatus,
    /// What they run.
    WorkflowType,
    /// The content of the module that they are pinned to.
    ModuleDigest,
    /// The day of their start, in UTC.
    StartDay,
}

/// What the runs of one number have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountGroup {
    /// Where they stand.
    Status(ExecutionStatus),
    /// What they run.
    Type(TypeName),
    /// The module that they are pinned to.
    Module(ModuleDigest),
    /// The day of their start: days since 1970-01-01.
    Day(i64),
}

/// A number of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionCount {
    /// Of which group; none if all are counted together.
    pub group: Option<CountGroup>,
    /// How many.
    pub runs: u64,
}
