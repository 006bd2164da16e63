//! The shape of the hot path: what a run asks of the database, counted at the
//! store, exactly. Each test says which regression it stands against; none of
//! them looks at a clock to judge. `statements.rs` shows on PostgreSQL that these
//! are the transactions and rows that there are.

use std::time::Duration;

use dacapo_tests::{
    Client, CountedServer, Database, Kind, Server, Spent, Worker, eventually, on_both_databases,
};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

on_both_databases! {
    ten_steps_are_eleven_commits_and_no_other_statement,
    a_sleep_is_two_commits_and_no_other_statement,
    signals_one_after_the_other_are_one_commit_each_and_no_other_statement,
    a_thousand_activities_at_once_share_their_commits,
    sleepers_due_at_once_are_read_together,
    ten_remote_steps_that_polls_wait_for_are_eleven_commits_and_no_read,
    ten_remote_steps_that_wait_are_ten_claims_more,
    polls_that_wait_cost_few_statements_a_second,
}

async fn counted(database: &Database) -> CountedServer {
    let server = CountedServer::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

async fn completed(client: &Client, workflow: &str, input: Value) {
    let request = json!({"workflow": workflow, "input": input});
    let answer = client.post("runs?wait=60", &request).await.ok(201);
    assert_eq!(answer["status"], "completed", "{answer}");
}

/// On PostgreSQL each of the commits is one statement. SQLite takes one for each
/// kind of row, three around them, and the sum is given.
fn only_commits(database: &Database, commits: u64, on_sqlite: u64) -> Spent {
    let statements = match database.kind() {
        Kind::Postgres => commits,
        Kind::Sqlite => on_sqlite,
    };
    Spent { commits, reads: 0, statements }
}

/// Against a step that takes a second commit, or that reads what is in memory.
async fn ten_steps_are_eleven_commits_and_no_other_statement(database: Database) {
    let server = counted(&database).await;
    let ten_steps = async |client| completed(&client, "sequential", json!({"steps": 10})).await;
    // Begin, epochs, events and commit; the first and the last write the run, too.
    let expected = only_commits(&database, 11, 11 * 4 + 2);
    assert_eq!(server.spent_on(ten_steps).await, expected);
}

/// Against a timer whose row is written, fired or removed in a commit of its own,
/// or that is read back while its run is in memory.
async fn a_sleep_is_two_commits_and_no_other_statement(database: Database) {
    let server = counted(&database).await;
    let sleep = async |client| completed(&client, "race", json!({"millis": [50]})).await;
    // The run and the timer, in both of them.
    let expected = only_commits(&database, 2, 2 * (4 + 2));
    assert_eq!(server.spent_on(sleep).await, expected);
}

/// Against a signal that is recorded in one commit and acted on in another, or
/// that looks for its run or for a repeat in the database.
async fn signals_one_after_the_other_are_one_commit_each_and_no_other_statement(
    database: Database,
) {
    let server = counted(&database).await;
    let signals = async |client: Client| {
        let run = client.start("await_signals", json!({"count": 3})).await;
        for number in 0..3 {
            run.act("signals/word", &json!({ "input": number })).await.ok(202);
        }
    };
    let expected = only_commits(&database, 1 + 3, 4 * 4 + 2);
    assert_eq!(server.spent_on(signals).await, expected);
}

/// Against results that arrive together and are committed one by one.
async fn a_thousand_activities_at_once_share_their_commits(database: Database) {
    let server = counted(&database).await;
    let fan_out = async |client| completed(&client, "fan_out", json!({"steps": 1_000})).await;
    let spent = server.spent_on(fan_out).await;
    assert!(spent.commits < 60, "{spent:?}");
    assert_eq!(spent.reads, 0, "{spent:?}");
}

/// Against runs that wake together and are read and written one by one. The start
/// of a server, and finding them asleep, is in the figures.
async fn sleepers_due_at_once_are_read_together(database: Database) {
    const RUNS: usize = 200;
    const NAP: Duration = Duration::from_secs(5);
    let first = Server::start(&database).await;
    let client = first.client();
    client.upload_guests(&["steps"]).await;
    let nap = json!({"millis": [NAP.as_millis() as u64]});
    join_all((0..RUNS).map(|_| client.start("race", nap.clone()))).await;
    assert_eq!(closed_runs(&client).await, 0, "some were due before all were asleep");
    first.kill().await;
    // All of them are due, and nobody is there to tell.
    tokio::time::sleep(NAP).await;

    let server = CountedServer::start(&database).await;
    let mut looks = 0;
    eventually("all runs complete", async || {
        looks += 1;
        (closed_runs(&server.client()).await == RUNS).then_some(())
    })
    .await;
    let spent = server.spent();
    assert!(spent.commits < 100 && spent.reads - looks < 60, "{spent:?}, {looks} by this test");
    // SQLite takes a statement for each history, which is no round trip there.
    if database.kind() == Kind::Postgres {
        assert!(spent.statements - looks < 100, "{spent:?}, {looks} by this test");
    }
}

async fn closed_runs(client: &Client) -> usize {
    let page = client.get("runs?status=completed&limit=1000").await.ok(200);
    page["runs"].as_array().expect("a page has runs").len()
}

const QUEUE: &str = "emails";

fn worker(server: &CountedServer, identity: &str) -> Worker {
    Worker::new(server.client(), QUEUE, identity)
}

/// Polls that wait in a queue of which the server knows that it is empty. Each makes what it
/// gets, and is over then.
async fn parked(server: &CountedServer, polls: usize) -> Vec<JoinHandle<()>> {
    let park = |number| {
        let worker = worker(server, &format!("worker-{number}"));
        tokio::spawn(async move {
            // With room for another one: so it is known that there was none.
            for task in worker.tasks(json!({"wait_seconds": 60, "max_tasks": 2})).await {
                worker.echo(&task).await.expect("recorded");
            }
        })
    };
    let parked = (0..=polls).map(park).collect();
    eventually("all polls wait", async || {
        let queue = worker(server, "nobody").queue().await;
        (queue["workers"].as_array().expect("a list").len() == polls + 1).then_some(())
    })
    .await;
    completed(&server.client(), "remote_sequential", json!({"queue": QUEUE, "steps": 1})).await;
    parked
}

/// Against a step of a worker that takes a second commit or a look into the store, although a
/// poll was there.
async fn ten_remote_steps_that_polls_wait_for_are_eleven_commits_and_no_read(database: Database) {
    let server = counted(&database).await;
    let parked = parked(&server, 10).await;
    let ten_steps = async |client| {
        completed(&client, "remote_sequential", json!({"queue": QUEUE, "steps": 10})).await;
    };
    let statements = match database.kind() {
        // The first and the last write the run, too, for which they take four.
        Kind::Postgres => 9 + 2 * 4,
        // Each takes a task away, which may be in either table, and all but one bring the next.
        Kind::Sqlite => 11 * 4 + 2 + 11 * 2 + 10,
    };
    let expected = Spent { commits: 11, reads: 0, statements };
    assert_eq!(server.spent_on(ten_steps).await, expected);
    join_all(parked).await;
}

/// Against a claim that takes several statements, or that is made twice.
async fn ten_remote_steps_that_wait_are_ten_claims_more(database: Database) {
    let server = counted(&database).await;
    let worker = worker(&server, "worker");
    let ten_steps = async |client: Client| {
        client.start("remote_sequential", json!({"queue": QUEUE, "steps": 10})).await;
        for _ in 0..10 {
            let task = worker.task().await;
            worker.echo(&task).await.expect("recorded");
        }
    };
    let spent = server.spent_on(ten_steps).await;
    // One read is of the queue, which is new to the server.
    assert_eq!((spent.commits, spent.reads), (11, 11), "{spent:?}");
    if database.kind() == Kind::Postgres {
        assert_eq!(spent.statements, 9 + 2 * 4 + 11, "{spent:?}");
    }
}

/// Against polls that each look for themselves, or a queue that is looked at all the time.
#[expect(clippy::print_stdout, reason = "the figures, for who runs it by itself")]
async fn polls_that_wait_cost_few_statements_a_second(database: Database) {
    // Nothing happens that could be waited for, as in `statements.rs`.
    const STRETCH: Duration = Duration::from_secs(8);
    let server = counted(&database).await;
    let idle = async || {
        let before = server.statements();
        tokio::time::sleep(STRETCH).await;
        server.statements() - before
    };
    let without = idle().await;
    let parked = parked(&server, 50).await;
    let with = idle().await;
    println!("{without} statements in {STRETCH:?} without polls, {with} with 50");
    let more = with.saturating_sub(without);
    assert!(more <= 2 * STRETCH.as_secs() + 2, "{with}, and {without} without polls");
    parked.iter().for_each(JoinHandle::abort);
}
