//! A scenario whose effects a test can count from outside.

use std::time::Duration;

use dacapo::{ActivityCall, ActivityOptions, Failure, RetryPolicy, sleep};
use serde::Deserialize;

use crate::activities::{Post, post};

#[derive(Deserialize)]
pub(crate) struct Effects {
    url: String,
    #[serde(default)]
    pause_millis: u64,
}

/// `{"url": "http://..", "pause_millis": n}`: the effects `first` and `second`
/// one after the other, `left` and `right` at once, a timer, `retried`, which
/// succeeds at the second attempt, and `last`. Returns their names in order.
#[dacapo::workflow]
pub(crate) async fn effects(input: Effects) -> Result<Vec<String>, Failure> {
    let effect = |name: &str| at_attempt(&input.url, name, 0);
    let mut done = vec![effect("first").await?, effect("second").await?];
    let (left, right) = dacapo::try_join!(effect("left"), effect("right"))?;
    done.extend([left, right]);
    sleep(Duration::from_millis(input.pause_millis)).await?;
    done.push(at_attempt(&input.url, "retried", 2).await?);
    done.push(effect("last").await?);
    Ok(done)
}

fn at_attempt(url: &str, effect: &str, succeed_at: u32) -> ActivityCall<String> {
    // A crash of the node or a refused connection must not use up patience.
    let retry = RetryPolicy::new()
        .initial_interval(Duration::from_millis(20))
        .maximum_interval(Duration::from_millis(200));
    post(Post { url: url.to_owned(), effect: effect.to_owned(), succeed_at })
        .options(ActivityOptions::new().start_to_close(Duration::from_secs(10)).retry(retry))
}
