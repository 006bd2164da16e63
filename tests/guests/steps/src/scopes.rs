//! Parts of workflows that are cancelled by code, and limits that wait.

use std::time::Duration;

use dacapo::{
    ActivityOptions, CancellationScope, CancellationType, ChildCall, Failure, join, shielded,
    signals, sleep, with_timeout,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::activities::{Post, noop, post};
use crate::heartbeats::{Listener, listen};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn patient(url: &str, then: &str) -> impl IntoFuture<Output = Result<String, Failure>> + use<> {
    let options = ActivityOptions::new().cancellation(CancellationType::WaitCancellationCompleted);
    listen(Listener::new(url, then)).options(options)
}

async fn does(url: &str, effect: &str) -> Result<(), Failure> {
    post(Post { url: url.to_owned(), effect: effect.to_owned(), succeed_at: 0 }).await.map(|_| ())
}

/// A URL: does the effect `book`, and waits for a day. If it is cancelled, does the
/// effect `unbook` in a shield.
#[dacapo::workflow]
pub(crate) async fn booking(url: String) -> Result<(), Failure> {
    does(&url, "book").await?;
    let waited = sleep(DAY).await;
    if waited.is_err() {
        shielded(does(&url, "unbook")).await?;
    }
    waited
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Scoped {
    url: String,
    /// The child's.
    workflow_id: String,
}

/// Runs the activity `listen`, the child `linger` and a timer in a scope, and
/// cancels it at the signal `stop`. Then goes on: an activity runs. Returns whether
/// each of the three was cancelled.
#[dacapo::workflow]
pub(crate) async fn scoped(input: Scoped) -> Result<Value, Failure> {
    let scope = CancellationScope::new();
    let inside = scope.run(async {
        let child = ChildCall::<Value>::named("linger", &()).workflow_id(&*input.workflow_id);
        join!(patient(&input.url, "clean_up"), child, sleep(DAY))
    });
    let stop = async {
        scope.cancel(signals::<String>("stop").recv().await?);
        Ok::<_, Failure>(())
    };
    let ((activity, child, timer), stopped) = join!(inside, stop);
    stopped?;
    noop().await?;
    let cancelled = |failure: Option<Failure>| failure.is_some_and(|it| it.is_cancelled());
    Ok(json!([cancelled(activity.err()), cancelled(child.err()), cancelled(timer.err())]))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Limited {
    url: String,
    millis: u64,
    /// What the activity does when it hears that it is to cancel.
    then: String,
}

/// Gives the activity `listen` so long. Returns its result, or the types of the
/// failure and its causes.
#[dacapo::workflow]
pub(crate) async fn limited(input: Limited) -> Value {
    let Limited { url, millis, then } = input;
    match with_timeout(Duration::from_millis(millis), patient(&url, &then)).await {
        Ok(done) => Value::from(done),
        Err(failure) => failure.chain().map(|info| info.type_name.as_str()).collect(),
    }
}

/// A URL: cancelled while it waits for a child that waits for its own clean-up,
/// and passes on what it gets.
#[dacapo::workflow]
pub(crate) async fn passes_on(url: String) -> Result<(), Failure> {
    ChildCall::named("booking", &url).await
}
