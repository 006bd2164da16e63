//! The schema is brought up to date by whoever comes first, also after a try that was
//! cut short.

use sqlx::{Connection, Executor, PgConnection, Row};

mod support;

#[tokio::test]
async fn many_nodes_may_migrate_at_once() {
    support::on_a_database(false, |store, _| async move {
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.migrate().await })
            })
            .collect();
        for node in nodes {
            node.await.expect("no panic").expect("migrates");
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_that_was_left_unfinished_is_made_anew() {
    support::on_a_fresh_database(|store, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection
            .execute(
                "UPDATE pg_index SET indisvalid = false
                 WHERE indexrelid = 'workflow_executions_runs'::regclass;
                 DELETE FROM _sqlx_migrations WHERE description = 'run numbers index';",
            )
            .await
            .expect("the try was cut short");
        store.migrate().await.expect("migrates");
        let row = connection
            .fetch_one(
                "SELECT indisvalid FROM pg_index
                 WHERE indexrelid = 'workflow_executions_runs'::regclass",
            )
            .await
            .expect("it is there");
        assert!(row.get::<bool, _>(0), "it can be used");
    })
    .await;
}
