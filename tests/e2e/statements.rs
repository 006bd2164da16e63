//! What runs cost the database, counted by PostgreSQL itself.
//!
//! How many transactions wrote a history is exact: every row names the one that
//! wrote it. How many there were in all, and how often a history was read, is the
//! difference between two sessions of a server: one that does the work, and one
//! that starts and stops in the same way but does nothing. PostgreSQL's counters
//! are read once the server's connections are gone, when they are complete. They
//! count its housekeeping and each new connection as well, which come when they
//! like, but only add: so each session is repeated, the least count is taken, and
//! there is some [`SLACK`].
//! (SQLite counts nothing; `shape.rs` counts at the store, on both.)

use std::collections::BTreeMap;
use std::time::Duration;

use dacapo_tests::{Client, Database, Kind, Server, Worker, eventually, within};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;

/// Transactions, and reads of histories, of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    transactions: i64,
    history_reads: i64,
}

/// Held by the test that runs: a server kept waiting by another makes more transactions
/// in the same time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// How often a session is repeated.
const REPEATS: usize = 3;

/// Transactions that nobody asked for, and looks of new connections at the events
/// that were committed last.
const SLACK: i64 = 6;

/// What `work` costs more than nothing.
async fn cost_of(database: &Database, work: impl AsyncFn(Client)) -> Cost {
    let idle = least(database, async |_| {}).await;
    let busy = least(database, work).await;
    Cost {
        transactions: busy.transactions - idle.transactions,
        history_reads: busy.history_reads - idle.history_reads,
    }
}

async fn least(database: &Database, work: impl AsyncFn(Client)) -> Cost {
    let mut least = session(database, &work).await;
    for _ in 1..REPEATS {
        let cost = session(database, &work).await;
        least.transactions = least.transactions.min(cost.transactions);
        least.history_reads = least.history_reads.min(cost.history_reads);
    }
    least
}

async fn session(database: &Database, work: &impl AsyncFn(Client)) -> Cost {
    let before = counted(database).await;
    let server = Server::start(database).await;
    // A timer fires only after the server has read the timers that were there, so
    // this session has all of its start behind it, like every other.
    let timer = json!({"workflow": "race", "input": {"millis": [200]}});
    let fired = server.client().post("runs?wait=60", &timer).await.ok(201);
    assert_eq!(fired["status"], "completed", "{fired}");
    work(server.client()).await;
    server.stop().await;
    let after = counted(database).await;
    Cost {
        transactions: after.transactions - before.transactions,
        history_reads: after.history_reads - before.history_reads,
    }
}

/// Rows of one table that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    inserted: i64,
    updated: i64,
    deleted: i64,
}

fn rows<const N: usize>(tables: [(&str, Rows); N]) -> BTreeMap<String, Rows> {
    tables.map(|(table, rows)| (table.to_owned(), rows)).into()
}

/// What `work` writes, by table. A server that starts writes its shards, its lease and
/// a probe, and an idle one renews the lease: these are left out.
async fn rows_written(database: &Database, work: impl AsyncFn(Client)) -> BTreeMap<String, Rows> {
    let before = all_rows_written(database).await;
    let server = Server::start(database).await;
    work(server.client()).await;
    server.stop().await;
    let mut written = all_rows_written(database).await;
    for (table, rows) in &mut written {
        let before = before[table];
        rows.inserted -= before.inserted;
        rows.updated -= before.updated;
        rows.deleted -= before.deleted;
    }
    written.retain(|_, rows| *rows != Rows { inserted: 0, updated: 0, deleted: 0 });
    written
}

async fn all_rows_written(database: &Database) -> BTreeMap<String, Rows> {
    until_nobody_is_connected(database).await;
    let query = "SELECT relname::text, n_tup_ins, n_tup_upd, n_tup_del
                   FROM pg_stat_user_tables
                  WHERE relname NOT IN ('history_shards', 'nodes', 'write_probes')";
    let mut connection = database.connect().await;
    let tables = sqlx::query(query).fetch_all(&mut connection).await.expect("PostgreSQL tells");
    sqlx::Connection::close(connection).await.expect("the connection closes");
    let table = |row: &PgRow| {
        let rows = Rows { inserted: row.get(1), updated: row.get(2), deleted: row.get(3) };
        (row.get(0), rows)
    };
    tables.iter().map(table).collect()
}

/// Only then are PostgreSQL's counters complete.
async fn until_nobody_is_connected(database: &Database) {
    let mut beside = database.connect_beside().await;
    eventually("all connections are closed", async || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1";
        let open = sqlx::query(query).bind(database.name()).fetch_one(&mut beside).await;
        let open: i64 = open.expect("PostgreSQL tells").get(0);
        (open == 0).then_some(())
    })
    .await;
}

/// Totals of the database while nobody is connected to it.
async fn counted(database: &Database) -> Cost {
    until_nobody_is_connected(database).await;
    // The table statistics can only be read from within. That is two
    // transactions more, in every session.
    let mut inside = database.connect().await;
    let query = "SELECT (SELECT xact_commit FROM pg_stat_database
                          WHERE datname = current_database()),
                        (SELECT (seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_user_tables
                          WHERE relname = 'history_events')";
    let row = sqlx::query(query).fetch_one(&mut inside).await.expect("PostgreSQL tells");
    let history_reads: Option<i64> = row.get(1);
    sqlx::Connection::close(inside).await.expect("the connection closes");
    Cost { transactions: row.get(0), history_reads: history_reads.unwrap_or(0) }
}

/// A database with the module in it, so that no session has to bring it.
async fn prepared() -> Database {
    let database = Database::fresh(Kind::Postgres).await;
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    server.stop().await;
    database
}

/// The transactions that wrote the histories of these runs.
async fn transactions_that_wrote(database: &Database, run_ids: &[String]) -> i64 {
    let query =
        "SELECT count(DISTINCT xmin::text) FROM history_events WHERE run_id::text = ANY($1)";
    let mut connection = database.connect().await;
    let row = sqlx::query(query).bind(run_ids).fetch_one(&mut connection).await;
    row.expect("PostgreSQL tells").get(0)
}

async fn ten_steps(client: &Client) -> String {
    completed(client, &json!({"workflow": "sequential", "input": {"steps": 10}})).await
}

async fn one_timer(client: &Client) -> String {
    completed(client, &json!({"workflow": "race", "input": {"millis": [50]}})).await
}

/// The id of the run that this request starts, once it has completed.
async fn completed(client: &Client, request: &Value) -> String {
    let answer = client.post("runs?wait=60", request).await.ok(201);
    assert_eq!(answer["status"], "completed", "{answer}");
    answer["run_id"].as_str().expect("a run").to_owned()
}

async fn ten_steps_at_once(client: &Client, runs: usize) -> Vec<String> {
    futures::future::join_all((0..runs).map(|_| ten_steps(client))).await
}

/// Against a step that takes a second transaction, or that reads its history. So
/// many runs that one transaction more of each would not pass for slack.
#[tokio::test]
async fn ten_steps_are_eleven_transactions_and_read_no_history() {
    const RUNS: i64 = 20;
    let _alone = ONE_AT_A_TIME.lock().await;
    within("the test", async {
        let database = prepared().await;
        let server = Server::start(&database).await;
        // The first start brings the code into memory, in a commit before it runs.
        ten_steps(&server.client()).await;
        let run_id = ten_steps(&server.client()).await;
        assert_eq!(transactions_that_wrote(&database, &[run_id]).await, 11);
        server.stop().await;

        let cost = cost_of(&database, async |client| {
            for _ in 0..RUNS {
                ten_steps(&client).await;
            }
        })
        .await;
        assert!(cost.transactions <= 11 * RUNS + SLACK, "{cost:?}");
        // Each commit but the first looks whether the event before is there.
        let looks = cost.history_reads - 10 * RUNS;
        assert!(looks.abs() <= SLACK, "{cost:?}");
    })
    .await;
}

/// Against a fact that is written twice, such as the state of a run at each step.
#[tokio::test]
async fn a_run_writes_its_events_and_twice_its_summary_and_nothing_else() {
    let _alone = ONE_AT_A_TIME.lock().await;
    within("the test", async {
        let database = prepared().await;
        let wrote = rows_written(&database, async |client| drop(ten_steps(&client).await)).await;
        let summary = ("workflow_executions", Rows { inserted: 1, updated: 1, deleted: 0 });
        // The start, the end, and two of each step.
        let events = ("history_events", Rows { inserted: 22, updated: 0, deleted: 0 });
        assert_eq!(wrote, rows([events, summary]));

        let wrote = rows_written(&database, async |client| drop(one_timer(&client).await)).await;
        let events = ("history_events", Rows { inserted: 4, updated: 0, deleted: 0 });
        let timer = ("workflow_timers", Rows { inserted: 1, updated: 0, deleted: 1 });
        assert_eq!(wrote, rows([events, summary, timer]));
    })
    .await;
}

/// Against a task that is changed where it is, or that has a row in both tables: one comes
/// and goes for each that waits, and one for each that a worker has.
#[tokio::test]
async fn a_remote_step_writes_its_events_and_one_task() {
    let _alone = ONE_AT_A_TIME.lock().await;
    within("the test", async {
        let database = prepared().await;
        let summary = ("workflow_executions", Rows { inserted: 1, updated: 1, deleted: 0 });
        let events = ("history_events", Rows { inserted: 22, updated: 0, deleted: 0 });
        let come_and_go = Rows { inserted: 10, updated: 0, deleted: 10 };
        let wrote = rows_written(&database, async |client| {
            let worker = Worker::new(client.clone(), "emails", "worker");
            client.start("remote_sequential", json!({"queue": "emails", "steps": 10})).await;
            // The first start brings the code into memory before it asks for anything.
            eventually("the first task waits", async || {
                (worker.queue().await["backlog"] != json!([])).then_some(())
            })
            .await;
            for _ in 0..10 {
                let task = worker.task().await;
                worker.echo(&task).await.expect("recorded");
            }
        })
        .await;
        let tasks = [("task_queues", come_and_go), ("task_queue_leases", come_and_go)];
        assert_eq!(wrote, rows([events, summary, tasks[0], tasks[1]]));
    })
    .await;
}

/// Against a second system: a job writes what a run with one remote step writes.
#[tokio::test]
async fn a_job_writes_its_events_and_one_task() {
    let _alone = ONE_AT_A_TIME.lock().await;
    within("the test", async {
        let database = prepared().await;
        let once = Rows { inserted: 1, updated: 0, deleted: 1 };
        let wrote = rows_written(&database, async |client| {
            let worker = Worker::new(client.clone(), "emails", "worker");
            let job = json!({"activity": "send", "task_queue": "emails", "activity_id": "j"});
            client.post("activities", &job).await.ok(201);
            worker.echo(&worker.task().await).await.expect("recorded");
            client.get("activities/j/result?wait=30").await.ok(200);
        })
        .await;
        let summary = ("workflow_executions", Rows { inserted: 1, updated: 1, deleted: 0 });
        let events = ("history_events", Rows { inserted: 4, updated: 0, deleted: 0 });
        let tasks = [("task_queues", once), ("task_queue_leases", once)];
        assert_eq!(wrote, rows([events, summary, tasks[0], tasks[1]]));
    })
    .await;
}

/// Against histories that grow: what a step writes is most of what it costs. Its
/// activity takes nothing and returns `null`.
#[tokio::test]
async fn the_two_events_of_a_step_are_small() {
    let _alone = ONE_AT_A_TIME.lock().await;
    // Measured: 336. A field more in one of the events does not fit.
    const STEP_BYTES_MAX: i64 = 345;
    within("the test", async {
        let database = prepared().await;
        let server = Server::start(&database).await;
        let run_id = ten_steps(&server.client()).await;
        // Whole rows: the header, the key and all columns as they are stored.
        let query = "SELECT count(*), sum(pg_column_size(event.*))
                       FROM history_events AS event
                      WHERE run_id::text = $1 AND event_type LIKE 'ActivityTask%'";
        let mut connection = database.connect().await;
        let row = sqlx::query(query).bind(&run_id).fetch_one(&mut connection).await;
        let row = row.expect("PostgreSQL tells");
        let (events, bytes): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(events, 20);
        assert!(bytes <= 10 * STEP_BYTES_MAX, "{} bytes a step", bytes / 10);
    })
    .await;
}

/// Against runs that do not share their commits.
#[tokio::test]
async fn concurrent_runs_share_their_transactions() {
    const RUNS: usize = 64;
    const ALONE: i64 = 11 * RUNS as i64;
    let _alone = ONE_AT_A_TIME.lock().await;
    within("the test", async {
        let database = prepared().await;
        let server = Server::start(&database).await;
        let run_ids = ten_steps_at_once(&server.client(), RUNS).await;
        let wrote = transactions_that_wrote(&database, &run_ids).await;
        assert!((11..ALONE / 2).contains(&wrote), "{wrote}, but {ALONE} if nothing was shared");
        server.stop().await;

        let cost = cost_of(&database, async |client| {
            ten_steps_at_once(&client, RUNS).await;
        })
        .await;
        assert!(cost.transactions < ALONE / 2, "{cost:?}, but {ALONE} if nothing was shared");
        let looks = cost.history_reads - (ALONE - RUNS as i64);
        assert!(looks.abs() <= SLACK, "{cost:?}");
    })
    .await;
}

/// Against a loop that polls.
#[tokio::test]
async fn sleeping_runs_cost_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    // Nothing happens that could be waited for: that is the point. So this looks
    // at a stretch of time, long enough to see a loop that polls.
    const STRETCH: Duration = Duration::from_secs(3);
    within("the test", async {
        let database = prepared().await;
        let server = Server::start(&database).await;
        for _ in 0..20 {
            let run = server.client().start("cancellable", Value::Null).await;
            run.follow(None).await.until("TimerStarted").await;
        }
        server.stop().await;
        let cost = cost_of(&database, async |client| {
            tokio::time::sleep(STRETCH).await;
            client.get("/health/live").await.ok(200);
        })
        .await;
        let allowed = STRETCH.as_secs().cast_signed() + SLACK;
        assert!(cost.transactions <= allowed, "{cost:?} in {STRETCH:?}");
        assert!(cost.history_reads <= SLACK, "{cost:?}");
    })
    .await;
}
