//! What a run says it waits for.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use serde_json::{Value, json};

use super::script::{Log, asks, fires, number, play, returns, signal};
use crate::waits::QUERY;
use crate::{
    ChildCall, Failure, cancelled, external, join, race, retry, signals, sleep, spawn, timeout,
    wait_until,
};

const SECOND: Duration = Duration::from_secs(1);

/// What the run has answered.
fn report(log: &Log) -> Value {
    let answer = log.iter().find_map(|line| line.strip_prefix(&format!("answer {QUERY}: ")));
    serde_json::from_str(answer.expect("it was asked")).expect("JSON")
}

/// Kind, operation or signal, and line.
fn waits(report: &Value) -> Vec<(String, Value, u32)> {
    let line = |at: &Value| {
        let at = at.as_str().expect("a text");
        assert!(at.starts_with("src/tests/waits.rs:"), "not the user's line: {at}");
        at.split(':').nth(1).and_then(|line| line.parse().ok()).expect("a number")
    };
    let waits = report["waits"].as_array().expect("a list");
    let wait = |wait: &Value| {
        let what = wait.get("operation").or(wait.get("signal")).cloned().unwrap_or_default();
        (wait["kind"].as_str().expect("a text").to_owned(), what, line(&wait["at"]))
    };
    waits.iter().map(wait).collect()
}

#[test]
fn a_run_names_all_that_it_waits_for_and_the_lines_of_its_user() {
    let lines = RefCell::new(Vec::new());
    let at = |kind: &str, what: Value, line: u32| {
        lines.borrow_mut().push((kind.to_owned(), what, line));
    };
    let (_, log) = play([asks(QUERY, ""), fires(1)], async {
        let (slept, line) = (sleep(SECOND), line!());
        at("operation", json!(1), line);
        let (work, line) = (number("work"), line!());
        at("operation", json!(2), line);
        let (child, line) = (ChildCall::<u8>::named("child", &1), line!());
        at("operation", json!(4), line);
        let (told, line) = (external("other").signal("hello", &1), line!());
        at("operation", json!(5), line);
        let (go, line) = (signals::<u8>("go").recv(), line!());
        at("signal", json!("go"), line);
        let (asked, line) = (cancelled(), line!());
        at("cancellation", Value::Null, line);
        let (held, line) = (wait_until(|| false), line!());
        at("condition", Value::Null, line);
        let beside = spawn(go);
        race(slept, async { join!(work, child, told, asked, held, beside) }).await
    });
    assert_eq!(waits(&report(&log)), lines.take());
}

#[test]
fn limits_and_waits_between_tries_are_the_lines_that_asked_for_them() {
    let at = Cell::new(0);
    let (_, log) = play([asks(QUERY, ""), fires(1)], async {
        at.set(line!());
        let limited = timeout(SECOND, signals::<u8>("never").recv());
        limited.await
    });
    let told = waits(&report(&log));
    let line = at.get() + 1;
    assert_eq!(told[0], ("operation".to_owned(), json!(1), line));
    assert_eq!(told[1], ("signal".to_owned(), json!("never"), line));

    let (_, log) = play([asks(QUERY, ""), fires(1)], async {
        at.set(line!());
        let tried = retry(crate::RetryPolicy::new().maximum_attempts(2), async || {
            Err::<(), _>(Failure::application("Broken", "x"))
        });
        tried.await
    });
    assert_eq!(waits(&report(&log)), [("operation".to_owned(), json!(1), at.get() + 1)]);
}

#[test]
fn a_signal_of_a_name_that_nobody_waits_for_is_told() {
    let script =
        [signal("aproved", "1"), signal("aproved", "2"), asks(QUERY, ""), signal("approved", "3")];
    let (_, log) = play(script, async { signals::<u8>("approved").recv().await });
    let report = report(&log);
    assert_eq!(report["untaken_signals"], json!([{"name": "aproved", "count": 2}]));
    assert_eq!(report["invalid_signals"], json!([]));
}

#[test]
fn what_is_over_is_not_told_and_very_many_are_counted() {
    let many = 250;
    let script = [returns(1, 1), asks(QUERY, ""), returns(2, 2)];
    let (_, log) = play(script, async {
        let rest = async {
            number("first").await?;
            let _tasks: Vec<_> = (0..many).map(|_| spawn(number("more"))).collect();
            wait_until(|| false).await
        };
        race(rest, async {
            number("other").await?;
            Ok::<_, Failure>(())
        })
        .await
    });
    let report = report(&log);
    let told = waits(&report);
    assert_eq!(told.len(), 200);
    assert!(told.iter().all(|(_, operation, _)| *operation != json!(1)), "it is over");
    assert_eq!(report["more"], json!(many + 2 - 200));
}
