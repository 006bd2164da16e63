//! Every query of this crate finds its rows by a key or an index.

use std::fs;

use dacapo_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

#[tokio::test]
async fn no_query_scans_a_large_table() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("dacapo.db");
    SqliteStore::open(&path).await.expect("opens");
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.expect("opens");
    let mut explained = 0;
    for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx")).expect("lists") {
        let facts = fs::read_to_string(file.expect("lists").path()).expect("reads");
        let facts: serde_json::Value = serde_json::from_str(&facts).expect("is JSON");
        let query = facts["query"].as_str().expect("names its query");
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")))
            .fetch_all(&mut connection)
            .await
            .expect("explains");
        let steps: Vec<&str> = plan.iter().map(|row| row.get("detail")).collect();
        for table in ["workflow_executions", "history_events", "workflow_timers", "task_queues"] {
            let scan = format!("SCAN {table}");
            // Whoever deletes modules looks at the open runs, which are the few.
            let open = format!("{scan} USING INDEX workflow_executions_open");
            let is_bad = |step: &str| step.starts_with(&scan) && step != open;
            // Of a subquery that is called so, all rows are looked at, once.
            let subqueries = steps.iter().filter(|step| **step == format!("CO-ROUTINE {table}"));
            let scans = steps.iter().copied().filter(|step| is_bad(step)).count();
            assert!(scans <= subqueries.count(), "{query}\n{steps:#?}");
        }
        explained += 1;
    }
    assert!(explained > 20, "{explained} queries");
}
