//! Numbers for behaviour that replay depends on. A number is recorded in the
//! first event of a history, and never reused once retired.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::Blocked;

/// The rules new histories are made under.
///
/// 1. The first. Operations are numbered in the order of the guest's calls; a
///    blocking WASI poll starts one timer for its earliest deadline; inputs that
///    follow `WorkflowTaskFailed` are delivered after the activation that failed
///    has been repeated.
/// 2. The monotonic clock of a guest begins at [`MONOTONIC_START`] instead of 0.
pub const ENGINE_VERSION: u32 = 2;

/// What the monotonic clock of a guest shows when its run starts: a day, as on a machine
/// that was started yesterday. Programs take 0 for a clock that does not work, and
/// subtract some time from what it shows.
pub const MONOTONIC_START: Duration = Duration::from_secs(24 * 60 * 60);

/// What the clock shows at the start of a run that began under these rules.
pub(crate) fn monotonic_start(engine_version: u32) -> Duration {
    if engine_version < 2 { Duration::ZERO } else { MONOTONIC_START }
}

/// The report for a history that was made under rules which this engine does not
/// know. Playing it could do something else than what was recorded.
pub fn made_by_newer(history: &[HistoryEvent]) -> Option<Blocked> {
    let EventAttributes::WorkflowExecutionStarted(started) = &history.first()?.attributes else {
        return None;
    };
    let version = started.engine_version;
    (version > ENGINE_VERSION).then(|| Blocked {
        code: ErrorCode::EngineTooOld.as_str().to_owned(),
        message: format!(
            "the history was made under version {version} of the engine's rules, and this server \
             knows those up to {ENGINE_VERSION}: run a newer version of it. The run goes on by \
             itself then"
        ),
        backtrace: None,
        nondeterminism: None,
    })
}

/// The report for a history of which events are missing.
pub fn has_gap(history: &[HistoryEvent]) -> Option<Blocked> {
    let missing = history.iter().zip(1..).find(|(event, id)| event.id.0 != *id)?.1;
    Some(Blocked {
        code: ErrorCode::HistoryDamaged.as_str().to_owned(),
        message: format!("event {missing} is missing in the history"),
        backtrace: None,
        nondeterminism: None,
    })
}
