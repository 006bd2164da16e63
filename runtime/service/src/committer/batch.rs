//! What waits for the next commit.

use dacapo_store::commit::{CommitUnit, RunTransition};
use dacapo_store::shard::Ownership;
use tokio::sync::oneshot;

use super::{Answer, Verdict};

/// Units written in one transaction. More add latency for the first of them
/// without saving a round trip that matters.
const UNITS_MAX: usize = 512;

/// Bytes written in one transaction.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// A unit on its way to the store.
pub(super) struct Job {
    unit: CommitUnit,
    bytes: usize,
    /// It is written with no other.
    alone: bool,
    done: oneshot::Sender<Answer>,
}

impl Job {
    /// Measures the unit: here, where many do so at a time.
    pub(super) fn new(unit: CommitUnit, alone: bool, done: oneshot::Sender<Answer>) -> Self {
        Self { bytes: unit.bytes(), unit, alone, done }
    }
}

/// Units that are written together, and who waits for each.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) units: Vec<CommitUnit>,
    pub(super) waiting: Vec<oneshot::Sender<Answer>>,
    bytes: usize,
    /// Its one unit is written with no other.
    pub(super) alone: bool,
    /// Does not fit any more, and begins the next one.
    next: Option<Job>,
}

impl Batch {
    /// To be called only while there is room. A unit that is larger than a batch may
    /// be is written alone.
    pub(super) fn add(&mut self, job: Job) {
        if !self.units.is_empty() && (job.alone || self.bytes + job.bytes > BYTES_MAX) {
            self.next = Some(job);
            return;
        }
        self.bytes += job.bytes;
        self.alone = job.alone;
        self.units.push(job.unit);
        self.waiting.push(job.done);
    }

    pub(super) fn has_room(&self) -> bool {
        self.next.is_none() && !self.alone && self.units.len() < UNITS_MAX && self.bytes < BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    /// All but what did not fit.
    pub(super) fn take(&mut self) -> Self {
        let mut taken = std::mem::take(self);
        if let Some(job) = taken.next.take() {
            self.add(job);
        }
        taken
    }

    /// Those from a place on, which are then written apart from the others.
    pub(super) fn split_off(&mut self, place: usize) -> Self {
        let (units, waiting) = (self.units.split_off(place), self.waiting.split_off(place));
        Self { units, waiting, ..Self::default() }
    }

    /// Those of shards that are not owned.
    pub(super) fn take_lost(&mut self, owned: &Ownership) -> Self {
        let (units, waiting) = (std::mem::take(&mut self.units), std::mem::take(&mut self.waiting));
        let mut lost = Self::default();
        for (unit, done) in units.into_iter().zip(waiting) {
            let is_held =
                |transition: &RunTransition| owned.lease_of(transition.key.hash).is_some();
            let part = if unit.transitions.iter().all(is_held) { &mut *self } else { &mut lost };
            part.units.push(unit);
            part.waiting.push(done);
        }
        lost
    }

    /// Tells those who wait what became of their units.
    pub(super) fn answer(self, verdict: &Verdict) {
        for done in self.waiting {
            // An actor that is gone has no use for the verdict: history has it.
            let _ = done.send(verdict.clone().into());
        }
    }

    /// The same, and gives the units back: the store may take them a moment later.
    pub(super) fn answer_again(self, verdict: &Verdict) {
        for (unit, done) in self.units.into_iter().zip(self.waiting) {
            let _ = done.send(Answer { verdict: verdict.clone(), again: Some(unit) });
        }
    }
}
