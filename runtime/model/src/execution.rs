//! What is known of a run without reading its history.

use serde::{Deserialize, Serialize};

use crate::attributes::RunAttributes;
use crate::event::{HistorySize, ParentExecution, RootExecution};
use crate::ids::{
    EventId, NamespaceName, QueueName, RequestId, RunId, RunKey, TypeName, WorkflowId,
};
use crate::limits::{REPORT_BACKTRACE_BYTES_MAX, REPORT_MESSAGE_BYTES_MAX};
use crate::module::ModuleDigest;
use crate::text::cut;
use crate::time::Timestamp;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Open: it runs, or waits for something.
    Running,
    /// Open, but its code can't go on: see the [`Blocked`] report.
    Blocked,
    /// Closed with a result.
    Completed,
    /// Closed with a failure.
    Failed,
    /// Closed because it was asked to.
    Canceled,
    /// Closed from outside.
    Terminated,
    /// Closed, and goes on as a new run.
    ContinuedAsNew,
    /// Closed because its time was over.
    TimedOut,
}

impl ExecutionStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Running,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Terminated,
        Self::ContinuedAsNew,
        Self::TimedOut,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Terminated => "terminated",
            Self::ContinuedAsNew => "continued_as_new",
            Self::TimedOut => "timed_out",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// True while events may still be added.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Blocked)
    }
}

/// Why a run's code can't go on. The run is kept; nothing of it is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// A stable code with a page in the documentation, such as `guest_trap`.
    pub code: String,
    /// What happened and what to do about it.
    pub message: String,
    /// Where in the guest, if known: one frame per line, the innermost first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// What history and code disagree about, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nondeterminism: Option<Box<Nondeterminism>>,
}

/// Where code and history part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nondeterminism {
    /// The event at which they part.
    pub event_id: u64,
    /// What history has there.
    pub recorded: String,
    /// What the code did instead.
    pub attempted: String,
    /// The code that the run is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned_module: Option<ModuleDigest>,
    /// The code that it was replayed with: another only where a replay tries
    /// whether the run could be moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_module: Option<ModuleDigest>,
}

impl Blocked {
    /// Cuts what a guest could make too long. A report is in the run's row, in the
    /// log, and in each page of a list that shows the run.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        cut(&mut self.message, REPORT_MESSAGE_BYTES_MAX);
        if let Some(backtrace) = &mut self.backtrace {
            cut(backtrace, REPORT_BACKTRACE_BYTES_MAX);
        }
        if let Some(report) = &mut self.nondeterminism {
            cut(&mut report.recorded, REPORT_MESSAGE_BYTES_MAX);
            cut(&mut report.attempted, REPORT_MESSAGE_BYTES_MAX);
        }
        self
    }

    /// Says in a report of nondeterminism which code it is about: what the run is
    /// pinned to, and what it was replayed with.
    #[must_use]
    pub fn between(mut self, pinned: Option<ModuleDigest>, replayed: ModuleDigest) -> Self {
        if let Some(report) = &mut self.nondeterminism {
            report.pinned_module = pinned;
            report.replayed_module = Some(replayed);
        }
        self
    }
}

impl Nondeterminism {
    /// A report that does not say which code it is about.
    pub fn at(event_id: EventId, recorded: String, attempted: String) -> Self {
        let event_id = event_id.0;
        Self { event_id, recorded, attempted, pinned_module: None, replayed_module: None }
    }
}

/// The summary of one run; a row of `workflow_executions`.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// By which all its rows are found.
    pub key: RunKey,
    /// Where it lives.
    pub namespace: NamespaceName,
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// What it runs.
    pub workflow_type: TypeName,
    /// The code it is pinned to.
    pub module_digest: ModuleDigest,
    /// By which a repeat of its start is recognised.
    pub request_id: Option<RequestId>,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Present exactly while the status is [`ExecutionStatus::Blocked`].
    pub blocked: Option<Blocked>,
    /// What is said about it.
    pub attributes: RunAttributes,
    /// When it started.
    pub started_at: Timestamp,
    /// When it closed.
    pub closed_at: Option<Timestamp>,
    /// Until when its start was delayed, if it was.
    pub delayed_until: Option<Timestamp>,
    /// The run that started it as a child.
    pub parent: Option<ParentRun>,
    /// How long its history was when it closed; none while it is open.
    pub history_size: Option<HistorySize>,
    /// Of a run of a built-in workflow for one activity: the task queue of the activity.
    pub task_queue: Option<QueueName>,
}

impl Execution {
    /// When its workflow could run for the first time: when it started, or when the delay of
    /// its start was over.
    pub fn execution_time(&self) -> Timestamp {
        self.delayed_until.unwrap_or(self.started_at)
    }
}

/// The run that started another as its child, as far as the child's row names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentRun {
    /// The caller's name for it.
    pub workflow_id: WorkflowId,
    /// The run.
    pub run_id: RunId,
    /// The run that the tree grows from; the parent itself if it has no parent.
    pub root: RootExecution,
}

impl From<&ParentExecution> for ParentRun {
    fn from(parent: &ParentExecution) -> Self {
        Self {
            workflow_id: parent.workflow_id.clone(),
            run_id: parent.run_id,
            root: parent.root.clone(),
        }
    }
}

/// What to do if the latest run of the workflow id is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdReusePolicy {
    /// Start a new run.
    #[default]
    AllowDuplicate,
    /// Start a new run unless the latest completed.
    AllowDuplicateFailedOnly,
    /// Refuse.
    RejectDuplicate,
}

/// What to do if a run of the workflow id is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdConflictPolicy {
    /// Refuse.
    #[default]
    Fail,
    /// Answer with the open run.
    UseExisting,
    /// Terminate the open run and start a new one, in one transition.
    TerminateExisting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_shown_and_read_as_one_text_everywhere() {
        for status in ExecutionStatus::ALL {
            assert_eq!(ExecutionStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).expect("serialises"), status.as_str());
        }
        assert_eq!(ExecutionStatus::parse("Running"), None);
    }

    #[test]
    fn every_text_of_a_report_is_cut() {
        let long = || "ü".repeat(1_000_000);
        let report = Nondeterminism::at(EventId(2), long(), long());
        let blocked = Blocked {
            code: "nondeterminism".to_owned(),
            message: long(),
            backtrace: Some(long()),
            nondeterminism: Some(Box::new(report)),
        };
        let shown = serde_json::to_string(&blocked.bounded()).expect("serialises");
        assert!(shown.len() < 32 * 1024, "{} bytes", shown.len());
    }

    #[test]
    fn open_runs_are_those_that_run_or_are_blocked() {
        let open: Vec<_> =
            ExecutionStatus::ALL.into_iter().filter(|status| status.is_open()).collect();
        assert_eq!(open, [ExecutionStatus::Running, ExecutionStatus::Blocked]);
    }
}
