//! What a node does before it takes work: finds every open run, and goes on with
//! those that have something to do now. The others sleep on.

use std::sync::Arc;

use dacapo_model::ids::EventId;
use dacapo_model::time::Timestamp;

use dacapo_engine::state::PendingActivity;

use crate::error::Result;
use crate::loader;
use crate::relations::Recovery;
use crate::run::{self, Loaded, Origin};
use crate::runtime::Shared;

/// Runs read by one set of statements.
const PAGE: u32 = 200;

/// Events of runs with an overdue timer that are handed to their actors. Beyond
/// it the timers wake them, and their histories are read again: for each the
/// whole history would wait in memory for its turn.
const OVERDUE_EVENTS_MAX: usize = 200_000;

/// Reads all open runs, page by page.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<()> {
    let (mut found, mut resumed, mut overdue_events) = (0_usize, 0_usize, 0_usize);
    let mut relations = Recovery::default();
    let mut after = None;
    loop {
        let page = shared.store.open_executions(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.key);
        found += page.len();
        for stored in loader::load_all(&*shared.store, page).await? {
            let run = shared.registry.insert_asleep(&stored.execution);
            run.set_admitted(!stored.updates.is_empty());
            let loaded = run::assemble(stored);
            // What is known of a damaged run may be long past.
            if loaded.fault.is_none() {
                relations.add(&run, &loaded.state);
            }
            if has_work(&loaded) {
                resumed += 1;
                if let Some(mailbox) = run.wake() {
                    run::spawn(shared, run, mailbox, Origin::Loaded(Box::new(loaded)));
                }
            } else if let Some(event_id) = overdue(&loaded, shared.clock.now())
                && overdue_events + loaded.history.len() <= OVERDUE_EVENTS_MAX
            {
                resumed += 1;
                overdue_events += loaded.history.len();
                run::wake_overdue(shared, &run, event_id, loaded);
            }
        }
    }
    tracing::info!(open_runs = found, resumed, "recovered");
    shared.recovered.cancel();
    relations.finish(shared);
    Ok(())
}

/// Timers, retries and those who complete attempts outside wake a run by
/// themselves.
fn has_work(loaded: &Loaded) -> bool {
    let is_work = |activity: &PendingActivity| {
        activity.runs_here() || (activity.cancel.is_some() && activity.open.is_none())
    };
    loaded.needs_activation
        || loaded.shows_fault()
        || loaded.state.activities.values().any(is_work)
        || loaded.state.children.values().any(|child| !child.started)
        || !loaded.state.externals.is_empty()
}

/// The timer row that should have woken the run before now, if there is one.
fn overdue(loaded: &Loaded, now: Timestamp) -> Option<EventId> {
    let timers = loaded.state.timers.iter().map(|(event_id, timer)| (*event_id, timer.due_at));
    let retries = loaded.state.activities.iter();
    let retries = retries.filter_map(|(event_id, activity)| Some((*event_id, activity.retry_at?)));
    let own = loaded.state.run_timer().map(|timer| (EventId::FIRST, timer.fire_at()));
    let first = timers.chain(retries).chain(own).min_by_key(|(_, fire_at)| *fire_at);
    first.filter(|(_, fire_at)| *fire_at <= now).map(|(event_id, _)| event_id)
}
