//! The other runs that a run has to do with: its children, its parent, and those
//! that it tells something.

use std::collections::BTreeSet;

use dacapo_engine::decide::{ChildOutcome, FromParent, Input};
use dacapo_engine::state::{Children, Externals, RunState};
use dacapo_engine::transition::Effect;
use dacapo_model::event::RootExecution;
use dacapo_model::event::{EventAttributes, HistoryEvent, ParentClosePolicy, ParentExecution};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{EventId, RequestId, RunId, WorkflowId};
use dacapo_model::payload::Payload;
use uuid::Uuid;

use super::script::HowItCloses;
use super::{Checked, ensure};

const PARENT: RunId = RunId(Uuid::from_u128(2));

/// What effects have set going, and nobody has answered yet.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outreach {
    pub(super) starting: BTreeSet<EventId>,
    pub(super) reaching: BTreeSet<EventId>,
    /// What was said, to say it again.
    pub(super) said: Vec<Input>,
}

impl Outreach {
    /// What a node that took the run over sets going.
    pub(super) fn needed(state: &RunState) -> (BTreeSet<EventId>, BTreeSet<EventId>) {
        let (mut starting, mut reaching) = (BTreeSet::new(), BTreeSet::new());
        for duty in state.relation_duties() {
            match duty {
                Effect::StartChild { initiated_event_id } => starting.insert(initiated_event_id),
                Effect::ReachExternal { initiated_event_id } => reaching.insert(initiated_event_id),
                _ => false,
            };
        }
        (starting, reaching)
    }

    pub(super) fn resume(&mut self, state: &RunState) {
        (self.starting, self.reaching) = Self::needed(state);
    }

    pub(super) fn check(&self, state: &RunState) -> Checked {
        let (starting, reaching) = Self::needed(state);
        ensure!(
            self.starting == starting && self.reaching == reaching,
            "{self:?} is under way, but the state needs {starting:?} and {reaching:?}"
        );
        Ok(())
    }
}

pub(super) fn pick<T: Copy>(mut from: impl ExactSizeIterator<Item = T>, pick: u8) -> Option<T> {
    let count = from.len().max(1);
    from.nth(usize::from(pick) % count)
}

pub(super) fn failure() -> Failure {
    Failure::new(FailureKind::Application, "WorkflowAlreadyStarted", "there is one")
}

pub(super) fn outcome(how: HowItCloses) -> ChildOutcome {
    match how {
        HowItCloses::Completed => ChildOutcome::Completed(Payload::new("3")),
        HowItCloses::Failed => ChildOutcome::Failed(failure()),
        HowItCloses::Canceled => ChildOutcome::Canceled("undone".to_owned()),
        HowItCloses::TimedOut => ChildOutcome::TimedOut,
        HowItCloses::Terminated => ChildOutcome::Terminated("wrong".to_owned()),
    }
}

pub(super) fn parent() -> ParentExecution {
    let workflow_id = WorkflowId::new("parent").expect("a valid id");
    ParentExecution {
        workflow_id: workflow_id.clone(),
        run_id: PARENT,
        initiated_event_id: EventId(5),
        parent_close_policy: ParentClosePolicy::RequestCancel,
        root: RootExecution { workflow_id, run_id: PARENT },
        generation: 1,
    }
}

pub(super) fn from_parent(closed: bool, other: bool) -> Input {
    let message = match closed {
        true => FromParent::Closed,
        false => FromParent::Cancel {
            reason: "enough".to_owned(),
            request_id: RequestId::new("from the parent").expect("a valid id"),
        },
    };
    let initiated_event_id = EventId(if other { 6 } else { 5 });
    Input::FromParent { parent_run_id: PARENT, initiated_event_id, message }
}

/// A run that closes leaves exactly what its history has not seen the end of.
pub(super) fn left_is_what_was_pending(
    history: &[HistoryEvent],
    children: &Children,
    externals: &Externals,
) -> Checked {
    let mut pending = (BTreeSet::new(), BTreeSet::new());
    let mut cancels = Vec::new();
    for event in history {
        match &event.attributes {
            EventAttributes::StartChildWorkflowExecutionInitiated(_) => {
                pending.0.insert(event.id);
            }
            EventAttributes::StartChildWorkflowExecutionFailed(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::ChildWorkflowExecutionCompleted(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::ChildWorkflowExecutionFailed(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::ChildWorkflowExecutionCanceled(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::ChildWorkflowExecutionTimedOut(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::ChildWorkflowExecutionTerminated(e) => {
                pending.0.remove(&e.initiated_event_id);
            }
            EventAttributes::SignalExternalWorkflowExecutionInitiated(_) => {
                pending.1.insert(event.id);
            }
            EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(e) => {
                pending.1.insert(event.id);
                cancels.extend(e.child_initiated_event_id.map(|child| (child, event.id)));
            }
            EventAttributes::ExternalWorkflowExecutionSignaled(e) => {
                pending.1.remove(&e.initiated_event_id);
            }
            EventAttributes::SignalExternalWorkflowExecutionFailed(e) => {
                pending.1.remove(&e.initiated_event_id);
            }
            EventAttributes::ExternalWorkflowExecutionCancelRequested(e) => {
                pending.1.remove(&e.initiated_event_id);
            }
            EventAttributes::RequestCancelExternalWorkflowExecutionFailed(e) => {
                pending.1.remove(&e.initiated_event_id);
            }
            _ => {}
        }
    }
    // A child that has closed needs no request any more.
    for (child, request) in cancels {
        if !pending.0.contains(&child) {
            pending.1.remove(&request);
        }
    }
    let left = (children.keys().copied().collect(), externals.keys().copied().collect());
    ensure!(left == pending, "{left:?} are left, but {pending:?} were pending");
    Ok(())
}
