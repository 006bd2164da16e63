//! Guests that attack the server harm nobody but themselves, and are told why
//! they were stopped.

use dacapo_tests::{
    Client, Database, Effects, Run, Server, Settings, eventually, on_both_databases,
};
use serde_json::{Value, json};

on_both_databases! {
    a_hostile_workflow_is_blocked_with_the_reason_and_can_be_terminated,
    a_hostile_activity_fails_its_run_with_the_reason,
    a_blocked_run_is_kept_over_a_restart_and_tries_again_when_asked,
    what_activities_may_reach_is_decided_by_the_operator,
}

/// Small limits, so that attacks meet them soon. The memory limit leaves room for
/// the attacks on the size of payloads, which are 100 MiB.
const LIMITS: &str = "
    [limits]
    activation_fuel = 300_000_000
    activity_fuel = 300_000_000
    instance_memory_bytes_max = 268_435_456
";

fn settings(database: &Database) -> Settings {
    Settings::new(database).file(LIMITS).environment("DACAPO_ALLOW_HOST", "example.com")
}

async fn start(database: &Database) -> (Server, Client) {
    let server = settings(database).start().await;
    let client = server.client();
    client.upload_guests(&["steps", "hostile"]).await;
    (server, client)
}

/// An honest run is served, whatever else goes on.
async fn others_are_served(client: &Client) {
    let run = client.start("sequential", json!({"steps": 5})).await;
    assert_eq!(run.completed().await, 5);
    client.get("/health/live").await.ok(200);
    client.get("/health/ready").await.ok(200);
}

/// Attacks by workflows that end in a block: the code, and what the report says.
const BLOCKED: [(&str, &str, &str); 16] = [
    ("allocate", "guest_memory_limit", "268435456 bytes of memory"),
    ("loop", "guest_cpu_limit", "loop"),
    ("recurse", "guest_stack_overflow", "recursion"),
    ("recurse_with_arrays", "guest_stack_overflow", "arrays"),
    ("big_result", "payload_too_large", "payload_bytes_max"),
    ("big_input", "payload_too_large", "payload_bytes_max"),
    ("flood_stdout", "guest_cpu_limit", "loop"),
    ("ask_attempt", "guest_forbidden_call", "activity-context"),
    ("trap", "guest_trap", "unreachable"),
    ("panic", "guest_trap", "a hostile panic"),
    ("exit", "guest_trap", "return from `run`"),
    ("million_timers", "run_limit_exceeded", "operations"),
    ("million_activities", "run_limit_exceeded", "operations"),
    ("await_unknown", "guest_trap", "4711"),
    ("cancel_unknown", "guest_trap", "4711"),
    ("empty_activity_type", "guest_trap", "type name"),
];

async fn a_hostile_workflow_is_blocked_with_the_reason_and_can_be_terminated(database: Database) {
    let (server, client) = start(&database).await;
    let mut runs: Vec<Run> = Vec::new();
    for (attack, ..) in BLOCKED {
        runs.push(client.start(attack, Value::Null).await);
    }
    others_are_served(&client).await;

    for (run, (attack, code, reason)) in runs.iter().zip(BLOCKED) {
        let blocked = run.blocked().await;
        assert_eq!(blocked["code"], code, "{attack}: {blocked}");
        let message = blocked["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "{attack}: {message}");
        if code == "guest_trap" {
            let frames = blocked["backtrace"].as_str().unwrap_or_default();
            assert!(frames.contains("hostile"), "{attack}: {frames}");
        }
    }
    let listed = client.get("runs?status=blocked").await.ok(200);
    assert_eq!(listed["runs"].as_array().map(Vec::len), Some(BLOCKED.len()));
    others_are_served(&client).await;

    for run in &runs {
        run.act("terminate", &json!({"reason": "hostile"})).await.ok(200);
        assert_eq!(run.result().await["status"], "terminated");
    }
    // There is no file system to attack, and no network.
    for attack in ["read_file", "write_file", "http", "tcp"] {
        let seen = client.start(attack, Value::Null).await.completed().await;
        assert!(seen.as_str().is_some_and(|seen| seen.starts_with("refused")), "{attack}: {seen}");
    }
    server.stop().await;
}

/// Attacks by activities: the type of the failure, and what its message says.
const FAILED: [(&str, &str, &str); 12] = [
    ("allocate", "ActivityMemoryLimit", "268435456 bytes of memory"),
    ("loop", "ActivityCpuLimit", "loop"),
    ("recurse", "ActivityStackOverflow", "recursion"),
    ("recurse_with_arrays", "ActivityStackOverflow", "arrays"),
    ("big_result", "PayloadTooLarge", "payload_bytes_max"),
    ("flood_stdout", "ActivityCpuLimit", "loop"),
    ("trap", "ActivityTrap", "unreachable"),
    ("panic", "ActivityTrap", "a hostile panic"),
    ("big_input", "PayloadTooLarge", "payload_bytes_max"),
    ("million_timers", "ActivityForbiddenCall", "dacapo:workflow/operations"),
    ("await_unknown", "ActivityForbiddenCall", "dacapo:workflow/operations"),
    ("cancel_unknown", "ActivityForbiddenCall", "dacapo:workflow/operations"),
];

async fn a_hostile_activity_fails_its_run_with_the_reason(database: Database) {
    let (_server, client) = start(&database).await;
    let mut runs = Vec::new();
    for (attack, ..) in FAILED {
        runs.push(client.start("attempt", json!(attack)).await);
    }
    others_are_served(&client).await;
    for (run, (attack, type_name, reason)) in runs.iter().zip(FAILED) {
        let failure = run.failed().await;
        let cause = &failure["causes"][0];
        assert_eq!(cause["type"], type_name, "{attack}: {failure}");
        let message = cause["message"].as_str().unwrap_or_default();
        assert!(message.contains(reason), "{attack}: {message}");
    }
    // These are told no in the words of WASI.
    for (attack, no) in [
        ("tcp", "refused"),
        ("http", "HttpRequestDenied"),
        ("read_file", "refused"),
        ("write_file", "refused"),
    ] {
        let seen = client.start("attempt", json!(attack)).await.completed().await;
        assert!(seen.as_str().is_some_and(|seen| seen.contains(no)), "{attack}: {seen}");
    }
    others_are_served(&client).await;
}

async fn a_blocked_run_is_kept_over_a_restart_and_tries_again_when_asked(database: Database) {
    let (server, client) = start(&database).await;
    let run = client.start("panic", Value::Null).await;
    let report = run.blocked().await;
    server.kill().await;

    let server = settings(&database).start().await;
    let run = run.on(&server);
    assert_eq!(run.blocked().await, report);
    let faults = async || {
        let history = run.history().await;
        history.iter().filter(|event| event["event_type"] == "WorkflowTaskFailed").count()
    };
    assert_eq!(faults().await, 1, "it is not tried again by itself");
    run.act("retry", &json!({})).await.ok(202);
    eventually("it is blocked again", async || (faults().await == 2).then_some(())).await;
    assert_eq!(run.blocked().await["code"], "guest_trap");
    let sleeping = server.client().start("cancellable", Value::Null).await;
    sleeping.act("retry", &json!({})).await.error(400, "invalid_argument");
}

async fn what_activities_may_reach_is_decided_by_the_operator(database: Database) {
    let effects = Effects::open().await;
    let server = Settings::new(&database)
        .file("[activities]\nenvironment = { COLOR = \"blue\" }\nsecrets = { TOKEN = \"s3cr3t\" }")
        .environment("DACAPO_BIND_SECRET", "TOKEN=127.0.0.1")
        .start()
        .await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let call = async |activity: &str, input: Value| {
        let options = json!({"maximum_attempts": 1});
        let input = json!({"activity": activity, "input": input, "options": options});
        client.start("call", input).await.result().await
    };
    assert_eq!(call("env", json!("COLOR")).await["result"], "blue");
    assert_eq!(call("env", json!("PATH")).await["result"], Value::Null);
    let secret = call("env", json!("TOKEN")).await;
    assert_eq!(secret["result"], "dacapo-secret:TOKEN", "code never sees the secret itself");

    let post = |url: &str| json!({"url": url, "effect": "reached", "succeed_at": 0});
    assert_eq!(call("post", post(effects.url())).await["status"], "completed");
    let elsewhere = effects.url().replace("127.0.0.1", "localhost");
    let refused = call("post", post(&elsewhere)).await;
    assert_eq!(refused["failure"]["causes"][0]["type"], "HttpError", "{refused}");
    server.logs("localhost").await;
}
