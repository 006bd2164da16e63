//! A network that swallows everything without a word.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use dacapo_model::ids::{EventId, ModuleName};
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use dacapo_store::commit::{CommitStore, RunTransition};
use dacapo_store::conformance::fixtures::{
    Owned, START, any_event, append, at, default_namespace, execution, node, timer, transition,
    unit,
};
use dacapo_store::deletion::DeletionStore;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::execution::ExecutionStore;
use dacapo_store::history::HistoryStore;
use dacapo_store::module::{ModuleStore, NewModule};
use dacapo_store::probe::ProbeStore;
use dacapo_store::shard::{Ownership, ShardStore};
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use proxy::Proxy;
use sqlx::{Connection as _, PgConnection};

mod proxy;
mod support;

const LEASE: Duration = Duration::from_secs(60);

/// One that has little patience.
fn hasty() -> PostgresOptions {
    PostgresOptions {
        // A place that is lost would be missed.
        max_connections: 1,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_millis(500),
        network_timeout: Duration::from_millis(500),
        ..PostgresOptions::default()
    }
}

fn module(number: u64) -> NewModule {
    let content = number.to_le_bytes();
    NewModule {
        namespace: default_namespace(),
        name: ModuleName::new("shop").expect("a valid name"),
        digest: ModuleDigest::of(&content),
        bytes: Bytes::copy_from_slice(&content),
        definitions: ModuleDefinitions { workflows: Vec::new(), activities: Vec::new() },
        created_at: START,
    }
}

const OPERATIONS: [&str; 12] = [
    "find",
    "read",
    "read several",
    "check",
    "owner",
    "probe",
    "commit",
    "put",
    "delete",
    "delete run",
    "take",
    "renew",
];

/// The n-th time that something is done.
async fn perform(
    operation: &str,
    number: u64,
    store: &PostgresStore,
    ownership: &Ownership,
) -> Result<()> {
    let run = execution("order-1", 1);
    match operation {
        "find" => {
            let found = store.find_execution(&run.namespace, &run.workflow_id, None).await?;
            assert!(found.is_some());
        }
        "read" => {
            store.load_history(run.key, EventId::FIRST, 10).await?;
        }
        "read several" => {
            store.load_histories(&[run.key], 10, 1_000).await?;
        }
        "check" => store.check_held(ownership, &[run.key.hash]).await?,
        "owner" => {
            store.owner().await?;
        }
        "probe" => store.probe_write().await?,
        "commit" => {
            let event = append(run.key, [any_event(number + 1)]);
            store.commit(ownership, &[unit([event])]).await?;
        }
        "put" => {
            store.put_module(ownership, module(number)).await?;
        }
        "delete" => {
            let name = ModuleName::new("shop").expect("a valid name");
            store.delete_modules(ownership, &run.namespace, &name, None).await?;
        }
        "delete run" => {
            let unknown = execution("order-2", 2);
            store.delete_run(ownership, unknown.key).await?;
        }
        "take" => {
            // Of nobody who has them.
            store.acquire_shards_after(node(2), LEASE, Some(node(3))).await?;
        }
        "renew" => store.renew_lease(ownership, LEASE).await?,
        _ => unreachable!("{operation}"),
    }
    Ok(())
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect(what)
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up_and_all_goes_on_when_others_come() {
    support::on_a_fresh_database(|_, url| async move {
        let proxy = Proxy::start(&url).await;
        let store = PostgresStore::connect(&proxy.url(&url), hasty()).await.expect("connects");
        let store = Arc::new(store);
        let owned = Owned::of(store.clone()).await;
        owned.start(&[&execution("order-1", 1)]).await;
        for operation in OPERATIONS {
            let again = |number| perform(operation, number, &store, &owned.ownership);
            again(1).await.expect(operation);
            proxy.freeze();
            let unanswered = in_time(operation, again(2)).await;
            // Or the session was found to be useless when it was given back.
            let number = if unanswered.is_ok() { 3 } else { 2 };
            in_time(operation, again(number)).await.expect(operation);
            proxy.thaw();
        }
    })
    .await;
}

/// It has no event that the history would refuse.
#[tokio::test]
async fn a_commit_that_arrives_late_overwrites_nothing() {
    support::on_a_fresh_database(|direct, url| async move {
        direct.close().await;
        let proxy = Proxy::start(&url).await;
        let store = PostgresStore::connect(&proxy.url(&url), hasty()).await.expect("connects");
        let owned = Owned::of(Arc::new(store)).await;
        let run = execution("order-1", 1);
        owned.start(&[&run]).await;
        let fire_at = |micros| RunTransition {
            timers_set: vec![timer(run.key, 1, at(micros))],
            ..transition(run.key)
        };
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        let frozen_at: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&mut observer)
            .await
            .expect("reads");
        proxy.freeze();
        let unanswered = in_time("it is given up", owned.commit([fire_at(1)])).await;
        assert!(matches!(unanswered, Err(StoreError::Unavailable { .. })), "{unanswered:?}");
        owned.commit([fire_at(2)]).await.expect("another way is open");
        assert_eq!(owned.history(run.key).await.len(), 1);
        proxy.thaw();
        // What was sent there is done before they end, if it is done at all.
        let left = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'dacapo'
                      AND backend_start < $1";
        let left = || sqlx::query_scalar::<_, i64>(left).bind(frozen_at);
        in_time("they end", async {
            while left().fetch_one(&mut observer).await.expect("reads") > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let timers = owned.store.run_timers(&[run.key]).await.expect("reads");
        assert_eq!(timers, [timer(run.key, 1, at(2))]);
    })
    .await;
}

/// Its locks would keep whoever takes over waiting, for as long as the server believes
/// in the session.
#[tokio::test]
async fn a_session_that_vanishes_in_a_transaction_does_not_hold_up_a_takeover() {
    support::on_a_fresh_database(|next, url| async move {
        let proxy = Proxy::start(&url).await;
        let store = PostgresStore::connect(&proxy.url(&url), hasty()).await.expect("connects");
        let owned = Owned::of(Arc::new(store)).await;
        let run = execution("order-1", 1);
        owned.start(&[&run]).await;
        proxy.freeze_at(b"COMMIT");
        let messages = RunTransition {
            query_results_set: vec![("status".parse().expect("a name"), b"x".to_vec().into())],
            ..append(run.key, [any_event(2)])
        };
        let unanswered = in_time("it is given up", owned.commit([messages])).await;
        assert!(matches!(unanswered, Err(StoreError::Unavailable { .. })), "{unanswered:?}");
        in_time("it is not held up", next.acquire_all_shards(node(2))).await.expect("takes over");
        let history = next.load_history(run.key, EventId::FIRST, 10).await.expect("reads");
        assert_eq!(history.len(), 1, "it was undone");
    })
    .await;
}
