//! Waits for whatever comes next that do not last for ever.

use dacapo_model::ids::{QueryName, UpdateId, UpdateName};
use dacapo_model::query::Query;
use dacapo_model::update::Update;

use super::*;
use crate::replay::{Offer, Reply, Waiting};

const NOTHING: Answer<Option<Delivery>> = Answer::Ready(None);

fn is(delivery: Answer<Delivery>) -> Result<Answer<Option<Delivery>>, CallError> {
    match delivery {
        Answer::Ready(delivery) => Ok(Answer::Ready(Some(delivery))),
        Answer::Blocked => Ok(Answer::Blocked),
    }
}

/// A guest that waits until the time of [`timer`].
fn waiting() -> Cursor {
    let mut cursor = begun([timer(ONE)]);
    assert_eq!(cursor.next_until(seconds(100)), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), []);
    assert_eq!(cursor.waiting(), Some(&Waiting::NextUntil(ONE)));
    cursor
}

fn query() -> Offer {
    let name = QueryName::new("status").expect("a valid name");
    Offer::Query(Query { name, input: Payload::new("1") })
}

fn update() -> Update {
    let name = UpdateName::new("add").expect("a valid name");
    let id = UpdateId::new("a").expect("a valid id");
    Update { id, name, input: Payload::new("17") }
}

#[test]
fn a_wait_until_a_time_is_a_timer_whose_end_is_nothing() {
    let mut cursor = begun([timer(ONE), fired(2, ONE), signaled("late")]);
    assert_eq!(cursor.next_until(seconds(100)), Ok(NOTHING));
    assert_eq!(cursor.now(), seconds(100), "whatever the clock said that recorded it");
    assert_eq!(cursor.next_until(seconds(100)), Ok(NOTHING), "it has passed");
    assert_eq!(cursor.wait(ONE), Err(CallError::UnknownOperation(ONE)));
    assert_eq!(cursor.next(), Ok(signal("late")));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_damaged_history_ends_a_wait_by_nothing_but_its_timer() {
    let mut cursor = begun([timer(ONE), completed(2, ONE), signaled("late")]);
    assert_eq!(cursor.next_until(seconds(100)), is(signal("late")));
    assert_eq!(cursor.next_until(seconds(100)), Ok(Answer::Blocked));
}

#[test]
fn waits_until_one_time_share_a_timer_and_one_until_another_replaces_it() {
    let mut cursor = begun([]);
    assert_eq!(cursor.next_until(seconds(100)), Ok(Answer::Blocked));
    let first = Command::StartTimer { operation_id: ONE, fire_at: seconds(100) };
    assert_eq!(cursor.take_commands(), [first]);
    for id in [3, 4] {
        cursor.extend([at(id, signaled("a"))]);
        assert_eq!(cursor.next_until(seconds(100)), is(signal("a")));
        assert_eq!(cursor.next_until(seconds(100)), Ok(Answer::Blocked));
        assert_eq!(cursor.take_commands(), []);
    }
    cursor.extend([at(5, signaled("b"))]);
    assert_eq!(cursor.next_until(seconds(100)), is(signal("b")));
    assert_eq!(cursor.next_until(seconds(50)), Ok(Answer::Blocked));
    assert_eq!(
        cursor.take_commands(),
        [
            Command::CancelOperation { operation_id: ONE },
            Command::StartTimer { operation_id: TWO, fire_at: seconds(50) },
        ]
    );
}

#[test]
fn the_timer_of_a_wait_is_nothing_to_those_who_wait_otherwise() {
    let mut cursor = begun([timer(ONE), signaled("a"), timer(TWO), fired(2, ONE), fired(4, TWO)]);
    assert_eq!(cursor.next_until(seconds(100)), is(signal("a")));
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(TWO)));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_deadline_beyond_all_timers_is_none() {
    let mut cursor = begun([]);
    let never = Timestamp::from_micros(i64::MAX);
    assert_eq!(cursor.next_until(never), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), []);
    assert_eq!(cursor.waiting(), Some(&Waiting::Next));
}

#[test]
fn try_next_returns_what_came_during_another_wait_and_delivers_nothing() {
    let mut cursor = begun([scheduled(ONE), signaled("a"), completed(2, ONE), signaled("b")]);
    start_charge(&mut cursor).expect("fits");
    assert_eq!(cursor.try_next(), None, "it does not wait");
    assert_eq!(cursor.wait(ONE), Ok(Answer::Ready(Ok(Payload::new("true")))));
    assert!(cursor.has_next());
    assert_eq!(cursor.try_next().map(Answer::Ready), Some(signal("a")));
    assert!(!cursor.has_next(), "the outcome was taken by another wait");
    assert_eq!(cursor.try_next(), None);
    assert_eq!(cursor.next(), Ok(signal("b")));
}

#[test]
fn a_guest_that_was_asked_answers_and_waits_until_the_same_time() {
    let mut cursor = waiting();
    assert!(cursor.offer(query()));
    assert!(cursor.is_off_the_record());
    let Some(Delivery::Query { id, .. }) = cursor.try_next() else {
        panic!("no query was delivered");
    };
    let answer = Ok(Payload::new("2"));
    cursor.respond_query(&id, answer.clone()).expect("it was asked");
    assert_eq!(cursor.try_next(), None);
    assert_eq!(cursor.wait_until(Some(seconds(100))), Ok(Answer::Blocked));
    assert_eq!(cursor.take_reply(), Some(Reply::Answered(answer)));
    assert_eq!(cursor.take_commands(), []);
    cursor.extend([at(3, fired(2, ONE))]);
    assert_eq!(cursor.next_until(seconds(100)), Ok(NOTHING));
}

#[test]
fn nothing_changes_what_a_guest_waits_for_while_it_is_asked() {
    for deadline in [None, Some(seconds(99)), Some(seconds(101))] {
        let mut cursor = waiting();
        assert!(cursor.offer(query()));
        assert!(matches!(start_charge(&mut cursor), Err(CallError::DuringQuery { .. })));
        let Some(Delivery::Query { id, .. }) = cursor.try_next() else {
            panic!("no query was delivered");
        };
        cursor.respond_query(&id, Ok(Payload::default())).expect("it was asked");
        let error = cursor.wait_until(deadline).expect_err("another time");
        assert!(error.to_string().contains("waited until another time"), "{error}");
    }
}

#[test]
fn an_update_shows_its_time_as_soon_as_the_guest_runs_and_takes_it_back_if_rejected() {
    let mut cursor = waiting();
    assert!(cursor.offer(Offer::Update { update: update(), at: seconds(200) }));
    assert_eq!(cursor.now(), seconds(200), "as on replay");
    assert_eq!(cursor.try_next(), Some(Delivery::Update(update())));
    cursor.reject_update(&update().id, declined()).expect("it is there");
    assert_eq!(cursor.wait_until(Some(seconds(100))), Ok(Answer::Blocked));
    assert_eq!(cursor.now(), seconds(1));
    assert_eq!(cursor.take_reply(), Some(Reply::Rejected(declined())));
    assert_eq!(cursor.take_commands(), []);
}

#[test]
fn an_update_that_is_accepted_during_such_a_wait_is_replayed_there() {
    let accepted = EventAttributes::WorkflowExecutionUpdateAccepted(update().into());
    let mut cursor = begun([timer(ONE), accepted, timer_canceled(2, ONE)]);
    assert_eq!(cursor.wait_until(Some(seconds(100))), Ok(Answer::Ready(())));
    assert_eq!(cursor.try_next(), Some(Delivery::Update(update())));
    cursor.accept_update(&update().id).expect("it is there");
    assert_eq!(cursor.wait_until(None), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), []);
}

#[test]
fn a_timer_of_a_wait_that_was_overtaken_is_not_given_up_twice() {
    let mut cursor = begun([timer(ONE), task_failed(), fired(2, ONE), signaled("a")]);
    assert_eq!(cursor.next_until(seconds(100)), Ok(NOTHING));
    assert_eq!(cursor.next_until(seconds(200)), is(signal("a")));
}
