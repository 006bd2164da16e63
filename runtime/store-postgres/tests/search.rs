//! Lists and counts that take too long.

use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::NamespaceName;
use dacapo_store::error::StoreError;
use dacapo_store::execution::{ExecutionFilter, ExecutionStore as _};
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use futures::future::join_all;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::timeout;

mod support;

fn by_workflow_id() -> (NamespaceName, ExecutionFilter) {
    let checked = dacapo_filter::compile("ORDER BY WorkflowId", &Default::default());
    let order = checked.expect("makes sense").order;
    let filter = ExecutionFilter { order, ..ExecutionFilter::default() };
    (NamespaceName::new("default").expect("a name"), filter)
}

/// It waits for a table that somebody has locked, which takes as long as one likes.
#[tokio::test]
async fn a_search_ends_when_its_time_is_over() {
    support::on_a_fresh_database(|_, url| async move {
        let search_timeout = Duration::from_millis(200);
        let options = PostgresOptions { search_timeout, ..PostgresOptions::default() };
        let store = PostgresStore::connect(&url, options).await.expect("connects");
        let mut other = PgConnection::connect(&url).await.expect("connects");
        let mut locking = other.begin().await.expect("begins");
        locking.execute("LOCK TABLE workflow_executions").await.expect("locks");
        let (namespace, filter) = by_workflow_id();
        let listed = store.list_executions(&namespace, &filter, None, 10).await;
        assert!(matches!(listed, Err(StoreError::TooSlow { limit }) if limit == search_timeout));
        let counted = store.count_executions(&namespace, &filter, None).await;
        assert!(matches!(counted, Err(StoreError::TooSlow { .. })), "{counted:?}");
        locking.commit().await.expect("unlocks");
        store.list_executions(&namespace, &filter, None, 10).await.expect("lists");
        store.close().await;
    })
    .await;
}

/// However many there are: those who wait are told so when their time is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_for_a_turn_counts() {
    support::on_a_fresh_database(|_, url| async move {
        let search_timeout = Duration::from_millis(500);
        let options = PostgresOptions { search_timeout, ..PostgresOptions::default() };
        let store = Arc::new(PostgresStore::connect(&url, options).await.expect("connects"));
        let mut other = PgConnection::connect(&url).await.expect("connects");
        let mut locking = other.begin().await.expect("begins");
        locking.execute("LOCK TABLE workflow_executions").await.expect("locks");
        let searches = (0..60).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let (namespace, filter) = by_workflow_id();
                store.list_executions(&namespace, &filter, None, 10).await.map(drop)
            })
        });
        let (mut slow, mut busy) = (0, 0);
        // One after the other, they would take 7.5 s.
        let all = timeout(10 * search_timeout, join_all(searches.collect::<Vec<_>>())).await;
        for searched in all.expect("nobody waits for all others") {
            match searched.expect("no panic") {
                Err(StoreError::TooSlow { .. }) => slow += 1,
                Err(StoreError::SearchesBusy { .. }) => busy += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(slow >= 1 && busy >= 50, "{slow} {busy}");
        locking.commit().await.expect("unlocks");
        let (namespace, filter) = by_workflow_id();
        store.list_executions(&namespace, &filter, None, 10).await.expect("lists");
        store.close().await;
    })
    .await;
}

/// The server works on for those who have gone, so their places are not free yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_makes_no_room_for_another_search() {
    support::on_a_fresh_database(|_, url| async move {
        let search_timeout = Duration::from_secs(2);
        let options = PostgresOptions { search_timeout, ..PostgresOptions::default() };
        let store = PostgresStore::connect(&url, options).await.expect("connects");
        let mut other = PgConnection::connect(&url).await.expect("connects");
        let mut locking = other.begin().await.expect("begins");
        locking.execute("LOCK TABLE workflow_executions").await.expect("locks");
        let (namespace, filter) = by_workflow_id();
        let mut most = 0;
        for _ in 0..20 {
            let search = store.list_executions(&namespace, &filter, None, 10);
            timeout(Duration::from_millis(50), search).await.expect_err("it waits for the table");
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waiting: i64 =
                sqlx::query_scalar(waiting).fetch_one(&mut *locking).await.expect("counts");
            most = most.max(waiting);
        }
        assert!((1..=4).contains(&most), "{most} at a time");
        locking.commit().await.expect("unlocks");
        store.list_executions(&namespace, &filter, None, 10).await.expect("lists in the end");
        store.close().await;
    })
    .await;
}
