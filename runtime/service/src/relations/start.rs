//! Starts a child.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dacapo_engine::decide::{FromParent, Input};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{ChildOptions, ParentClosePolicy, StartChildWorkflowExecutionInitiated};
use dacapo_model::execution::IdConflictPolicy;
use dacapo_model::ids::{EventId, RunKey, WorkflowHash};
use dacapo_model::limits::CHILD_GENERATIONS_MAX;
use dacapo_model::trace::TraceContext;

use super::{
    BACKOFF, Entered, Recorded, Requester, backoff, failure_of, post, report, spawn, tell,
};
use crate::backoff::Backoff;
use crate::builtin;
use crate::catalog::Catalog;
use crate::delivery::is_here;
use crate::error::{Result, ServiceError};
use crate::operations::ChildStart;
use crate::runtime::Shared;
use crate::tenancy::Tenant;
use crate::types::{StartOptions, StartRequest};

/// The longest wait of a child whose namespace is at its limit: it is to start soon after
/// there is a place.
const AT_LIMIT_MAX: Duration = Duration::from_secs(1);

/// Starts a child, however long it takes, and tells its parent.
pub(crate) fn start(
    shared: &Arc<Shared>,
    parent: &Arc<Requester>,
    initiated_event_id: EventId,
    child: &StartChildWorkflowExecutionInitiated,
) {
    let Some(entered) = Entered::new(shared, (parent.key.run_id, initiated_event_id)) else {
        return;
    };
    let child = ChildToStart {
        shared: shared.clone(),
        parent: parent.clone(),
        initiated_event_id,
        child: child.clone(),
    };
    spawn(shared, async move {
        let _entered = entered;
        child.start().await;
    });
}

struct ChildToStart {
    shared: Arc<Shared>,
    parent: Arc<Requester>,
    initiated_event_id: EventId,
    child: StartChildWorkflowExecutionInitiated,
}

impl ChildToStart {
    async fn start(self) {
        let shared = &self.shared;
        // Not before all open runs are known: its workflow id may be taken.
        shared.life.recovered.cancelled().await;
        let (mut backoff, mut at_limit) = (backoff(), Backoff::new(BACKOFF, AT_LIMIT_MAX));
        let started = loop {
            let abandoned = self.child.options.parent_close_policy == ParentClosePolicy::Abandon;
            if !abandoned && !is_here(shared, self.parent.key.run_id) {
                return;
            }
            let place = shared.capacity.child_starts.acquire(self.parent.module_digest).await;
            // Boxed, so that those who wait are small: there may be very many.
            let tried = Box::pin(self.try_start()).await;
            drop(place);
            match tried {
                Ok(()) => break Ok(()),
                Err(error) if error.code == ErrorCode::NamespaceLimit => at_limit.wait().await,
                Err(error) if error.code.is_retryable() => backoff.wait().await,
                Err(error) => break Err(failure_of(error)),
            }
        };
        let initiated_event_id = self.initiated_event_id;
        let is_started = started.is_ok();
        let input = match started {
            Ok(()) => Input::ChildStarted { initiated_event_id },
            Err(failure) => Input::ChildStartFailed { initiated_event_id, failure },
        };
        let recorded = post(shared.clone(), self.parent.key, input).await;
        if recorded == Recorded::Closed && is_started {
            // The parent could not know that it leaves a child.
            let namespace = self.parent.namespace.clone();
            let told = (self.parent.key.run_id, initiated_event_id, FromParent::Closed);
            tell::tell(self.shared, namespace, self.child.workflow_id, told).await;
        }
    }

    async fn try_start(&self) -> Result<()> {
        let (shared, parent, child) = (&self.shared, &self.parent, &self.child);
        let policy = child.options.parent_close_policy;
        let parent_of_child = parent.parent_of(self.initiated_event_id, policy);
        if parent_of_child.generation > CHILD_GENERATIONS_MAX {
            return Err(too_deep());
        }
        let (workflow_type, module) = (&child.workflow_type, child.options.module.as_ref());
        let code = |catalog: &Catalog| {
            catalog.resolve_child(&parent.namespace, workflow_type, parent.module_digest, module)
        };
        let digest = shared.catalog.look_up(code).await?;
        let start = ChildStart {
            request: StartRequest {
                workflow_type: child.workflow_type.clone(),
                workflow_id: Some(child.workflow_id.clone()),
                // The run's id recognises a repeat.
                request_id: None,
                input: child.input.clone(),
                module: None,
                reuse_policy: child.options.reuse_policy,
                conflict_policy: Some(IdConflictPolicy::Fail),
                environment: parent.environment.clone(),
                arguments: parent.arguments.clone(),
                options: start_options(&child.options),
                signal: None,
                update: None,
            },
            workflow_id: child.workflow_id.clone(),
            digest,
            run_id: child.run_id,
            parent: parent_of_child,
        };
        let tenant = Tenant::of_run(shared, parent.key, &parent.namespace)?;
        let tenant = tenant.in_trace(self.trace());
        let Err(error) = tenant.start_child(start).await else {
            return Ok(());
        };
        if error.code.is_retryable() {
            return Err(error);
        }
        // What is in the way may be the child itself, or have come after it.
        let hash = WorkflowHash::of(&parent.namespace, &child.workflow_id);
        let key = RunKey { hash, run_id: child.run_id };
        if shared.store.find_runs(&[key]).await?.is_empty() {
            return Err(error);
        }
        let of = (parent.key, self.initiated_event_id);
        report::find_end(shared, vec![(of, key)]).await;
        Ok(())
    }
}

impl ChildToStart {
    /// What the child is started with. What a schedule starts is no part of what the
    /// schedule is, which goes on for ever. Other traces follow from the root.
    fn trace(&self) -> Option<TraceContext> {
        match builtin::find(self.parent.module_digest) {
            Some(_) => self.shared.traces.of_root(self.child.run_id),
            None => self.parent.trace.clone(),
        }
    }
}

fn too_deep() -> ServiceError {
    ServiceError::new(
        ErrorCode::RunLimitExceeded,
        format!(
            "children of children may be {CHILD_GENERATIONS_MAX} generations deep: let a run \
             start more children, or continue as new, instead of passing its work on to a child"
        ),
    )
}

/// What the parent asked for. Nothing of its own options goes over to its children.
fn start_options(options: &ChildOptions) -> StartOptions {
    StartOptions {
        run_timeout: options.run_timeout,
        execution_timeout: options.execution_timeout,
        start_delay: Some(options.start_delay).filter(|delay| !delay.is_zero()),
        retry: options.retry.clone(),
        attributes: options.attributes.clone(),
        // Their types are the code's, and what its step recorded was checked then.
        inferred: BTreeSet::new(),
    }
}
