//! The memo, search attributes, and what a run continues as.

use std::collections::BTreeMap;
use std::time::Duration;

use super::script::{play, play_to_end};
use crate::executor::End;
use crate::{
    Failure, SearchValue, continue_as_new, memo, remove_memo, remove_search_attributes,
    search_attributes, upsert_memo, upsert_search_attributes,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_memo_is_read_as_it_was_set() {
    let (output, log) = play([], async {
        upsert_memo("note", "x")?;
        upsert_memo("old", &1)?;
        remove_memo("old");
        let refused = memo::<u8>("note").expect_err("a text is no number");
        assert!(refused.to_string().contains("memo `note`"), "{refused}");
        Ok::<_, Failure>((memo::<String>("note")?, memo::<u8>("old")?))
    });
    assert_eq!(output, Ok((Some("x".to_owned()), None)));
    assert_eq!(
        log,
        [r#"memo {"note": Some("\"x\"")}"#, r#"memo {"old": Some("1")}"#, r#"memo {"old": None}"#]
    );
}

#[test]
fn search_attributes_that_change_together_are_one_change() {
    let (output, log) = play([], async {
        upsert_search_attributes([("customer", SearchValue::keyword("c")), ("cents", 7.into())]);
        remove_search_attributes(["cents"]);
        upsert_search_attributes(<[(&str, bool); 0]>::default());
        search_attributes()
    });
    let expected = [("customer".to_owned(), SearchValue::keyword("c"))];
    assert_eq!(output, BTreeMap::from(expected));
    assert_eq!(log.len(), 2, "what changes nothing is not said: {log:?}");
}

#[test]
fn a_run_continues_as_what_its_builder_says() {
    let (end, log) = play_to_end([], async {
        continue_as_new::<()>(&2)
            .run_timeout(SECOND)
            .start_delay(2 * SECOND)
            .memo("round", &2)
            .without_memo("old")
            .search_attribute("vip", true)
            .without_search_attribute("trial")
            .await
    });
    let End::Continued(continuation) = end else { panic!("it was to continue") };
    let wit = continuation.into_wit("own");
    assert_eq!((&*wit.workflow_type, &wit.input[..]), ("own", &b"2"[..]));
    assert_eq!((wit.run_timeout, wit.backoff_start_interval), (Some(1_000_000_000), 2_000_000_000));
    let memo: Vec<_> = wit.memo.into_iter().map(|it| (it.name, it.value)).collect();
    assert_eq!(memo, [("old".to_owned(), None), ("round".to_owned(), Some("2".to_owned()))]);
    let set: Vec<_> =
        wit.search_attributes.into_iter().map(|it| (it.name, it.value.is_some())).collect();
    assert_eq!(set, [("trial".to_owned(), false), ("vip".to_owned(), true)]);
    assert!(log.is_empty(), "nothing is recorded before: {log:?}");
}

#[test]
fn a_run_that_can_not_say_what_to_continue_with_goes_on() {
    let odd = BTreeMap::from([([1_u8, 2], 3)]);
    let (output, _) = play([], async {
        let input = continue_as_new::<()>(&odd).memo("a", &1).await;
        let memo = continue_as_new::<()>(&1).memo("odd", &odd).run_timeout(SECOND).await;
        (input, memo)
    });
    assert!(output.0.expect_err("no JSON").is_type("InvalidInput"));
    assert!(output.1.expect_err("no JSON").is_type("InvalidValue"));
}
