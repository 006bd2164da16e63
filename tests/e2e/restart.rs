//! Servers come and go in order: stops, takeovers, and refusals to start.

use dacapo_tests::{
    Client, Database, Effects, Kind, Server, Settings, eventually, on_both_databases, within,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

on_both_databases! {
    a_stopping_server_finishes_the_attempt_under_way_and_the_next_one_goes_on,
    runs_that_sleep_are_found_by_the_next_server,
    a_stopping_server_answers_those_who_wait,
    a_host_that_was_left_out_of_the_configuration_costs_no_run,
    a_new_namespace_reaches_no_host_until_it_may,
    a_namespace_is_deleted_to_the_end_when_its_server_was_killed,
}

async fn a_stopping_server_finishes_the_attempt_under_way_and_the_next_one_goes_on(
    database: Database,
) {
    let effects = Effects::open().await;
    effects.hold("first");
    let mut server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let run = server.client().start("effects", json!({"url": effects.url()})).await;
    effects.arrived("first").await;

    server.terminate();
    server.logs("stopping").await;
    effects.release("first");
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");

    let server = Server::start(&database).await;
    let run = run.on(&server);
    assert_eq!(run.completed().await[0], "first");
    let first: Vec<_> =
        effects.of(&run.workflow_id).into_iter().filter(|it| it.effect == "first").collect();
    assert_eq!(first.len(), 1, "its result was recorded, so it was not made again: {first:?}");
}

async fn runs_that_sleep_are_found_by_the_next_server(database: Database) {
    let server = Server::start(&database).await;
    server.client().upload_guests(&["steps"]).await;
    let mut runs = Vec::new();
    for _ in 0..30 {
        let run = server.client().start("cancellable", Value::Null).await;
        run.follow(None).await.until("TimerStarted").await;
        runs.push(run);
    }
    server.stop().await;
    let server = Server::start(&database).await;
    for run in &runs {
        let run = run.on(&server);
        assert_eq!(run.describe().await["pending_timers"].as_array().map(Vec::len), Some(1));
        run.act("cancel", &json!({})).await.ok(202);
        assert_eq!(run.result().await["status"], "canceled");
    }
}

async fn a_host_that_was_left_out_of_the_configuration_costs_no_run(database: Database) {
    let effects = Effects::open().await;
    let careless = Settings::new(&database).environment("DACAPO_ALLOW_HOST", "example.com");
    let server = careless.start().await;
    server.client().upload_guests(&["steps"]).await;
    let run = server.client().start("effects", json!({"url": effects.url()})).await;
    let refused = eventually("an attempt is refused", async || {
        let failure = run.describe().await["pending_activities"][0]["last_failure"].clone();
        failure.is_object().then_some(failure)
    });
    let refused = refused.await;
    assert_eq!(refused["type"], "HttpError", "{refused}");
    assert!(refused["message"].as_str().expect("text").contains("--allow-host"), "{refused}");
    server.stop().await;

    let server = Server::start(&database).await;
    assert_eq!(run.on(&server).completed().await[0], "first");
}

const NAMESPACES: &str = "/api/v1/namespaces";

/// Makes the namespace `shop`, of which this is set, with the module of the tests.
async fn make_shop(client: &Client, settings: Value) {
    let mut request = settings;
    request["name"] = json!("shop");
    let made = client.post(NAMESPACES, &request).await.ok(201);
    assert_eq!(made["state"], "active");
    let bytes = dacapo_tests::guest("steps");
    let path = format!("{NAMESPACES}/shop/modules/steps");
    client.send(client.request(Method::PUT, &path).body(bytes)).await.ok(201);
}

async fn a_new_namespace_reaches_no_host_until_it_may(database: Database) {
    let effects = Effects::open().await;
    let server = Server::start(&database).await;
    let client = server.client();
    make_shop(&client, json!({})).await;
    let run = format!("{NAMESPACES}/shop/runs/its");
    let input = json!({"url": effects.url()});
    let start = json!({"workflow": "effects", "workflow_id": "its", "input": input});
    client.post(&format!("{NAMESPACES}/shop/runs"), &start).await.ok(201);
    eventually("an attempt is refused", async || {
        let described = client.get(&run).await.ok(200);
        described["pending_activities"][0]["last_failure"].is_object().then_some(())
    })
    .await;
    assert!(effects.of("its").is_empty(), "nothing came through");
    let wrong = json!({"allowed_hosts": ["http://127.0.0.1"]});
    client.patch(&format!("{NAMESPACES}/shop"), &wrong).await.error(400, "invalid_argument");
    let host = json!({"allowed_hosts": ["127.0.0.1"]});
    client.patch(&format!("{NAMESPACES}/shop"), &host).await.ok(200);
    let result = client.get(&format!("{run}/result?wait=60")).await.ok(200);
    assert_eq!(result["status"], "completed", "{result}");
}

async fn a_namespace_is_deleted_to_the_end_when_its_server_was_killed(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let stays = client.start("cancellable", Value::Null).await;
    make_shop(&client, json!({"limits": {"open_runs_max": 150}})).await;
    let runs = format!("{NAMESPACES}/shop/runs");
    let start = json!({"workflow": "cancellable", "input": null});
    for _ in 0..150 {
        client.post(&runs, &start).await.ok(201);
    }
    let refused = client.post(&runs, &start).await;
    assert_eq!(refused.headers["retry-after"], "1");
    let refused = refused.error(429, "namespace_limit");
    assert_eq!(refused["details"]["limit"], "open_runs_max", "{refused}");
    client.start("cancellable", Value::Null).await;

    let shop = format!("{NAMESPACES}/shop");
    client.send(client.request(Method::DELETE, &shop)).await.error(400, "invalid_argument");
    let delete = client.request(Method::DELETE, &shop).query(&[("confirm", "shop")]);
    assert_eq!(client.send(delete).await.ok(202)["state"], "deleting");
    client.post(&runs, &start).await.error(409, "namespace_being_deleted");
    server.kill().await;

    let server = Server::start(&database).await;
    let client = server.client();
    eventually("the namespace is gone", async || {
        (client.get(&shop).await.status == 404).then_some(())
    })
    .await;
    make_shop(&client, json!({})).await;
    let listed = client.get(&runs).await.ok(200);
    assert_eq!(listed["runs"], json!([]), "nothing is left");
    assert_eq!(stays.on(&server).describe().await["status"], "running");
}

async fn a_stopping_server_answers_those_who_wait(database: Database) {
    let mut server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let run = client.start("cancellable", Value::Null).await;
    let mut live = run.follow(None).await;
    live.until("TimerStarted").await;
    let path = format!("runs/{}/result?wait=300", run.workflow_id);
    let waiting = tokio::spawn(async move { client.get(&path).await });
    // The request is there once the server has answered a later one.
    eventually("the wait has begun", async || {
        run.describe().await;
        (!waiting.is_finished()).then_some(())
    })
    .await;
    server.terminate();
    let answer = waiting.await.expect("an answer");
    assert!(matches!(answer.status, 202 | 503), "{answer:?}");
    live.rest().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_server_whose_runs_were_taken_over_says_so_and_ends() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let mut first = Server::start(&database).await;
        first.client().upload_guests(&["steps"]).await;
        let sleeping = first.client().start("cancellable", Value::Null).await;
        sleeping.follow(None).await.until("TimerStarted").await;

        let second = Settings::new(&database).argument("--take-over").start().await;
        // The first one finds out when it writes, and that is not written.
        let request = json!({"workflow": "echo", "workflow_id": "late", "input": 1});
        let post = first.client().request(reqwest::Method::POST, "runs").json(&request);
        if let Ok(answer) = first.client().try_send(post).await {
            let error = answer.error(503, "unavailable");
            assert_eq!(error["retryable"], true);
        }
        let status = first.ended().await;
        assert_eq!(status.code(), Some(1), "{status}");
        assert!(first.log().contains("another dacapo server has taken over"), "{}", first.log());

        let client = second.client();
        client.get("runs/late").await.error(404, "run_not_found");
        client.start_with(&request).await.completed().await;
        let sleeping = sleeping.on(&second);
        sleeping.act("cancel", &json!({})).await.ok(202);
        assert_eq!(sleeping.result().await["status"], "canceled");
    })
    .await;
}

/// As a supervisor starts them.
#[tokio::test]
async fn a_second_server_stands_by_until_the_first_is_gone() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let first = Server::start(&database).await;
        first.client().upload_guests(&["steps"]).await;
        let sleeping = first.client().start("cancellable", Value::Null).await;
        sleeping.follow(None).await.until("TimerStarted").await;

        let mut second = Settings::new(&database).spawn();
        let waiting = Client::new(second.standby_address().await);
        waiting.get("/health/live").await.ok(200);
        let answer = waiting.get("/health/ready").await;
        let error = answer.error(503, "unavailable");
        assert!(error.to_string().contains("stands by"), "{error}");
        waiting.post("runs", &json!({"workflow": "echo"})).await.error(503, "unavailable");
        first.client().get("/health/ready").await.ok(200);
        sleeping.describe().await;
        assert!(!second.serves());

        // It sees at once that the process is gone: no lease is waited for.
        first.kill().await;
        second.ready().await;
        let sleeping = sleeping.on(&second);
        assert_eq!(sleeping.describe().await["status"], "running");

        let mut third = Settings::new(&database).spawn();
        third.standby_address().await;
        second.stop().await;
        third.ready().await;
        let sleeping = sleeping.on(&third);
        sleeping.act("cancel", &json!({})).await.ok(202);
        assert_eq!(sleeping.result().await["status"], "canceled");
    })
    .await;
}

/// By an operator, or since a backend has crashed.
#[tokio::test]
async fn a_server_whose_sessions_are_ended_keeps_its_runs() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let first = Server::start(&database).await;
        let mut second = Settings::new(&database).spawn();
        second.standby_address().await;
        let mut connection = database.connect().await;
        let mut owner = async || -> (String, i32) {
            let owner = "SELECT node_id::text, session_pid FROM nodes";
            sqlx::query_as(owner).fetch_one(&mut connection).await.expect("there is an owner")
        };
        let mut beside = database.connect_beside().await;
        for ended in ["pid = $2", "application_name = 'dacapo'"].repeat(5) {
            let (node, session) = owner().await;
            let end = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = $1 AND $2 IS NOT NULL AND {ended}"
            );
            let end = sqlx::query(AssertSqlSafe(end)).bind(database.name()).bind(session);
            end.execute(&mut beside).await.expect("is done");
            while owner().await.1 == session {
                tokio::task::yield_now().await;
            }
            assert_eq!(owner().await.0, node, "it has renewed its lease on another session");
        }
        assert!(!second.serves());
        first.client().get("/health/ready").await.ok(200);
        first.stop().await;
        second.ready().await;
    })
    .await;
}

/// Its session stays: only the lease tells.
#[tokio::test]
async fn a_server_that_hangs_is_followed_when_its_lease_is_over_and_then_ends() {
    within("the test", async {
        let database = Database::fresh(Kind::Postgres).await;
        let mut first = Server::start(&database).await;
        first.client().upload_guests(&["steps"]).await;
        let mut second = Settings::new(&database).spawn();
        second.standby_address().await;
        first.freeze();
        second.ready().await;
        let run = second.client().start_with(&json!({"workflow": "echo", "input": 1})).await;
        run.completed().await;
        first.thaw();
        assert_eq!(first.ended().await.code(), Some(1));
        assert!(first.log().contains("another dacapo server has taken over"), "{}", first.log());
        second.client().get("/health/ready").await.ok(200);
    })
    .await;
}

#[tokio::test]
async fn a_second_server_on_a_sqlite_file_is_refused() {
    within("the test", async {
        let database = Database::fresh(Kind::Sqlite).await;
        let first = Server::start(&database).await;
        let mut second = Settings::new(&database).spawn();
        assert_eq!(second.ended().await.code(), Some(1));
        second.logs("another dacapo server has").await;
        first.client().get("/health/ready").await.ok(200);
        // A crash leaves nothing behind that keeps the next one out.
        first.kill().await;
        Server::start(&database).await.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    within("the test", async {
        let settings = Settings::at("postgres://dacapo:s3cr3t@127.0.0.1:1/nothing");
        let mut server = settings.spawn();
        let status = server.ended().await;
        assert_eq!(status.code(), Some(1), "{status}");
        server.logs("postgres://dacapo@127.0.0.1:1/nothing").await;
        assert!(!server.log().contains("s3cr3t"), "{}", server.log());
    })
    .await;
}
