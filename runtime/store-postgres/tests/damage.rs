//! A page of the disk that does not hold any more what was written there: the run whose
//! rows were on it is told apart from all others.

use std::str::FromStr;
use std::sync::Arc;

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::conformance::damage as conformance;
use dacapo_store::conformance::fixtures::{
    Owned, any_event, append, event, execution, start, unit,
};
use dacapo_store::error::StoreError;
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

mod support;

/// More events than there is room for in a page.
const EVENTS: u64 = 300;

const NO_MORE: u32 = 1_000;

fn runs() -> [Execution; 2] {
    [execution("order-1", 1), execution("order-2", 2)]
}

/// The first event of `order-1` with which the damage begins.
struct Damage {
    relation: &'static str,
    event_id: u64,
}

#[tokio::test]
async fn a_damaged_page_is_told_of_the_run_whose_rows_it_has() {
    for damage in [
        Damage { relation: "history_events", event_id: 1 },
        // Where large payloads are.
        Damage { relation: "pg_toast", event_id: EVENTS + 1 },
    ] {
        support::on_a_fresh_database(|store, url| async move {
            fill(store).await;
            let copy = damaged_copy(&url, &damage).await;
            let options = PostgresOptions::default();
            let store = PostgresStore::connect(&copy, options).await.expect("connects");
            look(Arc::new(store), &damage).await;
            drop_copy(&url).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_parent_that_can_not_be_read_is_no_run_without_parent() {
    support::on_a_fresh_database(|store, url| async move {
        let spoil = async |key: RunKey| {
            let mut connection = PgConnection::connect(&url).await.expect("connects");
            let spoil =
                "UPDATE history_events SET attributes = jsonb_set(attributes, '{parent}', '7')
                         WHERE run_id = $1 AND event_id = 1";
            let spoilt = sqlx::query(spoil).bind(key.run_id.0).execute(&mut connection).await;
            assert_eq!(spoilt.expect("spoils").rows_affected(), 1);
        };
        conformance::a_parent_that_can_not_be_read_is_no_run_without_parent(store, spoil).await;
    })
    .await;
}

/// The one run, and then the other: no page has events of both, but for one in the
/// middle.
async fn fill(store: Arc<PostgresStore>) {
    let owned = Owned::of(store.clone()).await;
    let [first, second] = runs();
    let mut large = vec![0; 100_000];
    // It can't be compressed.
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut large);
    let attributes = EventAttributes::WorkflowExecutionCompleted { result: Payload::from(large) };
    let events: Vec<HistoryEvent> = (2..=EVENTS).map(any_event).collect();
    for run in [&first, &second] {
        owned.commit([start(run), append(run.key, events.clone())]).await.expect("commits");
    }
    let large = event(EVENTS + 1, attributes);
    owned.commit([append(first.key, [large])]).await.expect("commits");
    store.close().await;
}

/// A copy, of which the server has nothing in memory, with a page that was overwritten.
async fn damaged_copy(url: &str, damage: &Damage) -> String {
    let options = PgConnectOptions::from_str(url).expect("a PostgreSQL URL");
    let name = options.get_database().expect("a database").to_owned();
    let copy = options.clone().database(&copy_of(url)).to_url_lossy().to_string();
    let beside = options.database("postgres");
    let mut beside = PgConnection::connect_with(&beside).await.expect("connects");
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut beside)
        .await
        .expect("says");
    // Before, there was no other way to copy.
    let strategy = if version < 150_000 { "" } else { "STRATEGY file_copy" };
    let create = format!("CREATE DATABASE {} TEMPLATE {name} {strategy}", copy_of(url));
    beside.execute(AssertSqlSafe(create)).await.expect("copies");
    let mut inside = PgConnection::connect(&copy).await.expect("connects");
    let relation = match damage.relation {
        "pg_toast" => "(SELECT reltoastrelid FROM pg_class WHERE relname = 'history_events')",
        _ => "'history_events'::regclass",
    };
    let path = format!("SELECT pg_relation_filepath({relation})");
    let path: String =
        sqlx::query_scalar(AssertSqlSafe(path)).fetch_one(&mut inside).await.expect("says where");
    // By the hands of the server, in its folder.
    let smash = format!(
        "COPY (SELECT 1) TO PROGRAM
         'cat >/dev/null; dd if=/dev/urandom of={path} bs=8192 count=1 conv=notrunc 2>/dev/null'"
    );
    inside.execute(AssertSqlSafe(smash)).await.expect("overwrites the page");
    copy
}

async fn look(store: Arc<dyn Store>, damage: &Damage) {
    let owned = Owned::of(store.clone()).await;
    let [first, second] = runs();
    let told = |read: Result<Vec<_>, StoreError>| match read {
        Err(StoreError::Corrupt { table: "history_events", .. }) => {}
        other => panic!("{other:?}"),
    };
    let both = store.load_histories(&[first.key, second.key], NO_MORE, usize::MAX).await;
    told(both.map(|histories| histories.concat()));
    told(store.load_history(first.key, EventId(damage.event_id), NO_MORE).await);
    // The rest of it can be read.
    let read = store.load_history(first.key, EventId(EVENTS), 1).await;
    assert_eq!(read.expect("it is whole").len(), 1);
    assert_eq!(owned.history(second.key).await.len() as u64, EVENTS);
    let step = append(second.key, [any_event(EVENTS + 1)]);
    store.commit(&owned.ownership, &[unit([step])]).await.expect("the other goes on");
}

fn copy_of(url: &str) -> String {
    let options = PgConnectOptions::from_str(url).expect("a PostgreSQL URL");
    format!("{}_copy", options.get_database().expect("a database"))
}

async fn drop_copy(url: &str) {
    let mut beside = PgConnection::connect(url).await.expect("connects");
    let drop = format!("DROP DATABASE {} WITH (FORCE)", copy_of(url));
    beside.execute(AssertSqlSafe(drop)).await.expect("drops");
}
