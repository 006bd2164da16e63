//! How many tasks came into a queue and were handed out in the last minute. Pure.

use std::time::Duration;

use dacapo_model::time::Timestamp;

/// Counted together.
const SLOT: Duration = Duration::from_secs(5);
const SLOTS: usize = 12;

/// What passed in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastMinute {
    /// Tasks that came into the queue, retries too.
    pub came: u64,
    /// Tasks that were handed out.
    pub handed_out: u64,
}

#[derive(Default)]
pub(super) struct Pace([Slot; SLOTS]);

#[derive(Clone, Copy, Default)]
struct Slot {
    number: i64,
    counts: LastMinute,
}

impl Pace {
    pub(super) fn came(&mut self, now: Timestamp) {
        self.slot(now).came += 1;
    }

    pub(super) fn handed_out(&mut self, now: Timestamp) {
        self.slot(now).handed_out += 1;
    }

    pub(super) fn last_minute(&self, now: Timestamp) -> LastMinute {
        let last = number(now);
        let first = last - SLOTS as i64 + 1;
        let mut sum = LastMinute::default();
        for slot in self.0.iter().filter(|slot| (first..=last).contains(&slot.number)) {
            sum.came += slot.counts.came;
            sum.handed_out += slot.counts.handed_out;
        }
        sum
    }

    fn slot(&mut self, now: Timestamp) -> &mut LastMinute {
        let number = number(now);
        let slot = &mut self.0[number.rem_euclid(SLOTS as i64) as usize];
        if slot.number != number {
            *slot = Slot { number, counts: LastMinute::default() };
        }
        &mut slot.counts
    }
}

fn number(now: Timestamp) -> i64 {
    now.as_micros().div_euclid(SLOT.as_micros() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_ago_than_a_minute_does_not_count() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let mut pace = Pace::default();
        for second in 0..120 {
            pace.came(at(second));
            if second % 2 == 0 {
                pace.handed_out(at(second));
            }
        }
        let minute = pace.last_minute(at(119));
        assert_eq!(minute, LastMinute { came: 60, handed_out: 30 });
        let later = pace.last_minute(at(170));
        assert_eq!(later, LastMinute { came: 5, handed_out: 2 });
        assert_eq!(pace.last_minute(at(10_000)), LastMinute::default());
    }
}
