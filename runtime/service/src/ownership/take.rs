//! Taking the shards, at once or when their owner is gone.

use std::time::Duration;

use dacapo_store::Store;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::shard::{NodeId, Owner, OwnerLife, Ownership};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{LEASE, Phase};
use crate::backoff::Backoff;
use crate::config::Tenure;
use crate::health::now;

/// Between the first two looks at the owner, and the longest pause. A process that was
/// killed may take a moment to vanish.
const LOOK_FIRST: Duration = Duration::from_millis(20);
const LOOK_MAX: Duration = Duration::from_millis(500);

/// How long an owner must seem gone before that is believed. One whose session was
/// ended connects again much sooner (`LOOK_AT_SESSION` in `keep`).
const DOUBT: Duration = Duration::from_millis(800);

/// Between two looks at an owner that seems gone.
const LOOK_IN_DOUBT: Duration = Duration::from_millis(100);

/// From this pause on, a node that looks again says that it stands by.
const SAYS_SO: Duration = Duration::from_millis(160);

/// Takes the shards for a node. Returns once it has them, which may be never.
pub(crate) async fn take(
    store: &dyn Store,
    node: NodeId,
    tenure: Tenure,
    phase: &watch::Sender<Phase>,
) -> Result<Ownership> {
    let take_over = match tenure {
        Tenure::Alone => return store.acquire_all_shards(node).await,
        Tenure::Leased { take_over } => take_over,
    };
    let (mut doubt, mut answers) = (Doubt::default(), true);
    let mut backoff = Backoff::new(LOOK_FIRST, LOOK_MAX);
    loop {
        let alive = match look(store, node, take_over, &mut doubt).await {
            Ok(Look::Taken(ownership)) => return Ok(ownership),
            Ok(Look::Lives(owner)) => {
                answers = true;
                Some(owner)
            }
            Ok(Look::Doubted) => {
                answers = true;
                tokio::time::sleep(LOOK_IN_DOUBT).await;
                continue;
            }
            // A database that can't be reached at the start is a mistake to tell of;
            // later it is one to wait for.
            Err(error) if *phase.borrow() == Phase::Starting => return Err(error),
            Err(error @ StoreError::Unavailable { .. }) => {
                doubt.forget();
                if std::mem::take(&mut answers) {
                    tracing::warn!(error = ?error, "standing by: the database does not answer");
                }
                None
            }
            Err(error) => return Err(error),
        };
        let pause = backoff.pause();
        if let Some(owner) = alive.filter(|_| pause >= SAYS_SO) {
            stand_by(owner, phase);
        }
        tokio::time::sleep(pause).await;
    }
}

enum Look {
    Taken(Ownership),
    /// Not this time: the next look says whether it was right to doubt.
    Doubted,
    /// Its owner is alive.
    Lives(NodeId),
}

async fn look(store: &dyn Store, node: NodeId, take_over: bool, doubt: &mut Doubt) -> Result<Look> {
    let owner = store.owner().await?;
    let before = owner.map(|owner| owner.node);
    // What was taken by a statement that seemed to fail is this node's already.
    let is_free = doubt.is_confirmed_by(owner, now()) || take_over || before == Some(node);
    if is_free && let Some(ownership) = store.acquire_shards_after(node, LEASE, before).await? {
        if let Some(before) = before {
            tracing::info!(owner = %before.0, "took the runs over");
        }
        return Ok(Look::Taken(ownership));
    }
    Ok(match owner {
        Some(Owner { node, life: OwnerLife::Leased(_) }) => Look::Lives(node),
        _ => Look::Doubted,
    })
}

fn stand_by(owner: NodeId, phase: &watch::Sender<Phase>) {
    let standing_by = Phase::StandingBy { owner };
    let is_new = phase.send_if_modified(|phase| {
        let is_new = *phase != standing_by;
        *phase = standing_by;
        is_new
    });
    if is_new {
        tracing::warn!(
            owner = %owner.0,
            "standing by: another server has the runs of this database and is alive; this one \
             takes over when that one ends. --take-over takes them at once"
        );
    }
}

/// Whether an owner that seems to be gone is.
///
/// It may just be connecting again: after its session was ended, or a crash or a
/// restart of the database. So it must seem gone for a while. Only an owner whose
/// lease is over at the first look is not waited for: it had more time than that.
#[derive(Debug, Default)]
struct Doubt {
    has_looked: bool,
    seems_gone: Option<(NodeId, Instant)>,
}

impl Doubt {
    /// Takes a look into account. True if the shards are free.
    fn is_confirmed_by(&mut self, seen: Option<Owner>, now: Instant) -> bool {
        let is_first = !std::mem::replace(&mut self.has_looked, true);
        let Some(owner) = seen else {
            return true;
        };
        let before = self.seems_gone.take().filter(|(node, _)| *node == owner.node);
        match owner.life {
            OwnerLife::Leased(_) => false,
            OwnerLife::Ended if is_first => true,
            OwnerLife::Disconnected(_) | OwnerLife::Ended => {
                let since = before.map_or(now, |(_, since)| since);
                self.seems_gone = Some((owner.node, since));
                now - since >= DOUBT
            }
        }
    }

    /// There was no answer: what was seen before does not count.
    fn forget(&mut self) {
        self.seems_gone = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dacapo_store::faulty::{Fault, FaultyStore, Operation};
    use dacapo_store::memory::MemoryStore;
    use uuid::Uuid;

    use super::*;

    const LEFT: Duration = Duration::from_secs(5);
    const LEASED: Tenure = Tenure::Leased { take_over: false };

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    fn owner(number: u128, life: OwnerLife) -> Option<Owner> {
        Some(Owner { node: node(number), life })
    }

    #[test]
    fn an_owner_must_seem_gone_for_a_while() {
        let begun = now();
        let gone = [OwnerLife::Ended, OwnerLife::Disconnected(LEFT)];
        let lives = OwnerLife::Leased(LEFT);
        assert!(Doubt::default().is_confirmed_by(None, begun));
        assert!(Doubt::default().is_confirmed_by(owner(1, OwnerLife::Ended), begun));
        for life in gone {
            let mut doubt = Doubt::default();
            let mut is_gone = |number, life, part| {
                doubt.is_confirmed_by(owner(number, life), begun + DOUBT.mul_f64(part))
            };
            assert!(!is_gone(1, lives, 0.0));
            assert!(!is_gone(1, life, 0.1));
            assert!(!is_gone(1, life, 0.9));
            assert!(!is_gone(1, lives, 1.2), "it has renewed its lease");
            assert!(!is_gone(1, life, 1.3));
            assert!(!is_gone(2, life, 2.2), "another one");
            assert!(!is_gone(2, life, 3.1));
            assert!(is_gone(2, life, 3.3), "{life:?}");
        }
        // Its session may have ended a moment ago.
        let mut doubt = Doubt::default();
        let disconnected = owner(1, OwnerLife::Disconnected(LEFT));
        assert!(!doubt.is_confirmed_by(disconnected, begun));
        doubt.forget();
        assert!(!doubt.is_confirmed_by(disconnected, begun + DOUBT), "the database was away");
        assert!(doubt.is_confirmed_by(disconnected, begun + DOUBT * 2));
    }

    /// A node that waits, until it says so.
    async fn standing_by(store: Arc<dyn Store>) -> tokio::task::JoinHandle<Result<Ownership>> {
        let (phase, mut watched) = watch::channel(Phase::Starting);
        let waiting = tokio::spawn(async move { take(&*store, node(2), LEASED, &phase).await });
        let said = watched.wait_for(|phase| *phase == Phase::StandingBy { owner: node(1) });
        said.await.expect("it waits");
        waiting
    }

    #[tokio::test]
    async fn a_second_node_waits_until_the_lease_is_given_back() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let first = take(&*store, node(1), LEASED, &watch::channel(Phase::Starting).0).await;
        let first = first.expect("it is free");
        let waiting = standing_by(store.clone()).await;
        store.check_held(&first, &[]).await.expect("the first has them");
        assert!(!waiting.is_finished());
        store.release_lease(node(1)).await.expect("gives it back");
        let second = waiting.await.expect("no panic").expect("takes over");
        assert_eq!(second.node, node(2));
    }

    #[tokio::test]
    async fn one_that_is_to_take_over_does_not_wait() {
        let store = MemoryStore::new();
        let (phase, _) = watch::channel(Phase::Starting);
        take(&store, node(1), LEASED, &phase).await.expect("it is free");
        let taken = take(&store, node(2), Tenure::Leased { take_over: true }, &phase).await;
        assert_eq!(taken.expect("takes over").node, node(2));
        let taken = take(&store, node(3), Tenure::Alone, &phase).await;
        assert_eq!(taken.expect("takes over").node, node(3));
    }

    #[tokio::test]
    async fn one_that_waits_goes_on_waiting_while_the_database_does_not_answer() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (phase, _) = watch::channel(Phase::Starting);
        take(&*inner, node(1), LEASED, &phase).await.expect("it is free");
        let store = FaultyStore::new(inner.clone(), |call| {
            let away = call.operation == Operation::Owner && (10..20).contains(&call.number);
            if away { Fault::Unavailable } else { Fault::None }
        });
        let waiting = standing_by(Arc::new(store)).await;
        inner.release_lease(node(1)).await.expect("gives it back");
        waiting.await.expect("no panic").expect("takes over");
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_at_the_start_is_an_error() {
        let inner = Arc::new(MemoryStore::new());
        let store = FaultyStore::new(inner, |_| Fault::Unavailable);
        let (phase, _) = watch::channel(Phase::Starting);
        assert!(take(&store, node(1), LEASED, &phase).await.is_err());
    }

    /// The statement may have been done although it seemed to fail.
    #[tokio::test]
    async fn shards_that_were_taken_unawares_are_this_nodes() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (phase, _) = watch::channel(Phase::Starting);
        take(&*inner, node(1), LEASED, &phase).await.expect("it is free");
        let store = FaultyStore::new(inner.clone(), |call| {
            let first = call.operation == Operation::AcquireShardsAfter && call.number == 1;
            if first { Fault::DoneButUnavailable } else { Fault::None }
        });
        let waiting = standing_by(Arc::new(store)).await;
        inner.release_lease(node(1)).await.expect("gives it back");
        let taken = waiting.await.expect("no panic").expect("takes over");
        inner.check_held(&taken, &[taken.shards()[0].hash_from]).await.expect("it has them");
    }
}
