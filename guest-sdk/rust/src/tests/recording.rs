//! Versions of changes, and values that are recorded.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::script::{number, play, returns};
use crate::{Failure, mutable_side_effect, patched, side_effect, version};

#[test]
fn a_version_is_asked_for_where_the_code_asks() {
    let (output, log) = play([returns(1, 7)], async {
        let first = version("a", 0, 2);
        let step = number("step").await?;
        Ok::<_, Failure>((first, step, patched("b")))
    });
    assert_eq!(output, Ok((2, 7, true)));
    assert_eq!(log, ["version a 0..=2", "1: step()", "next", "version b 0..=1"]);
}

#[test]
fn a_value_is_computed_once_and_then_taken_from_what_was_recorded() {
    let computed = Cell::new(0);
    let (output, log) = play([], async {
        let ask = || {
            side_effect("quote", || {
                computed.set(computed.get() + 1);
                (17, "cents".to_owned())
            })
        };
        (ask(), ask())
    });
    let quote = Ok((17, "cents".to_owned()));
    assert_eq!(output, (quote.clone(), quote));
    assert_eq!(computed.get(), 1);
    assert_eq!(log, ["record quote=[17,\"cents\"]"]);
}

#[test]
fn a_value_that_may_change_is_asked_for_each_time() {
    let (output, log) = play([], async {
        [1, 2].map(|now| mutable_side_effect("rate", || now).expect("a number"))
    });
    assert_eq!(output, [1, 2]);
    assert_eq!(log, ["latest rate", "record rate=1", "latest rate", "record rate=2"]);
}

#[test]
fn a_recorded_value_of_another_type_is_a_failure() {
    let (output, _) = play([], async {
        side_effect("quote", || "text".to_owned()).expect("text");
        side_effect("quote", || 17_u32).expect_err("no number")
    });
    assert!(output.is_type("InvalidValue"), "{output}");
    assert!(output.to_string().contains("value `quote` is not a valid `u32`"), "{output}");
}

#[test]
#[should_panic(expected = "value `odd`")]
fn a_value_that_has_no_json_is_a_mistake_in_the_program() {
    play([], async { side_effect("odd", || BTreeMap::from([([1_u8, 2], 3)])).is_ok() });
}
