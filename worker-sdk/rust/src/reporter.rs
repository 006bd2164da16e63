//! Hands outcomes over, many in one request, and again until the server has answered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::api::Api;
use crate::backoff::Backoff;
use crate::clock::now;
use crate::error::RequestError;
use crate::held::Held;
use crate::outcome::Outcome;
use crate::wire::{Report, Reported, TaskError, batches};

const BACKOFF_INITIAL: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);

/// Says that nobody wants the outcome any more.
const OVER: [&str; 4] = ["lease_lost", "activity_not_found", "run_not_found", "run_closed"];

/// Takes outcomes. There are no more of them at a time than the worker has room for tasks.
#[derive(Debug, Clone)]
pub(crate) struct Reports(mpsc::UnboundedSender<Pending>);

/// An outcome that the server has not answered to.
#[derive(Debug)]
struct Pending {
    held: Arc<Held>,
    outcome: Outcome,
    /// Dropped when it is settled.
    _settled: oneshot::Sender<()>,
}

impl Reports {
    /// Where outcomes go, and what sends them for as long as it is not dropped.
    pub(crate) fn new(api: Arc<Api>) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), run(api, receiver))
    }

    /// Returns when the server has answered, or nobody wants the outcome any more.
    pub(crate) async fn report(&self, held: Arc<Held>, outcome: Outcome) {
        let (settled, done) = oneshot::channel();
        if self.0.send(Pending { held, outcome, _settled: settled }).is_ok() {
            let _ = done.await;
        }
    }
}

/// One request at a time: what comes meanwhile goes with the next.
async fn run(api: Arc<Api>, mut receiver: mpsc::UnboundedReceiver<Pending>) {
    let mut backoff = Backoff::new(BACKOFF_INITIAL, BACKOFF_MAX);
    let mut pending = Vec::new();
    loop {
        if pending.is_empty() {
            match receiver.recv().await {
                Some(first) => pending.push(first),
                None => return,
            }
        }
        while let Ok(next) = receiver.try_recv() {
            pending.push(next);
        }
        give_up(&mut pending);
        match send_all(&api, &mut pending).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                let wait = backoff.next(error.retry_after());
                tracing::warn!(
                    %error, ?wait, tasks = pending.len(),
                    "outcomes could not be reported; trying again"
                );
                sleep(wait).await;
            }
        }
    }
}

/// Leaves out those whose leases can't hold any more.
fn give_up(pending: &mut Vec<Pending>) {
    let now = now();
    let before = pending.len();
    pending.retain(|it| now < it.held.report_until());
    if pending.len() < before {
        let tasks = before - pending.len();
        tracing::warn!(tasks, "outcomes are given up: the server did not answer in time");
    }
}

/// Sends what there is, and leaves what has to be sent again.
async fn send_all(api: &Api, pending: &mut Vec<Pending>) -> Result<(), RequestError> {
    let sizes = pending.iter().map(|it| it.outcome.size() + it.held.token().len());
    let counts = batches(sizes);
    let mut rest = std::mem::take(pending).into_iter();
    let mut problem = Ok(());
    for count in counts {
        let batch: Vec<_> = rest.by_ref().take(count).collect();
        if let Err(error) = send(api, batch, pending).await {
            problem = Err(error);
        }
    }
    problem
}

async fn send(
    api: &Api,
    batch: Vec<Pending>,
    again: &mut Vec<Pending>,
) -> Result<(), RequestError> {
    let reports =
        batch.iter().map(|it| Report { token: it.held.token(), outcome: it.outcome.wire() });
    match api.reports(reports.collect()).await {
        Ok(results) => settle(batch, results, again),
        Err(error) if error.is_passing() => {
            again.extend(batch);
            Err(error)
        }
        // Something in it is wrong. Alone, each hears what is wrong with it.
        Err(_) if batch.len() > 1 => {
            let mut problem = Ok(());
            for one in batch {
                if let Err(error) = Box::pin(send(api, vec![one], again)).await {
                    problem = Err(error);
                }
            }
            problem
        }
        Err(error) => {
            let (code, message) = error.refusal();
            batch.into_iter().for_each(|it| refused(it, &code, &message, again));
            Ok(())
        }
    }
}

fn settle(
    batch: Vec<Pending>,
    results: Vec<Reported>,
    again: &mut Vec<Pending>,
) -> Result<(), RequestError> {
    let mut problem = Ok(());
    for (pending, result) in batch.into_iter().zip(results) {
        if result.recorded {
            continue;
        }
        let TaskError { code, message, retryable } = result.error.unwrap_or_else(|| TaskError {
            code: "internal".to_owned(),
            message: "the server gives no reason".to_owned(),
            retryable: true,
        });
        if OVER.contains(&code.as_str()) {
            tracing::warn!(%code, "an outcome is thrown away: another attempt may be current");
        } else if retryable {
            problem = Err(RequestError::Answer(format!("{message} ({code})")));
            again.push(pending);
        } else {
            refused(pending, &code, &message, again);
        }
    }
    problem
}

/// The server takes an outcome for wrong: it hears that instead.
fn refused(pending: Pending, code: &str, message: &str, again: &mut Vec<Pending>) {
    match pending.outcome.instead(code, message) {
        Some(outcome) => {
            tracing::error!(%code, %message, "the server refuses an outcome; it counts as failed");
            again.push(Pending { outcome, ..pending });
        }
        None => tracing::error!(%code, %message, "the server refuses an outcome"),
    }
}
