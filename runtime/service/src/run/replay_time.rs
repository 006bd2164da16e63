//! How long the replay of one run may take, whoever asks for it.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::execution::Blocked;

/// How long the replay of one run may take.
pub(crate) const REPLAY_TIME_MAX: Duration = Duration::from_secs(60);

/// The report of a replay that was stopped.
pub(crate) fn replay_took_too_long() -> Blocked {
    Blocked {
        code: ErrorCode::GuestCpuLimit.as_str().to_owned(),
        message: format!(
            "the replay took longer than {} s, and was stopped",
            REPLAY_TIME_MAX.as_secs()
        ),
        backtrace: None,
        nondeterminism: None,
    }
}
