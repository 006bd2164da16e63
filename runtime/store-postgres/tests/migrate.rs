//! The schema is brought up to date by whoever comes first, also after a try that was
//! cut short.

use std::pin::Pin;
use std::time::Duration;

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
async fn an_index_that_was_left_unfinished_is_made_again() {
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

/// It may be created again right now, by somebody who is to be left alone.
#[tokio::test]
async fn an_index_that_is_not_to_be_made_is_left_as_it_is() {
    support::on_a_fresh_database(|store, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let invalid = "UPDATE pg_index SET indisvalid = false
                       WHERE indexrelid = 'workflow_executions_request'::regclass";
        connection.execute(invalid).await.expect("is done");
        store.migrate().await.expect("there is nothing to do");
        let there = "SELECT to_regclass('workflow_executions_request') IS NOT NULL";
        let row = connection.fetch_one(there).await.expect("answers");
        assert!(row.get::<bool, _>(0));
    })
    .await;
}

/// Whoever needs the table would wait behind it, as long as the other has it.
#[tokio::test]
async fn a_migration_that_waits_for_a_table_keeps_nobody_from_it() {
    support::on_a_database(false, |store, url| async move {
        migrate_to(3, &url).await;
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let mut reading = PgConnection::connect(&url).await.expect("connects");
        let mut report = reading.begin().await.expect("begins");
        report.execute("SELECT count(*) FROM workflow_executions").await.expect("takes long");
        let migrating = tokio::spawn(async move { store.migrate().await });
        let waits = "SELECT EXISTS (
                         SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                         WHERE NOT granted AND datname = current_database()
                     )";
        while !connection.fetch_one(waits).await.expect("answers").get::<bool, _>(0) {
            assert!(!migrating.is_finished(), "it needs the table");
        }
        let read = connection.execute("SELECT count(*) FROM workflow_executions");
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        read.expect("it does not wait for the report").expect("reads");
        report.commit().await.expect("the report is done");
        migrating.await.expect("no panic").expect("migrates");
    })
    .await;
}

/// As an older version did. Boxed for the same reason as in the store.
fn migrate_to(version: i64, url: &str) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(async move {
        let mut connection = PgConnection::connect(url).await.expect("connects");
        let migrations = sqlx::migrate!("../../migrations/postgres");
        migrations.run_direct(Some(version), &mut connection, false).await.expect("migrates");
    })
}
