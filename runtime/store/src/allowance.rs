//! For backends: what the limits of a task queue let through now. Pure, and the same in
//! every database.
//!
//! A rate is one time: when all of its burst is there again. Each task that is handed out
//! puts it off by what one task takes, and no task may put it off further than a whole burst
//! from now.

use std::collections::BTreeMap;

use dacapo_model::queue_limits::{QueueLimits, Rate};
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;

/// What tables say about a queue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueUse {
    /// Tasks in hand.
    pub in_hand: u64,
    /// Those of keys.
    pub in_hand_of: BTreeMap<FairnessKey, u64>,
    /// When the burst of the queue is there again.
    pub full_at: Option<Timestamp>,
    /// The same for keys.
    pub full_at_of: BTreeMap<FairnessKey, Timestamp>,
}

/// What may be handed out of a queue now.
#[derive(Debug, Clone)]
pub struct Allowance {
    limits: QueueLimits,
    now: Timestamp,
    used: QueueUse,
    /// Whether a rate has changed: of the queue, or of these keys.
    is_changed: bool,
    changed: BTreeMap<FairnessKey, Timestamp>,
}

impl Allowance {
    /// What is left of the limits.
    pub fn new(limits: QueueLimits, used: QueueUse, now: Timestamp) -> Self {
        let mut allowance = Self { limits, now, used, is_changed: false, changed: BTreeMap::new() };
        allowance.correct_rates();
        allowance
    }

    /// No task puts a rate off so far: another rate was set since, or the clock went back.
    fn correct_rates(&mut self) {
        if let (Some(rate), Some(full_at)) = (self.limits.rate, self.used.full_at) {
            let latest = spent(rate, self.now, rate.burst());
            if full_at > latest {
                self.used.full_at = Some(latest);
                self.is_changed = true;
            }
        }
        if let Some(rate) = self.limits.rate_per_key {
            let latest = spent(rate, self.now, rate.burst());
            for (key, full_at) in &mut self.used.full_at_of {
                if *full_at > latest {
                    *full_at = latest;
                    self.changed.insert(key.clone(), latest);
                }
            }
        }
    }

    /// How many tasks more the queue as a whole may hand out.
    pub fn room(&self) -> u64 {
        let hands = self
            .limits
            .concurrency
            .map_or(u64::MAX, |limit| limit.tasks().saturating_sub(self.used.in_hand));
        let rate =
            self.limits.rate.map_or(u64::MAX, |rate| left(rate, self.used.full_at, self.now));
        hands.min(rate)
    }

    /// How many tasks more a key may have of it.
    pub fn room_of(&self, key: &FairnessKey) -> u64 {
        let hands = self.limits.concurrency_per_key.map_or(u64::MAX, |limit| {
            limit.tasks().saturating_sub(self.used.in_hand_of.get(key).copied().unwrap_or(0))
        });
        let rate = self.limits.rate_per_key.map_or(u64::MAX, |rate| self.left_of(rate, key));
        hands.min(rate)
    }

    fn left_of(&self, rate: Rate, key: &FairnessKey) -> u64 {
        left(rate, self.used.full_at_of.get(key).copied(), self.now)
    }

    /// Hands a task out, if the limits allow it.
    pub fn take(&mut self, key: Option<&FairnessKey>) -> bool {
        if self.room() == 0 || key.is_some_and(|key| self.room_of(key) == 0) {
            return false;
        }
        self.used.in_hand += 1;
        if let Some(rate) = self.limits.rate {
            self.used.full_at = Some(spent(rate, later(self.used.full_at, self.now), 1));
            self.is_changed = true;
        }
        let Some(key) = key else {
            return true;
        };
        *self.used.in_hand_of.entry(key.clone()).or_insert(0) += 1;
        if let Some(rate) = self.limits.rate_per_key {
            let full_at = later(self.used.full_at_of.get(key).copied(), self.now);
            let full_at = spent(rate, full_at, 1);
            self.used.full_at_of.insert(key.clone(), full_at);
            self.changed.insert(key.clone(), full_at);
        }
        true
    }

    /// Keys that may have nothing more now.
    pub fn full_keys(&self) -> Vec<FairnessKey> {
        let known = self.used.in_hand_of.keys().chain(self.used.full_at_of.keys());
        let mut full: Vec<_> = known.filter(|key| self.room_of(key) == 0).cloned().collect();
        full.sort_unstable();
        full.dedup();
        full
    }

    /// When the rates allow more than now, where they are what is in the way.
    pub fn again_at(&self) -> Option<Timestamp> {
        let of_queue = self.limits.rate.and_then(|rate| {
            let is_empty = left(rate, self.used.full_at, self.now) == 0;
            is_empty.then(|| next(rate, later(self.used.full_at, self.now)))
        });
        if of_queue.is_some() || self.room() == 0 {
            return of_queue;
        }
        let rate = self.limits.rate_per_key?;
        let empty = self.used.full_at_of.iter().filter(|(key, _)| self.left_of(rate, key) == 0);
        empty.map(|(_, full_at)| next(rate, *full_at)).min()
    }

    /// The rates that have changed: of the queue, and of keys.
    pub fn changed_rates(&self) -> impl Iterator<Item = (Option<&FairnessKey>, Timestamp)> {
        let of_queue = self.used.full_at.filter(|_| self.is_changed).map(|at| (None, at));
        of_queue.into_iter().chain(self.changed.iter().map(|(key, at)| (Some(key), *at)))
    }

    /// What is used, with what was handed out.
    pub fn used(&self) -> &QueueUse {
        &self.used
    }
}

fn later(full_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    full_at.map_or(now, |full_at| full_at.max(now))
}

fn spent(rate: Rate, full_at: Timestamp, tasks: u64) -> Timestamp {
    let micros = (rate.interval_micros() * tasks as f64).round() as i64;
    Timestamp::from_micros(full_at.as_micros().saturating_add(micros))
}

/// Tasks that a rate lets through at once.
fn left(rate: Rate, full_at: Option<Timestamp>, now: Timestamp) -> u64 {
    let debt = later(full_at, now).as_micros().saturating_sub(now.as_micros());
    // Times are whole microseconds: a task is not to wait for one that was rounded up.
    let tasks = (debt as f64 - 1.0) / rate.interval_micros();
    rate.burst().saturating_sub(tasks.ceil().max(0.0) as u64)
}

/// When one task more may be handed out.
fn next(rate: Rate, full_at: Timestamp) -> Timestamp {
    let micros = (rate.interval_micros() * (rate.burst() - 1) as f64) as i64;
    Timestamp::from_micros(full_at.as_micros().saturating_sub(micros))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_model::queue_limits::Concurrency;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn key(text: &str) -> FairnessKey {
        FairnessKey::new(text).expect("a key")
    }

    fn limit(tasks: u64) -> Option<Concurrency> {
        Some(Concurrency::new(tasks).expect("a limit"))
    }

    fn rate(per_second: f64, burst: u64) -> Option<Rate> {
        Some(Rate::new(per_second, Some(burst)).expect("a rate"))
    }

    fn taken(allowance: &mut Allowance, key: Option<&FairnessKey>) -> u64 {
        (0..10_000).take_while(|_| allowance.take(key)).count() as u64
    }

    #[test]
    fn a_queue_without_limits_hands_out_all() {
        let mut allowance = Allowance::new(QueueLimits::default(), QueueUse::default(), NOW);
        assert_eq!(taken(&mut allowance, None), 10_000);
        assert_eq!(taken(&mut allowance, Some(&key("a"))), 10_000);
        assert_eq!((allowance.again_at(), allowance.changed_rates().count()), (None, 0));
    }

    #[test]
    fn what_is_in_hand_counts_for_the_queue_and_for_its_key() {
        let limits = QueueLimits {
            concurrency: limit(10),
            concurrency_per_key: limit(3),
            ..QueueLimits::default()
        };
        let (a, b) = (key("a"), key("b"));
        let in_hand_of = BTreeMap::from([(a.clone(), 2), (b.clone(), 5)]);
        let used = QueueUse { in_hand: 7, in_hand_of, ..QueueUse::default() };
        let mut allowance = Allowance::new(limits, used, NOW);
        assert_eq!((allowance.room(), allowance.room_of(&a), allowance.room_of(&b)), (3, 1, 0));
        assert!(allowance.take(Some(&a)) && !allowance.take(Some(&a)));
        assert!(!allowance.take(Some(&b)), "the limit was lowered meanwhile");
        assert_eq!(allowance.full_keys(), [a, b]);
        assert_eq!(
            taken(&mut allowance, None),
            2,
            "tasks without a key have no limit of their own"
        );
        assert_eq!(allowance.again_at(), None, "only who gives something back makes room");
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_one_after_the_other() {
        let limits = QueueLimits { rate: rate(10.0, 5), ..QueueLimits::default() };
        let mut used = QueueUse::default();
        let mut now = NOW;
        let mut counts = Vec::new();
        for _ in 0..4 {
            let mut allowance = Allowance::new(limits, used, now);
            counts.push(taken(&mut allowance, None));
            let again_at = allowance.again_at().expect("it waits");
            assert_eq!(again_at, now.after(Duration::from_millis(100)));
            used = allowance.used().clone();
            let early = again_at.before(Duration::from_millis(1));
            assert_eq!(Allowance::new(limits, used.clone(), early).room(), 0);
            now = again_at;
        }
        assert_eq!(counts, [5, 1, 1, 1]);
        let rested = Allowance::new(limits, used, now.after(Duration::from_secs(60)));
        assert_eq!(rested.room(), 5, "no more than a burst");
    }

    #[test]
    fn a_rate_is_kept_over_a_long_time_whatever_its_interval() {
        for per_second in [0.3, 7.0, 333.0, 3_333.3] {
            let limits = QueueLimits { rate: rate(per_second, 1), ..QueueLimits::default() };
            let (mut used, mut now, mut count) = (QueueUse::default(), NOW, 0_u32);
            let end = NOW.after(Duration::from_secs(100));
            while now <= end {
                let mut allowance = Allowance::new(limits, used, now);
                count += u32::try_from(taken(&mut allowance, None)).expect("few");
                now = allowance.again_at().expect("it waits");
                used = allowance.used().clone();
            }
            let expected = per_second * 100.0 + 1.0;
            let error = (f64::from(count) - expected).abs() / expected;
            assert!(error < 0.05, "{count} and not {expected}");
        }
    }

    #[test]
    fn each_key_has_its_own_rate() {
        let limits = QueueLimits { rate_per_key: rate(1.0, 2), ..QueueLimits::default() };
        let mut allowance = Allowance::new(limits, QueueUse::default(), NOW);
        let (a, b) = (key("a"), key("b"));
        assert_eq!((taken(&mut allowance, Some(&a)), taken(&mut allowance, Some(&b))), (2, 2));
        assert_eq!(taken(&mut allowance, None), 10_000);
        assert_eq!(allowance.full_keys(), [a.clone(), b.clone()]);
        assert_eq!(allowance.again_at(), Some(NOW.after(Duration::from_secs(1))));
        let later = NOW.after(Duration::from_secs(1));
        let mut allowance = Allowance::new(limits, allowance.used().clone(), later);
        assert_eq!(taken(&mut allowance, Some(&a)), 1);
        assert_eq!(allowance.full_keys(), std::slice::from_ref(&a));
        let changed: Vec<_> = allowance.changed_rates().collect();
        assert_eq!(changed, [(Some(&a), NOW.after(Duration::from_secs(3)))]);
    }

    #[test]
    fn a_rate_that_was_raised_or_a_clock_that_went_back_delays_by_one_burst_at_most() {
        let slow = QueueLimits {
            rate: rate(0.001, 1),
            rate_per_key: rate(0.001, 1),
            ..QueueLimits::default()
        };
        let a = key("a");
        let mut allowance = Allowance::new(slow, QueueUse::default(), NOW);
        assert!(allowance.take(Some(&a)));
        let fast = QueueLimits {
            rate: rate(10.0, 2),
            rate_per_key: rate(10.0, 2),
            ..QueueLimits::default()
        };
        let allowance = Allowance::new(fast, allowance.used().clone(), NOW);
        let latest = NOW.after(Duration::from_millis(200));
        let changed: Vec<_> = allowance.changed_rates().collect();
        assert_eq!(changed, [(None, latest), (Some(&a), latest)]);
        assert_eq!(allowance.again_at(), Some(NOW.after(Duration::from_millis(100))));
    }
}
