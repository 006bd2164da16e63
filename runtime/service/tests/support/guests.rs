//! Guests as small state machines. Each workflow type is one `Program`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dacapo_engine::guest::{
    ActivityTask, Asked, AttemptLink, GuestHost, GuestInstance, ModuleRejected, Offered,
    RunContext, Trace,
};
use dacapo_engine::replay::{Answer, Budget, CallError, Cursor, Delivery, Offer, Reply};
use dacapo_model::attributes::{AttributeChanges, SearchAttribute};
use dacapo_model::command::{Command, Outcome};
use dacapo_model::event::{
    ActivityOptions, ContinuationOptions, EventAttributes, HistoryEvent, WorkflowExecutionStarted,
};
use dacapo_model::execution::Blocked;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::{OperationId, QueryName, SignalName, TypeName, UpdateId};
use dacapo_model::limits::{Limits, MEMO_BYTES_MAX};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::retry::RetryPolicy;
use dacapo_model::time::Timestamp;
use dacapo_model::update::Update;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::relations::Relations;

/// A host whose guests are Rust.
pub struct ScriptedHost {
    pub instances_max: usize,
    /// What each instance says that it holds.
    pub instance_bytes: Arc<AtomicUsize>,
    /// Instances that exist now, and the most that ever did.
    pub live: Arc<AtomicUsize>,
    pub live_max: AtomicUsize,
    pub launches: AtomicUsize,
    /// Attempts by (activity type, input).
    pub attempts: Mutex<HashMap<(String, String), u32>>,
    /// The `gated` activity takes a permit before it returns.
    pub gate: Semaphore,
    /// What attempts of `later` were given.
    pub tokens: Mutex<Vec<String>>,
    /// While true, the `faulty` workflow faults.
    pub faulty: Mutex<bool>,
    /// What was uploaded, as text. `reordered` asks for other activities than all
    /// others do; in `mended`, the `faulty` workflow never faults.
    pub codes: Mutex<HashMap<ModuleDigest, String>>,
    /// The code of each launch, in order.
    pub launched: Mutex<Vec<ModuleDigest>>,
    /// While true, no code is at hand, and each launch takes a permit of `gate`.
    pub cold: Mutex<bool>,
}

impl ScriptedHost {
    pub fn new() -> Arc<Self> {
        Self::with_room_for(100)
    }

    pub fn with_room_for(instances_max: usize) -> Arc<Self> {
        Arc::new(Self {
            instances_max,
            instance_bytes: Arc::default(),
            live: Arc::default(),
            live_max: AtomicUsize::new(0),
            launches: AtomicUsize::new(0),
            attempts: Mutex::default(),
            gate: Semaphore::new(0),
            tokens: Mutex::default(),
            faulty: Mutex::new(true),
            codes: Mutex::default(),
            launched: Mutex::default(),
            cold: Mutex::default(),
        })
    }

    fn launch_instance(&self, run: Arc<RunContext>) -> Instance {
        self.launches.fetch_add(1, Ordering::SeqCst);
        self.launched.lock().push(run.module_digest);
        let code = self.codes.lock().get(&run.module_digest).cloned().unwrap_or_default();
        let live = self.live.fetch_add(1, Ordering::SeqCst) + 1;
        self.live_max.fetch_max(live, Ordering::SeqCst);
        Instance {
            cursor: Cursor::new(Budget::from(&Limits::default())),
            program: None,
            faulty: *self.faulty.lock() && code != "mended",
            reordered: code == "reordered",
            live: self.live.clone(),
            bytes: self.instance_bytes.clone(),
        }
    }

    pub fn attempts_of(&self, activity: &str, input: &str) -> u32 {
        self.attempts.lock().get(&(activity.to_owned(), input.to_owned())).copied().unwrap_or(0)
    }
}

const WORKFLOWS: [&str; 17] = [
    "sequential",
    "gated",
    "sleep",
    "flaky",
    "once",
    "forever",
    "faulty",
    "again",
    "collect",
    "relay",
    "family",
    "leaver",
    "messenger",
    "watch",
    "counter",
    "retried",
    "teller",
];

#[async_trait]
impl GuestHost for ScriptedHost {
    async fn inspect(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<ModuleDefinitions, ModuleRejected> {
        self.codes.lock().insert(digest, String::from_utf8_lossy(bytes).into_owned());
        let workflows = WORKFLOWS.iter().map(|name| TypeName::new(name).expect("valid"));
        Ok(ModuleDefinitions { workflows: workflows.collect(), activities: Vec::new() })
    }

    fn is_at_hand(&self, _module: ModuleDigest) -> bool {
        !*self.cold.lock()
    }

    async fn launch(&self, run: Arc<RunContext>) -> Result<Box<dyn GuestInstance>, Blocked> {
        if !self.is_at_hand(run.module_digest) {
            self.gate.acquire().await.expect("the gate stays").forget();
        }
        Ok(Box::new(self.launch_instance(run)))
    }

    async fn trace(
        &self,
        run: Arc<RunContext>,
        history: Vec<HistoryEvent>,
    ) -> Result<Trace, Blocked> {
        let mut instance = self.launch_instance(run);
        instance.advance(history).await?;
        Ok(Trace {
            waiting: instance.cursor.waiting().cloned(),
            untaken_signals: instance.cursor.untaken_signals(),
            ..Trace::default()
        })
    }

    /// Like code that can't be asked after its end.
    async fn query_closed(
        &self,
        run: Arc<RunContext>,
        mut history: Vec<HistoryEvent>,
        query: Query,
    ) -> Asked {
        let closing = history.pop().expect("a closed run has a history").attributes;
        assert!(closing.is_closing(), "{closing:?}");
        if !matches!(closing, EventAttributes::WorkflowExecutionTerminated { .. }) {
            return Asked::Ended;
        }
        let mut instance = self.launch_instance(run);
        instance.advance(history).await.expect("it fits");
        instance.query(query).await
    }

    async fn run_activity(
        &self,
        task: ActivityTask,
        link: Arc<dyn AttemptLink>,
    ) -> Result<Payload, Failure> {
        let input = String::from_utf8_lossy(task.input.as_bytes()).into_owned();
        let key = (task.activity_type.as_str().to_owned(), input);
        *self.attempts.lock().entry(key).or_default() += 1;
        match task.activity_type.as_str() {
            "gated" => {
                self.gate.acquire().await.expect("the gate stays").forget();
                Ok(task.input)
            }
            "flaky" if task.attempt < 3 => {
                Err(Failure::new(FailureKind::Application, "Flaky", "not yet"))
            }
            "never" | "brief" => std::future::pending().await,
            // Says that it has come to 7 and fails; the next attempt returns that.
            "beating" => match task.heartbeat_details {
                Some(details) => Ok(details),
                None => {
                    link.heartbeat(Some(Payload::new("6")));
                    link.heartbeat(Some(Payload::new("7")));
                    Err(Failure::new(FailureKind::Application, "Flaky", "not yet"))
                }
            },
            "later" => {
                let token = link.complete_later().await?;
                self.tokens.lock().push(token);
                Ok(Payload::new("ignored"))
            }
            // Ends when it is told to, and says so.
            "polite" => {
                link.signals();
                self.gate.add_permits(1);
                link.cancel_requested().await;
                let mut failure = Failure::new(FailureKind::Cancelled, "Cancelled", "half done");
                failure.info.details = Some(Payload::new("17"));
                Err(failure)
            }
            // Makes way while it is paused.
            "yielding" if task.attempt == 1 => {
                self.gate.add_permits(1);
                while !link.signals().paused {
                    tokio::task::yield_now().await;
                }
                Err(Failure::new(FailureKind::Application, "ActivityPaused", "makes way"))
            }
            _ => Ok(task.input),
        }
    }

    fn instances_max(&self) -> usize {
        self.instances_max
    }

    fn activities_max(&self) -> usize {
        self.instances_max
    }
}

struct Instance {
    cursor: Cursor,
    program: Option<Program>,
    faulty: bool,
    reordered: bool,
    live: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where a workflow stands between two waits.
enum Program {
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
    Collect { left: u32, taken: Vec<String> },
    /// Does a step, takes a signal and continues as new, until it has taken so
    /// many. Completes with them.
    Relay { want: usize, taken: Vec<String>, step: Option<OperationId>, stepped: bool },
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

/// Begins with the number in its input, and publishes its `total`. The update `add`
/// adds a number and answers with the total; what is no number is rejected. `slow`
/// does an activity first, `gated` one that waits for the gate; `ignore` is not
/// decided about, `fault` is accepted by a guest that can't go on while the host is
/// faulty, `again` continues as new, and `end` completes the run without an answer.
/// The query `seen` tells how many updates were accepted, `misbehave` starts a timer.
/// While it has been told to `pause`, it waits for the activity only.
pub struct Counter {
    total: i64,
    accepted: u32,
    /// What waits for its activity: the update, and the number.
    open: Vec<(OperationId, UpdateId, i64)>,
    /// It waits for this alone.
    paused: Option<OperationId>,
    is_faulty: bool,
    published: bool,
}

#[async_trait]
impl GuestInstance for Instance {
    async fn advance(&mut self, events: Vec<HistoryEvent>) -> Result<Vec<Command>, Blocked> {
        self.cursor.extend(events);
        self.go_on().map_err(blocked)?;
        Ok(self.cursor.take_commands())
    }

    async fn query(&mut self, query: Query) -> Asked {
        if !self.cursor.offer(Offer::Query(query)) {
            return self.cursor.waiting().cloned().map_or(Asked::Ended, Asked::Elsewhere);
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Answered(answer))) => Asked::Answered(answer),
            (Ok(()), reply) => panic!("a query was answered with {reply:?}"),
            (Err(error), _) => Asked::Broken(blocked(error)),
        }
    }

    async fn offer_update(&mut self, update: Update, at: Timestamp) -> Offered {
        if !self.cursor.offer(Offer::Update { update, at }) {
            return Offered::Elsewhere;
        }
        match (self.go_on(), self.cursor.take_reply()) {
            (Ok(()), Some(Reply::Accepted)) => Offered::Accepted(self.cursor.take_commands()),
            (Ok(()), Some(Reply::Rejected(failure))) => Offered::Rejected(failure),
            (Ok(()), reply) => panic!("an update was answered with {reply:?}"),
            (Err(error), Some(Reply::Accepted)) => Offered::Faulted(blocked(error)),
            (Err(error), _) => Offered::Broken(blocked(error)),
        }
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

fn blocked(message: String) -> Blocked {
    Blocked { code: "nondeterminism".to_owned(), message, backtrace: None, nondeterminism: None }
}

impl Instance {
    fn go_on(&mut self) -> Result<(), String> {
        if self.cursor.is_closed() {
            return Ok(());
        }
        if self.program.is_none() {
            let text = |error: CallError| error.to_string();
            let Answer::Ready(start) = self.cursor.start().map_err(text)? else {
                return Ok(());
            };
            let input = String::from_utf8_lossy(start.input.as_bytes()).into_owned();
            let number = input.parse().unwrap_or(0);
            let reordered = self.reordered;
            let steps = |activity| Program::Steps {
                activity: if reordered { "other" } else { activity },
                left: number,
                waiting: None,
            };
            self.program = Some(match start.workflow_type.as_str() {
                "sequential" => steps("step"),
                "gated" => steps("gated"),
                "flaky" => steps("flaky"),
                "once" => steps("once"),
                "watch" => {
                    let name = TypeName::new(&input).expect("valid");
                    let options = ActivityOptions {
                        heartbeat_timeout: (input == "later").then_some(Duration::from_secs(1)),
                        ..options(&input)
                    };
                    let started = self.cursor.start_activity(name, Payload::default(), options);
                    Program::Watch { operation: started.map_err(text)? }
                }
                "sleep" => {
                    Program::Sleep { duration: Duration::from_millis(number.into()), waiting: None }
                }
                "again" => Program::Again { left: number },
                "collect" => Program::Collect { left: number, taken: Vec::new() },
                "relay" => {
                    let mut words = input.split(' ');
                    let want = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                    let taken = words.map(str::to_owned).collect();
                    Program::Relay { want, taken, step: None, stepped: false }
                }
                "family" => Program::Relations(Relations::family(&input)),
                "leaver" => Program::Relations(Relations::leaver(&input)),
                "messenger" => Program::Relations(Relations::messenger(&input)),
                "counter" => Program::Counter(Counter {
                    total: number.into(),
                    accepted: 0,
                    open: Vec::new(),
                    paused: None,
                    is_faulty: self.faulty,
                    published: false,
                }),
                "retried" => Program::Ends(Some(retried(&input, start))),
                "teller" => Program::Teller,
                "faulty" if self.faulty => return Err("this guest is faulty".to_owned()),
                _ => Program::Forever,
            });
        }
        let Some(program) = &mut self.program else {
            return Ok(());
        };
        program.run(&mut self.cursor).map_err(|error| error.to_string())
    }
}

impl Program {
    /// Goes on until it waits or ends.
    fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
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
            Self::Teller => loop {
                match cursor.next()? {
                    Answer::Blocked => return Ok(()),
                    Answer::Ready(Delivery::Signal { input, .. }) => {
                        if let Some(outcome) = told(&text(&input), cursor)? {
                            return cursor.close(outcome);
                        }
                    }
                    Answer::Ready(_) => {}
                }
            },
            Self::Again { left: 0 } => {
                cursor.close(Outcome::Completed(Payload::from(b"last".to_vec())))
            }
            Self::Again { left } => cursor.close(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("again").expect("valid"),
                input: Payload::from((*left - 1).to_string().into_bytes()),
                options: Box::default(),
                unread_signals: Vec::new(),
            }),
            Self::Collect { left, taken } => loop {
                if *left == 0 {
                    return cursor.close(Outcome::Completed(Payload::new(taken.join(" "))));
                }
                match cursor.next()? {
                    Answer::Blocked => return Ok(()),
                    Answer::Ready(Delivery::Signal { input, .. }) => {
                        taken.push(text(&input));
                        *left -= 1;
                    }
                    Answer::Ready(_) => {}
                }
            },
            Self::Relay { want, taken, step, stepped } => {
                if taken.len() == *want {
                    return cursor.close(Outcome::Completed(Payload::new(taken.join(" "))));
                }
                let operation = match *step {
                    Some(operation) => operation,
                    None => {
                        let name = TypeName::new("step").expect("valid");
                        let input = Payload::default();
                        *step.insert(cursor.start_activity(name, input, options("step"))?)
                    }
                };
                if !*stepped {
                    if cursor.wait(operation)? == Answer::Blocked {
                        return Ok(());
                    }
                    *stepped = true;
                }
                let name = SignalName::new("word").expect("valid");
                let Answer::Ready(Ok(word)) = cursor.receive_signal(&name)? else {
                    return Ok(());
                };
                let mut words = vec![want.to_string()];
                words.append(taken);
                words.push(text(&word));
                cursor.close(Outcome::ContinueAsNew {
                    workflow_type: TypeName::new("relay").expect("valid"),
                    input: Payload::new(words.join(" ")),
                    options: Box::default(),
                    unread_signals: Vec::new(),
                })
            }
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

fn told(words: &str, cursor: &mut Cursor) -> Result<Option<Outcome>, CallError> {
    let mut changes = AttributeChanges::default();
    let words: Vec<&str> = words.split(' ').collect();
    match words[..] {
        ["memo", name, text] => {
            changes.memo.insert(name.to_owned(), Some(text.into()));
        }
        ["int", name, number] => {
            let value = SearchAttribute::Int(number.parse().expect("a number"));
            changes.search_attributes.insert(name.to_owned(), Some(value));
        }
        ["much"] => {
            changes.memo.insert("much".to_owned(), Some("x".repeat(MEMO_BYTES_MAX).into()));
        }
        ["again", name] => {
            changes.memo.insert(name.to_owned(), Some("again".into()));
            let options = ContinuationOptions { attributes: changes, ..Default::default() };
            return Ok(Some(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("teller").expect("valid"),
                input: Payload::default(),
                options: Box::new(options),
                unread_signals: Vec::new(),
            }));
        }
        _ => return Ok(Some(Outcome::Completed(Payload::new("done")))),
    }
    cursor.upsert_attributes(changes)?;
    Ok(None)
}

impl Counter {
    fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        if !self.published {
            self.published = true;
            self.publish(cursor)?;
        }
        while !cursor.is_closed() {
            if let Some(operation) = self.paused {
                if cursor.wait(operation)? == Answer::Blocked {
                    return Ok(());
                }
                self.paused = None;
                self.finish(cursor, operation)?;
                continue;
            }
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Query { id, name, .. }) => {
                    self.answer(cursor, &id, &name)?
                }
                Answer::Ready(Delivery::Update(update)) => self.decide(cursor, update)?,
                Answer::Ready(Delivery::Completed { operation_id, .. }) => {
                    self.finish(cursor, operation_id)?;
                }
                Answer::Ready(Delivery::Signal { input, .. }) => {
                    self.total += text(&input).parse().unwrap_or(0);
                    self.publish(cursor)?;
                }
                Answer::Ready(Delivery::CancelRequested { reason }) => {
                    cursor.close(Outcome::Cancelled(reason))?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self, cursor: &mut Cursor, id: &str, name: &QueryName) -> Result<(), CallError> {
        match name.as_str() {
            "seen" => cursor.respond_query(id, Ok(Payload::new(self.accepted.to_string()))),
            "misbehave" => cursor.start_timer(cursor.now()).map(drop),
            "silent" => Ok(()),
            other => {
                let message = format!("no query {other}; there is: seen");
                let failure = Failure::new(FailureKind::Application, "UnknownQuery", message);
                cursor.respond_query(id, Err(failure))
            }
        }
    }

    fn decide(&mut self, cursor: &mut Cursor, update: Update) -> Result<(), CallError> {
        let number = text(&update.input).parse::<i64>();
        match (update.name.as_str(), number) {
            ("ignore", _) => return Ok(()),
            (_, Err(_)) => {
                let failure = Failure::new(FailureKind::Application, "NoNumber", "not a number");
                return cursor.reject_update(&update.id, failure);
            }
            _ => {}
        }
        let number = text(&update.input).parse().unwrap_or(0);
        cursor.accept_update(&update.id)?;
        self.accepted += 1;
        match update.name.as_str() {
            "fault" if self.is_faulty => Err(CallError::UnknownOperation(OperationId(99))),
            name @ ("slow" | "gated" | "pause") => {
                let activity = if name == "slow" { "step" } else { "gated" };
                let activity_type = TypeName::new(activity).expect("valid");
                let operation =
                    cursor.start_activity(activity_type, update.input, options(activity))?;
                self.open.push((operation, update.id, number));
                if name == "pause" {
                    self.paused = Some(operation);
                }
                Ok(())
            }
            "again" => cursor.close(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("counter").expect("valid"),
                input: Payload::new(self.total.to_string()),
                options: Box::default(),
                unread_signals: Vec::new(),
            }),
            "end" => cursor.close(Outcome::Completed(Payload::new(self.total.to_string()))),
            _ => self.add(cursor, &update.id, number),
        }
    }

    fn finish(&mut self, cursor: &mut Cursor, operation: OperationId) -> Result<(), CallError> {
        let Some(at) = self.open.iter().position(|(open, ..)| *open == operation) else {
            return Ok(());
        };
        let (_, update_id, number) = self.open.remove(at);
        self.add(cursor, &update_id, number)
    }

    fn add(&mut self, cursor: &mut Cursor, id: &UpdateId, number: i64) -> Result<(), CallError> {
        self.total += number;
        self.publish(cursor)?;
        cursor.complete_update(id, Ok(Payload::new(self.total.to_string())))
    }

    fn publish(&self, cursor: &mut Cursor) -> Result<(), CallError> {
        let name = QueryName::new("total").expect("valid");
        cursor.publish(name, Payload::new(self.total.to_string()))
    }
}

pub(super) fn text(payload: &Payload) -> String {
    String::from_utf8_lossy(payload.as_bytes()).into_owned()
}

fn options(activity: &str) -> ActivityOptions {
    let initial_interval = Duration::from_millis(5);
    let retry = RetryPolicy {
        initial_interval,
        maximum_interval: initial_interval,
        maximum_attempts: if matches!(activity, "once" | "brief") { 1 } else { 0 },
        ..RetryPolicy::default()
    };
    ActivityOptions {
        start_to_close_timeout: Duration::from_millis(match activity {
            "brief" => 200,
            _ => 60_000,
        }),
        retry,
        ..ActivityOptions::unnamed()
    }
}
