//! Answering queries, publishing values, and doing what updates ask for.

use std::cell::RefCell;
use std::rc::Rc;

use super::script::{asks, number, play, returns, signal, update};
use crate::{Failure, publish, query, signals, updates, updates_finished, wait_until};

type List = Rc<RefCell<Vec<u32>>>;

/// A list that updates add numbers to.
fn list() -> List {
    let list = List::default();
    let seen = Rc::clone(&list);
    query("list", move |()| seen.borrow().clone());
    let seen = Rc::clone(&list);
    query("nth", move |nth: usize| seen.borrow().get(nth).copied());
    let added = Rc::clone(&list);
    updates("add")
        .validate(|number: &u32| match number {
            0 => Err(Failure::application("Zero", "zero is nothing")),
            _ => Ok(()),
        })
        .handle(move |number: u32| {
            let added = Rc::clone(&added);
            async move {
                added.borrow_mut().push(number);
                Ok::<_, Failure>(added.borrow().len())
            }
        });
    let added = Rc::clone(&list);
    updates("add_slowly").handle(move |(): ()| {
        let added = Rc::clone(&added);
        async move {
            let number = number("step").await?;
            added.borrow_mut().push(number);
            Ok::<_, Failure>(number)
        }
    });
    list
}

#[test]
fn queries_see_what_the_workflow_knows_at_that_moment() {
    let script = [
        asks("list", "null"),
        update("u", "add", "7"),
        asks("list", ""),
        asks("nth", "0"),
        asks("nth", "1"),
        signal("end", "null"),
    ];
    let ((), log) = play(script, async {
        let _list = list();
        signals::<()>("end").recv().await.expect("it comes");
    });
    let answers: Vec<_> = log.iter().filter(|line| line.starts_with("answer")).collect();
    assert_eq!(
        answers,
        ["answer list: []", "answer list: [7]", "answer nth: 7", "answer nth: null"]
    );
}

#[test]
fn a_query_that_nobody_answers_or_of_another_type_fails_and_says_what_there_is() {
    let script = [asks("lost", "null"), asks("nth", "\"x\""), signal("end", "null")];
    let ((), log) = play(script, async {
        let _list = list();
        signals::<()>("end").recv().await.expect("it comes");
    });
    assert_eq!(
        log[1],
        "answer lost: UnknownQuery: the workflow answers no query `lost`; it answers `list`, `nth`"
    );
    assert!(log[3].starts_with("answer nth: InvalidInput: the input of query `nth`"), "{}", log[3]);
}

#[test]
fn an_update_is_accepted_before_its_handler_runs_and_answered_when_it_ends() {
    let script = [update("a", "add_slowly", ""), update("b", "add", "2"), returns(1, 5)];
    let (list, log) = play(script, async {
        let list = list();
        wait_until(|| list.borrow().len() == 2).await.expect("it comes");
        list.take()
    });
    assert_eq!(list, [2, 5]);
    let expected = [
        "next",
        "accept a",
        "1: step()",
        "next",
        "accept b",
        "complete b: 1",
        "next",
        "complete a: 5",
    ];
    assert_eq!(log, expected);
}

#[test]
fn what_the_validator_refuses_is_of_another_type_or_unknown_is_rejected_without_a_trace() {
    let script = [
        update("a", "add", "0"),
        update("b", "add", "\"x\""),
        update("c", "lost", "1"),
        update("d", "add", "1"),
    ];
    let (list, log) = play(script, async {
        let list = list();
        wait_until(|| !list.borrow().is_empty()).await.expect("it comes");
        list.take()
    });
    assert_eq!(list, [1]);
    assert_eq!(log[1], "reject a: zero is nothing");
    assert!(log[3].starts_with("reject b: the input of update `add`"), "{}", log[3]);
    assert_eq!(
        log[5],
        "reject c: the workflow takes no update `lost`; it takes `add`, `add_slowly`"
    );
    assert_eq!(log[7..], ["accept d", "complete d: 1"]);
}

#[test]
fn a_workflow_may_wait_for_its_handlers_or_leave_them() {
    let script = || [update("a", "add_slowly", ""), signal("end", "null")];
    let ((), log) = play(script().into_iter().chain([returns(1, 5)]), async {
        let _list = list();
        signals::<()>("end").recv().await.expect("it comes");
        updates_finished().await.expect("they end");
    });
    assert_eq!(log.last().map(String::as_str), Some("complete a: 5"));
    let ((), log) = play(script(), async {
        let _list = list();
        signals::<()>("end").recv().await.expect("it comes");
    });
    assert_eq!(log.last().map(String::as_str), Some("cancel 1"));
}

#[test]
fn a_value_is_published_as_json() {
    let ((), log) = play([], async {
        publish("status", &[1, 2]).expect("it is JSON");
    });
    assert_eq!(log, ["publish status=[1,2]"]);
}
