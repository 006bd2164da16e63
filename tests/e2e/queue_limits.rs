//! Limits of task queues, and drained ones: what workers get, whoever asks and whatever dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use dacapo_tests::{
    Client, Database, Kind, Run, Server, Worker, dacapo, eventually, on_both_databases, within,
};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::Row as _;

on_both_databases! {
    a_key_has_no_more_in_hand_than_its_limit_also_after_a_crash,
    a_line_of_a_full_key_keeps_nobody_waiting,
    workers_together_never_have_more_than_a_limit,
    a_rate_is_kept,
    a_drained_queue_hands_out_nothing_also_after_a_crash,
    limits_are_set_and_shown_on_the_command_line,
    what_is_set_of_a_queue_is_bounded,
    a_type_that_no_worker_takes_is_told,
    a_queue_tells_how_much_passes_and_what_is_full,
}

const QUEUE: &str = "emails";

async fn server(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

fn worker(server: &Server, identity: &str) -> Worker {
    Worker::new(server.client(), QUEUE, identity)
}

async fn set(client: &Client, change: Value) -> Value {
    client.patch(&format!("task-queues/{QUEUE}"), &change).await.ok(200)
}

async fn start_of_key(client: &Client, key: &str, steps: u32) -> Run {
    let options = json!({"fairness_key": key});
    client
        .start("remote_fan_out", json!({"queue": QUEUE, "steps": steps, "options": options}))
        .await
}

/// Waits until so many tasks wait for a worker.
async fn ready(worker: &Worker, tasks: u64) {
    eventually("the tasks wait", async || {
        let queue = worker.queue().await;
        let backlog = queue["backlog"].as_array().expect("a list").iter();
        (backlog.filter_map(|it| it["tasks"].as_u64()).sum::<u64>() == tasks).then_some(())
    })
    .await;
}

fn by_key(tasks: &[Value]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for task in tasks {
        let key = task["fairness_key"].as_str().expect("it has a key");
        *counts.entry(key.to_owned()).or_insert(0) += 1;
    }
    counts
}

async fn a_key_has_no_more_in_hand_than_its_limit_also_after_a_crash(database: Database) {
    let first = server(&database).await;
    let run = start_of_key(&first.client(), "ann", 20).await;
    start_of_key(&first.client(), "bob", 2).await;
    let one = worker(&first, "one");
    ready(&one, 22).await;
    set(&first.client(), json!({"concurrency_per_key": 3})).await;
    let had = one.tasks(json!({"max_tasks": 50})).await;
    assert_eq!(by_key(&had), HashMap::from([("ann".to_owned(), 3), ("bob".to_owned(), 2)]));
    worker(&first, "two").no_task().await;
    first.kill().await;

    let second = Server::start(&database).await;
    let two = worker(&second, "two");
    two.no_task().await;
    let ann = had.iter().find(|task| task["fairness_key"] == "ann").expect("one of hers");
    two.echo(ann).await.expect("recorded");
    let next = two.tasks(json!({"max_tasks": 50})).await;
    assert_eq!(by_key(&next), HashMap::from([("ann".to_owned(), 1)]));
    two.no_task().await;
    assert_eq!(two.queue().await["in_hand"], 5);
    // Once nothing limits it, all that is left is to be had at once.
    let changed = set(&second.client(), json!({"concurrency_per_key": null})).await;
    assert_eq!(changed["limits"], json!({}));
    assert_eq!(two.tasks(json!({"max_tasks": 50})).await.len(), 16);
    assert_eq!(run.on(&second).describe().await["status"], "running");
}

async fn a_line_of_a_full_key_keeps_nobody_waiting(database: Database) {
    let server = server(&database).await;
    let (client, one) = (server.client(), worker(&server, "one"));
    set(&client, json!({"concurrency_per_key": 2})).await;
    start_of_key(&client, "busy", 900).await;
    ready(&one, 900).await;
    let busy = one.tasks(json!({"max_tasks": 10})).await;
    assert_eq!(busy.len(), 2);
    start_of_key(&client, "late", 3).await;
    let late = one.tasks(json!({"max_tasks": 10})).await;
    assert_eq!(by_key(&late), HashMap::from([("late".to_owned(), 2)]));
    one.no_task().await;
    one.echo(&busy[0]).await.expect("recorded");
    assert_eq!(one.task().await["fairness_key"], "busy");
    one.no_task().await;
}

/// Also while the server is killed, and polls wait from before there was a limit.
async fn workers_together_never_have_more_than_a_limit(database: Database) {
    const LIMIT: usize = 4;
    const TASKS: u32 = 120;
    let first = server(&database).await;
    let client = first.client();
    set(&client, json!({"concurrency": LIMIT})).await;
    let runs = [
        start_of_key(&client, "ann", TASKS / 2).await,
        start_of_key(&client, "bob", TASKS / 2).await,
    ];
    let done = Arc::new(AtomicUsize::new(0));
    let held = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let work = async |server: &Server, until: usize| {
        let workers = (0..6).map(|number| worker(server, &format!("worker-{number}")));
        join_all(workers.map(async |worker| {
            while done.load(Ordering::SeqCst) < until {
                for task in worker.tasks(json!({"max_tasks": 3, "wait_seconds": 0.2})).await {
                    let now = held.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    // Before it is reported: from then on another may have its place.
                    held.fetch_sub(1, Ordering::SeqCst);
                    worker.echo(&task).await.expect("recorded");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        }))
        .await;
    };
    work(&first, TASKS as usize / 2).await;
    first.kill().await;
    let second = Server::start(&database).await;
    work(&second, TASKS as usize).await;
    let most = most.load(Ordering::SeqCst);
    assert!((1..=LIMIT).contains(&most), "{most} at a time");
    for run in runs {
        run.on(&second).completed().await;
    }
}

async fn a_rate_is_kept(database: Database) {
    const TASKS: usize = 12;
    let server = server(&database).await;
    let (client, one) = (server.client(), worker(&server, "one"));
    set(&client, json!({"rate": {"per_second": 20, "burst": 2}})).await;
    let run = start_of_key(&client, "ann", TASKS as u32).await;
    let mut started = Vec::new();
    while started.len() < TASKS {
        for task in one.tasks(json!({"max_tasks": 10})).await {
            let at = task["started_at"].as_str().expect("a time");
            started.push(at.parse::<DateTime<Utc>>().expect("a time"));
            one.echo(&task).await.expect("recorded");
        }
    }
    for (number, at) in started.iter().enumerate().skip(2) {
        let least = TimeDelta::milliseconds(50) * i32::try_from(number - 1).expect("few");
        let after = *at - started[0];
        assert!(after + TimeDelta::milliseconds(1) >= least, "task {number} after {after:?}");
    }
    run.completed().await;
}

async fn a_drained_queue_hands_out_nothing_also_after_a_crash(database: Database) {
    let first = server(&database).await;
    let one = worker(&first, "one");
    let run = start_of_key(&first.client(), "ann", 2).await;
    let task = one.task().await;
    let drained = dacapo(&first, &["queue", "drain", QUEUE]).await;
    drained.exit(0);
    assert!(drained.stderr.contains("workers still have 1 of its tasks"), "{drained:?}");
    dacapo(&first, &["queue", "drain", QUEUE, "--wait=0.2"]).await.exit(5);
    one.no_task().await;
    for verb in ["show", "waiting"] {
        let shown = dacapo(&first, &["run", verb, &run.workflow_id]).await;
        assert!(shown.exit(0).contains("`emails` is drained"), "{shown:?}");
    }
    one.heartbeat(&task).await.expect("held");
    one.echo(&task).await.expect("recorded");
    let drained = dacapo(&first, &["queue", "drain", QUEUE, "--wait"]).await;
    drained.exit(0);
    assert!(drained.stderr.contains("workers have none of its tasks"), "{drained:?}");
    first.kill().await;

    let second = Server::start(&database).await;
    let two = worker(&second, "two");
    let polled = tokio::spawn({
        let two = two.clone();
        async move { two.tasks(json!({"wait_seconds": 60})).await }
    });
    two.no_task().await;
    assert_eq!(two.queue().await["drained"], true);
    dacapo(&second, &["queue", "resume", QUEUE]).await.exit(0);
    let tasks = polled.await.expect("no panic");
    two.echo(&tasks[0]).await.expect("recorded");
    run.on(&second).completed().await;
}

async fn limits_are_set_and_shown_on_the_command_line(database: Database) {
    let server = server(&database).await;
    let one = worker(&server, "one");
    let arguments = ["--concurrency", "1", "--rate-per-key", "0.5", "--burst-per-key", "3"];
    let set = dacapo(&server, &[&["queue", "set", QUEUE][..], &arguments].concat()).await;
    set.exit(0);
    let told = "`emails`: 1 task at a time, 0.5 tasks of a key per second, 3 at once";
    assert!(set.stderr.contains(told), "{set:?}");
    let limits = json!({"concurrency": 1, "rate_per_key": {"per_second": 0.5, "burst": 3}});
    assert_eq!(one.queue().await["limits"], limits);
    let run = start_of_key(&server.client(), "ann", 2).await;
    ready(&one, 2).await;
    one.task().await;
    let shown = dacapo(&server, &["queue", "show", QUEUE]).await;
    assert!(shown.exit(0).contains("limits   1 task at a time\n"), "{shown:?}");
    assert!(shown.stderr.contains("`emails` is at its limit"), "{shown:?}");
    let shown = dacapo(&server, &["run", "show", &run.workflow_id]).await;
    assert!(shown.exit(0).contains("`emails` is at its limit"), "{shown:?}");
    let none = ["queue", "set", QUEUE, "--concurrency=none", "--rate-per-key=none", "-o", "json"];
    let none = dacapo(&server, &none).await.json();
    assert_eq!(none, [json!({"name": QUEUE, "limits": {}, "drained": false})]);
    one.task().await;
    dacapo(&server, &["queue", "set", QUEUE]).await.exit(2);
    dacapo(&server, &["queue", "set", QUEUE, "--concurrency=0"]).await.exit(2);
}

async fn what_is_set_of_a_queue_is_bounded(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let path = format!("task-queues/{QUEUE}");
    let invalid = [
        json!({"concurrency": 0}),
        json!({"concurrency": 1_000_001}),
        json!({"concurrency": -1}),
        json!({"concurrency": 1.5}),
        json!({"concurrency_per_key": 0}),
        json!({"rate": {"per_second": 0}}),
        json!({"rate": {"per_second": 100_001}}),
        json!({"rate": {"per_second": 1, "burst": 0}}),
        json!({"rate": {"burst": 1}}),
        json!({"rate_per_key": {"per_second": 1, "burst": 1_000_001}}),
        json!({"rate": [1, 1]}),
        json!({"drained": "yes"}),
        json!({"nonsense": true}),
        json!([]),
    ];
    for change in invalid {
        let answer = client.patch(&path, &change).await;
        assert_eq!(answer.status, 400, "{change}: {answer:?}");
        let code = answer.json()["code"].as_str().map(str::to_owned);
        assert!(
            matches!(code.as_deref(), Some("invalid_argument" | "invalid_request")),
            "{code:?}"
        );
    }
    assert_eq!(set(&client, json!({})).await["limits"], json!({}));
    let elsewhere = format!("/api/v1/namespaces/elsewhere/{path}");
    client.patch(&elsewhere, &json!({})).await.error(404, "namespace_not_found");
}

async fn a_type_that_no_worker_takes_is_told(database: Database) {
    let server = server(&database).await;
    let one = worker(&server, "one");
    let run = start_of_key(&server.client(), "ann", 2).await;
    ready(&one, 2).await;
    let others = json!({"activity_types": ["print", "fold"], "wait_seconds": 0.2});
    assert_eq!(one.tasks(others).await, Vec::<Value>::new());
    let queue = one.queue().await;
    assert_eq!(queue["offered_types"], json!(["fold", "print"]));
    assert_eq!(queue["unoffered_types"], json!([{"activity_type": "step", "tasks": 2}]));
    let told = "no worker of `emails` takes activities of type step";
    let shown = dacapo(&server, &["queue", "show", QUEUE]).await;
    assert!(shown.exit(0).contains("types    fold, print"), "{shown:?}");
    assert!(shown.stderr.contains(told), "{shown:?}");
    for verb in ["show", "waiting"] {
        let shown = dacapo(&server, &["run", verb, &run.workflow_id]).await;
        assert!(shown.exit(0).contains(told), "{shown:?}");
    }
    one.task_with(json!({"activity_types": ["step"]})).await;
    let queue = one.queue().await;
    assert_eq!(queue["offered_types"], json!(["fold", "print", "step"]));
    assert_eq!(queue["unoffered_types"], json!([]));
    one.task().await;
    assert_eq!(one.queue().await["offered_types"], Value::Null, "it takes all");
}

async fn a_queue_tells_how_much_passes_and_what_is_full(database: Database) {
    let server = server(&database).await;
    let one = worker(&server, "one");
    set(&server.client(), json!({"concurrency": 4, "concurrency_per_key": 2})).await;
    let run = start_of_key(&server.client(), "ann", 5).await;
    start_of_key(&server.client(), "bob", 1).await;
    ready(&one, 6).await;
    assert_eq!(one.tasks(json!({"max_tasks": 10})).await.len(), 3);
    let queue = one.queue().await;
    let passed = (&queue["added_last_minute"], &queue["handed_out_last_minute"]);
    assert_eq!(passed, (&json!(6), &json!(3)), "{queue}");
    assert_eq!(queue["room"], 1);
    assert_eq!(queue["full_keys"], json!([{"key": "ann", "in_hand": 2}]));
    let leases = queue["leases"].as_array().expect("a list");
    let of_run = leases.iter().filter(|lease| lease["workflow_id"] == run.workflow_id.as_str());
    assert_eq!(of_run.count(), 2, "{queue}");
    let shown = dacapo(&server, &["queue", "show", QUEUE]).await;
    assert!(shown.exit(0).contains("full     ann: 2 in hand"), "{shown:?}");
    assert!(shown.stdout.contains(&run.workflow_id), "{shown:?}");
}

/// What an operator takes by hand counts, and is not handed out beyond a limit, either.
#[tokio::test]
async fn somebody_with_psql_takes_nothing_beyond_a_limit() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let server = server(&database).await;
        let (client, one) = (server.client(), worker(&server, "one"));
        start_of_key(&client, "ann", 3).await;
        start_of_key(&client, "bob", 3).await;
        ready(&one, 6).await;
        set(&client, json!({"concurrency": 3, "concurrency_per_key": 2})).await;
        let mut connection = database.connect().await;
        let mut takes = async || {
            let take = "SELECT workflow_id FROM get_next_task('default', $1, NULL, 'ann', 600)";
            let taken = sqlx::query(take).bind(QUEUE).fetch_all(&mut connection).await;
            let taken = taken.expect("answered");
            taken.iter().map(|row| row.get::<String, _>("workflow_id")).collect::<Vec<_>>()
        };
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.extend(takes().await);
        }
        assert_eq!(taken.len(), 3, "{taken:?}");
        one.no_task().await;
        set(&client, json!({"concurrency": null})).await;
        assert_eq!(one.tasks(json!({"max_tasks": 9})).await.len(), 1, "two keys, two each");
        set(&client, json!({"concurrency_per_key": null, "drained": true})).await;
        assert_eq!(takes().await.len(), 0);
    })
    .await;
}
