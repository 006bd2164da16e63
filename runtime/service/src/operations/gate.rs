//! Refuses code that open runs could not be moved to.

use std::collections::BTreeSet;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::ModuleName;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_store::execution::ExecutionFilter;

use super::move_run::with_report;
use super::replay::{Code, OpenRuns, ReplayedRun, busy};
use crate::clock::Deadline;
use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

/// How long all replays together may take.
const GATE_TIME_MAX: Duration = Duration::from_secs(100);

/// Runs that a refusal names.
const NAMED_MAX: usize = 5;

/// Runs that have to diverge before no further one is replayed.
const DIVERGED_MAX: usize = 100;

/// What a gate looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GateReport {
    /// Open runs that the code fits.
    pub fitting: u64,
    /// Runs that are blocked already and that it does not fit either. They are no
    /// reason to refuse it.
    pub blocked: u64,
}

impl Tenant {
    /// Replays the open runs of a module with code that is to be its next version.
    pub(super) async fn check_gate(
        &self,
        name: &ModuleName,
        digest: ModuleDigest,
        definitions: &ModuleDefinitions,
    ) -> Result<GateReport> {
        let shared = &self.shared;
        // A module without versions has no runs.
        let versions = shared.catalog.versions(&self.namespace, name).unwrap_or_default();
        let modules: BTreeSet<_> = versions.into_iter().map(|version| version.digest).collect();
        let _permit = shared.capacity.replays.try_acquire().map_err(|_| busy())?;
        let code = Code { digest, workflows: &definitions.workflows };
        let filter = ExecutionFilter {
            statuses: vec![ExecutionStatus::Running, ExecutionStatus::Blocked],
            ..ExecutionFilter::default()
        };
        let mut open = OpenRuns::new(self, filter, Some(modules), None);
        let deadline = Deadline::after(GATE_TIME_MAX);
        let mut report = GateReport::default();
        let mut diverged = Vec::new();
        while diverged.len() < DIVERGED_MAX
            && let Some(listed) = open.next().await?
        {
            if deadline.is_over() {
                return Err(too_slow(name, report));
            }
            let replayed = code.replay(shared, listed.execution).await?;
            let was_blocked = replayed.execution.status == ExecutionStatus::Blocked;
            match replayed.outcome.problem() {
                None => report.fitting += 1,
                // It closed since the list was read.
                Some(_) if !replayed.execution.status.is_open() => {}
                Some(_) if was_blocked => report.blocked += 1,
                Some(_) => diverged.push(replayed),
            }
        }
        if diverged.is_empty() { Ok(report) } else { Err(refusal(name, &diverged)) }
    }
}

fn refusal(name: &ModuleName, diverged: &[ReplayedRun]) -> ServiceError {
    let mut message = format!(
        "the module does not fit {}{} open runs of module `{name}`, and was not added",
        if diverged.len() == DIVERGED_MAX { "at least " } else { "" },
        diverged.len()
    );
    for run in diverged.iter().take(NAMED_MAX) {
        let problem = run.outcome.problem().map_or("", |blocked| blocked.message.as_str());
        message.push_str(&format!(
            "; `{}` ({}): {problem}",
            run.execution.workflow_id, run.execution.key.run_id
        ));
    }
    if diverged.len() > NAMED_MAX {
        message.push_str("; and more");
    }
    let error = ServiceError::new(ErrorCode::ReplayDiverged, message).with("runs", diverged.len());
    match diverged.first().and_then(|run| Some((run, run.outcome.problem()?))) {
        Some((run, blocked)) => with_report(error, &run.execution, blocked),
        None => error,
    }
}

fn too_slow(name: &ModuleName, report: GateReport) -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        format!(
            "module `{name}` has more open runs than could be replayed in {} s; {} of them fit. \
             The module was not added: upload it without the gate, or replay its runs with \
             `dacapo replay` first",
            GATE_TIME_MAX.as_secs(),
            report.fitting
        ),
    )
}
