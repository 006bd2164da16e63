//! Runs.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Module, raw};

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

/// What became of a run that was to be deleted.
#[derive(Debug, Deserialize)]
pub struct RunDeleted {
    /// False if it was not there.
    pub deleted: bool,
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
    /// The name of the run at the root of the tree.
    #[serde(default)]
    pub root_workflow_id: String,
    /// That run.
    #[serde(default)]
    pub root_run_id: String,
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

/// How many runs there are.
#[derive(Debug, Deserialize)]
pub struct RunCount {
    /// All of them.
    pub count: u64,
    /// The same by group, the largest first.
    #[serde(default)]
    pub groups: Vec<RunGroup>,
    /// Whether there are further groups.
    #[serde(default)]
    pub is_cut: bool,
}

/// Runs with something in common.
#[derive(Debug, Deserialize)]
pub struct RunGroup {
    /// What they have in common.
    pub value: String,
    /// The names of their module.
    #[serde(default)]
    pub modules: Vec<String>,
    /// How many there are.
    pub count: u64,
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

/// A run, and the code that it goes on with.
#[derive(Debug, Deserialize)]
pub struct Moved {
    /// The run.
    pub run_id: String,
    /// The code.
    pub module: Module,
    /// False if it had that code already. A server that does not say so moved it.
    #[serde(default = "yes")]
    pub moved: bool,
    /// It had that code already, but was blocked, and tries again.
    #[serde(default)]
    pub retried: bool,
}

fn yes() -> bool {
    true
}
