//! In what the versions of the program differ. What is recorded of a run is played back by the
//! version that it began with.

use std::time::Duration;

use dacapo_engine::replay::{CallError, Cursor};

use super::state::{Ending, Running};

/// How old a run becomes: the next thing that happens to an older one is the last. A closed
/// run goes with all that is kept of it once its retention is over, also what it has started;
/// an open one keeps all of that. A day is so long that few schedules do it more often than
/// they act, and short against a retention.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// In what the versions of the program differ.
#[derive(Clone, Copy)]
pub(super) struct Behaviour {
    /// How old a run becomes before it continues as new; none means as old as it gets.
    pub(super) age_max: Option<Duration>,
    /// A run that is told to end is one that the schedule has started, and not whichever has
    /// its workflow id by then.
    pub(super) ends_its_own: bool,
    /// A request for actions is answered once it is known whether they have started.
    pub(super) waits_for_starts: bool,
    /// An action that has been forgotten before it is known to have started stays so.
    pub(super) forgets_for_good: bool,
}

pub(super) const VERSION_1: Behaviour = Behaviour {
    age_max: None,
    ends_its_own: false,
    waits_for_starts: false,
    forgets_for_good: false,
};
pub(super) const VERSION_2: Behaviour = Behaviour {
    age_max: Some(AGE_MAX),
    ends_its_own: true,
    waits_for_starts: true,
    forgets_for_good: true,
};

impl Behaviour {
    /// Tells a run that has started to end.
    pub(super) fn end(self, cursor: &mut Cursor, running: &Running) -> Result<(), CallError> {
        let Some(ending) = running.ending else { return Ok(()) };
        let workflow_id = running.action.workflow_id.clone();
        let reason = "its schedule starts the next run".to_owned();
        let asked = match (ending, running.action.run_id.filter(|_| self.ends_its_own)) {
            (ending, Some(first)) => {
                cursor.end_child(workflow_id, first, reason, ending == Ending::Terminate)
            }
            (Ending::Cancel, None) => cursor.cancel_external(workflow_id, None, reason),
            (Ending::Terminate, None) => cursor.terminate_external(workflow_id, reason),
        };
        asked.map(drop)
    }
}
