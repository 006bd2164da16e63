//! Task queues and their workers: who gets a task, what becomes of it, and that it is done
//! whatever dies meanwhile.

use dacapo_tests::{
    Client, Database, Effects, Kind, Run, Server, TestWorker, Worker, dacapo, event_types,
    eventually, on_both_databases, within,
};
use serde_json::{Value, json};
use sqlx::Row as _;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

on_both_databases! {
    workers_make_the_tasks_of_a_run_one_after_the_other_and_all_at_once,
    a_server_that_is_killed_loses_no_task_and_no_report,
    the_next_server_ends_the_leases_of_workers_that_died_with_the_one_before,
    a_worker_that_was_stopped_past_its_lease_has_lost_it,
    a_report_is_recorded_once_however_often_it_is_sent,
    only_the_token_of_a_task_ends_it,
    what_a_worker_sends_is_bounded,
    a_poll_whose_client_goes_away_keeps_no_task,
    tasks_of_an_answer_that_is_not_taken_go_back,
    tasks_come_by_their_priority,
    two_keys_take_turns,
    a_task_that_no_worker_takes_in_time_has_timed_out,
    who_has_a_task_hears_that_it_is_to_cancel,
    a_paused_task_is_not_handed_out,
    an_activity_is_tried_as_often_as_its_policy_says,
    an_operator_sees_what_waits_and_who_has_what,
}

#[tokio::test]
async fn somebody_with_psql_takes_a_task_and_completes_it() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let server = server(&database).await;
        let (client, worker) = (server.client(), worker(&server, "one"));
        let run = start(&client, 1, json!({})).await;
        ready(&worker, 1).await;
        let mut connection = database.connect().await;
        let take = "SELECT token, workflow_id, activity_type, input_text
                      FROM get_next_task('default', $1, NULL, 'ann', 600)";
        let task = sqlx::query(take).bind(QUEUE).fetch_one(&mut connection).await;
        let task = task.expect("a task is there");
        assert_eq!(task.get::<String, _>("workflow_id"), run.workflow_id);
        assert_eq!(task.get::<String, _>("input_text"), "0");
        worker.no_task().await;
        let lease = &worker.queue().await["leases"][0];
        assert_eq!((&lease["worker"], &lease["activity_type"]), (&json!("ann"), &json!("step")));
        let report = json!({"token": task.get::<String, _>("token"), "result": "sent by hand"});
        client.post("activities/complete", &report).await.ok(200);
        assert_eq!(run.completed().await, json!(["sent by hand"]));
    })
    .await;
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

/// A run with so many tasks, one after the other.
async fn start(client: &Client, steps: u32, options: Value) -> Run {
    let input = json!({"queue": QUEUE, "steps": steps, "options": options});
    client.start("remote_sequential", input).await
}

async fn start_fan_out(client: &Client, steps: u32, options: Value) -> Run {
    let input = json!({"queue": QUEUE, "steps": steps, "options": options});
    client.start("remote_fan_out", input).await
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

async fn workers_make_the_tasks_of_a_run_one_after_the_other_and_all_at_once(database: Database) {
    let server = server(&database).await;
    let worker = worker(&server, "one");
    let run = start(&server.client(), 3, json!({})).await;
    for step in 0..3 {
        let task = worker.task().await;
        assert_eq!((&task["input"], &task["attempt"]), (&json!(step), &json!(1)), "{task}");
        assert_eq!(task["run_id"], run.run_id.as_str());
        worker.echo(&task).await.expect("recorded");
    }
    assert_eq!(run.completed().await, json!([0, 1, 2]));

    let run = start_fan_out(&server.client(), 50, json!({})).await;
    let mut made = 0;
    while made < 50 {
        for task in worker.tasks(json!({"max_tasks": 20})).await {
            worker.echo(&task).await.expect("recorded");
            made += 1;
        }
    }
    let all: Vec<u32> = (0..50).collect();
    assert_eq!(run.completed().await, json!(all));
}

async fn a_server_that_is_killed_loses_no_task_and_no_report(database: Database) {
    let first = server(&database).await;
    let run = start_fan_out(&first.client(), 6, json!({})).await;
    let before = worker(&first, "one");
    ready(&before, 6).await;
    let tasks = before.tasks(json!({"max_tasks": 4})).await;
    assert_eq!(tasks.len(), 4);
    before.echo(&tasks[0]).await.expect("recorded");
    first.kill().await;

    // Three are in hand, two wait, one was reported.
    let second = Server::start(&database).await;
    let after = worker(&second, "one");
    assert_eq!(after.heartbeat(&tasks[1]).await.expect("held")["cancel_requested"], false);
    for _ in 0..2 {
        after.echo(&tasks[0]).await.expect("as it was answered before");
        after.echo(&tasks[1]).await.expect("recorded");
    }
    let waiting = after.tasks(json!({"max_tasks": 10})).await;
    assert_eq!(waiting.len(), 2, "those in hand are not handed out again: {waiting:?}");
    second.kill().await;

    let third = Server::start(&database).await;
    let after = worker(&third, "one");
    for task in tasks[1..].iter().chain(&waiting) {
        after.echo(task).await.expect("recorded");
    }
    let run = run.on(&third);
    assert_eq!(run.completed().await, json!([0, 1, 2, 3, 4, 5]));
    let history = run.history().await;
    let completed = event_types(&history).into_iter().filter(|it| *it == "ActivityTaskCompleted");
    assert_eq!(completed.count(), 6);
    after.no_task().await;
}

async fn the_next_server_ends_the_leases_of_workers_that_died_with_the_one_before(
    database: Database,
) {
    let first = server(&database).await;
    let run = start(&first.client(), 1, json!({"initial_interval_millis": 1})).await;
    worker(&first, "one").task_with(json!({"lease_seconds": 3})).await;
    first.kill().await;

    let second = Server::start(&database).await;
    let other = worker(&second, "other");
    // One poll, which waits for less long than a server without polls looks for such leases.
    let tasks = other.tasks(json!({"wait_seconds": 15})).await;
    assert_eq!((tasks.len(), &tasks[0]["attempt"]), (1, &json!(2)), "{tasks:?}");
    other.echo(&tasks[0]).await.expect("recorded");
    assert_eq!(run.on(&second).completed().await, json!([0]));
}

async fn a_worker_that_was_stopped_past_its_lease_has_lost_it(database: Database) {
    let server = server(&database).await;
    let effects = Effects::open().await;
    let addresses = NamedTempFile::new().expect("a file");
    let lines = format!("{}\n{}\n", server.url(), effects.url());
    std::fs::write(addresses.path(), lines).expect("it can be written");

    let stopped = TestWorker::start(addresses.path(), QUEUE, "stopped", 1.0);
    effects.hold("0");
    let options = json!({"initial_interval_millis": 1});
    let run = start(&server.client(), 1, options).await;
    effects.arrived("0").await;
    stopped.freeze();
    effects.release("0");
    // It is silent until its lease is over, and the task goes to another.
    let other = worker(&server, "other");
    let task = other.task().await;
    assert_eq!((&task["attempt"], &task["last_failure"]["type"]), (&json!(2), &json!("Heartbeat")));
    stopped.thaw();
    stopped.says("lease_lost").await;
    other.echo(&task).await.expect("recorded");
    assert_eq!(run.completed().await, json!([0]));
}

async fn a_report_is_recorded_once_however_often_it_is_sent(database: Database) {
    let server = server(&database).await;
    let worker = worker(&server, "one");
    let run = start(&server.client(), 2, json!({"initial_interval_millis": 1})).await;
    let first = worker.task().await;
    worker.echo(&first).await.expect("recorded");
    worker.echo(&first).await.expect("recorded before");
    // A worker can't say both; the first it said counts.
    worker.report(&first, json!({"result": "else"})).await.expect("recorded before");

    let failed = worker.task().await;
    let failure = json!({"failure": {"type": "Declined", "message": "no"}});
    worker.report(&failed, failure.clone()).await.expect("recorded");
    let again = worker.task().await;
    assert_eq!(
        (&again["attempt"], &again["last_failure"]["type"]),
        (&json!(2), &json!("Declined"))
    );
    worker.report(&failed, failure).await.expect("recorded before");
    assert_eq!(worker.echo(&failed).await, Err("lease_lost".to_owned()));
    worker.echo(&again).await.expect("recorded");
    assert_eq!(run.completed().await, json!([0, 1]));
    worker.echo(&again).await.expect("recorded before, although the run has closed");
    let history = run.history().await;
    let completed = event_types(&history).into_iter().filter(|it| *it == "ActivityTaskCompleted");
    assert_eq!(completed.count(), 2);
}

async fn only_the_token_of_a_task_ends_it(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let worker = worker(&server, "one");
    let run = start(&client, 1, json!({})).await;
    let task = worker.task().await;
    let other = start(&client, 1, json!({})).await;
    let of_other = worker.task().await;
    assert_eq!(of_other["run_id"], other.run_id.as_str());

    // A token is what it is as a whole: with any byte of another it names nothing.
    let token = task["token"].as_str().expect("text");
    for at in [0, token.len() / 4, token.len() / 2, token.len() * 3 / 4, token.len() - 2] {
        let mut forged = token.to_owned().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("text");
        let body = json!({"reports": [{"token": forged, "result": 1}]});
        let answer = client.post("activities/reports", &body).await.ok(200);
        assert_eq!(answer["results"][0]["recorded"], false, "byte {at}: {answer}");
        let code = answer["results"][0]["error"]["code"].as_str().expect("a code");
        // The last of them if it can't be read.
        let codes = ["activity_not_found", "lease_lost", "invalid_argument"];
        assert!(codes.contains(&code), "{answer}");
    }
    for malformed in ["", "x", "AAAA", &"A".repeat(10_000)] {
        let body = json!({"reports": [{"token": malformed, "result": 1}]});
        let reported = client.post("activities/reports", &body).await.ok(200);
        let body = json!({"heartbeats": [{"token": malformed}]});
        let heard = client.post("activities/heartbeats", &body).await.ok(200);
        for answer in [reported, heard] {
            assert_eq!(answer["results"][0]["error"]["code"], "invalid_argument", "{answer}");
        }
    }
    // Nor is it good for anything elsewhere.
    let elsewhere = "/api/v1/namespaces/elsewhere/activities/reports";
    let body = json!({"reports": [{"token": token, "result": 1}]});
    client.post(elsewhere, &body).await.error(404, "namespace_not_found");
    // Each for its own run.
    worker.report(&of_other, json!({"result": "other"})).await.expect("recorded");
    assert_eq!(other.completed().await, json!(["other"]));
    worker.report(&task, json!({"result": "own"})).await.expect("recorded");
    assert_eq!(run.completed().await, json!(["own"]));
}

async fn what_a_worker_sends_is_bounded(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let worker = worker(&server, "one");
    let invalid = [
        json!({"max_tasks": 0}),
        json!({"max_tasks": 1_001}),
        json!({"wait_seconds": -1}),
        json!({"wait_seconds": 61}),
        json!({"lease_seconds": 0.5}),
        json!({"lease_seconds": 3_601}),
        json!({"identity": ""}),
        json!({"identity": "x".repeat(256)}),
        json!({"activity_types": vec!["t"; 1_001]}),
        json!({"activity_types": ["x".repeat(10_000)]}),
        json!({"nonsense": true}),
    ];
    for fields in invalid {
        let answer = worker.poll(fields.clone()).await;
        assert_eq!(answer.status, 400, "{fields}: {answer:?}");
        assert!(matches!(
            answer.json()["code"].as_str(),
            Some("invalid_argument" | "invalid_request")
        ));
    }

    client.get("task-queues?nonsense=1").await.error(400, "invalid_argument");

    let run = start(&client, 1, json!({})).await;
    let task = worker.task().await;
    let many: Vec<Value> = (0..1_001).map(|_| json!({"token": task["token"]})).collect();
    let reports = client.post("activities/reports", &json!({"reports": many})).await;
    reports.error(400, "invalid_argument");
    let heartbeats = client.post("activities/heartbeats", &json!({"heartbeats": many})).await;
    heartbeats.error(400, "invalid_argument");
    // What is wrong takes nothing from the others.
    let wrong = json!({"reports": [
        {"token": task["token"], "result": 1, "failure": {"type": "T", "message": ""}},
        {"token": task["token"]},
        {"token": task["token"], "result_base64": "!"},
        {"token": "x", "result": 1},
    ]});
    let answer = client.post("activities/reports", &wrong).await.ok(200);
    for (place, result) in answer["results"].as_array().expect("a list").iter().enumerate() {
        assert_eq!(
            (&result["recorded"], &result["error"]["code"]),
            (&json!(false), &json!("invalid_argument"))
        );
        let message = result["error"]["message"].as_str().expect("text");
        assert!(message.starts_with(&format!("reports[{place}]")), "{message}");
    }
    let wrong = json!({"heartbeats": [{"token": "x"}, {"token": task["token"]}]});
    let answer = client.post("activities/heartbeats", &wrong).await.ok(200);
    assert_eq!(
        (&answer["results"][0]["held"], &answer["results"][1]["held"]),
        (&json!(false), &json!(true))
    );
    // A body that is too large, and a result that is.
    let large = json!({"reports": [{"token": task["token"], "result": "x".repeat(9 << 20)}]});
    let answer = client.post("activities/reports", &large).await;
    answer.error(413, "payload_too_large");
    let large = json!({"result": "x".repeat(3 << 20)});
    assert_eq!(worker.report(&task, large).await, Err("payload_too_large".to_owned()));
    let large = json!({"heartbeats": [{"token": task["token"], "details": "x".repeat(70_000)}]});
    let answer = client.post("activities/heartbeats", &large).await.ok(200);
    assert_eq!(answer["results"][0]["error"]["code"], "payload_too_large", "{answer}");
    assert_eq!(answer["results"][0]["held"], true, "{answer}");
    // A cancellation that nobody asked for.
    let canceled = worker.report(&task, json!({"canceled": {}})).await;
    assert_eq!(canceled, Err("invalid_argument".to_owned()));

    // None of it has done anything to the task.
    worker.echo(&task).await.expect("recorded");
    assert_eq!(run.completed().await, json!([0]));
}

async fn a_poll_whose_client_goes_away_keeps_no_task(database: Database) {
    let server = server(&database).await;
    let worker = worker(&server, "one");
    for number in 0..5 {
        let gone = Worker::new(server.client(), QUEUE, &format!("gone-{number}"));
        let polling = tokio::spawn(async move { gone.poll(json!({"wait_seconds": 60})).await });
        eventually("the poll is there", async || {
            let queue = worker.queue().await;
            (queue["workers"].as_array().expect("a list").len() == number + 1).then_some(())
        })
        .await;
        polling.abort();
        assert!(polling.await.expect_err("it was aborted").is_cancelled());
    }
    // Whether or not the server has heard yet that they are gone.
    let run = start(&server.client(), 1, json!({})).await;
    let task = worker.task().await;
    assert_eq!(task["attempt"], 1, "{task}");
    worker.echo(&task).await.expect("recorded");
    assert_eq!(run.completed().await, json!([0]));
}

async fn tasks_of_an_answer_that_is_not_taken_go_back(database: Database) {
    const INPUT_BYTES: usize = 1_900_000;
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    // More than what the system keeps for both ends of a connection.
    let options = json!({"task_queue": QUEUE, "maximum_attempts": 1});
    let input = json!({"activity": "echo", "input": "x".repeat(INPUT_BYTES), "options": options});
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(client.start("call", input.clone()).await);
    }
    ready(&worker, 5).await;

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut slow = socket.connect(server.address()).await.expect("connected");
    let body = json!({"identity": "slow", "max_tasks": 10, "lease_seconds": 600}).to_string();
    let head = format!(
        "POST /api/v1/namespaces/default/task-queues/{QUEUE}/poll HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all((head + &body).as_bytes()).await.expect("sent");
    let mut beginning = [0; 1_000];
    slow.read_exact(&mut beginning).await.expect("an answer");
    assert!(beginning.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&beginning));
    drop(slow);

    for _ in 0..5 {
        let task = worker.task_with(json!({"lease_seconds": 60})).await;
        assert_eq!(task["attempt"], 1, "nobody has begun it");
        worker.report(&task, json!({"result": null})).await.expect("recorded");
    }
    for run in runs {
        run.completed().await;
    }
}

async fn tasks_come_by_their_priority(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    for priority in [5, 1, 4, 2, 3] {
        start_fan_out(&client, 3, json!({"priority": priority})).await;
    }
    ready(&worker, 15).await;
    let queue = worker.queue().await;
    let backlog: Vec<_> = queue["backlog"].as_array().expect("a list").iter().collect();
    assert_eq!(backlog.len(), 5, "{queue}");
    assert!(backlog.iter().all(|it| it["tasks"] == 3), "{queue}");
    let mut order = Vec::new();
    for _ in 0..15 {
        let task = worker.task().await;
        order.push(task["priority"].as_u64().expect("a number"));
    }
    assert!(order.is_sorted(), "{order:?}");
}

async fn two_keys_take_turns(database: Database) {
    const BUSY: u32 = 200;
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    start_fan_out(&client, BUSY, json!({"fairness_key": "busy"})).await;
    ready(&worker, u64::from(BUSY)).await;
    start_fan_out(&client, 20, json!({"fairness_key": "small"})).await;
    ready(&worker, u64::from(BUSY) + 20).await;
    let mut small = 0;
    for _ in 0..60 {
        let task = worker.task().await;
        small += u32::from(task["fairness_key"] == "small");
    }
    // They take turns, from when the second one came: a third of all were enough for all of its.
    assert!(small >= 15, "{small} of 20 among the first 60 of {}", BUSY + 20);
}

async fn a_task_that_no_worker_takes_in_time_has_timed_out(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    let run = start(&client, 1, json!({"schedule_to_start_millis": 300})).await;
    let failure = run.failed().await;
    assert!(failure.to_string().contains("ScheduleToStart"), "{failure}");
    worker.no_task().await;

    let options = json!({"start_to_close_millis": 1_500, "maximum_attempts": 1});
    let run = start(&client, 1, options).await;
    let task = worker.task().await;
    // However alive the worker is.
    eventually("its time is over", async || worker.heartbeat(&task).await.err()).await;
    let failure = run.failed().await;
    assert!(failure.to_string().contains("StartToClose"), "{failure}");
    assert_eq!(worker.echo(&task).await, Err("activity_not_found".to_owned()));
}

async fn who_has_a_task_hears_that_it_is_to_cancel(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    // One that waits is gone at once.
    let run = start(&client, 1, json!({})).await;
    ready(&worker, 1).await;
    run.act("cancel", &json!({})).await.ok(202);
    assert_eq!(run.result().await["status"], "canceled");
    worker.no_task().await;

    let options = json!({"cancellation": "wait", "grace_millis": 30_000});
    let run = start(&client, 1, options).await;
    let task = worker.task_with(json!({"lease_seconds": 3})).await;
    run.act("cancel", &json!({"reason": "enough"})).await.ok(202);
    eventually("the worker hears of it", async || {
        let heard = worker.heartbeat(&task).await.expect("it is held");
        (heard["cancel_requested"] == true).then_some(())
    })
    .await;
    worker.report(&task, json!({"canceled": {"message": "stopped"}})).await.expect("recorded");
    assert_eq!(run.result().await["status"], "canceled");
    let history = run.history().await;
    assert!(event_types(&history).contains(&"ActivityTaskCanceled"), "{history:?}");
}

async fn a_paused_task_is_not_handed_out(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    let run = start(&client, 1, json!({})).await;
    ready(&worker, 1).await;
    run.act("activities/1/pause", &json!({"reason": "later"})).await.ok(202);
    ready(&worker, 0).await;
    assert_eq!(worker.queue().await["delayed"], 1);
    worker.no_task().await;
    server.kill().await;

    let server = Server::start(&database).await;
    let (run, worker) = (run.on(&server), Worker::new(server.client(), QUEUE, "two"));
    worker.no_task().await;
    run.act("activities/1/unpause", &json!({})).await.ok(202);
    let task = worker.task().await;
    worker.echo(&task).await.expect("recorded");
    assert_eq!(run.completed().await, json!([0]));
}

async fn an_activity_is_tried_as_often_as_its_policy_says(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "one"));
    let options = json!({"maximum_attempts": 3, "initial_interval_millis": 1});
    let run = start(&client, 1, options).await;
    for attempt in 1..=3 {
        let task = worker.task().await;
        assert_eq!(task["attempt"], attempt, "{task}");
        let failure = json!({"failure": {"type": "Declined", "message": "no funds"}});
        worker.report(&task, failure).await.expect("recorded");
    }
    let failure = run.failed().await;
    assert!(failure.to_string().contains("no funds"), "{failure}");
    worker.no_task().await;

    let run = start(&client, 1, json!({})).await;
    let task = worker.task().await;
    let failure = json!({"failure": {"type": "T", "message": "never", "non_retryable": true}});
    worker.report(&task, failure).await.expect("recorded");
    run.failed().await;
    worker.no_task().await;
}

async fn an_operator_sees_what_waits_and_who_has_what(database: Database) {
    let server = server(&database).await;
    let (client, worker) = (server.client(), worker(&server, "mailer-7"));
    let run = start_fan_out(&client, 3, json!({})).await;
    ready(&worker, 3).await;
    let shown = dacapo(&server, &["queue", "show", QUEUE]).await;
    assert!(shown.stderr.contains("no worker has polled `emails`"), "{shown:?}");
    assert!(shown.exit(0).contains("ready    3"), "{shown:?}");
    // It has not looked for five minutes yet.
    let told = "no worker has polled `emails` since the server was started";
    for verb in ["show", "waiting"] {
        let shown = dacapo(&server, &["run", verb, &run.workflow_id]).await;
        assert!(shown.exit(0).contains(told), "{shown:?}");
    }
    let waited = dacapo(&server, &["run", "result", &run.workflow_id, "--wait=4"]).await;
    waited.exit(5);
    assert!(waited.stderr.contains("in task queue emails, which no worker polls"), "{waited:?}");

    let task = worker.task_with(json!({"build_id": "v7"})).await;
    let shown = dacapo(&server, &["queue", "show", QUEUE]).await;
    let text = shown.exit(0);
    assert!(text.contains("mailer-7  v7"), "{shown:?}");
    assert!(text.contains("step      mailer-7  1") && text.contains(&run.run_id), "{shown:?}");
    assert_eq!(shown.stderr, "");
    for verb in ["show", "waiting"] {
        let shown = dacapo(&server, &["run", verb, &run.workflow_id]).await;
        assert!(!shown.exit(0).contains("no worker"), "{shown:?}");
    }
    let shown = dacapo(&server, &["run", "show", &run.workflow_id]).await;
    let states = shown.exit(0).lines().filter(|line| line.contains(" step "));
    let with = |state| states.clone().filter(|line| line.contains(state)).count();
    assert_eq!((with("at worker mailer-7"), with("queued")), (1, 2), "{shown:?}");
    let listed = dacapo(&server, &["queue", "list"]).await;
    let line = listed.exit(0).lines().nth(1).expect("a queue");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((cells[0], cells[1], cells[4], cells[5]), (QUEUE, "2", "1", "1"), "{listed:?}");
    let as_json = dacapo(&server, &["queue", "list", "-o", "json"]).await;
    assert_eq!(as_json.json(), [client.get("task-queues").await.ok(200)]);
    let as_json = dacapo(&server, &["queue", "show", QUEUE, "-o", "json"]).await;
    assert_eq!(as_json.json(), [worker.queue().await]);
    worker.echo(&task).await.expect("recorded");
}
