//! What becomes of a time while runs of former ones are open.

use dacapo_model::event::EventAttributes;
use dacapo_model::execution::ExecutionStatus;
use dacapo_service::operations::{ActionStatus, OverlapPolicy, ScheduleDescription, ScheduleSpec};

use crate::support::guests::ScriptedHost;
use crate::support::*;
use crate::{
    HOUR, SetClock, create, crons, definition, ended, id, record, run_id_of, start_at, statuses,
    trigger, until, with_overlap,
};

#[tokio::test]
async fn what_waits_does_so_while_the_schedule_is_paused_but_for_what_is_asked_for() {
    let (store, clock) = (memory(), SetClock::at_half_past());
    let node = start_at(&store, &clock).await;
    let hourly = definition(crons("0 * * * *"), "forever", "");
    create(&node, "s", with_overlap(hourly, OverlapPolicy::BufferAll)).await;
    node.halt().await;
    clock.step(3 * HOUR);
    let node = start_at(&store, &clock).await;
    let begun = |it: &ScheduleDescription| {
        it.status.buffered_count == 2 && it.status.running.iter().all(|it| it.run_id.is_some())
    };
    let described = until(&node, "s", begun).await;
    node.pause_schedule(&id("s"), None, None).await.expect("asked");
    let running = run_ref(described.status.running[0].workflow_id.as_str());
    node.terminate_run(&running, "enough".to_owned()).await.expect("open");
    let described = until(&node, "s", |it| ended(it) == 1).await;
    let status = &described.status;
    assert_eq!((status.running_count, status.buffered_count), (0, 2), "{status:?}");
    trigger(&node, "s", None).await;
    let asked = |it: &ScheduleDescription| it.status.running.iter().all(|it| it.run_id.is_some());
    let described = until(&node, "s", asked).await;
    let status = &described.status;
    assert_eq!((status.running_count, status.buffered_count), (1, 2), "{status:?}");
    assert!(status.running[0].manual);
    let running = run_ref(status.running[0].workflow_id.as_str());
    node.terminate_run(&running, "enough".to_owned()).await.expect("open");
    node.resume_schedule(&id("s"), None, None).await.expect("asked");
    until(&node, "s", |it| it.status.counters.actions == 3 && it.status.buffered_count == 1).await;
}

#[tokio::test]
async fn actions_that_wait_are_taken_one_after_the_other() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let definition = definition(ScheduleSpec::default(), "sleep", "30");
    create(&node, "s", with_overlap(definition, OverlapPolicy::BufferAll)).await;
    let asked = trigger(&node, "s", None).await;
    assert_eq!((asked.started, asked.buffered), (1, 0));
    for _ in 0..2 {
        assert_eq!(trigger(&node, "s", None).await.buffered, 1);
    }
    let asked = trigger(&node, "s", Some(OverlapPolicy::Skip)).await;
    assert_eq!((asked.started, asked.skipped), (0, 1));
    let described = until(&node, "s", |it| ended(it) == 3).await;
    assert_eq!(described.status.counters.skipped, 1);
    let mut actions = described.status.recent_actions.clone();
    actions.reverse();
    for pair in actions.windows(2) {
        assert!(pair[0].ended_at <= Some(pair[1].taken_at), "{pair:?}");
    }
    assert!(actions.iter().all(|action| action.manual));
    record(&node, "buffers", &run_id_of("s")).await;
}

#[tokio::test]
async fn what_is_open_is_told_to_end_if_the_policy_says_so() {
    let node = start(memory(), &ScriptedHost::new()).await;
    for (overlap, status) in [
        (OverlapPolicy::CancelOther, ActionStatus::Canceled),
        (OverlapPolicy::TerminateOther, ActionStatus::Terminated),
    ] {
        let name = format!("{overlap:?}");
        let forever = definition(ScheduleSpec::default(), "forever", "");
        create(&node, &name, with_overlap(forever, overlap)).await;
        trigger(&node, &name, None).await;
        // Also before it is known that it has started.
        assert_eq!(trigger(&node, &name, None).await.buffered, 1);
        let described = until(&node, &name, |it| ended(it) == 1).await;
        assert_eq!(statuses(&described).last(), Some(&status), "{described:?}");
        let told =
            history(&node, &run_id_of(&name)).await.into_iter().find_map(|event| {
                match event.attributes {
                    EventAttributes::RequestCancelExternalWorkflowExecutionInitiated(told) => {
                        Some(told)
                    }
                    _ => None,
                }
            });
        let first = described.status.recent_actions.last().and_then(|action| action.run_id);
        assert_eq!(told.expect("it was told").first_run_id, first, "and no other run");
        until(&node, &name, |it| it.status.counters.actions == 2).await;
        record(&node, &name, &run_id_of(&name)).await;
    }
}

#[tokio::test]
async fn who_ends_a_child_ends_whichever_run_it_is_and_no_other_of_its_workflow_id() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let mut once = definition(ScheduleSpec::default(), "teller", "");
    once.action.workflow_id = "once".to_owned();
    create(&node, "s", once).await;
    trigger(&node, "s", None).await;
    let started = |it: &ScheduleDescription| it.status.running.iter().all(|it| it.run_id.is_some());
    let first = until(&node, "s", started).await.status.running[0].run_id.expect("it has started");
    node.signal_run(&run_ref("once"), signal("again then")).await.expect("open");
    let end = async |name: &str| {
        let ask = request("messenger", name, &format!("end once {first}"));
        node.start_run(ask).await.expect("starts");
        completed_with(&result(&node, name).await)
    };
    assert_eq!(end("one").await, "", "it has ended the run that goes on");
    let described = until(&node, "s", |it| it.status.running_count == 0).await;
    assert_eq!(statuses(&described), [ActionStatus::Terminated]);
    node.start_run(request("forever", "once", "")).await.expect("starts");
    assert_eq!(end("two").await, "RunClosed");
    let other = node.describe_run(&run_ref("once")).await.expect("a run").execution;
    assert_eq!(other.status, ExecutionStatus::Running);
}
