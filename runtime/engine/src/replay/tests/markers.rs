//! Versions of changes, and recorded values: each call decides by where it is.

use dacapo_model::event::Marker;
use dacapo_model::ids::{ChangeId, ValueName};
use dacapo_model::limits::CHANGES_MAX;

use super::*;

fn change() -> ChangeId {
    ChangeId::new("refunds").expect("a valid id")
}

fn quote() -> ValueName {
    ValueName::new("quote").expect("a valid name")
}

fn version(version: u32) -> Marker {
    Marker::Version { change_id: change(), version }
}

fn value(value: &'static str) -> Marker {
    Marker::SideEffect { name: quote(), value: Payload::new(value) }
}

fn latest(call: u32, value: &'static str) -> Marker {
    Marker::MutableSideEffect { name: quote(), call, value: Payload::new(value) }
}

fn marked(marker: Marker) -> EventAttributes {
    EventAttributes::MarkerRecorded(marker)
}

fn record(marker: Marker) -> Command {
    Command::RecordMarker(marker)
}

#[test]
fn past_the_end_of_history_the_newest_version_is_recorded_once() {
    let mut cursor = begun([]);
    for _round in 0..3 {
        assert_eq!(cursor.version(change(), 0, 1), Ok(1));
    }
    assert_eq!(cursor.take_commands(), [record(version(1))], "a loop costs one event");
}

#[test]
fn code_before_its_first_change_records_nothing() {
    let mut cursor = begun([]);
    assert_eq!(cursor.version(change(), 0, 0), Ok(0));
    assert_eq!(cursor.take_commands(), []);
}

#[test]
fn a_replay_takes_the_version_that_was_recorded_here() {
    let mut cursor = begun([marked(version(1)), timer(ONE), fired(3, ONE), marked(version(2))]);
    assert_eq!(cursor.version(change(), 0, 2), Ok(1));
    assert_eq!(cursor.version(change(), 0, 2), Ok(1), "the last one before here");
    assert_eq!(start_timer(&mut cursor), Ok(ONE));
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_eq!(cursor.version(change(), 0, 2), Ok(2));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_loop_that_began_before_the_change_takes_the_new_branch_in_a_later_round() {
    let mut cursor = begun([timer(ONE), fired(2, ONE)]);
    assert_eq!(cursor.version(change(), 0, 1), Ok(0), "history goes on without it");
    assert_eq!(start_timer(&mut cursor), Ok(ONE));
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_eq!(cursor.version(change(), 0, 1), Ok(1), "no answer is remembered");
    assert_eq!(cursor.take_commands(), [record(version(1))]);
}

#[test]
fn an_input_that_is_still_to_be_delivered_is_more_history() {
    let mut cursor = begun([signaled("go")]);
    assert_eq!(cursor.version(change(), 0, 1), Ok(0));
    assert_eq!(cursor.next(), Ok(signal("go")));
    assert_eq!(cursor.version(change(), 0, 1), Ok(1));
}

#[test]
fn what_was_recorded_while_the_run_was_blocked_is_not_in_the_way() {
    // As it was when the run was tried again, and as it is replayed afterwards.
    let mut cursor = begun([timer(ONE), task_failed(), signaled("go"), fired(2, ONE)]);
    assert_eq!(start_timer(&mut cursor), Ok(ONE));
    assert_eq!(cursor.version(change(), 0, 1), Ok(1));
    assert_eq!(cursor.next(), Ok(signal("go")));
    assert_eq!(cursor.take_commands(), [record(version(1))]);

    let mut cursor =
        begun([timer(ONE), task_failed(), signaled("go"), fired(2, ONE), marked(version(1))]);
    assert_eq!(start_timer(&mut cursor), Ok(ONE));
    assert_eq!(cursor.version(change(), 0, 1), Ok(1));
    assert_eq!(cursor.next(), Ok(signal("go")));
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_move_to_other_code_is_not_in_the_way() {
    let moved = EventAttributes::WorkflowExecutionOptionsUpdated(Default::default());
    let mut cursor = begun([moved.clone()]);
    assert_eq!(cursor.version(change(), 0, 1), Ok(1));
    let mut cursor = begun([moved, marked(version(1))]);
    assert_eq!(cursor.version(change(), 0, 1), Ok(1));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn calls_that_know_different_versions_find_their_own_markers() {
    let calls = |cursor: &mut Cursor| {
        [
            cursor.version(change(), 0, 1),
            cursor.version(change(), 0, 1),
            cursor.version(change(), 0, 2),
        ]
    };
    let mut live = begun([]);
    assert_eq!(calls(&mut live), [Ok(1), Ok(1), Ok(2)]);
    assert_eq!(live.take_commands(), [record(version(1)), record(version(2))]);
    let mut replayed = begun([marked(version(1)), marked(version(2))]);
    assert_eq!(calls(&mut replayed), [Ok(1), Ok(1), Ok(2)]);
    assert_waits_with_nothing_new(&mut replayed);
}

#[test]
fn a_version_that_the_code_does_not_follow_says_which_and_where() {
    let mut cursor = begun([timer(ONE)]);
    let error = cursor.version(change(), 1, 2).expect_err("too old");
    assert_eq!(
        error.to_string(),
        "version 0 of change `refunds` is no longer supported by this code, which supports \
         versions 1 to 2"
    );
    let CallError::UnsupportedVersion { report: Some(report), .. } = error else {
        panic!("no report");
    };
    assert_eq!((report.event_id, report.recorded.as_str()), (2, "no version of change `refunds`"));

    let mut cursor = begun([marked(version(2)), timer(ONE)]);
    cursor.version(change(), 0, 2).expect("known");
    let error = cursor.version(change(), 0, 1).expect_err("too new");
    assert_eq!(
        error.to_string(),
        "version 2 of change `refunds` is not known by this code, which supports versions 0 to 1"
    );
    let past_the_end = begun([marked(version(2))]).version(change(), 0, 2).expect("known");
    assert_eq!(past_the_end, 2);
}

#[test]
fn code_that_has_forgotten_a_change_does_not_fit() {
    let mut cursor = begun([marked(version(1)), timer(ONE)]);
    assert_report(
        start_timer(&mut cursor),
        "event 2: history has MarkerRecorded of version 1 of change `refunds`, but the code \
         started a timer for 1970-01-01T00:01:40.000000Z as operation 1",
    );
}

#[test]
fn a_run_has_a_limited_number_of_changes() {
    let mut cursor = begun([]);
    for number in 0..CHANGES_MAX {
        let change_id = ChangeId::new(format!("{number}")).expect("a valid id");
        assert_eq!(cursor.version(change_id, 0, 1), Ok(1));
    }
    let error = cursor.version(change(), 0, 1).expect_err("one too many");
    assert_eq!(error.to_string(), "the run would have more than 1000 changes of its code");
    let known = ChangeId::new("0").expect("a valid id");
    assert_eq!(cursor.version(known, 0, 2), Ok(2), "known ones may rise");
}

#[test]
fn a_value_is_recorded_once_and_taken_from_history_afterwards() {
    let mut live = begun([]);
    assert_eq!(live.recorded_value(quote()), Ok(None));
    live.record_value(quote(), Payload::new("17")).expect("it was asked for");
    assert_eq!(live.take_commands(), [record(value("17"))]);

    let mut replayed = begun([marked(value("17"))]);
    assert_eq!(replayed.recorded_value(quote()), Ok(Some(Payload::new("17"))));
    assert_waits_with_nothing_new(&mut replayed);
}

#[test]
fn a_value_that_history_does_not_have_here_does_not_fit() {
    let expected = "event 2: history has TimerStarted for 1970-01-01T00:01:40.000000Z as \
                    operation 1, but the code asked for the recorded value `quote`";
    assert_report(begun([timer(ONE)]).recorded_value(quote()), expected);
    assert_report(begun([timer(ONE)]).latest_value(quote()), expected);
}

#[test]
fn a_value_that_was_asked_for_is_recorded_before_anything_else_happens() {
    let unrecorded = Some(CallError::UnrecordedValue { name: quote() });
    let mut cursor = begun([]);
    assert_eq!(cursor.recorded_value(quote()), Ok(None));
    assert_eq!(start_timer(&mut cursor).err(), unrecorded);
    assert_eq!(cursor.next().err(), unrecorded);
    assert_eq!(cursor.version(change(), 0, 1).err(), unrecorded);
    assert_eq!(cursor.recorded_value(quote()).err(), unrecorded);
    let unasked = CallError::UnaskedValue { name: quote() };
    assert_eq!(begun([]).record_value(quote(), Payload::default()), Err(unasked));
}

#[test]
fn a_value_that_may_change_is_recorded_when_it_has() {
    let ask = |cursor: &mut Cursor, now: &'static str| {
        let latest = cursor.latest_value(quote()).expect("it fits");
        latest.unwrap_or_else(|| {
            cursor.record_value(quote(), Payload::new(now)).expect("it was asked for");
            Payload::new(now)
        })
    };
    let mut live = begun([]);
    for now in ["1", "1", "2", "2"] {
        assert_eq!(ask(&mut live, now), Payload::new(now));
    }
    assert_eq!(live.take_commands(), [record(latest(1, "1")), record(latest(3, "2"))]);

    let mut replayed = begun([marked(latest(1, "1")), marked(latest(3, "2")), timer(ONE)]);
    for recorded in ["1", "1", "2", "2"] {
        assert_eq!(ask(&mut replayed, "3"), Payload::new(recorded));
    }
    start_timer(&mut replayed).expect("it fits");
    assert_eq!(ask(&mut replayed, "3"), Payload::new("3"));
    assert_eq!(replayed.take_commands(), [record(latest(5, "3"))]);
}

#[test]
fn values_that_may_change_are_limited_in_bytes_together() {
    let budget = Budget { commands_max: 100, command_bytes_max: 10 };
    let mut cursor = Cursor::new(budget);
    cursor.extend(history([]));
    cursor.start().expect("the start fits");
    let mut note = |name: &str, value: &'static str| {
        let name = ValueName::new(name).expect("a valid name");
        cursor.latest_value(name.clone()).expect("nothing is recorded");
        let noted = cursor.record_value(name, Payload::new(value));
        cursor.take_commands();
        noted
    };
    assert_eq!(note("a", "12345678"), Ok(()));
    assert_eq!(note("a", "1234567"), Ok(()), "it takes the place of the one before");
    assert_eq!(note("b", "123"), Ok(()));
    assert_eq!(note("c", "1"), Err(CallError::TooManyLatestBytes { max: 10 }));
}
