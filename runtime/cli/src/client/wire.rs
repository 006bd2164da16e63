//! What is read of the server's answers: only what people are shown. Fields that
//! are not here are kept in the answer and ignored, so that a newer server can
//! say more.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One version of a module.
#[derive(Debug, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Counted from 1 under that name.
    pub version: u32,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// Workflow types.
    pub workflows: Vec<String>,
    /// Activity types.
    pub activities: Vec<String>,
    /// When it was uploaded.
    pub created_at: String,
}

/// Several modules, or versions of one.
#[derive(Debug, Deserialize)]
pub struct Modules {
    /// The modules.
    pub modules: Vec<Module>,
}

/// All versions of a module.
#[derive(Debug, Deserialize)]
pub struct ModuleVersions {
    /// The versions, oldest first.
    pub versions: Vec<Module>,
}

/// The run that a start led to.
#[derive(Debug, Deserialize)]
pub struct Started {
    /// The caller's name for it.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
    /// False if it was there already.
    pub started: bool,
}

/// The answer to a query.
#[derive(Debug, Deserialize)]
pub struct QueryAnswer {
    /// The answer, if it is JSON.
    #[serde(default, deserialize_with = "raw")]
    pub result: Option<Box<RawValue>>,
    /// The answer, if it is not.
    #[serde(default)]
    pub result_base64: Option<String>,
}

/// How far an update has come.
#[derive(Debug, Deserialize)]
pub struct UpdateAnswer {
    /// How far.
    pub stage: String,
    /// What it came to, if it is JSON.
    #[serde(default, deserialize_with = "raw")]
    pub result: Option<Box<RawValue>>,
    /// What it came to, if it is not.
    #[serde(default)]
    pub result_base64: Option<String>,
    /// Why it failed or was rejected.
    #[serde(default)]
    pub failure: Option<Failure>,
}

/// Where a run waits.
#[derive(Debug, Deserialize)]
pub struct RunWaiting {
    /// Where it stands.
    pub status: String,
    /// What its code waits for.
    #[serde(default)]
    pub waiting_for: Option<Awaited>,
    /// The same in full.
    #[serde(default)]
    pub waits: Vec<Awaited>,
    /// How many more there are.
    #[serde(default)]
    pub more_waits: u64,
    /// Signals that nobody has taken, and those that were set aside.
    #[serde(flatten)]
    pub signals: SignalsReport,
    /// Where in the code.
    #[serde(default)]
    pub backtrace: Option<String>,
}

/// What the code of a run waits for. Which fields are there depends on the kind.
#[derive(Debug, Deserialize)]
pub struct Awaited {
    /// Of what kind it is.
    pub kind: String,
    /// Which operation.
    #[serde(default)]
    pub operation_id: Option<u32>,
    /// Which activity.
    #[serde(default)]
    pub activity_type: Option<String>,
    /// Which of its attempts.
    #[serde(default)]
    pub attempt: Option<u32>,
    /// When a timer fires.
    #[serde(default)]
    pub fire_at: Option<String>,
    /// Which signal.
    #[serde(default)]
    pub signal_name: Option<String>,
    /// What a child runs.
    #[serde(default)]
    pub workflow_type: Option<String>,
    /// The name of a child, or of another run.
    #[serde(default)]
    pub workflow_id: Option<String>,
    /// Whether a child has started.
    #[serde(default)]
    pub started: bool,
    /// What it is to the code that decides about it.
    #[serde(default)]
    pub what: Option<String>,
    /// Where in the code.
    #[serde(default)]
    pub location: Option<String>,
    /// Why it is not known.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of a run that was to be deleted.
#[derive(Debug, Deserialize)]
pub struct RunDeleted {
    /// False if it was not there.
    pub deleted: bool,
}

/// What became of versions that were to be deleted.
#[derive(Debug, Deserialize)]
pub struct ModuleDeleted {
    /// Those that were there.
    pub deleted: Vec<u32>,
}

/// What a run has not done with its signals.
#[derive(Debug, Default, Deserialize)]
pub struct SignalsReport {
    /// Those that nobody has taken.
    #[serde(default)]
    pub untaken_signals: Vec<SignalsLeft>,
    /// Those that say something else than the workflow expects.
    #[serde(default)]
    pub invalid_signals: Vec<SignalsLeft>,
}

/// Signals of one name.
#[derive(Debug, Deserialize)]
pub struct SignalsLeft {
    /// The name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What is wrong with the last of them.
    #[serde(default)]
    pub problem: Option<String>,
}

/// The run that something was done to.
#[derive(Debug, Deserialize)]
pub struct Acted {
    /// The run.
    pub run_id: String,
}

/// The state of a run when a wait was over.
#[derive(Debug, Deserialize)]
pub struct RunResult {
    /// The run.
    pub run_id: String,
    /// Where it stands.
    pub status: String,
    /// Its result, if it is JSON.
    #[serde(default, deserialize_with = "raw")]
    pub result: Option<Box<RawValue>>,
    /// Its result, if it is not.
    #[serde(default)]
    pub result_base64: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// Why it was canceled or terminated.
    #[serde(default)]
    pub reason: Option<String>,
    /// The run that follows.
    #[serde(default)]
    pub new_run_id: Option<String>,
}

/// What went wrong.
#[derive(Debug, Deserialize)]
pub struct Failure {
    /// A stable name for programs.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A sentence for people.
    pub message: String,
    /// What led to it, the nearest cause first.
    #[serde(default)]
    pub causes: Vec<Failure>,
}

impl Failure {
    /// The failure and its causes in one sentence. What a failure repeats of its cause
    /// is left to the cause.
    pub fn sentence(&self) -> String {
        let chain: Vec<&Self> = std::iter::once(self).chain(&self.causes).collect();
        let links = chain.iter().enumerate().map(|(at, failure)| {
            let cause = chain.get(at + 1);
            let own = cause.and_then(|cause| failure.message.strip_suffix(&cause.message));
            let own = own.map(|own| own.trim_end_matches([' ', ':']));
            match own {
                None => format!("{}: {}", failure.type_name, failure.message),
                Some("") => failure.type_name.clone(),
                Some(own) => format!("{}: {own}", failure.type_name),
            }
        });
        links.collect::<Vec<_>>().join(", because of ")
    }
}

/// A run in a list.
#[derive(Debug, Deserialize)]
pub struct Run {
    /// The caller's name for it.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
    /// What it runs.
    pub workflow_type: String,
    /// Where it stands.
    pub status: String,
    /// When it started.
    pub started_at: String,
    /// When it closed.
    #[serde(default)]
    pub closed_at: Option<String>,
    /// Why its code can't go on.
    #[serde(default)]
    pub blocked: Option<Blocked>,
    /// The run that started it as a child.
    #[serde(default)]
    pub parent: Option<Parent>,
}

/// The run that started another as its child.
#[derive(Debug, Deserialize)]
pub struct Parent {
    /// The caller's name for it.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
}

/// One page of runs.
#[derive(Debug, Deserialize)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<Run>,
    /// Asks for the next page; none on the last.
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// What is known of a run.
#[derive(Debug, Deserialize)]
pub struct RunDescription {
    /// The summary, as in lists.
    #[serde(flatten)]
    pub run: Run,
    /// The code it is pinned to.
    pub module_digest: String,
    /// Events in its history.
    pub history_length: u64,
    /// Whether someone asked it to cancel.
    pub cancel_requested: bool,
    /// Counts the runs since one failed.
    #[serde(default)]
    pub attempt: u32,
    /// Until when its start is delayed.
    #[serde(default)]
    pub delayed_until: Option<String>,
    /// When its time is over.
    #[serde(default)]
    pub times_out_at: Option<String>,
    /// What is said about it, for people.
    #[serde(default)]
    pub memo: BTreeMap<String, Box<RawValue>>,
    /// What is said about it, with types.
    #[serde(default)]
    pub search_attributes: BTreeMap<String, Value>,
    /// The versions of changes of its code that it follows.
    #[serde(default)]
    pub versions: BTreeMap<String, u32>,
    /// Activities without an outcome.
    pub pending_activities: Vec<PendingActivity>,
    /// Timers that have not fired.
    pub pending_timers: Vec<PendingTimer>,
    /// Children that have not closed.
    #[serde(default)]
    pub pending_children: Vec<PendingChild>,
    /// Requests to other runs that are under way.
    #[serde(default)]
    pub pending_externals: Vec<PendingExternal>,
    /// Updates without an outcome.
    #[serde(default)]
    pub pending_updates: Vec<PendingUpdate>,
    /// The names of the values that it has published.
    #[serde(default)]
    pub published: Vec<String>,
}

/// A child that has not closed.
#[derive(Debug, Deserialize)]
pub struct PendingChild {
    /// Its event.
    pub initiated_event_id: u64,
    /// Its name.
    pub workflow_id: String,
    /// What runs.
    pub workflow_type: String,
    /// Whether it is known to have started.
    pub started: bool,
    /// Whether it was asked to cancel.
    pub cancel_requested: bool,
}

/// A request to another run that is under way.
#[derive(Debug, Deserialize)]
pub struct PendingExternal {
    /// Its event.
    pub initiated_event_id: u64,
    /// Who is to get it.
    pub workflow_id: String,
    /// The signal's name; none for a request to cancel.
    #[serde(default)]
    pub signal_name: Option<String>,
}

/// An update without an outcome.
#[derive(Debug, Deserialize)]
pub struct PendingUpdate {
    /// Which one.
    pub update_id: String,
    /// Whether the workflow has taken it on.
    pub accepted: bool,
}

/// Why a run's code can't go on.
#[derive(Debug, Deserialize)]
pub struct Blocked {
    /// The stable code.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Where in the guest.
    #[serde(default)]
    pub backtrace: Option<String>,
    /// Where code and history part, if that is the reason.
    #[serde(default)]
    pub nondeterminism: Option<Nondeterminism>,
}

/// Where code and history part.
#[derive(Debug, Deserialize)]
pub struct Nondeterminism {
    /// The event.
    pub event_id: u64,
    /// What history has there.
    pub recorded: String,
    /// What the code did instead.
    pub attempted: String,
    /// The code that the run is pinned to.
    #[serde(default)]
    pub pinned_module: Option<String>,
    /// The code that it was replayed with.
    #[serde(default)]
    pub replayed_module: Option<String>,
}

impl From<&dacapo_model::execution::Blocked> for Blocked {
    fn from(blocked: &dacapo_model::execution::Blocked) -> Self {
        Self {
            code: blocked.code.clone(),
            message: blocked.message.clone(),
            backtrace: blocked.backtrace.clone(),
            nondeterminism: blocked.nondeterminism.as_ref().map(|report| Nondeterminism {
                event_id: report.event_id,
                recorded: report.recorded.clone(),
                attempted: report.attempted.clone(),
                pinned_module: report.pinned_module.map(|digest| digest.to_string()),
                replayed_module: report.replayed_module.map(|digest| digest.to_string()),
            }),
        }
    }
}

/// A run that goes on with other code.
#[derive(Debug, Deserialize)]
pub struct Moved {
    /// The run.
    pub run_id: String,
    /// The code.
    pub module: Module,
}

/// Something in place of an event that is missing, or can't be read.
#[derive(Debug, Deserialize)]
pub struct DamagedEvent {
    /// The event, or the first of several.
    pub event_id: u64,
    /// What is wrong.
    pub message: String,
}

/// A part of a history with all that it holds.
#[derive(Debug, Deserialize)]
pub struct ExportedPage {
    /// The part.
    #[serde(flatten)]
    pub history: dacapo_model::event::ExportedHistory,
    /// What the server can't show of it.
    #[serde(default)]
    pub damaged: Vec<DamagedEvent>,
    /// Where the next page begins; none after the last event so far.
    #[serde(default)]
    pub next: Option<u64>,
}

/// An activity without an outcome.
#[derive(Debug, Deserialize)]
pub struct PendingActivity {
    /// Its event.
    pub scheduled_event_id: u64,
    /// The workflow's name for it.
    pub operation_id: u32,
    /// What runs.
    pub activity_type: String,
    /// The attempt that runs or comes next.
    pub attempt: u32,
    /// When the next attempt is due.
    #[serde(default)]
    pub next_attempt_at: Option<String>,
    /// What the attempt before failed with.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    /// Somebody else completes it.
    #[serde(default)]
    pub asynchronous: bool,
    /// The workflow asked it to cancel.
    #[serde(default)]
    pub cancel_requested: bool,
    /// An operator holds it.
    #[serde(default)]
    pub paused: bool,
}

/// A timer that has not fired.
#[derive(Debug, Deserialize)]
pub struct PendingTimer {
    /// Its event.
    pub started_event_id: u64,
    /// When it fires.
    pub fire_at: String,
}

/// One event of a history.
#[derive(Debug, Deserialize)]
pub struct Event {
    /// Its position, from 1.
    pub event_id: u64,
    /// What happened.
    pub event_type: String,
    /// When.
    pub time: String,
    /// The rest, each value in the server's words: payloads are shown as their
    /// authors wrote them.
    pub attributes: BTreeMap<String, Box<RawValue>>,
}

/// Event types after which nothing follows.
const CLOSING: [&str; 6] = [
    "WorkflowExecutionCompleted",
    "WorkflowExecutionFailed",
    "WorkflowExecutionCanceled",
    "WorkflowExecutionTerminated",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionTimedOut",
];

impl Event {
    /// An attribute, if it is there and of this type.
    pub fn attribute<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<T> {
        serde_json::from_str(self.attributes.get(name)?.get()).ok()
    }

    /// True for what happens to a child, and not for what it is told.
    pub fn is_about_child(&self) -> bool {
        self.event_type.contains("ChildWorkflowExecution")
    }

    /// True for the last event of a history.
    pub fn is_closing(&self) -> bool {
        CLOSING.contains(&self.event_type.as_str())
    }
}

/// One page of a history; each event in the server's words.
#[derive(Debug, Deserialize)]
pub struct HistoryPage {
    /// The run it belongs to.
    pub run_id: String,
    /// In order.
    pub events: Vec<Box<RawValue>>,
    /// What the server can't show of it.
    #[serde(default)]
    pub damaged: Vec<DamagedEvent>,
    /// Where the next page begins; none after the last event so far.
    #[serde(default)]
    pub next: Option<u64>,
}

/// A JSON value as it came, where `null` is a value and not its absence.
fn raw<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_null_is_a_result() {
        let read = |text: &str| serde_json::from_str::<RunResult>(text).expect("valid");
        let null = read(r#"{"run_id":"r","status":"completed","result":null}"#);
        assert_eq!(null.result.expect("present").get(), "null");
        assert!(read(r#"{"run_id":"r","status":"running"}"#).result.is_none());
    }

    #[test]
    fn a_result_keeps_its_bytes() {
        let text = r#"{"run_id":"r","status":"completed","result":{"b":1.50,  "a":1e2}}"#;
        let result: RunResult = serde_json::from_str(text).expect("valid");
        assert_eq!(result.result.expect("present").get(), r#"{"b":1.50,  "a":1e2}"#);
    }

    #[test]
    fn a_failure_is_told_with_its_causes() {
        let text = r#"{"type":"A","message":"a","causes":[{"type":"B","message":"b"}]}"#;
        let failure: Failure = serde_json::from_str(text).expect("valid");
        assert_eq!(failure.sentence(), "A: a, because of B: b");
    }

    #[test]
    fn what_a_failure_repeats_of_its_cause_is_told_once() {
        let text = r#"{"type":"ActivityFailure","message":"the activity failed: no funds",
            "causes":[{"type":"Wrapped","message":"no funds"},{"type":"Declined","message":"no funds"}]}"#;
        let failure: Failure = serde_json::from_str(text).expect("valid");
        assert_eq!(
            failure.sentence(),
            "ActivityFailure: the activity failed, because of Wrapped, because of Declined: no funds"
        );
    }
}
