//! What waits for the next commit.

use dacapo_store::commit::CommitUnit;
use tokio::sync::oneshot;

use super::Answer;

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
}
