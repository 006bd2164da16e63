//! Activities that the module does not list.

use super::script::{number, play, returns};
use crate::run;
use crate::{ActivityCall, ActivityOptions};

const LISTED: &[&str] = &["charge"];

#[test]
fn a_listed_activity_runs() {
    let (output, _) = play([returns(1, 7)], async {
        run::with_run(|run| run.defines(LISTED));
        number("charge").await
    });
    assert_eq!(output.ok(), Some(7));
}

#[test]
#[should_panic(expected = "activity `mail`, called at src/tests/left_out.rs:23:17, is not in the")]
fn one_that_was_left_out_stops_the_workflow_before_anything_is_recorded() {
    let ((), _) = play([], async {
        run::with_run(|run| run.defines(LISTED));
        let _ = number("mail").await;
    });
}

/// Nobody knows before it runs which name it has, or who runs it.
#[test]
fn one_that_is_called_by_its_name_or_runs_elsewhere_is_left_to_the_runtime() {
    let (outputs, log) = play([returns(1, 7), returns(2, 8)], async {
        run::with_run(|run| run.defines(LISTED));
        let named = ActivityCall::<u32>::named("mail", &()).await;
        let queue = ActivityOptions::new().task_queue("gpu");
        (named.ok(), number("mail").options(queue).await.ok())
    });
    assert_eq!(outputs, (Some(7), Some(8)));
    assert_eq!(log[2], "2: mail() in gpu");
}

#[test]
#[should_panic(expected = "activity `mail`, called at src/tests/left_out.rs:44:17, has a priority")]
fn a_priority_without_a_queue_stops_the_workflow_before_anything_is_recorded() {
    let ((), _) = play([], async {
        let _ = number("mail").priority(1).await;
    });
}
