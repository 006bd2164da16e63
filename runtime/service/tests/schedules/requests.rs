//! What a schedule is asked.

use std::collections::BTreeMap;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::RequestId;
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{
    BackfillRequest, OverlapPolicy, ScheduleFilter, TimesRequest, UpdateScheduleRequest,
};

use crate::support::guests::ScriptedHost;
use crate::support::*;
use crate::{
    HOUR, create, crons, definition, describe, ended, id, record, request, run_id_of, until,
};

#[tokio::test]
async fn a_backfill_takes_the_actions_of_the_past_and_only_so_many() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let hourly = definition(crons("0 * * * *"), "retried", "1");
    create(&node, "s", hourly).await;
    let (from, to) = (Timestamp::from_micros(0), Timestamp::from_micros(5 * HOUR));
    let overlap = Some(OverlapPolicy::BufferAll);
    let request_id = Some(RequestId::new("fill").expect("valid"));
    let filled = BackfillRequest { from, to, overlap };
    for _ in 0..2 {
        let asked = node.backfill_schedule(&id("s"), filled, request_id.clone()).await;
        let asked = asked.expect("asked");
        assert_eq!((asked.started, asked.buffered), (1, 5), "once, however often it is sent");
    }
    let described = until(&node, "s", |it| ended(it) == 6).await;
    assert_eq!(described.status.recent_actions[0].scheduled_time, to);
    assert_eq!(described.status.recent_actions[5].scheduled_time, from);
    let to = Timestamp::from_micros(2_000 * HOUR);
    let error = node.backfill_schedule(&id("s"), BackfillRequest { to, ..filled }, None).await;
    assert!(error.expect_err("too many").message.contains("1000"));
    let times = TimesRequest { from: Some(from), to: None, limit: Some(3) };
    let times = node.schedule_times(&id("s"), times).await.expect("known");
    assert_eq!((times.times.len(), times.times[0].nominal, times.more), (3, from, true));
    record(&node, "backfills", &run_id_of("s")).await;
}

#[tokio::test]
async fn a_schedule_is_made_once_changed_and_deleted() {
    let node = start(memory(), &ScriptedHost::new()).await;
    let daily = definition(crons("@daily"), "retried", "1");
    let mut first = request("s", daily.clone());
    first.request_id = Some(RequestId::new("r").expect("valid"));
    assert!(node.create_schedule(first.clone()).await.expect("made").1);
    assert!(!node.create_schedule(first).await.expect("a repeat").1);
    let error = node.create_schedule(request("s", daily.clone())).await.expect_err("taken");
    assert_eq!(error.code, ErrorCode::ScheduleAlreadyExists);
    let mut changed = definition(crons("@hourly"), "sleep", "1");
    changed.policies.overlap = OverlapPolicy::AllowAll;
    let update = UpdateScheduleRequest {
        definition: changed.clone(),
        environment: BTreeMap::new(),
        arguments: Vec::new(),
        note: Some("more".to_owned()),
        remaining_actions: Some(Some(3)),
    };
    node.update_schedule(&id("s"), update, None).await.expect("asked");
    let described = describe(&node, "s").await;
    assert_eq!(described.definition, changed);
    assert_eq!(described.status.remaining_actions, Some(3));
    assert!(described.status.updated_at.is_some());
    record(&node, "changes", &run_id_of("s")).await;
    let mut dots = definition(crons("@daily"), "sleep", "");
    dots.action.workflow_id = "..".to_owned();
    for (definition, about) in [
        (dots, "workflow id"),
        (definition(crons("0 0 30 2 *"), "sleep", ""), "crons[0]"),
        (definition(crons("0 0 0 1 1 * 2020"), "sleep", ""), "no time after now"),
        (definition(crons("@daily"), "unknown", ""), "unknown"),
    ] {
        let error = node.create_schedule(request("t", definition)).await.expect_err("refused");
        assert!(error.message.contains(about), "{error}");
    }
    node.delete_schedule(&id("s")).await.expect("deleted");
    let error = node.describe_schedule(&id("s")).await.expect_err("gone");
    assert_eq!(error.code, ErrorCode::ScheduleNotFound);
    assert_eq!(node.delete_schedule(&id("s")).await.expect_err("gone").code, error.code);
    let paused = node.pause_schedule(&id("s"), None, None).await;
    assert_eq!(paused.expect_err("gone").code, ErrorCode::ScheduleNotFound);
    let listed = node.list_schedules(ScheduleFilter::default(), None, 10).await.expect("listed");
    assert_eq!(listed.schedules, []);
    create(&node, "s", daily).await;
}
