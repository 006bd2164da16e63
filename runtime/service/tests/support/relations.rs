//! Workflows that have to do with other runs.

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_engine::replay::{Answer, CallError, Cursor, Delivery};
use dacapo_model::command::Outcome;
use dacapo_model::event::{ChildCancellationType, ChildOptions, ModuleRef, ParentClosePolicy};
use dacapo_model::execution::IdReusePolicy;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{ModuleName, OperationId, RunId, SignalName, TypeName, WorkflowId};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;

use super::guests::text;

/// Starts what its input says, waits for it, and completes with what came of it:
/// by operation, in the order of the operations. Once it is asked to cancel it
/// gives up what it still waits for, and ends as cancelled.
pub struct Relations {
    plan: Vec<Ask>,
    waiting: BTreeMap<OperationId, bool>,
    heard: BTreeMap<OperationId, String>,
    /// Does not wait for ends of children.
    leaves: bool,
    begun: bool,
    cancelled: Option<String>,
}

enum Ask {
    Child { workflow_type: TypeName, input: Payload, options: Box<ChildOptions> },
    Signal { workflow_id: WorkflowId, text: String },
    Cancel { workflow_id: WorkflowId },
    EndChild { workflow_id: WorkflowId, first: RunId },
}

impl Relations {
    /// `sequential 2 count=3 policy=abandon cancel=try id=a reuse=reject module=m
    /// within=20 attempts=2`:
    /// children of one type and with one input.
    pub fn family(input: &str) -> Self {
        Self::new(children(input), false)
    }

    /// The same, but ends when its children have started.
    pub fn leaver(input: &str) -> Self {
        Self::new(children(input), true)
    }

    /// `signal a hello`, `cancel a`, `end a RUN_ID`, each on a line.
    pub fn messenger(input: &str) -> Self {
        let ask = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let verb = words.next().unwrap_or_default();
            let id = words.next().unwrap_or_default();
            let workflow_id = WorkflowId::new(id).expect("valid");
            match verb {
                "signal" => {
                    let text = words.next().unwrap_or_default().to_owned();
                    Ask::Signal { workflow_id, text }
                }
                "end" => {
                    let first = words.next().and_then(|word| word.parse().ok());
                    Ask::EndChild { workflow_id, first: first.expect("a run id") }
                }
                _ => Ask::Cancel { workflow_id },
            }
        };
        Self::new(input.lines().map(ask).collect(), false)
    }

    fn new(plan: Vec<Ask>, leaves: bool) -> Self {
        let (waiting, heard) = Default::default();
        Self { plan, waiting, heard, leaves, begun: false, cancelled: None }
    }

    pub fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        if !self.begun {
            self.begun = true;
            for ask in self.plan.drain(..) {
                match ask {
                    Ask::Child { workflow_type, input, options } => {
                        let (started, closed) =
                            cursor.start_child(workflow_type, input, *options)?;
                        self.waiting.insert(started, true);
                        if !self.leaves {
                            self.waiting.insert(closed, false);
                        }
                    }
                    Ask::Signal { workflow_id, text } => {
                        let name = SignalName::new("word").expect("valid");
                        let operation =
                            cursor.signal_external(workflow_id, None, name, Payload::new(text))?;
                        self.waiting.insert(operation, false);
                    }
                    Ask::Cancel { workflow_id } => {
                        let reason = "told to".to_owned();
                        let operation = cursor.cancel_external(workflow_id, None, reason)?;
                        self.waiting.insert(operation, false);
                    }
                    Ask::EndChild { workflow_id, first } => {
                        let reason = "told to".to_owned();
                        let operation = cursor.end_child(workflow_id, first, reason, true)?;
                        self.waiting.insert(operation, false);
                    }
                }
            }
        }
        while !self.waiting.is_empty() {
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Completed { operation_id, outcome }) => {
                    let is_start = self.waiting.remove(&operation_id).unwrap_or(true);
                    if !is_start || outcome.is_err() {
                        self.heard.insert(operation_id, said(outcome));
                    }
                }
                Answer::Ready(Delivery::CancelRequested { reason }) => {
                    self.cancelled = Some(reason);
                    for (operation, is_start) in self.waiting.clone() {
                        cursor.cancel(operation)?;
                        if is_start || !cursor.is_pending(operation) {
                            self.waiting.remove(&operation);
                        }
                    }
                }
                Answer::Ready(_) => {}
            }
        }
        let heard: Vec<_> = self.heard.values().cloned().collect();
        cursor.close(match &self.cancelled {
            None => Outcome::Completed(Payload::new(heard.join(" "))),
            Some(_) => Outcome::Cancelled(heard.join(" ")),
        })
    }
}

/// A result, or the types of a failure and its causes.
fn said(outcome: Result<Payload, Failure>) -> String {
    match outcome {
        Ok(result) => text(&result),
        Err(failure) => {
            let causes = failure.causes.iter().map(|cause| cause.type_name.as_str());
            let types: Vec<_> =
                std::iter::once(failure.info.type_name.as_str()).chain(causes).collect();
            types.join("<")
        }
    }
}

fn children(input: &str) -> Vec<Ask> {
    let mut words = input.split(' ');
    let workflow_type = TypeName::new(words.next().expect("a type")).expect("valid");
    let input = words.next().unwrap_or_default().replace('_', " ");
    let mut count = 1;
    let mut options = ChildOptions::default();
    for word in words {
        match word.split_once('=').expect("an option") {
            ("count", number) => count = number.parse().expect("a number"),
            ("id", id) => options.workflow_id = Some(WorkflowId::new(id).expect("valid")),
            ("reuse", "reject") => options.reuse_policy = IdReusePolicy::RejectDuplicate,
            ("policy", "abandon") => options.parent_close_policy = ParentClosePolicy::Abandon,
            ("policy", "cancel") => options.parent_close_policy = ParentClosePolicy::RequestCancel,
            ("policy", "terminate") => {}
            ("cancel", how) => {
                options.cancellation_type = match how {
                    "abandon" => ChildCancellationType::Abandon,
                    "try" => ChildCancellationType::TryCancel,
                    "requested" => ChildCancellationType::WaitCancellationRequested,
                    _ => ChildCancellationType::WaitCancellationCompleted,
                }
            }
            ("within", millis) => {
                let millis = millis.parse().expect("a number");
                options.run_timeout = Some(Duration::from_millis(millis));
            }
            ("attempts", number) => {
                options.retry = Some(RetryPolicy {
                    initial_interval: Duration::from_millis(1),
                    maximum_attempts: number.parse().expect("a number"),
                    ..RetryPolicy::default()
                });
            }
            ("module", name) => {
                let (name, version) = name.split_once(':').unwrap_or((name, ""));
                options.module = Some(ModuleRef {
                    name: ModuleName::new(name).expect("valid"),
                    version: version.parse().ok(),
                });
            }
            other => panic!("{other:?}"),
        }
    }
    let ask = |_| Ask::Child {
        workflow_type: workflow_type.clone(),
        input: Payload::new(input.clone()),
        options: Box::new(options.clone()),
    };
    (0..count).map(ask).collect()
}
