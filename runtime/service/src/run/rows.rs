//! What a transition leaves of its changes to rows. Pure.

use std::collections::BTreeMap;

use dacapo_engine::transition::{TimerChange, UpdateChange};
use dacapo_model::ids::{EventId, RunKey, UpdateId};
use dacapo_model::update::AdmittedUpdate;
use dacapo_store::timer::TimerRow;

/// What the transition leaves of its changes to timer rows: by event, the row to
/// set, or none to remove it.
pub(super) fn timer_rows(
    key: RunKey,
    changes: Vec<TimerChange>,
) -> BTreeMap<EventId, Option<TimerRow>> {
    let row = |change| match change {
        TimerChange::Set { event_id, fire_at, kind } => {
            (event_id, Some(TimerRow { key, event_id, fire_at, kind }))
        }
        TimerChange::Clear { event_id } => (event_id, None),
    };
    changes.into_iter().map(row).collect()
}

/// What the transition leaves of its changes to the updates that wait: by id, the
/// row to set, or none to remove it. One that came and was decided about leaves
/// nothing.
pub(super) fn update_rows(
    changes: Vec<UpdateChange>,
) -> BTreeMap<UpdateId, Option<AdmittedUpdate>> {
    let mut rows = BTreeMap::new();
    for change in changes {
        match change {
            UpdateChange::Admit(admitted) => {
                rows.insert(admitted.update.id.clone(), Some(admitted));
            }
            UpdateChange::Remove(update_id) => {
                if rows.remove(&update_id).is_none() {
                    rows.insert(update_id, None);
                }
            }
        }
    }
    rows
}
