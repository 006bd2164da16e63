//! What is read of the server's answers: only what people are shown. Fields that
//! are not here are kept in the answer and ignored, so that a newer server can
//! say more.

mod access;
mod activity;
mod batch;
mod described;
mod history;
mod message;
mod module;
mod namespace;
mod run;
mod schedule;
mod search_attribute;
mod task_queue;
mod waiting;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::access::{ApiKey, ApiKeys, AuditEntry, AuditPage, CreatedKey};
pub use self::activity::{
    Activity, ActivityDescription, ActivityPage, AskedOptions, StartedActivity,
};
pub use self::batch::{Batch, BatchDescription, BatchFailure, BatchPage, StartedBatch};
pub use self::described::{
    ActivityLease, PendingActivity, PendingChild, PendingExternal, PendingTimer, PendingUpdate,
    RunDescription, TaskQueue,
};
pub use self::history::{DamagedEvent, Event, ExportedPage, HistoryPage};
pub use self::message::{QueryAnswer, SignalsLeft, SignalsReport, UpdateAnswer};
pub use self::module::{Module, ModuleDeleted, ModuleVersions, Modules};
pub use self::namespace::{Namespace, Namespaces};
pub use self::run::{
    Acted, Blocked, Failure, Moved, Nondeterminism, Parent, Run, RunCount, RunDeleted, RunGroup,
    RunPage, RunResult, Started,
};
pub use self::schedule::{
    ActionFailure, ActionsAsked, ScheduleAction, ScheduleCounters, ScheduleDescription,
    SchedulePage, SchedulePolicies, ScheduleSummary, ScheduleTime, ScheduleTimes, ScheduledAction,
};
pub use self::search_attribute::{
    RegisteredSearchAttribute, SearchAttributeRemoved, SearchAttributes,
};
pub use self::task_queue::{
    Backlog, FullKey, HeldUp, TaskLease, TaskQueueDescription, TaskQueueSettings, TaskQueues,
    Worker,
};
pub use self::waiting::{Awaited, RunWaiting};

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
