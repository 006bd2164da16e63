//! Attempts of activities: results, failures, and what stops them.

use std::collections::BTreeMap;
use std::sync::Arc;

use dacapo_engine::guest::GuestHost as _;
use dacapo_host::{ActivityConfig, HostConfig, Secret};
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::limits::Limits;
use tokio::task::JoinSet;

use crate::guests::{Guest, guest};
use crate::support::{TestLink, config, execute, host, task, text};

fn shop_key(host: &str) -> BTreeMap<String, Secret> {
    let secret = Secret {
        value: "k-123".to_owned(),
        hosts: vec![host.to_owned()],
        headers: vec!["authorization".to_owned()],
    };
    BTreeMap::from([("SHOP_KEY".to_owned(), secret)])
}

async fn attack(activity: &str) -> Failure {
    let limits = Limits {
        activity_fuel: 300_000_000,
        instance_memory_bytes_max: 64 * 1024 * 1024,
        ..Limits::default()
    };
    execute(HostConfig { limits, ..config() }, "hostile", activity, "null")
        .await
        .expect_err("the attack is stopped")
}

#[tokio::test]
async fn an_activity_returns_its_result_byte_for_byte() {
    let result = execute(config(), "steps", "echo", r#"{ "a": 1.0 }"#).await.expect("a result");
    assert_eq!(text(&result), r#"{ "a": 1.0 }"#);
}

#[tokio::test]
async fn an_attempt_knows_who_it_is() {
    let result = execute(config(), "steps", "attempt_info", "null").await.expect("a result");
    let info: serde_json::Value = serde_json::from_str(text(&result)).expect("JSON");
    assert_eq!(info["workflow_id"], "order-17");
    assert_eq!(info["activity_type"], "attempt_info");
    assert_eq!(info["operation"], 3);
    assert_eq!(info["attempt"], 1);
}

#[tokio::test]
async fn a_failure_keeps_what_the_activity_said_about_it() {
    let input = r#"{"type": "Declined", "message": "no funds", "non_retryable": true}"#;
    let failure = execute(config(), "steps", "fail", input).await.expect_err("fails");
    assert_eq!(failure.info.kind, FailureKind::Application);
    assert_eq!(failure.info.type_name, "Declined");
    assert_eq!(failure.info.message, "no funds");
    assert!(failure.info.non_retryable);
}

#[tokio::test]
async fn a_type_that_the_module_does_not_define_is_not_tried_again() {
    let failure = execute(config(), "steps", "nobody", "null").await.expect_err("fails");
    assert_eq!(failure.info.type_name, "ActivityTypeNotFound");
    assert!(failure.info.non_retryable);
    assert!(failure.info.message.contains("`noop`"), "{}", failure.info.message);
}

#[tokio::test]
async fn a_result_over_the_limit_is_not_tried_again() {
    let limits = Limits { payload_bytes_max: 1000, ..Limits::default() };
    let config = HostConfig { limits, ..config() };
    let failure = execute(config, "steps", "big_result", "999").await.expect_err("fails");
    assert_eq!(failure.info.type_name, "PayloadTooLarge");
    assert!(failure.info.message.contains("1001 bytes"), "{}", failure.info.message);
    assert!(failure.info.non_retryable);
}

#[tokio::test]
async fn each_attack_is_stopped_and_named() {
    for (activity, type_name, non_retryable) in [
        ("loop", "ActivityCpuLimit", false),
        ("allocate", "ActivityMemoryLimit", false),
        ("recurse", "ActivityStackOverflow", false),
        ("trap", "ActivityTrap", false),
        ("panic", "ActivityTrap", false),
        ("exit", "ActivityTrap", false),
        ("flood_stdout", "ActivityCpuLimit", false),
        ("call_without_end", "ActivityCpuLimit", false),
        ("million_timers", "ActivityForbiddenCall", true),
        ("await_unknown", "ActivityForbiddenCall", true),
    ] {
        let failure = attack(activity).await;
        let message = &failure.info.message;
        assert_eq!(failure.info.type_name, type_name, "{activity}: {message}");
        assert_eq!(failure.info.non_retryable, non_retryable, "{activity}");
    }
}

#[tokio::test]
async fn a_huge_result_is_refused_before_the_host_copies_it() {
    let failure = execute(config(), "hostile", "big_result", "null").await.expect_err("refused");
    assert_eq!(failure.info.type_name, "PayloadTooLarge", "{}", failure.info.message);
}

#[tokio::test]
async fn a_trap_tells_the_message_and_the_functions() {
    let failure = attack("panic").await;
    let message = &failure.info.message;
    assert!(message.contains("a hostile panic"), "{message}");
    assert!(message.contains("hostile::attacks::panic"), "{message}");
    let failure = attack("million_timers").await;
    let message = &failure.info.message;
    assert!(message.contains("dacapo:workflow/operations@0.1.0#start-timer"), "{message}");
}

#[tokio::test]
async fn an_activity_has_no_files_and_no_sockets() {
    for activity in ["read_file", "write_file", "tcp"] {
        let result = execute(config(), "hostile", activity, "null").await.expect("it goes on");
        assert!(text(&result).starts_with("\"refused:"), "{activity}: {}", text(&result));
    }
}

#[tokio::test]
async fn the_environment_holds_variables_and_placeholders_of_secrets_only() {
    let activities = ActivityConfig {
        environment: BTreeMap::from([("SHOP_URL".to_owned(), "http://shop".to_owned())]),
        secrets: shop_key("shop.example"),
        ..ActivityConfig::default()
    };
    let env = |name: &'static str| {
        let config = HostConfig { activities: activities.clone(), ..config() };
        async move { execute(config, "steps", "env", &format!("{name:?}")).await.expect("a result") }
    };
    assert_eq!(text(&env("SHOP_URL").await), "\"http://shop\"");
    assert_eq!(text(&env("SHOP_KEY").await), "\"dacapo-secret:SHOP_KEY\"");
    // A variable of the server's own process.
    assert_eq!(text(&env("PATH").await), "null");
}

#[test]
fn secrets_are_not_shown_by_debug_output() {
    let activities =
        ActivityConfig { secrets: shop_key("shop.example"), ..ActivityConfig::default() };
    let shown = format!("{activities:?}");
    assert!(shown.contains("SHOP_KEY") && !shown.contains("k-123"), "{shown}");
}

#[tokio::test]
async fn what_the_host_holds_for_an_attempt_is_memory_of_the_attempt() {
    let config = HostConfig { activities_bytes_max: 8 * 1024 * 1024, ..config() };
    let failure = execute(config, "hostile", "hoard_headers", "null").await.expect_err("refused");
    assert_eq!(failure.info.type_name, "ActivityMemoryLimit");
    let message = &failure.info.message;
    assert!(message.contains("activities_bytes_max"), "{message}");
    assert!(message.contains("such as headers of requests"), "{message}");
}

#[tokio::test]
async fn an_attempt_that_calls_without_end_makes_way_for_others() {
    let guest = guest("hostile");
    let limits = Limits { activity_fuel: 300_000_000, ..Limits::default() };
    let host = Arc::new(host(HostConfig { limits, ..config() }, &[&guest]));
    let attempt = |activity| {
        let (host, task) = (Arc::clone(&host), task(guest.digest, activity, "null"));
        async move { host.run_activity(task, Arc::new(TestLink::default())).await }
    };
    // Now the module is ready.
    attempt("panic").await.expect_err("it panics");
    let attempt = tokio::spawn(attempt("call_without_end"));
    // They are on one thread: each turn of this task is one that the attempt has ended.
    let mut turns = 0;
    while !attempt.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    let failure = attempt.await.expect("no panic").expect_err("it runs out of fuel");
    assert_eq!(failure.info.type_name, "ActivityCpuLimit");
    // The fuel is for some 150 ms.
    assert!(turns >= 20, "only {turns} turns");
}

#[tokio::test]
async fn attempts_share_their_memory_and_wait_for_room_before_they_begin() {
    let (steps, hostile) = (guest("steps"), guest("hostile"));
    // Room for one at a time.
    let config = HostConfig { activities_bytes_max: 2 * 1024 * 1024, ..config() };
    let host = Arc::new(host(config, &[&steps, &hostile]));
    let attempt = |guest: &Guest, activity| {
        let (host, task) = (Arc::clone(&host), task(guest.digest, activity, "null"));
        async move { host.run_activity(task, Arc::new(TestLink::default())).await }
    };
    let failure = attempt(&hostile, "allocate").await.expect_err("there is no more");
    assert_eq!(failure.info.type_name, "ActivityMemoryLimit");
    assert!(!failure.info.non_retryable);
    assert!(failure.info.message.contains("activities_bytes_max"), "{}", failure.info.message);
    let mut attempts = JoinSet::new();
    for _ in 0..8 {
        attempts.spawn(attempt(&steps, "noop"));
    }
    while let Some(result) = attempts.join_next().await {
        result.expect("no panic").expect("it had its turn");
    }
}
