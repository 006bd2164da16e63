//! Replays, gates and moves.

use dacapo_model::event::ExportedHistory;
use dacapo_model::ids::{EventId, ModuleName, RunId, TypeName, WorkflowId};
use dacapo_model::module::ModuleDigest;
use dacapo_service::operations::{self, MoveChange, MoveTarget, MovedRun, ReplayOutcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::DamagedEvent;
use super::module::ModuleVersion;
use super::run::{Blocked, RunStatus};
use crate::error::ApiError;
use crate::page_token::List;

/// Which runs to replay. An empty body means all open runs of the module.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReplayRequest {
    /// A version of the module; the newest if absent. Not with a digest in the path.
    #[schema(minimum = 1)]
    pub(crate) version: Option<u32>,
    /// Only runs of this workflow type.
    #[schema(value_type = Option<String>)]
    pub(crate) workflow_type: Option<TypeName>,
    /// Only the run of this workflow id, whatever module it is of.
    #[schema(value_type = Option<String>)]
    pub(crate) workflow_id: Option<WorkflowId>,
    /// Only this run of the workflow id; it may be closed.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub(crate) run_id: Option<RunId>,
    /// Runs on a page; 100 if absent. A page has fewer if they take long.
    #[schema(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<u32>,
    /// The `next_page_token` of the page before, with the same conditions.
    pub(crate) page_token: Option<String>,
}

/// What became of some replays.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayPage {
    /// The code that the runs were replayed with.
    #[schema(value_type = String)]
    module_digest: ModuleDigest,
    /// The runs, the newest start first.
    runs: Vec<ReplayedRun>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// One run that was replayed.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayedRun {
    /// The caller's name for it.
    #[schema(value_type = String, example = "order-17")]
    workflow_id: WorkflowId,
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// What it runs.
    #[schema(value_type = String, example = "checkout")]
    workflow_type: TypeName,
    /// Where it stands.
    status: RunStatus,
    /// The code it is pinned to.
    #[schema(value_type = String)]
    pinned_module: ModuleDigest,
    /// Events that were played.
    events: usize,
    /// Whether the code fits.
    outcome: Outcome,
    /// How much the code asks for that is not history yet. Of a run that fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_commands: Option<usize>,
    /// What is wrong. Of a run that the code does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Blocked>,
}

/// Whether code fits a history.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It does; the run could be moved.
    Ok,
    /// It does something else than the history records.
    Diverges,
    /// It does not get to the end of the history for another reason, such as a trap.
    Failed,
}

impl ReplayPage {
    /// A page of a list.
    pub(crate) fn new(page: operations::ReplayPage, list: List) -> Self {
        Self {
            module_digest: page.module_digest,
            runs: page.runs.into_iter().map(ReplayedRun::from).collect(),
            next_page_token: page.next.map(|next| list.encode(&next)),
        }
    }
}

impl From<operations::ReplayedRun> for ReplayedRun {
    fn from(run: operations::ReplayedRun) -> Self {
        let (outcome, new_commands, problem) = match run.outcome {
            ReplayOutcome::Fits { commands } => (Outcome::Ok, Some(commands), None),
            ReplayOutcome::Diverges(problem) => (Outcome::Diverges, None, Some(problem)),
            ReplayOutcome::Fails(problem) => (Outcome::Failed, None, Some(problem)),
        };
        let execution = run.execution;
        Self {
            workflow_id: execution.workflow_id,
            run_id: execution.key.run_id,
            workflow_type: execution.workflow_type,
            status: execution.status.into(),
            pinned_module: execution.module_digest,
            events: run.events,
            outcome,
            new_commands,
            problem: problem.map(|problem| Blocked::from(*problem)),
        }
    }
}

/// A module that passed a gate.
#[derive(Serialize, ToSchema)]
pub(crate) struct UploadedModule {
    #[serde(flatten)]
    module: ModuleVersion,
    /// What the gate looked at; present if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<GateReport>,
}

/// What a gate looked at.
#[derive(Serialize, ToSchema)]
pub(crate) struct GateReport {
    /// Open runs of the module that the code fits.
    fitting: u64,
    /// Runs that are blocked already, and that it does not fit either.
    blocked: u64,
}

impl UploadedModule {
    pub(crate) fn new(module: ModuleVersion, gate: Option<operations::GateReport>) -> Self {
        let gate = gate.map(|gate| GateReport { fitting: gate.fitting, blocked: gate.blocked });
        Self { module, gate }
    }
}

/// Where a run is to go. An empty body means the newest version of its module.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MoveRequest {
    /// This module, by its digest. Without `module` and `version`.
    #[schema(value_type = Option<String>)]
    pub(crate) digest: Option<ModuleDigest>,
    /// A version of this module; of the run's own if absent.
    #[schema(value_type = Option<String>)]
    pub(crate) module: Option<ModuleName>,
    /// This version; the newest if absent.
    #[schema(minimum = 1)]
    pub(crate) version: Option<u32>,
}

impl MoveRequest {
    pub(crate) fn into_target(self) -> Result<MoveTarget, ApiError> {
        Ok(MoveTarget::new(self.digest, self.module, self.version)?)
    }
}

/// A run, and the code that it goes on with.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunMoved {
    /// The run.
    #[schema(value_type = String, format = "uuid")]
    run_id: RunId,
    /// The code that it is pinned to now.
    module: ModuleVersion,
    /// False if it had that code already.
    moved: bool,
    /// It had that code already, but was blocked, and tries again.
    retried: bool,
}

impl From<MovedRun> for RunMoved {
    fn from(it: MovedRun) -> Self {
        Self {
            run_id: it.run_id,
            module: it.module.into(),
            moved: it.change == MoveChange::Moved,
            retried: it.change == MoveChange::Retried,
        }
    }
}

/// A part of a history as a file: `dacapo replay` reads it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedPage {
    /// How to read the rest, whose run it is, and the events with all that they hold.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) history: ExportedHistory,
    /// What can't be read, in place of its events; absent if all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) damaged: Vec<DamagedEvent>,
    /// The `from` of the next page; absent after the last event so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub(crate) next: Option<EventId>,
}
