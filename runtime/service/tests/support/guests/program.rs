//! The workflows, each with where it stands.

use std::time::Duration;

use dacapo_engine::replay::{Answer, CallError, Cursor, Delivery};
use dacapo_model::command::Outcome;
use dacapo_model::event::{ActivityOptions, WorkflowExecutionStarted};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, TypeName};
use dacapo_model::payload::Payload;

use super::super::relations::Relations;
use super::activities::options;
use super::counter::Counter;
use super::signals::{Collect, Relay, teller};

/// Where a workflow stands between two waits.
pub(super) enum Program {
    /// Activities one after the other, each fed its number.
    Steps { activity: &'static str, left: u32, waiting: Option<OperationId> },
    /// One activity with the name of its input. When the run is asked to cancel, it
    /// asks the activity, and waits for its end.
    Watch { operation: OperationId },
    /// One timer.
    Sleep { duration: Duration, waiting: Option<OperationId> },
    /// Waits until it is asked to cancel.
    Forever,
    /// Continues as new until the number in its input is 0.
    Again { left: u32 },
    /// Completes with so many signals.
    Collect(Collect),
    /// Does a step, takes a signal and continues as new, until it has taken so
    /// many. Completes with them.
    Relay(Relay),
    /// Has to do with other runs.
    Relations(Relations),
    /// Adds what updates say, and shows the total; see [`Counter`].
    Counter(Counter),
    /// Ends at once.
    Ends(Option<Outcome>),
    /// Says about its run what signals say: `memo NAME TEXT`, `int NAME NUMBER`,
    /// `much`, `again NAME`, `end`.
    Teller,
}

impl Program {
    /// What a run of this type begins with.
    pub(super) fn begin(
        start: &WorkflowExecutionStarted,
        cursor: &mut Cursor,
        reordered: bool,
        is_faulty: bool,
    ) -> Result<Self, CallError> {
        let input = String::from_utf8_lossy(start.input.as_bytes()).into_owned();
        let number = input.parse().unwrap_or(0);
        let steps = |activity| Self::Steps {
            activity: if reordered { "other" } else { activity },
            left: number,
            waiting: None,
        };
        Ok(match start.workflow_type.as_str() {
            "sequential" => steps("step"),
            "gated" => steps("gated"),
            "gated-once" => steps("gated-once"),
            "flaky" => steps("flaky"),
            "once" => steps("once"),
            "remote" => steps("remote"),
            "remote-once" => steps("remote-once"),
            "watch" => {
                let name = TypeName::new(&input).expect("valid");
                let options = ActivityOptions {
                    heartbeat_timeout: matches!(&*input, "later" | "remote-silent")
                        .then_some(Duration::from_secs(1)),
                    ..options(&input)
                };
                let started = cursor.start_activity(name, Payload::default(), options);
                Self::Watch { operation: started? }
            }
            "sleep" => {
                Self::Sleep { duration: Duration::from_millis(number.into()), waiting: None }
            }
            "again" => Self::Again { left: number },
            "collect" => Self::Collect(Collect::new(number)),
            "relay" => Self::Relay(Relay::new(&input)),
            "family" => Self::Relations(Relations::family(&input)),
            "leaver" => Self::Relations(Relations::leaver(&input)),
            "messenger" => Self::Relations(Relations::messenger(&input)),
            "counter" => Self::Counter(Counter::new(number.into(), is_faulty)),
            "retried" => Self::Ends(Some(retried(&input, start))),
            "teller" => Self::Teller,
            _ => Self::Forever,
        })
    }

    /// Goes on until it waits or ends.
    pub(super) fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        match self {
            Self::Steps { activity, left, waiting } => loop {
                if let Some(operation) = *waiting {
                    match cursor.wait(operation)? {
                        Answer::Blocked => return Ok(()),
                        Answer::Ready(Ok(_)) => *waiting = None,
                        Answer::Ready(Err(failure)) => {
                            return cursor
                                .close(Outcome::Failed { failure, unread_signals: Vec::new() });
                        }
                    }
                } else if *left == 0 {
                    return cursor.close(Outcome::Completed(Payload::from(b"done".to_vec())));
                } else {
                    let input = Payload::from(left.to_string().into_bytes());
                    *left -= 1;
                    let name = TypeName::new(*activity).expect("valid");
                    *waiting = Some(cursor.start_activity(name, input, options(activity))?);
                }
            },
            Self::Relations(relations) => relations.run(cursor),
            Self::Sleep { duration, waiting } => {
                let operation = match *waiting {
                    Some(operation) => operation,
                    None => {
                        let fire_at = cursor.now().after(*duration);
                        *waiting.insert(cursor.start_timer(fire_at)?)
                    }
                };
                match cursor.wait(operation)? {
                    Answer::Blocked => Ok(()),
                    Answer::Ready(_) => {
                        cursor.close(Outcome::Completed(Payload::from(b"awake".to_vec())))
                    }
                }
            }
            Self::Watch { operation } => loop {
                match cursor.next()? {
                    Answer::Blocked => return Ok(()),
                    Answer::Ready(Delivery::CancelRequested { .. }) => {
                        cursor.request_cancel_activity(*operation, Duration::from_millis(300))?;
                    }
                    Answer::Ready(Delivery::Completed { outcome: Ok(result), .. }) => {
                        return cursor.close(Outcome::Completed(result));
                    }
                    Answer::Ready(Delivery::Completed { outcome: Err(failure), .. }) => {
                        return cursor
                            .close(Outcome::Failed { failure, unread_signals: Vec::new() });
                    }
                    Answer::Ready(_) => {}
                }
            },
            Self::Forever => loop {
                match cursor.next()? {
                    Answer::Blocked => return Ok(()),
                    Answer::Ready(Delivery::CancelRequested { reason }) => {
                        return cursor.close(Outcome::Cancelled(reason));
                    }
                    Answer::Ready(_) => {}
                }
            },
            Self::Counter(counter) => counter.run(cursor),
            Self::Ends(outcome) => outcome.take().map_or(Ok(()), |outcome| cursor.close(outcome)),
            Self::Teller => teller(cursor),
            Self::Again { left: 0 } => {
                cursor.close(Outcome::Completed(Payload::from(b"last".to_vec())))
            }
            Self::Again { left } => cursor.close(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("again").expect("valid"),
                input: Payload::from((*left - 1).to_string().into_bytes()),
                options: Box::default(),
                unread_signals: Vec::new(),
            }),
            Self::Collect(collect) => collect.run(cursor),
            Self::Relay(relay) => relay.run(cursor),
        }
    }
}

/// `N`: fails before attempt N. `N TYPE`: with a failure of this type. Completes with
/// the attempt, and what the one before failed with.
fn retried(input: &str, start: &WorkflowExecutionStarted) -> Outcome {
    let (attempts, type_name) = input.split_once(' ').unwrap_or((input, "Flaky"));
    let attempt = start.chain.attempt;
    if attempt >= attempts.parse().unwrap_or(u32::MAX) {
        let before = start.chain.continued_failure.as_ref().map(|failure| &*failure.info.message);
        return Outcome::Completed(Payload::new(format!("{attempt} after {before:?}")));
    }
    let message = format!("attempt {attempt}");
    let mut failure = Failure::new(FailureKind::Application, type_name, message);
    failure.info.non_retryable = type_name == "Final";
    Outcome::Failed { failure, unread_signals: Vec::new() }
}
