//! Hostile workflows: each attack ends in a report that says what it was.

use dacapo_host::HostConfig;
use dacapo_model::execution::Blocked;
use dacapo_model::limits::Limits;

use crate::guests::guest;
use crate::history::Run;
use crate::support::{config, host, run, text};

/// Limits that attacks reach sooner.
fn tight() -> HostConfig {
    let limits = Limits {
        activation_fuel: 300_000_000,
        instance_memory_bytes_max: 64 * 1024 * 1024,
        log_bytes_max: 16 * 1024,
        ..Limits::default()
    };
    HostConfig { limits, ..config() }
}

async fn attack(config: HostConfig, workflow: &str) -> Result<Run, Blocked> {
    let guest = guest("hostile");
    let host = host(config, &[&guest]);
    Run::start(&host, &run(guest.digest, 1), workflow, "null").await
}

async fn blocked(workflow: &str) -> Blocked {
    attack(tight(), workflow).await.err().expect("the attack is stopped")
}

#[tokio::test]
async fn a_loop_without_end_runs_out_of_fuel() {
    let blocked = blocked("loop").await;
    assert_eq!(blocked.code, "guest_cpu_limit");
    assert!(blocked.backtrace.expect("a backtrace").contains("spin"));
}

#[tokio::test]
async fn memory_without_end_is_told_as_the_reason_of_the_abort() {
    let blocked = blocked("allocate").await;
    assert_eq!(blocked.code, "guest_memory_limit");
    assert!(blocked.message.contains("67108864 bytes of memory"), "{}", blocked.message);
}

#[tokio::test]
async fn recursion_without_end_overflows_the_guests_stack_only() {
    let blocked = blocked("recurse").await;
    assert_eq!(blocked.code, "guest_stack_overflow");
    let frames = blocked.backtrace.expect("a backtrace").lines().count();
    assert!((2..=30).contains(&frames), "{frames} frames");
}

#[tokio::test]
async fn a_stack_in_the_guests_own_memory_that_overflows_is_told_as_such() {
    let blocked = blocked("recurse_with_arrays").await;
    assert_eq!(blocked.code, "guest_stack_overflow", "{}", blocked.message);
    let other = self::blocked("write_far_away").await;
    assert_eq!(other.code, "guest_trap", "{}", other.message);
    assert!(other.message.contains("out of bounds"), "{}", other.message);
}

#[tokio::test]
async fn a_trap_names_the_guests_functions_innermost_first() {
    let blocked = blocked("trap").await;
    assert_eq!(blocked.code, "guest_trap");
    assert!(blocked.message.contains("unreachable"), "{}", blocked.message);
    let backtrace = blocked.backtrace.expect("a backtrace");
    let first = backtrace.lines().next().expect("a frame");
    assert!(first.contains("hostile::attacks::trap"), "{backtrace}");
}

#[tokio::test]
async fn a_panic_tells_its_message() {
    let blocked = blocked("panic").await;
    assert_eq!(blocked.code, "guest_trap");
    assert!(blocked.message.contains("a hostile panic"), "{}", blocked.message);
}

#[tokio::test]
async fn leaving_the_process_is_no_way_to_end_a_run() {
    let blocked = blocked("exit").await;
    assert_eq!(blocked.code, "guest_trap");
    assert!(blocked.message.contains("exited with"), "{}", blocked.message);
}

#[tokio::test]
async fn payloads_over_the_limit_are_refused_in_both_directions() {
    // More than the guest's memory would hold under the tight limit.
    for workflow in ["big_result", "big_input"] {
        let blocked = attack(config(), workflow).await.err().expect("refused");
        assert_eq!(blocked.code, "payload_too_large", "{workflow}: {}", blocked.message);
    }
}

#[tokio::test]
async fn sockets_and_requests_are_refused_with_errors_that_the_language_knows() {
    let http = attack(tight(), "http").await.expect("it returns");
    let said = text(http.result());
    for part in ["refused", "InternalError", "wasi:http/outgoing-handler", "to an activity"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let tcp = attack(tight(), "tcp").await.expect("it returns");
    assert!(text(tcp.result()).contains("PermissionDenied"), "{}", text(tcp.result()));
}

#[tokio::test]
async fn what_has_no_error_to_return_stops_the_guest_by_name() {
    let blocked = blocked("ask_attempt").await;
    assert_eq!(blocked.code, "guest_forbidden_call", "{}", blocked.message);
    assert!(blocked.message.contains("activity-context@0.1.0#info"), "{}", blocked.message);
}

#[tokio::test]
async fn there_are_no_files() {
    for workflow in ["read_file", "write_file"] {
        let run = attack(tight(), workflow).await.expect("runs");
        assert!(text(run.result()).starts_with("\"refused:"), "{}", text(run.result()));
    }
}

#[tokio::test]
async fn operations_without_end_pass_the_limit_of_one_activation() {
    for workflow in ["million_timers", "million_activities"] {
        let blocked = blocked(workflow).await;
        assert_eq!(blocked.code, "run_limit_exceeded", "{workflow}: {}", blocked.message);
    }
}

#[tokio::test]
async fn operations_that_were_never_started_are_named() {
    for workflow in ["await_unknown", "cancel_unknown"] {
        let blocked = blocked(workflow).await;
        assert_eq!(blocked.code, "guest_trap");
        assert!(blocked.message.contains("operation 4711"), "{}", blocked.message);
    }
}

#[tokio::test]
async fn an_activity_type_that_is_no_name_is_refused() {
    let blocked = blocked("empty_activity_type").await;
    assert_eq!(blocked.code, "guest_trap");
    assert!(blocked.message.contains("the type name must not be empty"), "{}", blocked.message);
}

#[tokio::test]
async fn output_without_end_costs_the_guest_its_fuel_and_the_host_nothing() {
    assert_eq!(blocked("flood_stdout").await.code, "guest_cpu_limit");
}

#[tokio::test]
async fn what_a_workflow_makes_the_host_do_costs_it_fuel() {
    // Twice what the shorter of them uses itself.
    let limits = Limits { activation_fuel: 50_000_000, ..Limits::default() };
    let config = HostConfig { limits, ..config() };
    // By calls, and by what is copied.
    for workflow in ["call_a_million_times", "call_without_end"] {
        let blocked = attack(config.clone(), workflow).await.err().expect("it is stopped");
        assert_eq!(blocked.code, "guest_cpu_limit", "{workflow}: {}", blocked.message);
    }
}

#[tokio::test]
async fn fuel_is_that_of_one_activation_on_replay_as_well() {
    let guest = guest("steps");
    // Enough for a few steps of hundreds, which replay makes in one go.
    let limits = Limits { activation_fuel: 2_000_000, ..Limits::default() };
    let host = host(HostConfig { limits, ..config() }, &[&guest]);
    let context = run(guest.digest, 1);
    let mut run =
        Run::start(&host, &context, "sequential", r#"{"steps": 400}"#).await.expect("starts");
    for _ in 0..400 {
        run.activity_returns(Ok(crate::support::json("null"))).await.expect("goes on");
    }
    assert_eq!(text(run.result()), "400");
    assert_eq!(crate::history::replay(&host, &context, run.history).await, Ok(0));
}
