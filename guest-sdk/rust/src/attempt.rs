//! What an attempt of an activity says while it runs, and hears.

use std::cell::Cell;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::dacapo::workflow::activity_context;
use crate::failure::Failure;
use crate::payload;
use crate::time::nanos;

/// What an attempt is to know while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptSignals {
    /// The workflow asked the activity to cancel, or gave it up.
    pub cancel_requested: bool,
    /// An operator holds the activity: no further attempt begins.
    pub paused: bool,
}

impl AttemptSignals {
    fn from_wit(signals: activity_context::AttemptSignals) -> Self {
        Self { cancel_requested: signals.cancel_requested, paused: signals.paused }
    }

    /// The failure by which an attempt makes way, if it should.
    fn into_result(self) -> Result<(), Failure> {
        if self.cancel_requested {
            return Err(Failure::cancelled("the activity was asked to cancel"));
        }
        if self.paused {
            let message = "the activity is paused; this attempt makes way";
            return Err(Failure::application("ActivityPaused", message));
        }
        Ok(())
    }
}

/// Says that this attempt is alive and how far it has come, and ends it with `?`
/// if it should end: because the activity was asked to cancel, or is paused. Use
/// [`attempt_signals`] to look without ending.
///
/// What it says is what [`heartbeat_details`] tells the next attempt. Cheap,
/// however often it is called; at most 64 KiB. Activities only.
///
/// ```no_run
/// # use dacapo::Failure;
/// # fn copy(row: u64) {}
/// #[dacapo::activity]
/// fn copy_rows(rows: u64) -> Result<(), Failure> {
///     let first = dacapo::heartbeat_details::<u64>()?.unwrap_or(0);
///     for row in first..rows {
///         copy(row);
///         dacapo::heartbeat(&(row + 1))?;
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
pub fn heartbeat<T: Serialize + ?Sized>(details: &T) -> Result<(), Failure> {
    let details = payload::encode_heartbeat(&details)?;
    AttemptSignals::from_wit(activity_context::heartbeat(Some(&details))).into_result()
}

/// What the last heartbeat of an attempt before this one said. Activities only.
pub fn heartbeat_details<T: DeserializeOwned>() -> Result<Option<T>, Failure> {
    activity_context::heartbeat_details().as_deref().map(payload::decode_heartbeat).transpose()
}

/// What this attempt is to know now. Activities only.
pub fn attempt_signals() -> AttemptSignals {
    AttemptSignals::from_wit(activity_context::signals())
}

/// Waits until the activity is asked to cancel, and returns true; or for so long,
/// and returns false. `std::thread::sleep` is not disturbed by a request.
/// Activities only.
pub fn wait_cancel_requested(timeout: Duration) -> bool {
    activity_context::wait_cancel_requested(nanos(timeout))
}

/// Leaves this attempt for somebody else to complete, and returns the token by
/// which they do. What the activity returns is then ignored, unless it fails. The
/// timeouts still hold. Activities only.
pub fn complete_later() -> String {
    activity_context::complete_later()
}

thread_local! {
    static IN_ACTIVITY: Cell<bool> = const { Cell::new(false) };
}

/// This instance runs an activity.
pub(crate) fn enter() {
    IN_ACTIVITY.set(true);
}

pub(crate) fn is_running() -> bool {
    IN_ACTIVITY.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;

    #[test]
    fn an_attempt_makes_way_for_a_cancellation_first() {
        let signals =
            |cancel_requested, paused| AttemptSignals { cancel_requested, paused }.into_result();
        assert!(signals(false, false).is_ok());
        let cancelled = signals(true, true).expect_err("it is to end");
        assert_eq!(cancelled.info.kind, FailureKind::Cancelled);
        let paused = signals(false, true).expect_err("it is to make way");
        assert_eq!(paused.info.type_name, "ActivityPaused");
    }
}
