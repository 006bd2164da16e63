//! Lists of runs: order, filters, pages.

use std::sync::Arc;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::time::Timestamp;

use super::fixtures::*;
use crate::Store;
use crate::execution::{ExecutionCursor, ExecutionFilter, ListPlace, ListedExecution};

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("execution_list.rs");

async fn list(owned: &Owned, filter: &ExecutionFilter) -> Vec<u128> {
    let runs = owned.store.list_executions(&default_namespace(), filter, None, 100).await;
    runs.expect("lists").iter().map(number).collect()
}

fn number(listed: &ListedExecution) -> u128 {
    listed.execution.key.run_id.0.as_u128()
}

/// All pages of two runs each, one after the other.
async fn list_in_pages(owned: &Owned, filter: &ExecutionFilter) -> Vec<u128> {
    let mut numbers = Vec::new();
    let mut after: Option<ExecutionCursor> = None;
    loop {
        let namespace = default_namespace();
        let page = owned.store.list_executions(&namespace, filter, after.as_ref(), 2);
        let page = page.await.expect("lists");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else {
            return numbers;
        };
        after = filter.cursor(last);
        numbers.extend(page.iter().map(number));
    }
}

/// And only those of the namespace.
pub async fn runs_are_listed_newest_first(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    for (number, started_at) in [(1, at(20)), (2, at(30)), (3, at(10))] {
        let run = Execution { started_at, ..execution(&format!("order-{number}"), number) };
        owned.start(&[&run]).await;
    }
    owned.start(&[&execution_in("other", "order-1", 9)]).await;
    assert_eq!(list(&owned, &ExecutionFilter::default()).await, [2, 1, 3]);
    let all = ExecutionFilter::default();
    let first = owned.store.list_executions(&default_namespace(), &all, None, 1).await;
    let newest = Execution { started_at: at(30), ..execution("order-2", 2) };
    assert_eq!(first.expect("lists"), [ListedExecution { execution: newest, run_number: 1 }]);
}

/// Runs 1 to 6, started one microsecond apart: two types, three workflow ids,
/// the first three closed.
async fn six_runs(store: Arc<dyn Store>) -> Owned {
    let owned = Owned::of(store).await;
    for (number, offset) in (1..=6).zip(1..) {
        let run = Execution {
            started_at: at(offset),
            workflow_type: type_name(["even", "odd"][usize::from(number % 2 == 1)]),
            ..execution(&format!("order-{}", number % 3), number)
        };
        owned.start(&[&run]).await;
        if number <= 3 {
            owned.commit([close(&run, 2)]).await.expect("closes");
        }
    }
    owned
}

/// Each on its own, and several at once.
pub async fn every_filter_narrows_a_list(store: Arc<dyn Store>) {
    let owned = six_runs(store).await;
    let all = ExecutionFilter::default();
    assert_eq!(list(&owned, &all).await, [6, 5, 4, 3, 2, 1]);
    let running = ExecutionFilter { statuses: vec![ExecutionStatus::Running], ..all.clone() };
    assert_eq!(list(&owned, &running).await, [6, 5, 4]);
    let either = ExecutionFilter {
        statuses: vec![ExecutionStatus::Completed, ExecutionStatus::Running],
        ..all.clone()
    };
    assert_eq!(list(&owned, &either).await.len(), 6);
    let odd = ExecutionFilter { workflow_type: Some(type_name("odd")), ..all.clone() };
    assert_eq!(list(&owned, &odd).await, [5, 3, 1]);
    let one = ExecutionFilter { workflow_id: Some(workflow_id("order-1")), ..all.clone() };
    assert_eq!(list(&owned, &one).await, [4, 1]);
    let from = ExecutionFilter { started_from: Some(at(3)), ..all.clone() };
    assert_eq!(list(&owned, &from).await, [6, 5, 4, 3]);
    let before = ExecutionFilter { started_before: Some(at(3)), ..all.clone() };
    assert_eq!(list(&owned, &before).await, [2, 1]);
    let several = ExecutionFilter {
        statuses: vec![ExecutionStatus::Completed],
        workflow_type: Some(type_name("odd")),
        started_from: Some(at(2)),
        started_before: Some(at(6)),
        ..ExecutionFilter::default()
    };
    assert_eq!(list(&owned, &several).await, [3]);
    assert_eq!(list_in_pages(&owned, &odd).await, [5, 3, 1]);
}

/// A backend may read these by another index; the result must not differ.
pub async fn filters_work_together_with_a_workflow_id(store: Arc<dyn Store>) {
    let owned = six_runs(store).await;
    let one = ExecutionFilter { workflow_id: Some(workflow_id("order-1")), ..Default::default() };
    let running = ExecutionFilter { statuses: vec![ExecutionStatus::Running], ..one.clone() };
    assert_eq!(list(&owned, &running).await, [4]);
    let odd = ExecutionFilter { workflow_type: Some(type_name("odd")), ..one.clone() };
    assert_eq!(list(&owned, &odd).await, [1]);
    let from = ExecutionFilter { started_from: Some(at(4)), ..one.clone() };
    assert_eq!(list(&owned, &from).await, [4]);
    let before = ExecutionFilter { started_before: Some(at(4)), ..one.clone() };
    assert_eq!(list(&owned, &before).await, [1]);
    let unknown = ExecutionFilter { workflow_id: Some(workflow_id("order-9")), ..one };
    assert_eq!(list(&owned, &unknown).await, []);
}

/// Their ids are apart, and so are their lists.
pub async fn runs_of_built_in_workflows_are_listed_apart(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let activity = BuiltinWorkflow::Activity.workflow_id("order-1").expect("an id");
    let ids = ["order-1", activity.as_str(), "dacapo:other:order-1", "dacapo", "DACAPO:1"];
    for (number, id) in (1..).zip(ids) {
        let run =
            Execution { started_at: at(number), ..execution(id, number.cast_unsigned().into()) };
        owned.start(&[&run]).await;
    }
    let workflows = ExecutionFilter::default();
    assert_eq!(list(&owned, &workflows).await, [5, 4, 1]);
    let builtin = Some(BuiltinWorkflow::Activity);
    let activities = ExecutionFilter { builtin, ..workflows.clone() };
    assert_eq!(list(&owned, &activities).await, [2]);
    let named = ExecutionFilter { workflow_id: Some(activity), ..workflows };
    assert_eq!(list(&owned, &named).await, [2], "the id says whose it is");
}

/// A batch of starts has one time; the run id is what tells them apart.
pub async fn pages_neither_repeat_nor_miss_runs_of_one_instant(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let numbers = [5, 3, u128::MAX, 1, u128::MAX / 2 + 1, 8, 2];
    let runs: Vec<_> = numbers.iter().map(|&n| execution(&format!("order-{n}"), n)).collect();
    owned.start(&runs.iter().collect::<Vec<_>>()).await;
    let mut expected = numbers.to_vec();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(list_in_pages(&owned, &ExecutionFilter::default()).await, expected);
}

/// The same, for the runs of one id. What counts is which was committed last.
pub async fn a_page_of_a_workflow_id_follows_the_page_before(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    for number in [4, 1, 5, 3, 2] {
        let run = execution("order-1", number);
        owned.commit([start(&run), close(&run, 2)]).await.expect("commits");
    }
    owned.start(&[&execution("order-2", 6)]).await;
    let one = ExecutionFilter { workflow_id: Some(workflow_id("order-1")), ..Default::default() };
    assert_eq!(list_in_pages(&owned, &one).await, [2, 3, 5, 1, 4]);
}

/// The clock goes back between them, and by years; runs of other ids are counted by
/// themselves, also in one commit; and a run may replace an open one.
pub async fn runs_of_a_workflow_id_are_counted_whatever_the_clock_says(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let run = |workflow: &str, number, started_at| Execution {
        started_at,
        ..execution(workflow, number)
    };
    let years = 10 * 365 * 24 * 3_600_000_000;
    let first = run("order-1", 7, at(years));
    let elsewhere = run("order-2", 2, at(1));
    let second = run("order-1", 3, at(0));
    let commit = [start(&first), start(&elsewhere), close(&first, 2), start(&second)];
    owned.commit(commit).await.expect("commits");
    let third = run("order-1", 5, at(0));
    let replacing = unit([close(&second, 2), start(&third)]);
    owned.store.commit(&owned.ownership, &[replacing]).await.expect("replaces");
    owned.commit([close(&third, 2)]).await.expect("closes");
    let fourth = run("order-1", 4, at(-years));
    owned.start(&[&fourth]).await;

    let one = ExecutionFilter { workflow_id: Some(workflow_id("order-1")), ..Default::default() };
    assert_eq!(list(&owned, &one).await, [4, 5, 3, 7]);
    assert_eq!(list_in_pages(&owned, &one).await, [4, 5, 3, 7]);
    let counted = async |filter: &ExecutionFilter| {
        let runs = owned.store.list_executions(&default_namespace(), filter, None, 100).await;
        runs.expect("lists").iter().map(|run| run.run_number).collect::<Vec<_>>()
    };
    assert_eq!(counted(&one).await, [4, 3, 2, 1]);
    // Of several ids, the newest start comes first.
    let all = ExecutionFilter::default();
    assert_eq!(list(&owned, &all).await, [7, 2, 5, 3, 4]);
    assert_eq!(list_in_pages(&owned, &all).await, [7, 2, 5, 3, 4]);
}

/// Filters and cursors come from clients.
pub async fn times_no_calendar_reaches_are_no_error(store: Arc<dyn Store>) {
    let owned = six_runs(store).await;
    let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    let all = ExecutionFilter {
        started_from: Some(first),
        started_before: Some(last),
        ..ExecutionFilter::default()
    };
    assert_eq!(list(&owned, &all).await.len(), 6);
    let none = ExecutionFilter {
        started_from: Some(last),
        started_before: Some(first),
        ..ExecutionFilter::default()
    };
    assert_eq!(list(&owned, &none).await, []);
    for (started_at, expected) in [(last, 6), (first, 0)] {
        let place = ListPlace::Started(started_at);
        let after = Some(&ExecutionCursor { place, run_id: run_id(0) });
        let page = owned.store.list_executions(&default_namespace(), &all, after, 100).await;
        assert_eq!(page.expect("lists").len(), expected);
    }
}
