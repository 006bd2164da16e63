//! Schedules, over HTTP and by the command line.

use dacapo_tests::{
    Answer, Client, Database, Kind, Server, Settings, dacapo, eventually, on_both_databases,
};
use reqwest::Method;
use serde_json::{Value, json};

on_both_databases! {
    a_schedule_starts_runs_and_is_looked_at_changed_and_deleted,
    a_schedule_that_is_wrong_says_what_is_and_where,
    what_was_due_while_the_server_was_killed_is_made_up_for_once,
    a_crash_before_or_after_any_commit_of_an_action_changes_nothing,
    the_command_line_makes_lists_shows_and_deletes_schedules,
}

fn schedule(id: &str, spec: Value, overlap: &str) -> Value {
    json!({
        "schedule_id": id,
        "request_id": "the-same",
        "spec": spec,
        "action": {"workflow": "sequential", "input": {"steps": 1}},
        "policies": {"overlap": overlap},
    })
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Answer {
    client.send(client.request(method, path).json(body)).await
}

async fn describe(client: &Client, id: &str) -> Value {
    client.get(&format!("schedules/{id}")).await.ok(200)
}

fn actions(described: &Value) -> &[Value] {
    described["recent_actions"].as_array().expect("a list")
}

/// Waits until so many actions have completed.
async fn completed(client: &Client, id: &str, count: usize) -> Value {
    eventually("the actions have completed", async || {
        let described = describe(client, id).await;
        let completed = actions(&described).iter().filter(|it| it["status"] == "completed");
        (completed.count() >= count).then_some(described)
    })
    .await
}

async fn a_schedule_starts_runs_and_is_looked_at_changed_and_deleted(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let mut request = schedule("s", json!({"crons": ["* * * * * *"]}), "skip");
    request["action"]["options"] = json!({"memo": {"why": "test"}, "run_timeout_seconds": 60});
    assert_eq!(client.post("schedules", &request).await.ok(201)["created"], true);
    assert_eq!(client.post("schedules", &request).await.ok(200)["created"], false);
    let other = json!({"schedule_id": "s", "action": {"workflow": "sequential"}});
    client.post("schedules", &other).await.error(409, "schedule_already_exists");
    let described = completed(&client, "s", 2).await;
    assert_eq!(described["next_times"].as_array().expect("a list").len(), 10);
    let action = actions(&described).iter().find(|it| it["status"] == "completed").expect("one");
    let workflow_id = action["workflow_id"].as_str().expect("a text");
    let run = client.run(workflow_id, action["run_id"].as_str().expect("a text")).describe().await;
    assert_eq!(run["memo"]["schedule"]["scheduled_time"], action["scheduled_time"]);
    assert_eq!(run["memo"]["why"], "test");
    assert_eq!(run["parent"]["workflow_id"], "dacapo:schedule:s");

    client.post("schedules/s/pause", &json!({"note": "holidays"})).await.ok(200);
    let paused = describe(&client, "s").await;
    assert_eq!((&paused["paused"], &paused["note"]), (&json!(true), &json!("holidays")));
    assert_eq!(paused["next_times"], json!([]));
    let listed = client.get("schedules?workflow_type=sequential").await.ok(200);
    assert_eq!(listed["schedules"][0]["paused"], true, "{listed}");
    let runs = client.get("runs?limit=1000").await.ok(200);
    let is_schedule = |run: &Value| run["workflow_id"] == "dacapo:schedule:s";
    assert!(!runs["runs"].as_array().expect("a list").iter().any(is_schedule));

    let asked = client.post("schedules/s/trigger", &json!({"overlap": "allow_all"})).await.ok(200);
    assert_eq!(asked["started"], 1);
    let range = json!({
        "from": "2024-06-01T00:00:00Z", "to": "2024-06-01T00:00:01Z", "overlap": "allow_all",
    });
    let asked = client.post("schedules/s/backfill", &range).await.ok(200);
    assert_eq!(asked["started"], 2);
    let times = "schedules/s/times?from=2024-06-01T00:00:00Z&limit=2";
    let times = client.get(times).await.ok(200);
    assert_eq!(times["times"][1]["scheduled_time"], "2024-06-01T00:00:01.000000Z");
    assert_eq!(times["more"], true);

    let mut changed = schedule("s", json!({"intervals": [{"every_seconds": 3600}]}), "buffer_all");
    changed.as_object_mut().expect("an object").remove("schedule_id");
    changed["request_id"] = json!("change");
    send(&client, Method::PUT, "schedules/s", &changed).await.ok(200);
    let described = describe(&client, "s").await;
    assert_eq!(described["spec"]["intervals"][0]["every_seconds"], 3600);
    assert_eq!(described["policies"]["overlap"], "buffer_all");
    client.post("schedules/s/resume", &json!({})).await.ok(200);
    assert_eq!(describe(&client, "s").await["paused"], false);

    client.send(client.request(Method::DELETE, "schedules/s")).await.ok(200);
    client.get("schedules/s").await.error(404, "schedule_not_found");
    client.post("schedules/s/pause", &json!({})).await.error(404, "schedule_not_found");
    client
        .send(client.request(Method::DELETE, "schedules/s"))
        .await
        .error(404, "schedule_not_found");
}

async fn a_schedule_that_is_wrong_says_what_is_and_where(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let refused = async |spec: Value, about: &str| {
        let request = schedule("s", spec, "skip");
        let error = client.post("schedules", &request).await.error(400, "invalid_argument");
        assert!(error["message"].as_str().expect("a text").contains(about), "{error}");
    };
    refused(json!({"crons": ["@daily", "0 0 30 2 *"]}), "crons[1]").await;
    refused(json!({"crons": ["@every 1h"]}), "interval").await;
    refused(json!({"time_zone": "Berlin"}), "IANA").await;
    refused(json!({"intervals": [{"every_seconds": 0}]}), "intervals[0]").await;
    refused(json!({"crons": ["@daily"], "end_at": "2020-01-01T00:00:00Z"}), "no time after").await;
    let mut request = schedule("s", json!({}), "skip");
    request["action"]["workflow"] = json!("unknown");
    client.post("schedules", &request).await.error(404, "workflow_type_not_found");
    request["action"] = json!({"workflow": "sequential", "workflow_id": "{when}"});
    client.post("schedules", &request).await.error(400, "invalid_argument");
    request["action"] = json!({"workflow": "sequential"});
    request["policies"] = json!({"catchup_window_seconds": 1});
    client.post("schedules", &request).await.error(400, "invalid_argument");
    assert_eq!(client.get("schedules").await.ok(200)["schedules"], json!([]));
}

#[expect(clippy::disallowed_methods, reason = "it waits until something is due")]
async fn what_was_due_while_the_server_was_killed_is_made_up_for_once(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let request = schedule("s", json!({"crons": ["* * * * * *"]}), "buffer_all");
    client.post("schedules", &request).await.ok(201);
    completed(&client, "s", 1).await;
    let mut server = server;
    for _ in 0..2 {
        let before = describe(&server.client(), "s").await;
        server.kill().await;
        let newest = time_of(&actions(&before)[0]);
        let before = before["counters"]["actions"].clone();
        // Two more are due before it is back.
        let due = newest + chrono::TimeDelta::seconds(3);
        while chrono::Utc::now() < due {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        server = Server::start(&database).await;
        let count = before.as_u64().expect("a number") as usize + 3;
        completed(&server.client(), "s", count).await;
    }
    let described = describe(&server.client(), "s").await;
    let counters = &described["counters"];
    let lost = ["missed", "skipped", "buffer_dropped", "start_failures"];
    assert!(lost.iter().all(|name| counters[name] == 0), "{counters}");
    // The newest first.
    let mut next = None;
    for action in actions(&described) {
        let time = time_of(action).timestamp();
        if let Some(next) = next.replace(time) {
            assert_eq!(next - time, 1, "each second once: {described}");
        }
    }
}

/// When it was due.
fn time_of(action: &Value) -> chrono::DateTime<chrono::Utc> {
    let time = action["scheduled_time"].as_str().expect("a text");
    chrono::DateTime::parse_from_rfc3339(time).expect("a time").to_utc()
}

/// A server that is killed in the middle of it, or not.
async fn try_action(server: &Server) -> bool {
    let client = server.client();
    let post = async |path: &str, body: Value| {
        client.try_send(client.request(Method::POST, path).json(&body)).await.ok()
    };
    if post("schedules", schedule("s", json!({}), "buffer_all")).await.is_none() {
        return false;
    }
    for request_id in ["first", "second"] {
        let body = json!({"request_id": request_id});
        if post("schedules/s/trigger", body).await.is_none() {
            return false;
        }
    }
    loop {
        let show = client.request(Method::GET, "schedules/s");
        let Ok(answer) = client.try_send(show).await else { return false };
        if answer.status == 200 && actions(&answer.json()).len() == 2 {
            let done = actions(&answer.json()).iter().all(|it| it["status"] == "completed");
            if done {
                return true;
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn a_crash_before_or_after_any_commit_of_an_action_changes_nothing(database: Database) {
    for number in 2.. {
        // Each of both at every commit, once on each of the databases.
        let after = (number % 2 == 0) == (database.kind() == Kind::Sqlite);
        let database = database.another().await;
        // The module is there before anything is counted.
        let server = Server::start(&database).await;
        server.client().upload_guests(&["steps"]).await;
        server.stop().await;
        let settings = match after {
            false => Settings::crashing_before_commit(&database, number),
            true => Settings::crashing_after_commit(&database, number),
        };
        let mut server = settings.start().await;
        let died = !try_action(&server).await;
        match died {
            true => drop(server.ended().await),
            false => server.kill().await,
        }
        let server = Server::start(&database).await;
        assert!(try_action(&server).await, "commit {number}, after: {after}");
        let described = describe(&server.client(), "s").await;
        let counters = &described["counters"];
        assert_eq!(counters["actions"], 2, "commit {number}, after: {after}: {described}");
        assert_eq!(counters["start_failures"], 0, "commit {number}, after: {after}");
        if !died || number > 16 {
            assert!(number > 6, "there are more commits than {number}");
            return;
        }
    }
}

async fn the_command_line_makes_lists_shows_and_deletes_schedules(database: Database) {
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let run =
        async |arguments: &[&str]| dacapo(&server, &[&["schedule"], arguments].concat()).await;
    let flags = ["--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--overlap", "allow-all"];
    let input = ["--input", r#"{"steps": 1}"#, "--note", "each night"];
    run(&[&["create", "night", "sequential"], &flags[..], &input[..]].concat()).await.exit(0);
    let listed = run(&["list"]).await;
    assert!(listed.stdout.contains("night") && listed.stdout.contains("active"), "{listed:?}");
    let times = run(&["times", "night", "--from", "2027-03-27T12:00:00Z", "--limit", "2"]).await;
    assert_eq!(times.exit(0), "2027-03-28T01:00:00.000000Z\n2027-03-29T00:30:00.000000Z\n");
    let triggered = run(&["trigger", "night"]).await;
    assert!(triggered.exit(0).starts_with("night-"), "{triggered:?}");
    completed(&server.client(), "night", 1).await;
    run(&["pause", "night", "--note", "holidays"]).await.exit(0);
    let shown = run(&["show", "night"]).await;
    for text in ["paused", "holidays", "1 started", "completed"] {
        assert!(shown.stdout.contains(text), "{text}: {shown:?}");
    }
    run(&["resume", "night"]).await.exit(0);
    let range = ["--from", "2024-06-01T00:00:00Z", "--to", "2024-06-02T12:00:00Z"];
    let filled = run(&[&["backfill", "night"], &range[..]].concat()).await;
    assert!(filled.stderr.contains("2 started"), "{filled:?}");
    run(&["update", "night", "sequential", "--every", "60+5"]).await.exit(0);
    let shown = run(&["show", "night", "--output", "json"]).await.json().remove(0);
    assert_eq!(shown["spec"]["intervals"][0]["phase_seconds"], 5);
    run(&["delete", "night"]).await.exit(0);
    run(&["show", "night"]).await.exit(1);
}
