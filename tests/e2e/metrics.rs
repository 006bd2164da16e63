//! What a server measures, as Prometheus reads it.

use std::collections::BTreeSet;

use dacapo_tests::{
    Client, Collector, Database, Server, Settings, Worker, dacapo, eventually, on_both_databases,
};
use serde_json::json;

on_both_databases! {
    tasks_are_counted_from_the_queue_to_the_worker,
    what_the_dashboard_and_the_alerts_read_is_there,
}

const DASHBOARD: &str = include_str!("../../dashboards/dacapo.json");
const ALERTS: &str = include_str!("../../dashboards/alerts.yml");

/// The value of a line; none if it is not there.
async fn value(client: &Client, line: &str) -> Option<f64> {
    let answer = client.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4");
    let found = answer.text.lines().find_map(|it| it.strip_prefix(line));
    found.map(|value| value.trim().parse().expect("a number"))
}

async fn tasks_are_counted_from_the_queue_to_the_worker(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let input = json!({"queue": "say \"hi\"", "steps": 2, "options": {}});
    let run = client.start("remote_fan_out", input).await;
    let labels = r#"{namespace="default",task_queue="say \"hi\""}"#;
    let scheduled = format!("dacapo_task_scheduled_total{labels}");
    eventually("both are scheduled", async || {
        value(&client, &scheduled).await.filter(|tasks| *tasks == 2.0)
    })
    .await;
    let started = format!("dacapo_task_schedule_to_start_duration_seconds_count{labels}");
    assert_eq!(value(&client, &started).await, None);

    let worker = Worker::new(client.clone(), "say%20%22hi%22", "one");
    worker.task_with(json!({"max_tasks": 1, "lease_seconds": 1})).await;
    assert_eq!(value(&client, &started).await, Some(1.0));
    let lost = format!("dacapo_task_leases_lost_total{labels}");
    eventually("the lease is lost", async || value(&client, &lost).await).await;
    for _ in 0..2 {
        let task = worker.task().await;
        worker.echo(&task).await.expect("recorded");
    }
    run.completed().await;
    assert_eq!(value(&client, &started).await, Some(3.0));
    assert_eq!(value(&client, &scheduled).await, Some(2.0), "a retry is no new task");
    let version = dacapo(&server, &["--version"]).await;
    let version = version.exit(0).split_whitespace().last().expect("a version").to_owned();
    let info = format!(r#"target_info{{service_name="dacapo",service_version="{version}"}}"#);
    assert_eq!(value(&client, &info).await, Some(1.0));
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let words =
        text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let is_metric = |word: &&str| {
        word.starts_with("dacapo_") || word.starts_with("otel_sdk_") || *word == "target_info"
    };
    words.filter(is_metric).collect()
}

async fn what_the_dashboard_and_the_alerts_read_is_there(database: Database) {
    let collector = Collector::open().await;
    let settings = Settings::new(&database).argument("--trace-sample-ratio=1");
    let settings = settings.environment("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let server = settings.start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let input = json!({"queue": "q", "steps": 1, "options": {}});
    let run = client.start("remote_fan_out", input).await;
    let worker = Worker::new(client.clone(), "q", "one");
    worker.task_with(json!({"max_tasks": 1, "lease_seconds": 1})).await;
    let task = worker.task().await;
    worker.echo(&task).await.expect("recorded");
    run.completed().await;

    let mut read = named(DASHBOARD);
    read.extend(named(ALERTS));
    assert!(read.len() > 4, "{read:?}");
    for metric in read {
        eventually(&format!("there is {metric}"), async || {
            let metrics = client.get("/metrics").await.text;
            let is_there = metrics.lines().any(|line| {
                line.strip_prefix(metric).is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            is_there.then_some(())
        })
        .await;
    }
}
