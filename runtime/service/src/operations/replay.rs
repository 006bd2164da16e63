//! Tries whether code fits the histories of runs. Records nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::guest::{self, RunContext};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, TypeName, WorkflowId};
use dacapo_model::limits::PAGE_SIZE_MAX;
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_store::execution::{ExecutionCursor, ExecutionFilter, ListedExecution};

use crate::catalog::Catalog;
use crate::clock::Deadline;
use crate::error::{Result, ServiceError};
use crate::run::{REPLAY_TIME_MAX, context_of, make_room, replay_took_too_long};
use crate::runtime::Shared;
use crate::tenancy::Tenant;

/// A page ends with the replay that makes them take longer than this together.
const PAGE_TIME_MAX: Duration = Duration::from_secs(20);

/// Summaries read by one statement.
const CHUNK: u32 = 200;

/// Which runs to replay, and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayRequest {
    /// The code: a version of a module that was uploaded.
    pub module: VersionRef,
    /// Only runs of this type.
    pub workflow_type: Option<TypeName>,
    /// Only runs of this workflow id; then of whatever module they are.
    pub workflow_id: Option<WorkflowId>,
    /// Only this run of the workflow id, open or closed.
    pub run_id: Option<RunId>,
    /// Where the page before ended.
    pub after: Option<ExecutionCursor>,
    /// Runs on the page.
    pub limit: u32,
}

/// Names one version of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionRef {
    /// By what it is.
    Digest(ModuleDigest),
    /// By its module and its number; the newest without one.
    Numbered(ModuleName, Option<u32>),
}

/// What became of some replays.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayPage {
    /// The code that the runs were replayed with.
    pub module_digest: ModuleDigest,
    /// The runs, the newest start first.
    pub runs: Vec<ReplayedRun>,
    /// Where the next page begins; none on the last page.
    pub next: Option<ExecutionCursor>,
}

/// One run that was replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedRun {
    /// Its summary.
    pub execution: Execution,
    /// How many events were played.
    pub events: usize,
    /// Whether the code fits.
    pub outcome: ReplayOutcome,
}

/// Whether code fits a history.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplayOutcome {
    /// It does.
    Fits {
        /// How much it asks for that is not history yet.
        commands: usize,
    },
    /// It does something else than the history records.
    Diverges(Box<Blocked>),
    /// It does not get to the end of the history for another reason.
    Fails(Box<Blocked>),
}

impl ReplayOutcome {
    /// What is wrong, if anything is.
    pub fn problem(&self) -> Option<&Blocked> {
        match self {
            Self::Fits { .. } => None,
            Self::Diverges(blocked) | Self::Fails(blocked) => Some(blocked),
        }
    }
}

impl Tenant {
    /// Replays runs with code that was uploaded: one page of them.
    pub async fn replay_runs(&self, request: &ReplayRequest) -> Result<ReplayPage> {
        let shared = &self.shared;
        shared.admit()?;
        if request.run_id.is_some() && request.workflow_id.is_none() {
            return Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                "run_id needs the workflow_id that it is a run of",
            ));
        }
        let version = self.module_version(&request.module).await?;
        let code = Code::of(&version);
        let _permit = shared.capacity.replays.try_acquire().map_err(|_| busy())?;
        if let (Some(workflow_id), Some(_)) = (&request.workflow_id, request.run_id) {
            let found =
                shared.store.find_execution(&self.namespace, workflow_id, request.run_id).await?;
            let execution = found.ok_or_else(|| no_such_run(&self.namespace))?;
            let runs = vec![code.replay(shared, execution).await?];
            return Ok(ReplayPage { module_digest: version.digest, runs, next: None });
        }
        let filter = ExecutionFilter {
            statuses: vec![ExecutionStatus::Running, ExecutionStatus::Blocked],
            workflow_type: request.workflow_type.clone(),
            workflow_id: request.workflow_id.clone(),
            ..ExecutionFilter::default()
        };
        let modules = match &request.workflow_id {
            Some(_) => None,
            None => Some(self.digests_beside(&version)?),
        };
        let mut open = OpenRuns::new(self, filter, modules, request.after.clone());
        let limit = request.limit.clamp(1, PAGE_SIZE_MAX) as usize;
        let deadline = Deadline::after(PAGE_TIME_MAX);
        let mut runs: Vec<ReplayedRun> = Vec::new();
        let mut last = None;
        while let Some(listed) = open.next().await? {
            if runs.len() == limit || (!runs.is_empty() && deadline.is_over()) {
                return Ok(ReplayPage { module_digest: version.digest, runs, next: last });
            }
            last = open.filter.cursor(&listed);
            runs.push(code.replay(shared, listed.execution).await?);
        }
        Ok(ReplayPage { module_digest: version.digest, runs, next: None })
    }

    /// The version that a request names.
    pub(crate) async fn module_version(&self, version: &VersionRef) -> Result<ModuleVersion> {
        self.shared.catalog.look_up(|it| find_version(it, &self.namespace, version)).await
    }

    /// The code of all versions of a version's module.
    fn digests_beside(&self, version: &ModuleVersion) -> Result<BTreeSet<ModuleDigest>> {
        let versions = self.shared.catalog.versions(&self.namespace, &version.name)?;
        Ok(versions.into_iter().map(|version| version.digest).collect())
    }
}

fn find_version(
    catalog: &Catalog,
    namespace: &NamespaceName,
    version: &VersionRef,
) -> Result<ModuleVersion> {
    let (name, number) = match version {
        VersionRef::Digest(digest) => return catalog.by_digest(namespace, *digest),
        VersionRef::Numbered(name, number) => (name, *number),
    };
    let mut versions = catalog.versions(namespace, name)?;
    let found = match number {
        None => versions.pop(),
        Some(number) => versions.into_iter().find(|it| it.version == number),
    };
    found.ok_or_else(|| {
        let number = number.unwrap_or_default();
        ServiceError::new(
            ErrorCode::ModuleNotFound,
            format!("module `{name}` has no version {number} in namespace `{namespace}`"),
        )
        .with("module", name)
    })
}

/// Code to replay runs with. It need not be stored, if the host has it.
pub(super) struct Code<'a> {
    pub(super) digest: ModuleDigest,
    pub(super) workflows: &'a [TypeName],
}

impl<'a> Code<'a> {
    fn of(version: &'a ModuleVersion) -> Self {
        Self { digest: version.digest, workflows: &version.definitions.workflows }
    }

    /// Replays what is stored of a run.
    pub(super) async fn replay(
        &self,
        shared: &Arc<Shared>,
        execution: Execution,
    ) -> Result<ReplayedRun> {
        if !self.workflows.contains(&execution.workflow_type) {
            let outcome = ReplayOutcome::Fails(Box::new(no_such_type(&execution)));
            return Ok(ReplayedRun { execution, events: 0, outcome });
        }
        let stored = shared.loader.load(execution.key).await?;
        let Some(stored) = stored else {
            let problem = format!("run {} is gone", execution.key.run_id);
            return Err(ServiceError::new(ErrorCode::RunNotFound, problem));
        };
        let events = stored.history.len();
        if let Some(fault) = &stored.fault {
            let outcome = ReplayOutcome::Fails(Box::new(fault.report()));
            return Ok(ReplayedRun { execution: stored.execution, events, outcome });
        }
        let context = RunContext { module_digest: self.digest, ..context_of(&stored.execution) };
        let replay = async {
            let room = make_room(shared).await;
            guest::replay(&*shared.host, Arc::new(context), room, stored.history).await
        };
        let replayed = tokio::time::timeout(REPLAY_TIME_MAX, replay).await;
        let outcome = match replayed.unwrap_or_else(|_| Err(replay_took_too_long())) {
            Ok(replayed) => ReplayOutcome::Fits { commands: replayed.commands },
            Err(blocked) if blocked.code == ErrorCode::Nondeterminism.as_str() => {
                ReplayOutcome::Diverges(Box::new(blocked))
            }
            Err(blocked) => ReplayOutcome::Fails(Box::new(blocked)),
        };
        Ok(ReplayedRun { execution: stored.execution, events, outcome })
    }
}

/// Open runs of the namespace, one by one, read in chunks.
pub(super) struct OpenRuns<'a> {
    tenant: &'a Tenant,
    filter: ExecutionFilter,
    /// Only those that are pinned to one of these.
    modules: Option<BTreeSet<ModuleDigest>>,
    after: Option<ExecutionCursor>,
    chunk: std::vec::IntoIter<ListedExecution>,
    ended: bool,
}

impl<'a> OpenRuns<'a> {
    pub(super) fn new(
        tenant: &'a Tenant,
        filter: ExecutionFilter,
        modules: Option<BTreeSet<ModuleDigest>>,
        after: Option<ExecutionCursor>,
    ) -> Self {
        let chunk = Vec::new().into_iter();
        Self { tenant, filter, modules, after, chunk, ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ListedExecution>> {
        loop {
            for listed in self.chunk.by_ref() {
                let digest = &listed.execution.module_digest;
                if self.modules.as_ref().is_none_or(|modules| modules.contains(digest)) {
                    return Ok(Some(listed));
                }
            }
            if self.ended {
                return Ok(None);
            }
            let Tenant { shared, namespace, .. } = self.tenant;
            let after = self.after.as_ref();
            let chunk = shared.store.list_executions(namespace, &self.filter, after, CHUNK);
            let chunk = chunk.await?;
            self.ended = chunk.len() < CHUNK as usize;
            if let Some(last) = chunk.last() {
                self.after = self.filter.cursor(last);
            }
            self.chunk = chunk.into_iter();
        }
    }
}

fn no_such_type(execution: &Execution) -> Blocked {
    let workflow_type = &execution.workflow_type;
    report(
        ErrorCode::WorkflowTypeNotFound,
        format!("the module does not define workflow type `{workflow_type}`"),
    )
}

fn report(code: ErrorCode, message: String) -> Blocked {
    Blocked { code: code.as_str().to_owned(), message, backtrace: None, nondeterminism: None }
}

fn no_such_run(namespace: &NamespaceName) -> ServiceError {
    ServiceError::new(
        ErrorCode::RunNotFound,
        format!("there is no such run in namespace `{namespace}`"),
    )
}

pub(super) fn busy() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "this node replays runs for others already; send the request again",
    )
}
