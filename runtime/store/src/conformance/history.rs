//! Histories come back exactly as they were written.

use std::sync::Arc;

use dacapo_model::event::{
    ActivityOptions, EventAttributes, HistoryEvent, ParentClosePolicy, ParentExecution,
};
use dacapo_model::execution::Execution;
use dacapo_model::ids::{EventId, OperationId, RunKey};
use dacapo_model::payload::Payload;
use dacapo_model::retry::RetryPolicy;

use super::fixtures::*;
use super::samples::{every_event, failed_update};
use crate::Store;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("history.rs");

async fn assert_comes_back(store: Arc<dyn Store>, attributes: Vec<EventAttributes>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let events: Vec<_> = (1..)
        .zip(attributes)
        .map(|(id, attributes)| HistoryEvent { id: EventId(id), time: at(id as i64), attributes })
        .collect();
    owned.commit([append(run.key, events.clone())]).await.expect("commits");
    assert_eq!(owned.history(run.key).await, events);
    let histories =
        owned.store.load_histories(&[run.key], u32::MAX, usize::MAX).await.expect("histories");
    assert_eq!(histories, [events]);
}

/// One of each, with every optional part present.
pub async fn every_event_type_comes_back(store: Arc<dyn Store>) {
    assert_comes_back(store, every_event()).await;
}

/// The same type of event may have a payload or not.
pub async fn an_outcome_that_is_a_failure_comes_back_without_a_payload(store: Arc<dyn Store>) {
    assert_comes_back(store, vec![failed_update()]).await;
}

/// Any bytes, none at all, and many.
pub async fn payloads_come_back_byte_for_byte(store: Arc<dyn Store>) {
    let payloads: [Vec<u8>; 6] = [
        Vec::new(),
        vec![0],
        (0..=255).collect(),
        b"{ \"spaces\" :  1e2, \"dup\":1, \"dup\":2 }".to_vec(),
        vec![0xc3, 0x28],
        vec![b'x'; 3_000_000],
    ];
    let with_payload: Vec<_> =
        every_event().into_iter().filter(|it| it.payload().is_some()).collect();
    let mut events = Vec::new();
    for sample in &with_payload {
        let of_this_type = payloads.iter().map(|payload| {
            let mut event = sample.clone();
            event.set_payload(Payload::from(payload.clone()));
            event
        });
        events.extend(of_this_type);
    }
    assert_comes_back(store, events).await;
}

/// Messages come from guests and clients; PostgreSQL can't keep U+0000 as such.
pub async fn texts_come_back_whatever_they_hold(store: Arc<dyn Store>) {
    let texts = [
        "",
        "\0",
        "\u{10}",
        "\u{10}0",
        "a\0b\u{10}\u{10}0c",
        "\\u0000",
        "\\",
        "'\"; DROP TABLE history_events; --",
        "line\r\n\ttab \u{7f}\u{80}\u{9f}",
        "\u{feff}\u{fffe}\u{ffff}\u{10ffff}",
        "🦀 ünïcödé ﷽",
    ];
    let events = texts.map(|text| EventAttributes::WorkflowExecutionTerminated {
        reason: text.to_owned(),
        new_run_id: None,
    });
    assert_comes_back(store, events.into()).await;
}

/// Through whatever number type the database has for JSON.
pub async fn numbers_come_back_exactly(store: Arc<dyn Store>) {
    let coefficients = [1.0, 1.1, 0.1 + 0.2, 1e300, f64::MIN_POSITIVE, 1.000_000_000_000_000_2];
    let scheduled =
        coefficients.map(|backoff_coefficient| EventAttributes::ActivityTaskScheduled {
            operation_id: OperationId(u32::MAX),
            activity_type: type_name("shop.charge"),
            input: Payload::default(),
            options: ActivityOptions {
                start_to_close_timeout: std::time::Duration::from_micros(u64::MAX),
                retry: RetryPolicy { backoff_coefficient, ..RetryPolicy::default() },
                ..ActivityOptions::unnamed()
            },
        });
    let ids = [1, u64::from(u32::MAX), u64::MAX].map(|id| EventAttributes::TimerFired {
        started_event_id: EventId(id),
        operation_id: OperationId(0),
    });
    assert_comes_back(store, scheduled.into_iter().chain(ids).collect()).await;
}

/// From any event on, and never more than asked for.
pub async fn a_history_is_read_in_pages(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    owned.commit([append(run.key, (2..=12).map(any_event))]).await.expect("commits");
    let page = async |from, limit| -> Vec<u64> {
        let events = owned.store.load_history(run.key, EventId(from), limit).await.expect("reads");
        events.iter().map(|event| event.id.0).collect()
    };
    assert_eq!(page(1, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(page(6, 5).await, [6, 7, 8, 9, 10]);
    assert_eq!(page(11, 5).await, [11, 12]);
    assert_eq!(page(13, 5).await, [0; 0]);
    assert_eq!(page(0, 1).await, [1]);
    assert_eq!(page(u64::MAX, u32::MAX).await, [0; 0]);
    assert_eq!(page(1, 0).await, [0; 0]);
}

/// However long the history is.
pub async fn the_last_event_is_read_alone(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (run, other) = (execution("order-1", 1), execution("order-1", 2));
    let last = async |key| owned.store.last_event(key).await.expect("reads");
    assert_eq!(last(run.key).await, None);
    owned.start(&[&run]).await;
    owned.commit([append(run.key, (2..=12).map(any_event))]).await.expect("commits");
    assert_eq!(last(run.key).await, Some(any_event(12)));
    assert_eq!(last(other.key).await, None);
}

/// Whether payloads or texts make it so; the event that passes the limit is in it.
pub async fn a_part_of_a_history_ends_once_it_has_many_bytes(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let event = |id, attributes| HistoryEvent { id: EventId(id), time: at(2), attributes };
    let large = |id| {
        let reason = "x".repeat(100_000);
        event(id, EventAttributes::WorkflowExecutionCancelRequested { reason, request_id: None })
    };
    let events = (2..=9).map(any_event).chain((10..=13).map(large)).chain((14..=20).map(any_event));
    owned.commit([append(run.key, events)]).await.expect("commits");
    let part = async |from, limit, bytes_max| {
        let part = owned.store.load_history_part(run.key, EventId(from), limit, bytes_max).await;
        let ids: Vec<_> = part.expect("reads").iter().map(|event| event.id.0).collect();
        ids
    };
    assert_eq!(part(1, 5, 1_000_000).await, [1, 2, 3, 4, 5]);
    assert_eq!(part(8, 100, 150_000).await, [8, 9, 10, 11]);
    assert_eq!(part(10, 100, 1).await, [10]);
    assert_eq!(part(19, 100, 1_000_000).await, [19, 20]);
    assert_eq!(part(12, 100, 1_000_000).await, (12..=20).collect::<Vec<_>>());
    assert_eq!(part(21, 100, 1_000_000).await, [0; 0]);
    owned.commit([append(run.key, (21..=400).map(any_event))]).await.expect("commits");
    assert_eq!(part(14, 300, 10_000_000).await, (14..=313).collect::<Vec<_>>());
    assert_eq!(part(14, 1_000, 10_000_000).await, (14..=400).collect::<Vec<_>>());
}

/// In the order asked for, with a place for unknown runs.
pub async fn several_histories_are_read_at_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> = (1..=5).map(|n| execution(&format!("order-{n}"), n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    let longer = runs.iter().zip(2..).map(|(run, last)| append(run.key, (2..=last).map(any_event)));
    owned.commit(longer).await.expect("commits");
    let unknown = execution("order-9", 9);
    let order = [&runs[3], &unknown, &runs[0], &runs[4]];
    let keys = order.map(|run| run.key);
    let histories = owned.store.load_histories(&keys, 100, usize::MAX).await.expect("histories");
    let lengths: Vec<_> = histories.iter().map(Vec::len).collect();
    assert_eq!(lengths, [5, 0, 2, 6]);
    for (history, run) in histories.iter().zip(order) {
        assert_eq!(*history, owned.history(run.key).await);
    }
    let beginnings = owned.store.load_histories(&keys, 3, usize::MAX).await.expect("histories");
    for (beginning, history) in beginnings.iter().zip(&histories) {
        assert_eq!(*beginning, history[..history.len().min(3)]);
    }
    assert_eq!(owned.store.load_histories(&[], 100, 0).await.expect("histories"), [[]; 0]);
}

/// The runs that are left are for the next call; each call comes further.
pub async fn histories_are_read_until_they_are_many_bytes(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> = (1..=4).map(|n| execution(&format!("order-{n}"), n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    let large = EventAttributes::WorkflowExecutionTerminated {
        reason: "x".repeat(100_000),
        new_run_id: None,
    };
    let large = |run: &Execution| append(run.key, [event(2, large.clone()), any_event(3)]);
    owned.commit([&runs[0], &runs[2]].map(large)).await.expect("commits");
    let unknown = execution("order-9", 9);
    let keys = [runs[0].key, runs[1].key, runs[2].key, unknown.key, runs[3].key];
    let read = async |keys: &[RunKey], bytes_max| -> Vec<usize> {
        let histories = owned.store.load_histories(keys, 100, bytes_max).await.expect("histories");
        histories.iter().map(Vec::len).collect()
    };
    assert_eq!(read(&keys, 1_000_000).await, [3, 1, 3, 0, 1]);
    assert_eq!(read(&keys, 150_000).await, [3, 1, 3]);
    assert_eq!(read(&keys, 1).await, [3]);
    assert_eq!(read(&keys, 0).await, [3]);
    assert_eq!(read(&keys[1..], 50_000).await, [1, 3]);
    assert_eq!(read(&keys[3..], 50_000).await, [0, 1]);
    // What was left unread is in nobody's way.
    assert_eq!(owned.history(runs[3].key).await.len(), 1);
}

/// In the order asked for, with a place for unknown runs.
pub async fn the_last_events_of_several_runs_are_read_at_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs: Vec<_> = (1..=3).map(|n| execution(&format!("order-{n}"), n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    owned.commit([append(runs[2].key, (2..=12).map(any_event))]).await.expect("commits");
    let unknown = execution("order-9", 9);
    let keys = [runs[2].key, unknown.key, runs[0].key];
    let last = owned.store.last_events(&keys).await.expect("reads");
    let ids: Vec<_> = last.iter().map(|event| event.as_ref().map(|event| event.id.0)).collect();
    assert_eq!(ids, [Some(12), None, Some(1)]);
    assert_eq!(last[0], Some(any_event(12)));
    assert_eq!(owned.store.last_events(&[]).await.expect("reads"), []);
}

/// Only of runs that are children, whatever their parents are called.
pub async fn the_parents_of_several_runs_are_found_at_once(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let (alone, unknown) = (execution("order-1", 1), execution("order-9", 9));
    let (child, other) = (execution("order-2", 2), execution("order-3", 3));
    let parent = |id: &str, policy| ParentExecution {
        parent_close_policy: policy,
        ..parent_execution(id, alone.key.run_id)
    };
    let parents = [
        (child.key.run_id, parent("\"ü\"/\\1", ParentClosePolicy::default())),
        (other.key.run_id, parent("order-1", ParentClosePolicy::Abandon)),
    ];
    let starts = [&child, &other].into_iter().zip(&parents);
    let starts = starts.map(|(run, (_, parent))| start_of_child(run, parent.clone()));
    owned.commit(starts.chain([start(&alone)])).await.expect("commits");
    let keys = [alone.key, other.key, unknown.key, child.key];
    let mut found = owned.store.find_parents(&keys).await.expect("reads");
    found.sort_by_key(|(run_id, _)| *run_id);
    assert_eq!(found, parents);
    assert_eq!(owned.store.find_parents(&[]).await.expect("reads"), []);
}

/// A run is its key; another run id or hash is another run.
pub async fn an_unknown_run_has_no_events(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    assert_eq!(owned.history(execution("order-1", 2).key).await, []);
    assert_eq!(owned.history(execution("order-2", 1).key).await, []);
}
