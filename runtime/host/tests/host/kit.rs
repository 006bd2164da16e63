//! The SDK's tasks, channels and locks in a compiled guest: whatever order things
//! end in, a replay takes the same course.

use dacapo_engine::decide::Input;
use dacapo_model::failure::{Failure, FailureKind};
use dacapo_model::ids::SignalName;
use dacapo_model::signal::Signal;

use crate::guests::guest;
use crate::history::{Run, replay};
use crate::support::{config, host, json, run, text};

/// Plays the workflow to its end. `choose` says which of so many pending
/// activities returns next.
async fn play(mut choose: impl FnMut(usize) -> usize) -> Run {
    let guest = guest("steps");
    let (host, context) = (host(config(), &[&guest]), run(guest.digest, 1));
    let input = r#"{"items": 5, "millis": 10}"#;
    let mut run = Run::start(&host, &context, "concurrency_kit", input).await.expect("starts");
    for vote in ["1", "2"] {
        let name = SignalName::new("vote").expect("a valid name");
        let vote = Signal { name, input: json(vote), request_id: None };
        run.input(Input::Signal(vote)).await.expect("goes on");
    }
    while run.state.status.is_open() {
        let pending: Vec<_> = run.state.activities.iter().collect();
        if pending.is_empty() {
            run.timer_fires().await.expect("goes on");
            continue;
        }
        let (event_id, activity) = pending[choose(pending.len())];
        let outcome = if activity.activity_type.as_str() == "fail" {
            Err(Failure::new(FailureKind::Application, "Refused", "no").non_retryable())
        } else {
            let number: u64 = text(&activity.input).parse().expect("a number");
            Ok(json(&(number * 2).to_string()))
        };
        let (scheduled_event_id, attempt) = (*event_id, 1);
        run.input(Input::ActivityReturned { scheduled_event_id, attempt, outcome })
            .await
            .expect("goes on");
    }
    assert_eq!(replay(&host, &context, run.history.clone()).await, Ok(0));
    run
}

const RESULT: &str = concat!(
    r#"{"piped":[0,2,4,6,8],"grouped":[0,2,4,6,8],"mapped":[0,2,4,6,8],"total":30,"#,
    r#""first":"told","attempts":3,"undone":["second","first"],"votes":2}"#,
);

#[tokio::test]
async fn all_of_the_kit_works_in_a_guest_and_every_prefix_of_it_replays() {
    let run = play(|_| 0).await;
    assert_eq!(text(run.result()), RESULT);
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    for events in 1..run.history.len() {
        let prefix = run.history[..events].to_vec();
        let replayed = replay(&host, &run.context, prefix).await;
        assert!(replayed.is_ok(), "of {events} events: {replayed:?}");
    }
}

#[tokio::test]
async fn the_order_in_which_things_end_changes_the_history_and_not_the_result() {
    let first = play(|_| 0).await;
    let last = play(|pending| pending - 1).await;
    let mut turn = 0;
    let mixed = play(|pending| {
        turn += 7;
        turn % pending
    })
    .await;
    for run in [&last, &mixed] {
        assert_eq!(text(run.result()), RESULT);
        assert_ne!(run.history, first.history);
    }
}
