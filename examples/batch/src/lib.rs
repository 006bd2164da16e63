//! A thousand items, a few at a time, with a report of what failed.

use dacapo::{ActivityOptions, Failure, RetryPolicy, map_concurrent};
use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Batch {
    pub items: u64,
    /// At a time.
    pub concurrency: usize,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub sum: u64,
    /// The items that failed for good.
    pub failed: Vec<u64>,
}

/// Stands for the work on one item.
#[dacapo::activity]
fn process(item: u64) -> Result<u64, Failure> {
    item.checked_mul(item).ok_or_else(|| Failure::application("TooLarge", "no such square"))
}

/// Fans out to one activity for each item, never more than `concurrency` at a
/// time, and gathers the results. An item that fails does not stop the others.
#[dacapo::workflow]
async fn batch(batch: Batch) -> Result<Report, Failure> {
    let options = ActivityOptions::new().retry(RetryPolicy::new().maximum_attempts(3));
    let outcomes = map_concurrent(batch.concurrency, 0..batch.items, |item| {
        process(item).options(options.clone())
    })
    .await;

    let mut report = Report { sum: 0, failed: Vec::new() };
    for (item, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(value) => report.sum += value,
            Err(failure) if failure.is_cancelled() => return Err(failure),
            Err(_) => report.failed.push(item),
        }
    }
    Ok(report)
}

dacapo::module! { workflows: [batch], activities: [process] }
