//! How much a namespace has of what it may have only so much of.
//!
//! Of a namespace without limits nothing is kept here.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::queue_limits::{QueueLimits, Rate};
use dacapo_model::time::Timestamp;
use dacapo_store::allowance::{Allowance, QueueUse};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::NamespacePolicy;
use super::turns::Turns;
use crate::error::{Result, ServiceError};

/// How long a start waits until it is known whether it has a place among the open runs.
const PLACE_WAIT: Duration = Duration::from_secs(5);

/// What has become of a wish for a place among the open runs of a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There was one.
    Taken,
    /// Other starts have the last ones, and may come to nothing.
    Undecided,
    /// Open runs have all.
    Full,
}

/// What namespaces with limits use of them.
#[derive(Default)]
pub(crate) struct Admission {
    /// When the bursts of their start rates are there again. In memory only: who starts
    /// anew has a burst.
    starts: Mutex<HashMap<NamespaceName, Timestamp>>,
    /// Whose turn it is to take a place among the open runs.
    turns: Turns,
    attempts: Mutex<HashMap<NamespaceName, Arc<Attempts>>>,
}

/// Attempts of activities of one namespace.
#[derive(Default)]
struct Attempts {
    in_hand: Mutex<u64>,
    freed: Notify,
}

/// An attempt may run, until this is dropped.
pub(crate) struct AttemptPlace(Arc<Attempts>);

impl Drop for AttemptPlace {
    fn drop(&mut self) {
        *self.0.in_hand.lock() -= 1;
        self.0.freed.notify_one();
    }
}

impl Admission {
    /// Takes a place among the open runs of a namespace, by `take`, which is told how many there
    /// are. As long as starts that came before may yet come to nothing, it waits for them;
    /// `decided` is ready once something of one was decided since it was asked for. Refused if
    /// there is no place.
    pub(crate) async fn take_place<D: Future<Output = ()>>(
        &self,
        take: impl Fn(NonZeroU64) -> Place,
        decided: impl Fn() -> D,
        name: &NamespaceName,
        policy: impl Fn() -> Result<Arc<NamespacePolicy>>,
        mut changed: watch::Receiver<u64>,
    ) -> Result<()> {
        let max = || policy().map(|policy| policy.settings.limits.open_runs_max);
        let Some(limit) = max()? else { return Ok(()) };
        let Some(in_line) = self.turns.join(name) else { return Err(too_many_open(name, limit)) };
        let taken = async {
            let _turn = in_line.turn().await;
            loop {
                // Before the look: what comes after it is not missed.
                let decided = decided();
                let Some(limit) = max()? else { return Ok(()) };
                match take(limit) {
                    Place::Taken => return Ok(()),
                    Place::Full => return Err(too_many_open(name, limit)),
                    Place::Undecided => tokio::select! {
                        () = decided => {}
                        // Never, once nobody can change it any more.
                        Ok(()) = changed.changed() => {}
                    },
                }
            }
        };
        let taken = tokio::time::timeout(PLACE_WAIT, taken).await;
        taken.unwrap_or_else(|_| Err(too_many_open(name, limit)))
    }

    /// Refuses one more start if the namespace starts runs too fast.
    pub(crate) fn take_start(
        &self,
        name: &NamespaceName,
        policy: &NamespacePolicy,
        now: Timestamp,
    ) -> Result<()> {
        match policy.settings.limits.start_rate {
            Some(rate) => self.take_at_rate(name, rate, now),
            None => Ok(()),
        }
    }

    fn take_at_rate(&self, name: &NamespaceName, rate: Rate, now: Timestamp) -> Result<()> {
        let mut starts = self.starts.lock();
        let limits = QueueLimits { rate: Some(rate), ..QueueLimits::default() };
        let full_at = starts.get(name).copied();
        let used = QueueUse { full_at, ..QueueUse::default() };
        let mut allowance = Allowance::new(limits, used, now);
        if !allowance.take(None) {
            let again_at = allowance.again_at().unwrap_or(now);
            return Err(too_fast(name, rate, again_at.since(now)));
        }
        // Times that have come mean nothing.
        starts.retain(|_, full_at| *full_at > now);
        starts.extend(allowance.used().full_at.map(|full_at| (name.clone(), full_at)));
        Ok(())
    }

    /// A place for an attempt, if there are less than `max`.
    pub(crate) fn try_attempt(
        &self,
        name: &NamespaceName,
        max: NonZeroU64,
    ) -> Option<AttemptPlace> {
        take_place(&self.attempts(name), max)
    }

    /// A place for an attempt, once there are less than there may be. None once there may be
    /// any number.
    pub(crate) async fn attempt(
        &self,
        name: &NamespaceName,
        max: impl Fn() -> Option<NonZeroU64>,
        mut changed: watch::Receiver<u64>,
    ) -> Option<AttemptPlace> {
        let attempts = self.attempts(name);
        loop {
            let place = take_place(&attempts, max()?);
            if place.is_some() {
                return place;
            }
            tokio::select! {
                () = attempts.freed.notified() => {}
                // Never, once nobody can change it any more.
                Ok(()) = changed.changed() => {}
            }
        }
    }

    fn attempts(&self, name: &NamespaceName) -> Arc<Attempts> {
        let mut attempts = self.attempts.lock();
        if let Some(its) = attempts.get(name) {
            return its.clone();
        }
        // Of those that are gone, or have no limit any more.
        attempts.retain(|_, its| Arc::strong_count(its) > 1);
        attempts.entry(name.clone()).or_default().clone()
    }
}

fn take_place(attempts: &Arc<Attempts>, max: NonZeroU64) -> Option<AttemptPlace> {
    let mut in_hand = attempts.in_hand.lock();
    if *in_hand >= max.get() {
        return None;
    }
    *in_hand += 1;
    Some(AttemptPlace(attempts.clone()))
}

fn refused(
    name: &NamespaceName,
    limit: &str,
    value: impl ToString,
    message: String,
) -> ServiceError {
    ServiceError::new(ErrorCode::NamespaceLimit, message)
        .with("namespace", name)
        .with("limit", limit)
        .with("value", value)
}

fn too_many_open(name: &NamespaceName, max: NonZeroU64) -> ServiceError {
    let message = format!(
        "namespace `{name}` has {max} open runs, and may have no more (`open_runs_max`); nothing \
         was started. Send the request again once some have closed"
    );
    refused(name, "open_runs_max", max, message)
}

fn too_fast(name: &NamespaceName, rate: Rate, wait: Duration) -> ServiceError {
    let per_second = rate.per_second();
    let message = format!(
        "namespace `{name}` starts {per_second} runs per second, {} at once, and not more \
         (`start_rate`); nothing was started. Send the request again in {:.3} s",
        rate.burst(),
        wait.as_secs_f64()
    );
    refused(name, "start_rate", per_second, message)
        .with("retry_after_seconds", wait.as_secs_f64().ceil())
}

#[cfg(test)]
mod tests {
    use dacapo_model::limits::Limits;
    use dacapo_model::namespace::NamespaceLimits;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn name(text: &str) -> NamespaceName {
        NamespaceName::new(text).expect("valid")
    }

    fn policy(limits: NamespaceLimits) -> NamespacePolicy {
        let mut policy = NamespacePolicy::usual(Limits::default());
        policy.settings.limits = limits;
        policy
    }

    fn max(number: u64) -> NonZeroU64 {
        NonZeroU64::new(number).expect("not zero")
    }

    #[test]
    fn a_namespace_starts_a_burst_and_then_one_after_the_other() {
        let admission = Admission::default();
        let start_rate = Some(Rate::new(2.0, Some(3)).expect("valid"));
        let policy = policy(NamespaceLimits { start_rate, ..NamespaceLimits::default() });
        let admit = |name: &NamespaceName, now| admission.take_start(name, &policy, now);
        let (loud, quiet) = (name("loud"), name("quiet"));
        assert!((0..3).all(|_| admit(&loud, NOW).is_ok()));
        let refused = admit(&loud, NOW).expect_err("its burst is used");
        assert_eq!(refused.code, ErrorCode::NamespaceLimit);
        assert_eq!(refused.details["limit"], "start_rate");
        assert_eq!(refused.details["retry_after_seconds"], "1");
        assert!(refused.message.contains("in 0.500 s"), "{refused}");
        assert!(admit(&quiet, NOW).is_ok(), "each has its own");
        assert!(admit(&loud, NOW.after(Duration::from_millis(499))).is_err());
        assert!(admit(&loud, NOW.after(Duration::from_millis(500))).is_ok());
        assert!(admit(&loud, NOW.after(Duration::from_millis(500))).is_err());
    }

    #[tokio::test]
    async fn attempts_wait_until_others_have_ended_or_the_limit_is_another() {
        let admission = Admission::default();
        let first = admission.try_attempt(&name("a"), max(1)).expect("free");
        assert!(admission.try_attempt(&name("a"), max(1)).is_none());
        assert!(admission.try_attempt(&name("b"), max(1)).is_some(), "each has its own");
        let a = name("a");
        let (changes, never) = watch::channel(0);
        let waits = admission.attempt(&a, || Some(max(1)), never.clone());
        let (second, ()) = tokio::join!(waits, async { drop(first) });
        let second = second.expect("it is its turn");
        let more = admission.attempt(&a, || Some(max(2)), never.clone()).await;
        assert!(more.is_some(), "there may be two");
        drop(more);
        assert!(admission.attempt(&a, || None, never.clone()).await.is_none(), "there is no limit");
        let limit = std::cell::Cell::new(1);
        let waits = admission.attempt(&a, || Some(max(limit.get())), never);
        let change = async {
            limit.set(2);
            changes.send_replace(1);
        };
        let (third, ()) = tokio::join!(waits, change);
        assert!(third.is_some(), "there may be two now");
        drop((second, third));
        assert!(admission.try_attempt(&a, max(1)).is_some());
    }
}
