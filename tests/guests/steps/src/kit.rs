//! Tasks, channels, locks, retries and sagas in one workflow.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use dacapo::sync::{Mutex, Semaphore, WaitGroup, channel, oneshot, watch};
use dacapo::{
    ErrGroup, Failure, RetryPolicy, map_concurrent, retry, saga, select, signals, sleep, spawn,
    wait_until,
};
use serde::{Deserialize, Serialize};

use crate::activities::{FailureSpec, double, fail};

#[derive(Deserialize)]
pub(crate) struct Kit {
    /// Items of each part.
    items: u64,
    /// Every timer, in milliseconds.
    millis: u64,
}

#[derive(Serialize)]
pub(crate) struct KitResult {
    piped: Vec<u64>,
    grouped: Vec<u64>,
    mapped: Vec<u64>,
    total: u64,
    first: String,
    attempts: u64,
    undone: Vec<String>,
    votes: u32,
}

/// Uses everything of the kit. Waits for two signals `vote`.
#[dacapo::workflow]
pub(crate) async fn concurrency_kit(input: Kit) -> Result<KitResult, Failure> {
    let pause = Duration::from_millis(input.millis);

    // A task makes items, three others work on them, and a counter knows the end.
    let (sender, items) = channel::bounded(2);
    let producer = spawn(async move {
        for item in 0..input.items {
            sender.send(item).await?;
        }
        Ok::<_, Failure>(())
    });
    let (results, piped) = channel::unbounded();
    let workers = WaitGroup::new();
    for _ in 0..3 {
        let (items, results, token) = (items.clone(), results.clone(), workers.add());
        spawn(async move {
            while let Some(item) = items.recv().await {
                let doubled = double(item).await;
                let _ = results.try_send(doubled);
            }
            drop(token);
        })
        .detach();
    }
    drop((items, results));
    producer.await?;
    workers.wait().await;
    let mut sorted = Vec::new();
    while let Some(doubled) = piped.recv().await {
        sorted.push(doubled?);
    }
    sorted.sort_unstable();

    let group = ErrGroup::with_limit(2);
    for item in 0..input.items {
        group.spawn(double(item));
    }
    let grouped = group.wait().await?;
    let mapped: Result<Vec<_>, Failure> =
        map_concurrent(3, 0..input.items, double).await.into_iter().collect();

    // Read, wait and write back under a lock, behind a semaphore, reported by a watch.
    let (total, two_at_a_time) = (Mutex::new(0), Semaphore::new(2));
    let (progress, mut seen) = watch::channel(0);
    let adders: Vec<_> = (1..=input.items)
        .map(|item| {
            let (total, two_at_a_time, progress) =
                (total.clone(), two_at_a_time.clone(), progress.clone());
            spawn(async move {
                let _permit = two_at_a_time.acquire().await;
                let mut total = total.lock().await;
                let before = *total;
                *total = before + double(item).await?;
                progress.modify(|done| *done += 1);
                Ok::<_, Failure>(())
            })
        })
        .collect();
    drop(seen.wait_for(|done| *done == input.items).await?);
    for adder in adders {
        adder.await?;
    }
    let total = *total.lock().await;

    let (told, news) = oneshot::channel();
    let teller = spawn(async move {
        sleep(pause).await?;
        told.send("told".to_owned()).map_err(|_| Failure::application("Unheard", "nobody listens"))
    });
    let first = select! {
        slept = sleep(pause * 1_000) => { slept?; "slept".to_owned() },
        news = news => news?,
    };
    teller.await?;

    let attempts = Cell::new(0);
    let policy = RetryPolicy::new().initial_interval(pause).maximum_attempts(5);
    retry(policy, async || {
        attempts.set(attempts.get() + 1);
        let answer = double(attempts.get()).await?;
        if answer < 6 { Err(Failure::application("TooSmall", "again")) } else { Ok(answer) }
    })
    .await?;

    let undone = Mutex::new(Vec::new());
    let failed = saga(async |saga| {
        for step in ["first", "second"] {
            let undone = undone.clone();
            saga.compensate_with(async move {
                double(0).await?;
                undone.lock().await.push(step.to_owned());
                Ok::<_, Failure>(())
            });
        }
        fail(FailureSpec {
            type_name: "Refused".to_owned(),
            message: String::new(),
            non_retryable: true,
            retry_after_millis: None,
        })
        .await
    })
    .await;
    if failed.is_ok() {
        return Err(Failure::application("NotFailed", "the step of the saga should fail"));
    }
    let undone = undone.lock().await.clone();

    let votes = Rc::new(Cell::new(0));
    let counted = Rc::clone(&votes);
    let counter = spawn(async move {
        while signals::<u32>("vote").recv().await.is_ok() {
            counted.set(counted.get() + 1);
        }
    });
    wait_until(|| votes.get() >= 2).await?;
    counter.cancel();

    Ok(KitResult {
        piped: sorted,
        grouped,
        mapped: mapped?,
        total,
        first,
        attempts: attempts.get(),
        undone,
        votes: votes.get(),
    })
}
