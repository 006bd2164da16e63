//! Time in a test passes when the test says so, and when nothing else is left to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dacapo_model::time::Timestamp;
use dacapo_service::clock::Clock as _;
use dacapo_service::error::ServiceError;
use dacapo_store::shard::HashRange;

use crate::env::TestEnv;
use crate::error::TestError;

/// How often a task lets the others go first before it waits for real.
const YIELDS: u32 = 100;

/// How often the others go first before it is believed that they wait.
const QUIET: u32 = 3;

/// A pause of the machine, for what other threads do meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

impl TestEnv {
    /// The time in this environment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time that has passed since this environment began.
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.start_time)
    }

    /// Lets this much time pass: everything that is due meanwhile happens, in its
    /// order and at its time. Returns when nothing is left to do.
    pub async fn advance(&self, duration: Duration) -> Result<(), TestError> {
        let end = self.now().after(duration);
        self.settle().await?;
        while let Some(next) = self.next_event().await?.filter(|next| *next <= end) {
            self.clock.move_to(next);
            self.settle().await?;
        }
        self.clock.move_to(end);
        self.settle().await
    }

    /// Keeps time from skipping ahead until the guard is dropped:
    /// [`TestRun::result`](crate::TestRun::result) fails where it would. [`Self::advance`] still moves it.
    pub fn hold_time(&self) -> TimeHold {
        self.holds.fetch_add(1, Ordering::SeqCst);
        TimeHold(Arc::clone(&self.holds))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Returns when nothing is left to do before time goes on or somebody asks
    /// for something.
    pub async fn settle(&self) -> Result<(), TestError> {
        let mut hanging = self.activities.hanging();
        let (mut turns, mut quiet) = (0, 0);
        loop {
            let hang = *hanging.borrow_and_update();
            let runtime = self.runtime();
            tokio::select! {
                () = runtime.in_hand_at_most(hang) => {}
                _ = hanging.changed() => continue,
            }
            // A timer that is due and still there will be dealt with in a moment.
            let due = self.timers(hang).await?.0 > hang;
            if due || self.is_busy() {
                quiet = 0;
            } else if quiet == QUIET {
                if !self.work().await? && !self.is_busy() {
                    return Ok(());
                }
                quiet = 0;
            } else {
                // What hangs, or waits for its turn, may have been told something, and
                // not gone on yet.
                quiet += 1;
                tokio::task::yield_now().await;
                continue;
            }
            turns += 1;
            if turns <= YIELDS {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// When something happens next by itself.
    pub(crate) async fn next_event(&self) -> Result<Option<Timestamp>, TestError> {
        let hang = *self.activities.hanging().borrow();
        let timer = self.timers(hang).await?.1;
        // Attempts that hang end with their timeouts.
        // The times of tasks are no timers.
        let sleeps = hang > 0 || self.has_tasks().await?;
        let timeout = self.clock.next_sleeper().filter(|_| sleeps);
        Ok(timer.into_iter().chain(timeout).chain(self.clock.next_wait()).min())
    }

    /// How many timers are due, and when the next one will be. The row that an
    /// attempt was due by stays until the attempt ends: `hang` of them may be due
    /// for as long as time stands still.
    async fn timers(&self, hang: usize) -> Result<(usize, Option<Timestamp>), TestError> {
        let end_of_time = Timestamp::from_micros(i64::MAX);
        let limit = u32::try_from(hang).unwrap_or(u32::MAX).saturating_add(1);
        let rows = self.store.due_timers(&[HashRange::ALL], end_of_time, None, limit).await;
        let rows = rows.map_err(ServiceError::from)?;
        let now = self.now();
        let due = rows.iter().take_while(|row| row.fire_at <= now).count();
        Ok((due, rows.get(due).map(|row| row.fire_at)))
    }

    /// True while something is under way that time must not skip.
    pub(crate) fn is_busy(&self) -> bool {
        self.clock.is_waking()
            || self.runtime().in_hand() + self.activities.working()
                > *self.activities.hanging().borrow()
    }
}

/// Keeps time from skipping ahead; made by [`TestEnv::hold_time`].
#[derive(Debug)]
#[must_use = "time goes on at once if nothing holds the guard"]
pub struct TimeHold(Arc<AtomicUsize>);

impl Drop for TimeHold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
