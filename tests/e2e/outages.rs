//! The database fails under a server that runs: it goes on by itself afterwards.

use std::time::Duration;

use dacapo_tests::{Client, Database, Kind, Run, Server, eventually, within};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// What a client waits for at most while the database takes no writes.
const BOUND: Duration = Duration::from_secs(10);

async fn server_on(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

/// Sends a signal again until it is recorded, as a client would.
async fn signal_surely(run: &Run, word: &str) {
    let body = json!({"input": word, "request_id": word});
    eventually("the signal is recorded", async || {
        let answer = run.act("signals/word", &body).await;
        (answer.status == 202).then_some(())
    })
    .await;
}

async fn until_ready(client: &Client, status: u16) {
    eventually("the server says whether it is ready", async || {
        let answer = client.get("/health/ready").await;
        (answer.status == status).then_some(())
    })
    .await;
}

/// While this holds, it refuses what changes something.
async fn takes_no_writes(client: &Client, run: &Run) {
    let body = json!({"input": "a", "request_id": "a"});
    let signalling = run.act("signals/word", &body);
    let refused = tokio::time::timeout(BOUND, signalling).await.expect("it is told in time");
    refused.error(503, "unavailable");
    until_ready(client, 503).await;
    client.get("/health/live").await.ok(200);
}

async fn completes_with(run: &Run, words: &[&str]) {
    for word in words {
        signal_surely(run, word).await;
    }
    assert_eq!(run.completed().await, json!(words));
}

#[tokio::test]
async fn a_sqlite_file_that_was_moved_away_is_noticed_and_may_come_back() {
    within("the test", async {
        let database = Database::fresh(Kind::Sqlite).await;
        let server = server_on(&database).await;
        let run = server.client().start("await_signals", json!({"count": 2})).await;
        let path = database.url().trim_start_matches("sqlite://").to_owned();
        let aside = format!("{path}.aside");
        std::fs::rename(&path, &aside).expect("moves the file");
        takes_no_writes(&server.client(), &run).await;
        server.logs("is not where it was opened").await;
        std::fs::rename(&aside, &path).expect("moves it back");
        until_ready(&server.client(), 200).await;
        completes_with(&run, &["a", "b"]).await;
        server.stop().await;
    })
    .await;
}

async fn execute(connection: &mut PgConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(connection).await.expect("is done");
}

async fn end_sessions(connection: &mut PgConnection, database: &Database) {
    let name = database.name();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    execute(connection, end).await;
}

#[tokio::test]
async fn a_database_that_was_read_only_needs_no_restart_of_anything() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let mut beside = database.connect_beside().await;
        let server = server_on(&database).await;
        let run = server.client().start("await_signals", json!({"count": 2})).await;
        let name = database.name();
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
        execute(&mut beside, set).await;
        end_sessions(&mut beside, &database).await;
        takes_no_writes(&server.client(), &run).await;
        assert_eq!(run.describe().await["status"], "running", "it can be read");
        let reset = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
        execute(&mut beside, reset).await;
        until_ready(&server.client(), 200).await;
        completes_with(&run, &["a", "b"]).await;
        beside.close().await.expect("closes");
        server.stop().await;
    })
    .await;
}

/// Asks the server about a run all the time, as a user interface would.
async fn watch(run: Run) {
    loop {
        let _whatever = run.try_describe().await;
    }
}

/// A failover to a copy that was behind, as far as the server can tell: connections
/// break, and the last commits are not there.
#[tokio::test]
async fn a_database_that_lost_the_last_commits_is_read_again_by_the_same_process() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let server = server_on(&database).await;
        let client = server.client();
        let open = client.start("await_signals", json!({"count": 4})).await;
        let closing = client.start("await_signals", json!({"count": 1})).await;
        signal_surely(&open, "a").await;
        let mut inside = database.connect().await;
        for table in ["workflow_executions", "history_events"] {
            execute(&mut inside, format!("CREATE TABLE behind_{table} AS TABLE {table}")).await;
        }
        signal_surely(&open, "b").await;
        completes_with(&closing, &["x"]).await;
        let lost = client.start("await_signals", json!({"count": 1})).await;

        let mut transaction = inside.begin().await.expect("begins");
        for table in ["workflow_executions", "history_events"] {
            execute(&mut transaction, format!("DELETE FROM {table}")).await;
            execute(&mut transaction, format!("INSERT INTO {table} TABLE behind_{table}")).await;
        }
        transaction.commit().await.expect("commits");
        let watching: Vec<_> = (0..4).map(|_| tokio::spawn(watch(open.clone()))).collect();
        end_sessions(&mut inside, &database).await;
        completes_with(&open, &["a", "c", "d", "e"]).await;
        server.logs("reading all runs again").await;
        watching.iter().for_each(tokio::task::JoinHandle::abort);
        let ids: Vec<Value> =
            open.history().await.iter().map(|event| event["event_id"].clone()).collect();
        let expected: Vec<Value> = (1..=ids.len()).map(Value::from).collect();
        assert_eq!(ids, expected, "no gap");
        completes_with(&closing, &["y"]).await;
        let unknown = client.get(&format!("runs/{}", lost.workflow_id)).await;
        unknown.error(404, "run_not_found");
        inside.close().await.expect("closes");
        server.stop().await;
    })
    .await;
}
