//! Lists and counts that take too long.

use std::time::Duration;

use dacapo_model::ids::NamespaceName;
use dacapo_store::error::StoreError;
use dacapo_store::execution::{ExecutionFilter, ExecutionStore as _};
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{Connection as _, Executor as _, PgConnection};

mod support;

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
        let namespace = NamespaceName::new("default").expect("a name");
        let checked = dacapo_filter::compile("ORDER BY WorkflowId", &Default::default());
        let filter = ExecutionFilter {
            order: checked.expect("makes sense").order,
            ..ExecutionFilter::default()
        };
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
