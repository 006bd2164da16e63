//! A host whose guests are plain Rust on the engine's own replay cursor. A
//! module is a text: the names of the scripts it defines, one per line; or
//! `refuse`, a space and the code to refuse it with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleRejected, Offered, Room,
    RunContext, Trace,
};
use dacapo_engine::replay::{Answer, Budget, CallError, Cursor, Delivery, Offer, Reply};
use dacapo_model::code::ErrorCode;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{ActivityOptions, HistoryEvent};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueryName, SignalName, TypeName};
use dacapo_model::limits::Limits;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;

/// Every workflow there is a script for.
pub(crate) const ALL: &[u8] = b"echo\nfail\nwait\ntrap\ncall\ndecline\ncontinue\ncollect\nserve";

/// Runs the scripts.
pub(crate) struct ScriptedHost;

#[async_trait]
impl GuestHost for ScriptedHost {
    async fn inspect(
        &self,
        _: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        let text = str::from_utf8(bytes).expect("a text");
        if let Some(code) = text.strip_prefix("refuse ") {
            let code = ErrorCode::ALL.iter().find(|known| known.as_str() == code);
            return Err(ModuleRejected {
                code: *code.expect("a known code"),
                message: "the test wants it so".to_owned(),
                details: BTreeMap::from([("import".to_owned(), "acme:none/x".to_owned())]),
            });
        }
        let name = |text: &str| TypeName::new(text).expect("a type name");
        Ok(ModuleDefinitions {
            workflows: text.lines().map(name).collect(),
            activities: vec![name("greet"), name("decline")],
        })
    }

    async fn launch(
        &self,
        _: Arc<RunContext>,
        _: Arc<dyn Room>,
    ) -> Result<Box<dyn GuestInstance>, Blocked> {
        let cursor = Cursor::new(Budget::from(&Limits::default()));
        Ok(Box::new(Script { cursor, operation: None }))
    }

    async fn trace(
        &self,
        _: Arc<RunContext>,
        _: Arc<dyn Room>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        let cursor = Cursor::new(Budget::from(&Limits::default()));
        let mut script = Script { cursor, operation: None };
        script.advance(history).await?;
        let backtrace = Some("checkout::run".to_owned());
        let waiting = script.cursor.waiting().cloned();
        Ok(Trace { waiting, backtrace, ..Trace::default() })
    }

    async fn query_closed(
        &self,
        _: Arc<RunContext>,
        _: Arc<dyn Room>,
        _: Vec<HistoryEvent>,
        _: Query,
    ) -> Asked {
        Asked::Ended
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        _link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        match task.activity_type.as_str() {
            "greet" => Ok(task.input),
            "decline" => Err(declined()),
            other => panic!("no activity {other}"),
        }
    }

    fn instances_max(&self) -> usize {
        16
    }

    fn activities_max(&self) -> usize {
        16
    }
}

/// The failure of everything that fails here.
pub(crate) fn declined() -> Failure {
    let mut cause = Failure::new(FailureKind::Timeout, "StartToClose", "the bank was slow");
    cause.info.details = Some(Payload::new(&b"\xff"[..]));
    let mut failure =
        Failure::new(FailureKind::Application, "Declined", "no money").caused_by(cause);
    failure.info.details = Some(Payload::new("{\"short_by\": 1.50}"));
    failure.info.next_retry_delay = Some(Duration::from_millis(1_500));
    failure.non_retryable()
}

struct Script {
    cursor: Cursor,
    /// What it has started, if anything.
    operation: Option<OperationId>,
}

#[async_trait]
impl GuestInstance for Script {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        self.cursor.extend(events);
        self.go_on().map_err(|error| blocked(&error.to_string()))?;
        Ok(self.cursor.take_commands())
    }

    async fn query(&mut self, query: Query) -> Asked {
        if !self.cursor.offer(Offer::Query(query)) {
            return self.cursor.waiting().cloned().map_or(Asked::Ended, Asked::Elsewhere);
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Answered(answer))) => Asked::Answered(answer),
            (went_on, _) => Asked::Broken(blocked(&format!("{went_on:?}"))),
        }
    }

    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered {
        if !self.cursor.offer(Offer::Update { update, at }) {
            return Offered::Elsewhere;
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Accepted)) => Offered::Accepted(self.cursor.take_commands()),
            (Ok(()), Some(Reply::Rejected(failure))) => Offered::Rejected(failure),
            (went_on, _) => Offered::Broken(blocked(&format!("{went_on:?}"))),
        }
    }

    fn bytes(&self) -> usize {
        0
    }
}

impl Script {
    fn go_on(&mut self) -> Result<(), CallError> {
        let Answer::Ready(started) = self.cursor.start()? else { return Ok(()) };
        let (name, input) = (started.workflow_type.clone(), started.input.clone());
        match name.as_str() {
            "echo" => self.cursor.close(Outcome::Completed(input)),
            "fail" => self
                .cursor
                .close(Outcome::Failed { failure: declined(), unread_signals: Vec::new() }),
            "wait" => self.wait_for_cancellation(),
            "call" => self.call("greet", input),
            "decline" => self.call("decline", input),
            "continue" => self.cursor.close(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("echo").expect("a type name"),
                input,
                options: Box::default(),
                unread_signals: Vec::new(),
            }),
            "collect" => self.collect(),
            "serve" => self.serve(),
            "trap" => Err(CallError::UnknownOperation(OperationId(7))),
            other => panic!("no script {other}"),
        }
    }

    fn wait_for_cancellation(&mut self) -> Result<(), CallError> {
        if self.operation.is_none() {
            let far = self.cursor.now().after(Duration::from_secs(3600));
            self.operation = Some(self.cursor.start_timer(far)?);
        }
        match self.cursor.next()? {
            Answer::Ready(Delivery::CancelRequested { reason }) => {
                self.cursor.close(Outcome::Cancelled(reason))
            }
            Answer::Ready(_) | Answer::Blocked => Ok(()),
        }
    }

    /// Publishes `name`; echoes queries, but for `odd`; echoes updates, but for those
    /// called `odd`, which it rejects, and `fail`, which it fails.
    fn serve(&mut self) -> Result<(), CallError> {
        if self.operation.is_none() {
            self.operation = Some(OperationId(0));
            let name = QueryName::new("name").expect("a name");
            self.cursor.publish(name, Payload::new(r#"{"b":1.10,  "a":2}"#))?;
        }
        loop {
            match self.cursor.next()? {
                Answer::Ready(Delivery::Query { id, name, input }) => {
                    let answer = if name.as_str() == "odd" { Err(declined()) } else { Ok(input) };
                    self.cursor.respond_query(&id, answer)?;
                }
                Answer::Ready(Delivery::Update(update)) if update.name.as_str() == "odd" => {
                    self.cursor.reject_update(&update.id, declined())?;
                }
                Answer::Ready(Delivery::Update(update)) => {
                    self.cursor.accept_update(&update.id)?;
                    match update.name.as_str() {
                        "fail" => self.cursor.complete_update(&update.id, Err(declined()))?,
                        "never" => {}
                        _ => self.cursor.complete_update(&update.id, Ok(update.input))?,
                    }
                }
                Answer::Ready(_) => {}
                Answer::Blocked => return Ok(()),
            }
        }
    }

    /// Completes with what the first signal called `done` says.
    fn collect(&mut self) -> Result<(), CallError> {
        let name = SignalName::new("done").expect("a name");
        match self.cursor.receive_signal(&name)? {
            Answer::Ready(Ok(input)) => self.cursor.close(Outcome::Completed(input)),
            Answer::Ready(Err(failure)) => {
                self.cursor.close(Outcome::Failed { failure, unread_signals: Vec::new() })
            }
            Answer::Blocked => Ok(()),
        }
    }

    fn call(&mut self, activity: &str, input: Payload) -> Result<(), CallError> {
        let operation = match self.operation {
            Some(operation) => operation,
            None => {
                let name = TypeName::new(activity).expect("a type name");
                self.cursor.start_activity(name, input, options())?
            }
        };
        self.operation = Some(operation);
        match self.cursor.wait(operation)? {
            Answer::Ready(Ok(result)) => self.cursor.close(Outcome::Completed(result)),
            Answer::Ready(Err(failure)) => {
                self.cursor.close(Outcome::Failed { failure, unread_signals: Vec::new() })
            }
            Answer::Blocked => Ok(()),
        }
    }
}

fn options() -> ActivityOptions {
    ActivityOptions {
        start_to_close_timeout: Duration::from_millis(2_500),
        schedule_to_close_timeout: Some(Duration::from_secs(60)),
        retry: RetryPolicy { maximum_attempts: 3, ..RetryPolicy::default() },
        ..ActivityOptions::unnamed()
    }
}

fn blocked(message: &str) -> Blocked {
    Blocked {
        code: ErrorCode::GuestTrap.as_str().to_owned(),
        message: message.to_owned(),
        backtrace: Some("checkout::run".to_owned()),
        nondeterminism: None,
    }
}
