//! What attempts say while they run, and hear.

use std::sync::Arc;

use dacapo_engine::guest::{AttemptSignals, GuestHost as _};
use dacapo_model::limits::HEARTBEAT_DETAILS_BYTES_MAX;

use crate::guests::guest;
use crate::support::{TestLink, config, execute, host, json, task, text};

#[tokio::test]
async fn an_attempt_says_and_hears_through_its_link() {
    let guest = guest("steps");
    let host = host(config(), &[&guest]);
    for cancel_requested in [false, true] {
        let link = Arc::new(TestLink::default());
        link.signals.send_replace(AttemptSignals { cancel_requested, paused: false });
        let mut task = task(guest.digest, "talk", "null");
        task.heartbeat_details = cancel_requested.then(|| json("41"));
        let heard = host.run_activity(task, link.clone()).await.expect("a result");
        let expected = match cancel_requested {
            false => r#"[null,false,false,"the-token"]"#,
            true => r#"[41,true,true,"the-token"]"#,
        };
        assert_eq!(text(&heard), expected);
        assert_eq!(*link.beats.lock(), [Some(json("1")), Some(json("2"))]);
    }
}

#[tokio::test]
async fn a_heartbeat_over_the_limit_fails_the_attempt_for_good() {
    let most = HEARTBEAT_DETAILS_BYTES_MAX - 2;
    execute(config(), "steps", "say_much", &most.to_string()).await.expect("it is just enough");
    let failure = execute(config(), "steps", "say_much", &(most + 1).to_string()).await;
    let failure = failure.expect_err("it is too much");
    assert_eq!(failure.info.type_name, "PayloadTooLarge");
    assert!(failure.info.message.contains("heartbeat"), "{}", failure.info.message);
    assert!(failure.info.non_retryable);
}
