//! Queries and updates: what is delivered without being recorded first.

use dacapo_model::ids::{QueryName, UpdateId, UpdateName};
use dacapo_model::query::Query;
use dacapo_model::update::Update;

use super::*;
use crate::replay::{Offer, Reply, Waiting};

fn update_id(text: &str) -> UpdateId {
    UpdateId::new(text).expect("a valid id")
}

fn update(id: &str) -> Update {
    let name = UpdateName::new("add").expect("a valid name");
    Update { id: update_id(id), name, input: Payload::new("17") }
}

fn offer(id: &str) -> Offer {
    Offer::Update { update: update(id), at: seconds(50) }
}

fn query() -> Offer {
    let name = QueryName::new("status").expect("a valid name");
    Offer::Query(Query { name, input: Payload::new("1") })
}

fn accepted(id: &str) -> EventAttributes {
    EventAttributes::WorkflowExecutionUpdateAccepted(update(id).into())
}

fn update_completed(id: &str, accepted_event_id: u64, result: &'static str) -> EventAttributes {
    EventAttributes::WorkflowExecutionUpdateCompleted(Box::new(
        dacapo_model::event::UpdateCompleted::new(
            update_id(id),
            EventId(accepted_event_id),
            Ok(Payload::new(result)),
        ),
    ))
}

/// A guest with a timer, that waits for whatever is next.
fn waiting() -> Cursor {
    let mut cursor = begun([timer(ONE)]);
    start_timer(&mut cursor).expect("fits");
    assert_waits_with_nothing_new(&mut cursor);
    assert_eq!(cursor.waiting(), Some(&Waiting::Next));
    cursor
}

/// The same, with a query that it has not answered.
fn asked() -> (Cursor, String) {
    let mut cursor = waiting();
    assert!(cursor.offer(query()));
    let Ok(Answer::Ready(Delivery::Query { id, name, input })) = cursor.next() else {
        panic!("no query was delivered");
    };
    assert_eq!((name.as_str(), input), ("status", Payload::new("1")));
    (cursor, id)
}

/// The same, with an update that it has not decided about.
fn offered() -> Cursor {
    let mut cursor = waiting();
    assert!(cursor.offer(offer("a")));
    assert_eq!(cursor.next(), Ok(Answer::Ready(Delivery::Update(update("a")))));
    cursor
}

#[test]
fn a_query_is_answered_and_leaves_no_trace() {
    let (mut cursor, id) = asked();
    assert!(cursor.is_off_the_record());
    assert_eq!(cursor.now(), seconds(1), "no time passes");
    let answer = Ok(Payload::new("2"));
    cursor.respond_query(&id, answer.clone()).expect("it was asked");
    assert_waits_with_nothing_new(&mut cursor);
    assert!(!cursor.is_off_the_record());
    assert_eq!(cursor.take_reply(), Some(Reply::Answered(answer)));
    cursor.extend([at(3, fired(2, ONE))]);
    assert_eq!(cursor.next(), Ok(firing(ONE)));
}

#[test]
fn a_guest_that_has_a_query_may_do_nothing_else_nor_may_one_that_is_asked_after_its_end() {
    type Deed = fn(&mut Cursor) -> Result<(), CallError>;
    let deeds: [(&str, Deed); 8] = [
        ("started activity", |cursor| start_charge(cursor).map(drop)),
        ("started a timer", |cursor| start_timer(cursor).map(drop)),
        ("cancelled operation 1", |cursor| cursor.cancel(ONE)),
        ("waited for operation 1", |cursor| cursor.wait(ONE).map(drop)),
        ("waited for signal `a`", |cursor| cursor.receive_signal(&signal_name("a")).map(drop)),
        ("published `status`", |cursor| {
            cursor.publish(QueryName::new("status").expect("valid"), Payload::default())
        }),
        ("completed the run", |cursor| {
            cursor.close(dacapo_model::command::Outcome::Completed(Payload::default()))
        }),
        ("waited for whatever", |cursor| cursor.next().map(drop)),
    ];
    let after_end = || {
        let mut cursor = waiting();
        cursor.ask_after_end();
        cursor
    };
    for (words, deed) in deeds {
        for mut cursor in [asked().0, after_end()] {
            let error = deed(&mut cursor).expect_err(words);
            assert!(matches!(error, CallError::DuringQuery { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(cursor.take_reply(), None);
        }
    }
    // Nor after the answer, before it waits.
    let (mut cursor, id) = asked();
    cursor.respond_query(&id, Ok(Payload::default())).expect("it was asked");
    assert!(matches!(start_charge(&mut cursor), Err(CallError::DuringQuery { .. })));
}

#[test]
fn only_the_query_that_is_open_can_be_answered_and_once() {
    let (mut cursor, id) = asked();
    let answer = |cursor: &mut Cursor, id: &str| cursor.respond_query(id, Ok(Payload::default()));
    assert!(matches!(answer(&mut cursor, "other"), Err(CallError::UnknownQuery { .. })));
    answer(&mut cursor, &id).expect("it was asked");
    assert!(matches!(answer(&mut cursor, &id), Err(CallError::UnknownQuery { .. })));
}

#[test]
fn a_guest_that_waits_elsewhere_is_offered_nothing() {
    let mut cursor = begun([timer(ONE)]);
    assert!(!cursor.offer(query()), "it runs");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.wait(ONE), Ok(Answer::Blocked));
    assert_eq!(cursor.waiting(), Some(&Waiting::Operation(ONE)));
    assert!(!cursor.offer(query()));
    assert!(!cursor.offer(offer("a")));
}

#[test]
fn accepting_an_update_is_the_first_command_and_has_the_time_that_the_guest_saw() {
    let mut cursor = offered();
    assert_eq!(cursor.now(), seconds(50));
    cursor.accept_update(&update_id("a")).expect("it is there");
    start_charge(&mut cursor).expect("new");
    assert_eq!(cursor.next(), Ok(Answer::Blocked));
    assert_eq!(cursor.take_reply(), Some(Reply::Accepted));
    let commands = cursor.take_commands();
    let accept = Command::AcceptUpdate { update: update("a"), offered_at: seconds(50) };
    assert_eq!((commands.len(), &commands[0]), (2, &accept));
}

#[test]
fn an_accepted_update_is_replayed_where_it_happened() {
    let mut cursor = begun([
        timer(ONE),
        accepted("a"),
        scheduled(TWO),
        completed(4, TWO),
        update_completed("a", 3, "18"),
    ]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(Answer::Ready(Delivery::Update(update("a")))));
    assert_eq!(cursor.now(), seconds(3));
    assert!(!cursor.is_off_the_record());
    cursor.accept_update(&update_id("a")).expect("as before");
    start_charge(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(completion(TWO)));
    cursor.complete_update(&update_id("a"), Ok(Payload::new("18"))).expect("fits");
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn a_rejected_update_leaves_no_trace() {
    let mut cursor = offered();
    cursor.reject_update(&update_id("a"), declined()).expect("it is there");
    assert!(cursor.is_off_the_record());
    assert_waits_with_nothing_new(&mut cursor);
    assert_eq!(cursor.now(), seconds(1), "as if no time had passed");
    assert_eq!(cursor.take_reply(), Some(Reply::Rejected(declined())));
}

#[test]
fn a_guest_decides_before_it_does_anything_else() {
    let mut cursor = offered();
    assert!(matches!(start_charge(&mut cursor), Err(CallError::BeforeDecision { .. })));
    assert_eq!(cursor.take_reply(), None);
    let mut cursor = offered();
    assert!(matches!(cursor.next(), Err(CallError::BeforeDecision { .. })));
    let mut cursor = offered();
    cursor.reject_update(&update_id("a"), declined()).expect("it is there");
    assert!(matches!(start_charge(&mut cursor), Err(CallError::AfterRejection { .. })));
}

#[test]
fn only_an_update_that_is_there_can_be_decided_about_or_answered() {
    let unknown = |result: Result<(), CallError>| {
        assert!(matches!(result, Err(CallError::UnknownUpdate(_))), "{result:?}");
    };
    let mut cursor = offered();
    unknown(cursor.accept_update(&update_id("b")));
    unknown(cursor.reject_update(&update_id("b"), declined()));
    unknown(cursor.complete_update(&update_id("a"), Ok(Payload::default())));
    cursor.accept_update(&update_id("a")).expect("it is there");
    unknown(cursor.accept_update(&update_id("a")));
    cursor.complete_update(&update_id("a"), Err(declined())).expect("it is accepted");
    unknown(cursor.complete_update(&update_id("a"), Err(declined())));
}

#[test]
fn code_that_does_not_accept_what_history_says_it_did_does_not_fit() {
    let recorded = || {
        let mut cursor = begun([timer(ONE), accepted("a"), scheduled(TWO)]);
        start_timer(&mut cursor).expect("fits");
        cursor
    };
    let history = "event 3: history has WorkflowExecutionUpdateAccepted of `add` (a) with input 17";
    let mut cursor = recorded();
    assert_report(cursor.wait(ONE), &format!("{history}, but the code waited for operation 1"));
    let taken = || {
        let mut cursor = recorded();
        assert!(matches!(cursor.next(), Ok(Answer::Ready(Delivery::Update(_)))));
        cursor
    };
    let rejected = taken().reject_update(&update_id("a"), declined());
    assert_report(rejected, &format!("{history}, but the code rejected it"));
    assert_report(
        start_charge(&mut taken()),
        &format!("{history}, but the code started activity `charge` as operation 2 with input 17"),
    );
    let waited = taken().next();
    assert_report(waited, &format!("{history}, but the code waited for whatever happens next"));
}

#[test]
fn another_answer_than_the_recorded_one_does_not_fit() {
    let mut cursor = begun([accepted("a"), update_completed("a", 2, "18")]);
    assert!(matches!(cursor.next(), Ok(Answer::Ready(Delivery::Update(_)))));
    cursor.accept_update(&update_id("a")).expect("fits");
    assert_report(
        cursor.complete_update(&update_id("a"), Ok(Payload::new("19"))),
        "event 3: history has WorkflowExecutionUpdateCompleted of a with result 18, but the code \
         completed update a with result 19",
    );
}

#[test]
fn an_update_accepted_after_a_retry_is_found_behind_what_it_overtook() {
    let mut cursor = begun([
        timer(ONE),
        task_failed(),
        signaled("s"),
        accepted("a"),
        update_completed("a", 5, "18"),
    ]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(signal("s")));
    assert_eq!(cursor.next(), Ok(Answer::Ready(Delivery::Update(update("a")))));
    cursor.accept_update(&update_id("a")).expect("fits");
    cursor.complete_update(&update_id("a"), Ok(Payload::new("18"))).expect("fits");
    assert_waits_with_nothing_new(&mut cursor);
}
