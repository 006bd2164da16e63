//! Values that are shown to those who ask.

use dacapo_model::ids::QueryName;
use dacapo_model::limits::PUBLISHED_VALUES_MAX;

use super::*;

fn name(text: &str) -> QueryName {
    QueryName::new(text).expect("a valid name")
}

fn publish(cursor: &mut Cursor, text: &str, value: &'static str) -> Result<(), CallError> {
    cursor.publish(name(text), Payload::new(value))
}

fn stored(text: &str, value: &'static str) -> Command {
    Command::Publish { name: name(text), value: Payload::new(value) }
}

#[test]
fn the_last_value_of_a_name_is_stored_if_it_has_changed() {
    let mut cursor = begun([]);
    for (text, value) in [("b", "1"), ("a", "2"), ("b", "3")] {
        publish(&mut cursor, text, value).expect("there is room");
    }
    assert_eq!(cursor.next(), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), [stored("a", "2"), stored("b", "3")]);
    publish(&mut cursor, "b", "3").expect("it is the same");
    assert_eq!(cursor.take_commands(), []);
    publish(&mut cursor, "b", "4").expect("there is room");
    assert_eq!(cursor.take_commands(), [stored("b", "4")]);
}

#[test]
fn a_replay_stores_nothing_again_and_has_the_same_values() {
    let mut cursor = begun([timer(ONE), fired(2, ONE), scheduled(TWO)]);
    publish(&mut cursor, "a", "1").expect("there is room");
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    publish(&mut cursor, "a", "2").expect("there is room");
    start_charge(&mut cursor).expect("fits");
    assert_waits_with_nothing_new(&mut cursor);
    assert_eq!(cursor.published()[&name("a")], Payload::new("2"));
}

#[test]
fn what_an_activation_that_failed_has_published_is_stored_when_it_succeeds() {
    // Only the failure and what came meanwhile are recorded.
    let mut cursor = begun([timer(ONE), fired(2, ONE), task_failed(), signaled("s")]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    publish(&mut cursor, "a", "1").expect("there is room");
    assert_eq!(cursor.next(), Ok(signal("s")));
    assert_eq!(cursor.next(), Ok(Answer::Blocked));
    assert_eq!(cursor.take_commands(), [stored("a", "1")]);
    // And once its retry is recorded, it is stored.
    let mut cursor =
        begun([timer(ONE), fired(2, ONE), task_failed(), signaled("s"), scheduled(TWO)]);
    start_timer(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(firing(ONE)));
    publish(&mut cursor, "a", "1").expect("there is room");
    start_charge(&mut cursor).expect("fits");
    assert_eq!(cursor.next(), Ok(signal("s")));
    assert_waits_with_nothing_new(&mut cursor);
}

#[test]
fn names_and_bytes_are_limited() {
    let mut cursor = begun([]);
    for number in 0..PUBLISHED_VALUES_MAX {
        cursor.publish(name(&number.to_string()), Payload::default()).expect("there is room");
    }
    publish(&mut cursor, "0", "1").expect("it replaces one");
    assert!(matches!(
        publish(&mut cursor, "one more", "1"),
        Err(CallError::TooManyPublished { max: PUBLISHED_VALUES_MAX })
    ));

    let budget = Budget { commands_max: 10, command_bytes_max: 4 };
    let mut cursor = Cursor::new(budget);
    publish(&mut cursor, "a", "123").expect("there is room");
    publish(&mut cursor, "a", "4567").expect("it replaces the other");
    assert!(matches!(
        publish(&mut cursor, "b", "8"),
        Err(CallError::TooManyPublishedBytes { max: 4 })
    ));
}
