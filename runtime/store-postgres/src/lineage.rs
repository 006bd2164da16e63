//! Notices that the database behind the URL is not the one that has what was
//! acknowledged: it failed over to a copy that was behind, or was restored.
//!
//! That can only happen while connections break, so it costs the commits nothing:
//! each new session is asked which timeline it is on, and whether the events that
//! were acknowledged last are there. Copies lack the end, if anything. If something
//! is missing, or the timeline is another, nothing is written any more until the
//! shards are taken again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::batch::CommitRows;
use dacapo_store::error::{Result, StoreError};
use parking_lot::Mutex;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{COMMITS_AT_ONCE, error};

/// Events that new sessions look for. Of commits that are under way together any
/// may be the last one in the log, so there is one for each, and some to spare.
const ACKNOWLEDGED: usize = 2 * COMMITS_AT_ONCE;

/// How often a session is examined again because runs were deleted meanwhile. After
/// that it is left to the next one.
const EXAMINATIONS_MAX: usize = 5;

/// What is known of the database, and which sessions may be used.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Which database and timeline sessions lead to.
    origin: Option<String>,
    /// The last events of the last commits.
    acknowledged: VecDeque<(RunKey, EventId)>,
    /// What is missing, once that was noticed.
    lost: Option<String>,
    /// How many runs were deleted.
    forgotten: u64,
    /// The shards were taken before.
    has_begun: bool,
    /// Sessions of an earlier generation are not used any more.
    generation: u64,
    renewed_at: Option<Instant>,
}

impl Lineage {
    /// Which sessions are good now.
    pub(crate) fn generation(&self) -> u64 {
        self.known.lock().generation
    }

    /// Whether a session of this age is from before the last
    /// [renewal](Self::renew).
    pub(crate) fn is_outdated(&self, age: Duration) -> bool {
        self.known.lock().renewed_at.is_some_and(|renewed_at| renewed_at.elapsed() < age)
    }

    /// All sessions that are open now are to be closed before they are used again:
    /// they lead to a server that takes no writes, or is about to end.
    pub(crate) fn renew(&self) {
        self.known.lock().renew();
    }

    /// A commit was acknowledged.
    pub(crate) fn acknowledge(&self, batch: &CommitRows<'_>, generation: u64) {
        let Some((key, event)) = batch.events.last() else {
            return;
        };
        let mut known = self.known.lock();
        if known.generation == generation {
            known.acknowledged.truncate(ACKNOWLEDGED - 1);
            known.acknowledged.push_front((*key, event.id));
        }
    }

    /// The events of a run are about to be deleted, and are not to be missed.
    pub(crate) fn forget(&self, run_id: Uuid) {
        let mut known = self.known.lock();
        known.acknowledged.retain(|(key, _)| key.run_id.0 != run_id);
        known.forgotten += 1;
    }

    /// Refuses to write where something was lost.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.known.lock().lost {
            Some(what) => Err(StoreError::WentBack { what: what.clone() }),
            None => Ok(()),
        }
    }

    /// Takes note of what an error says about the sessions.
    pub(crate) fn judge<T>(&self, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Err(StoreError::WentBack { what }) => self.known.lock().lose(what.clone()),
            Err(error) if error::condemns_sessions(error) => self.renew(),
            _ => {}
        }
        outcome
    }

    /// Whoever takes the shards goes by what is there now. What was lost may have been
    /// noticed elsewhere: by the epochs.
    pub(crate) fn start_over(&self) {
        let mut known = self.known.lock();
        let has_begun = std::mem::replace(&mut known.has_begun, true);
        if known.lost.take().is_some() || has_begun {
            known.origin = None;
            known.acknowledged.clear();
            // Nothing that is found out meanwhile is about what is there now.
            known.renew();
        }
    }

    /// Looks where a new session leads.
    pub(crate) async fn examine(&self, connection: &mut PgConnection) {
        for _ in 0..EXAMINATIONS_MAX {
            let asked = self.ask();
            let is_done = match look_for(&asked.acknowledged, connection).await {
                Ok(seen) => self.take_in(&asked, seen),
                // There are no tables yet, or the server has no such functions.
                Err(error) => {
                    tracing::debug!(%error, "a new session could not be examined");
                    true
                }
            };
            if is_done {
                return;
            }
        }
    }

    fn ask(&self) -> Asked {
        let Known { generation, forgotten, acknowledged, .. } = &*self.known.lock();
        Asked {
            generation: *generation,
            forgotten: *forgotten,
            acknowledged: acknowledged.iter().copied().collect(),
        }
    }

    /// False if what is missing may have been deleted while it was looked for.
    fn take_in(&self, asked: &Asked, seen: Seen) -> bool {
        let mut known = self.known.lock();
        // A standby takes no writes, and what it lacks may be on its way.
        if seen.standby || known.generation != asked.generation {
            return true;
        }
        let wanted = asked.acknowledged.len();
        if usize::try_from(seen.found).is_ok_and(|found| found < wanted) {
            if known.forgotten != asked.forgotten {
                return false;
            }
            let found = seen.found;
            known.lose(format!("of the last {wanted} events that were committed, it has {found}"));
        } else if let Some(origin) = known.origin.clone().filter(|origin| *origin != seen.origin) {
            known.lose(format!(
                "it is another one, or a copy that was promoted ({origin} became {})",
                seen.origin
            ));
        } else {
            known.origin = Some(seen.origin);
        }
        true
    }
}

/// What was known when a session was asked.
struct Asked {
    generation: u64,
    forgotten: u64,
    acknowledged: Vec<(RunKey, EventId)>,
}

/// What a session has answered.
struct Seen {
    origin: String,
    standby: bool,
    found: i64,
}

async fn look_for(
    events: &[(RunKey, EventId)],
    connection: &mut PgConnection,
) -> sqlx::Result<Seen> {
    let hashes: Vec<i32> = events.iter().map(|(key, _)| key.hash.0).collect();
    let run_ids: Vec<Uuid> = events.iter().map(|(key, _)| key.run_id.0).collect();
    let event_ids: Vec<i64> = events.iter().map(|(_, event_id)| event_id.0.cast_signed()).collect();
    sqlx::query_file_as!(Seen, "queries/examine.sql", &hashes, &run_ids, &event_ids)
        .fetch_one(connection)
        .await
}

impl Known {
    fn renew(&mut self) {
        self.generation += 1;
        self.renewed_at = Some(now());
    }

    fn lose(&mut self, what: String) {
        // Those that are open may still lead to the former server.
        self.renew();
        self.lost.get_or_insert(what);
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of a connection is no run's time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::{RunId, WorkflowHash};

    use super::*;

    /// That knows of an event of each of these runs.
    fn with_events_of(runs: &[u128]) -> Lineage {
        let lineage = Lineage::default();
        let key =
            |run: &u128| RunKey { hash: WorkflowHash(7), run_id: RunId(Uuid::from_u128(*run)) };
        let events = runs.iter().map(|run| (key(run), EventId(1)));
        lineage.known.lock().acknowledged.extend(events);
        lineage
    }

    fn seen(found: i64) -> Seen {
        Seen { origin: "1/1".to_owned(), standby: false, found }
    }

    #[test]
    fn an_event_that_is_missing_is_lost_unless_its_run_was_deleted() {
        let lineage = with_events_of(&[1, 2]);
        let asked = lineage.ask();
        assert!(lineage.take_in(&asked, seen(1)));
        lineage.check().expect_err("one is missing");

        let lineage = with_events_of(&[1, 2]);
        let asked = lineage.ask();
        lineage.forget(Uuid::from_u128(2));
        assert!(!lineage.take_in(&asked, seen(1)), "it is to be asked again");
        lineage.check().expect("it was deleted");
        let asked = lineage.ask();
        assert_eq!(asked.acknowledged.len(), 1);
        assert!(lineage.take_in(&asked, seen(0)));
        lineage.check().expect_err("this one was not");
    }

    /// Also if it was the epochs by which somebody has noticed.
    #[test]
    fn who_takes_the_shards_again_misses_nothing_of_what_was_before() {
        let lineage = Lineage::default();
        lineage.start_over();
        let generation = lineage.generation();
        assert_eq!(generation, 0, "the first time, all sessions are new");
        assert!(lineage.take_in(&lineage.ask(), seen(0)));
        lineage.known.lock().acknowledged.extend(with_events_of(&[1]).ask().acknowledged);
        lineage.start_over();
        assert!(lineage.generation() > generation, "sessions are examined again");
        let promoted = Seen { origin: "1/2".to_owned(), ..seen(0) };
        assert!(lineage.take_in(&lineage.ask(), promoted));
        lineage.check().expect("this is where it begins");
    }
}
