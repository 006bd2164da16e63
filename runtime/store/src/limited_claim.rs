//! For backends: how tasks of a queue with settings are claimed, the same in every database.
//!
//! Everything happens in one transaction that holds the row of the settings: claims of one
//! queue come one after the other, and each sees the leases of all before it. So no two of
//! them exceed a limit together, whoever makes them.

use std::collections::HashSet;

use async_trait::async_trait;
use dacapo_model::queue_limits::QueueLimits;
use dacapo_model::task::FairnessKey;
use dacapo_model::time::Timestamp;

use crate::allowance::{Allowance, QueueUse};
use crate::error::Result;
use crate::queue_settings::QueueSettings;
use crate::task::{ClaimedTask, LimitedClaim, TaskClaim, TaskKey};

/// Tasks that are looked at in their order, at least. Where keys have limits, those in front
/// may all be of keys that are full.
const WINDOW: u32 = 200;

/// A task that could be handed out if the limits allow it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The task.
    pub task: TaskKey,
    /// Whose it is.
    pub fairness_key: Option<FairnessKey>,
    /// Bytes of its input.
    pub bytes: u64,
}

/// The steps of a claim, in one transaction.
#[async_trait]
pub trait LimitedClaiming: Send {
    /// The settings of the queue, if there are any. Their row stays locked to the end.
    async fn lock_settings(&mut self, claim: &TaskClaim) -> Result<Option<QueueSettings>>;

    /// What was handed out of the queue so far, as far as these limits are concerned.
    async fn queue_use(&mut self, claim: &TaskClaim, limits: &QueueLimits) -> Result<QueueUse>;

    /// Makes ready what waited for its time, and gives the first tasks of those that the
    /// claim asks for.
    async fn first_waiting(&mut self, claim: &TaskClaim, limit: u32) -> Result<Vec<Candidate>>;

    /// The same, but at most `per_key` of each key; none without a key, and none of the
    /// claim's `except_keys`, however many of them wait in front.
    async fn first_waiting_by_key(
        &mut self,
        claim: &TaskClaim,
        per_key: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>>;

    /// Leases those of the tasks that are still there and that nobody is just changing.
    async fn lease(&mut self, claim: &TaskClaim, tasks: &[TaskKey]) -> Result<Vec<ClaimedTask>>;

    /// Writes rates: the queue's without a key. Forgets some that have recovered.
    async fn write_rates(
        &mut self,
        claim: &TaskClaim,
        rates: &[(Option<FairnessKey>, Timestamp)],
    ) -> Result<()>;
}

/// Leases what the limits allow. None if the queue has no settings: it is claimed from like
/// any other.
pub async fn claim_limited(
    claiming: &mut impl LimitedClaiming,
    claim: &TaskClaim,
) -> Result<Option<LimitedClaim>> {
    let Some(settings) = claiming.lock_settings(claim).await? else {
        return Ok(None);
    };
    if settings.is_drained {
        return Ok(Some(LimitedClaim::default()));
    }
    let limits = settings.limits;
    let used = claiming.queue_use(claim, &limits).await?;
    let mut allowance = Allowance::new(limits, used, claim.now);
    let mut choice = Choice { room: claim.limit, bytes: claim.bytes_max, ..Choice::default() };
    if allowance.room() > 0 {
        choose(claiming, claim, &limits, &mut allowance, &mut choice).await?;
    }
    let tasks = match choice.chosen.is_empty() {
        true => Vec::new(),
        false => claiming.lease(claim, &choice.chosen).await?,
    };
    let rates: Vec<_> = allowance.changed_rates().map(|(key, at)| (key.cloned(), at)).collect();
    if !rates.is_empty() {
        claiming.write_rates(claim, &rates).await?;
    }
    let may_be_more = choice.is_over() && allowance.room() > 0;
    Ok(Some(LimitedClaim { tasks, may_be_more, again_at: allowance.again_at() }))
}

/// What a claim takes.
#[derive(Default)]
struct Choice {
    chosen: Vec<TaskKey>,
    seen: HashSet<TaskKey>,
    /// How much more it takes.
    room: u32,
    bytes: u64,
}

impl Choice {
    /// It takes no more, whatever there is.
    fn is_over(&self) -> bool {
        self.room == 0 || self.bytes == 0
    }

    fn take(&mut self, candidates: Vec<Candidate>, allowance: &mut Allowance) {
        for candidate in candidates {
            if self.is_over() {
                return;
            }
            if self.seen.insert(candidate.task) && allowance.take(candidate.fairness_key.as_ref()) {
                self.chosen.push(candidate.task);
                self.room -= 1;
                self.bytes = self.bytes.saturating_sub(candidate.bytes);
            }
        }
    }
}

async fn choose(
    claiming: &mut impl LimitedClaiming,
    claim: &TaskClaim,
    limits: &QueueLimits,
    allowance: &mut Allowance,
    choice: &mut Choice,
) -> Result<()> {
    let has_keys = limits.is_any_per_key();
    let room = u32::try_from(allowance.room()).unwrap_or(u32::MAX).min(claim.limit);
    // Without keys all that is looked at is taken.
    let window = if has_keys { room.max(WINDOW) } else { room };
    let candidates = claiming.first_waiting(claim, window).await?;
    let is_all = candidates.len() < window as usize;
    choice.take(candidates, allowance);
    if is_all || !has_keys || choice.is_over() || allowance.room() == 0 {
        return Ok(());
    }
    // Those in front are of keys that are full. What others have is found by their keys.
    let full = TaskClaim { except_keys: allowance.full_keys(), ..claim.clone() };
    let most = limits.concurrency_per_key.map_or(u64::MAX, |limit| limit.tasks());
    let most = limits.rate_per_key.map_or(most, |rate| most.min(rate.burst()));
    // Those that were chosen before are among them.
    let per_key = u32::try_from(most).unwrap_or(u32::MAX).min(claim.limit);
    let candidates = claiming.first_waiting_by_key(&full, per_key, claim.limit).await?;
    choice.take(candidates, allowance);
    Ok(())
}
