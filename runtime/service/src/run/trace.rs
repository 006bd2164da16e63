//! Where the guest waits, in its code.

use dacapo_engine::guest::Trace;
use dacapo_engine::replay::Waiting;
use dacapo_engine::state::{ExternalRequest, PendingChild, PendingExternal};
use dacapo_engine::transition::Transition;
use dacapo_engine::waits::{ReportedSignal, ReportedWait, WaitsReport};
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Blocked, ExecutionStatus};
use dacapo_model::ids::{OperationId, SignalName};

use super::actor::Actor;
use super::query::unreadable;
use crate::error::Result;
use crate::types::{Awaited, SignalsLeft, Wait, WaitingDescription};

/// As many waits are told of a run whose code does not tell which it waits for.
const WAITS_MAX: usize = 200;

impl Actor {
    /// Replays the history in an instance of its own, which looks where it waits.
    pub(super) async fn trace(&mut self) -> Result<WaitingDescription> {
        let is_blocked = self.state.status == ExecutionStatus::Blocked;
        let reported = self.execution.blocked.clone();
        // Who spins would do so once more.
        let spins = |blocked: &Blocked| blocked.code == ErrorCode::GuestCpuLimit.as_str();
        if !self.state.guest_may_run() && (!is_blocked || reported.as_ref().is_some_and(spins)) {
            let backtrace = reported.and_then(|blocked| blocked.backtrace);
            return Ok(WaitingDescription { backtrace, ..self.waiting(None) });
        }
        // One instance more, for a moment; so that it can't wait for this run to make
        // room, this run's own goes first.
        self.drop_guest();
        // History only then: thousands may wait.
        let room = self.room().await;
        let history = self.history_with(&Transition::default()).await;
        let context = self.context.clone();
        if is_blocked {
            // It stops once more where it did, and may tell in the terms of its language.
            let again = match history {
                Ok(history) => self.shared.host.trace(context, room, history).await.err(),
                Err(_) => None,
            };
            let backtrace = [again, reported].into_iter().flatten().find_map(|it| it.backtrace);
            return Ok(WaitingDescription { backtrace, ..self.waiting(None) });
        }
        let history = history.map_err(|_| unreadable())?;
        Ok(match self.shared.host.trace(context, room, history).await {
            Ok(trace) => self.traced(trace),
            Err(blocked) => {
                let unknown = Awaited::Unknown { reason: blocked.message };
                let backtrace = blocked.backtrace;
                WaitingDescription { backtrace, ..self.waiting(Some(unknown)) }
            }
        })
    }

    fn waiting(&self, awaited: Option<Awaited>) -> WaitingDescription {
        WaitingDescription {
            run_id: self.run.key.run_id,
            status: self.state.status,
            awaited,
            waits: Vec::new(),
            more_waits: 0,
            untaken_signals: Vec::new(),
            invalid_signals: Vec::new(),
            backtrace: None,
        }
    }

    fn traced(&self, trace: Trace) -> WaitingDescription {
        let Trace { waiting, backtrace, untaken_signals, report } = trace;
        let awaited = waiting.map(|waiting| self.awaited(waiting));
        let described = WaitingDescription { backtrace, ..self.waiting(awaited.clone()) };
        match (report, awaited) {
            (Some(report), _) => {
                let WaitsReport { waits, more, untaken_signals, invalid_signals } = report;
                WaitingDescription {
                    waits: waits.into_iter().filter_map(|wait| self.reported(wait)).collect(),
                    more_waits: more,
                    untaken_signals: untaken_signals.into_iter().map(left).collect(),
                    invalid_signals: invalid_signals.into_iter().map(left).collect(),
                    ..described
                }
            }
            (None, awaited) => {
                let waits = match awaited {
                    Some(Awaited::Next) => self.under_way().take(WAITS_MAX).collect(),
                    other => other.into_iter().map(unlocated).collect(),
                };
                let untaken = untaken_signals.into_iter().map(|(name, count)| SignalsLeft {
                    name: name.to_string(),
                    count,
                    problem: None,
                });
                WaitingDescription { waits, untaken_signals: untaken.collect(), ..described }
            }
        }
    }

    fn reported(&self, wait: ReportedWait) -> Option<Wait> {
        let ReportedWait { kind, operation, signal, at: location } = wait;
        let awaited = match (kind.as_str(), operation, signal) {
            ("operation", Some(operation), _) => self.awaited_operation(OperationId(operation)),
            ("signal", _, Some(name)) => Awaited::Signal { name: SignalName::new(name).ok()? },
            _ => Awaited::Other { what: kind },
        };
        Some(Wait { awaited, location })
    }

    /// All that may end a wait for whatever happens next, but messages.
    fn under_way(&self) -> impl Iterator<Item = Wait> {
        let state = &self.state;
        let activities = state.activities.values().map(|it| it.operation_id);
        let timers = state.timers.values().map(|it| it.operation_id);
        let children = state.children.values().map(|it| it.initiated.closed_operation_id);
        // The end of a child has been told.
        let externals = state.externals.values().filter(|it| !is_of_child(it));
        let externals = externals.map(|it| it.operation_id);
        let operations = activities.chain(timers).chain(children).chain(externals);
        operations.map(|operation_id| unlocated(self.awaited_operation(operation_id)))
    }

    fn awaited(&self, waiting: Waiting) -> Awaited {
        match waiting {
            Waiting::Start | Waiting::Next | Waiting::NextUntil(_) => Awaited::Next,
            Waiting::Signal(name) => Awaited::Signal { name },
            Waiting::Operation(operation_id) | Waiting::Sleep(operation_id) => {
                self.awaited_operation(operation_id)
            }
        }
    }

    fn awaited_operation(&self, operation_id: OperationId) -> Awaited {
        let state = &self.state;
        if let Some(it) = state.activities.values().find(|it| it.operation_id == operation_id) {
            let (activity_type, attempt) = (it.activity_type.clone(), it.attempt);
            let task_queue = it.options.task_queue.clone();
            return Awaited::Activity { operation_id, activity_type, attempt, task_queue };
        }
        if let Some(it) = state.timers.values().find(|it| it.operation_id == operation_id) {
            return Awaited::Timer { operation_id, fire_at: it.due_at };
        }
        let is_meant = |child: &&PendingChild| {
            let initiated = &child.initiated;
            [initiated.started_operation_id, initiated.closed_operation_id].contains(&operation_id)
        };
        if let Some(child) = state.children.values().find(is_meant) {
            return Awaited::Child {
                operation_id,
                workflow_type: child.initiated.workflow_type.clone(),
                workflow_id: child.initiated.workflow_id.clone(),
                started: child.started,
            };
        }
        match state.externals.values().find(|it| it.operation_id == operation_id) {
            Some(external) => Awaited::External {
                operation_id,
                workflow_id: external.workflow_id.clone(),
                signal_name: match &external.request {
                    ExternalRequest::Signal { name, .. } => Some(name.clone()),
                    _ => None,
                },
            },
            None => Awaited::Operation { operation_id },
        }
    }
}

fn is_of_child(external: &PendingExternal) -> bool {
    matches!(external.request, ExternalRequest::CancelChild { .. })
}

fn unlocated(awaited: Awaited) -> Wait {
    Wait { awaited, location: None }
}

fn left(signal: ReportedSignal) -> SignalsLeft {
    let ReportedSignal { name, count, problem } = signal;
    SignalsLeft { name, count, problem }
}
