//! W9: how long after a request to cancel an activity hears of it, and its run ends.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use dacapo_cli::output;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::args::TargetFlags;
use crate::client::{Connection, start_body};
use crate::clock;
use crate::report;
use crate::stats::Sample;
use crate::target::Target;

/// Cancel runs whose activity listens, one after the other.
#[derive(Debug, clap::Args, Serialize)]
pub(crate) struct Cancel {
    /// Runs, one after the other.
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    runs: u64,
    /// Runs before that do not count.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    warmup: u64,
    #[command(flatten)]
    #[serde(skip)]
    target: TargetFlags,
}

#[derive(Debug, Serialize)]
struct Found {
    runs: usize,
    /// From the request to the activity, which reads the same clock.
    heard_p50_ms: f64,
    heard_p99_ms: f64,
    heard_max_ms: f64,
    /// From the request to its answer: it is durable.
    acknowledged_p50_ms: f64,
    acknowledged_p99_ms: f64,
    /// From the request to the answer that the run has ended.
    ended_p50_ms: f64,
    ended_p99_ms: f64,
}

/// What came of one request.
struct Times {
    heard: Duration,
    acknowledged: Duration,
    ended: Duration,
}

pub(crate) async fn run(args: Cancel) -> Result<()> {
    let target = Target::open(&args.target).await?;
    let mut client = Connection::open(target.address()?).await?;
    for _ in 0..args.warmup {
        cancel_one(&mut client).await?;
    }
    let mut all = Vec::new();
    for _ in 0..args.runs {
        all.push(cancel_one(&mut client).await?);
    }
    let sample = |of: fn(&Times) -> Duration| Sample::new(all.iter().map(of).collect());
    let heard = sample(|times| times.heard);
    let acknowledged = sample(|times| times.acknowledged);
    let ended = sample(|times| times.ended);
    let found = Found {
        runs: heard.len(),
        heard_p50_ms: heard.percentile(50.0),
        heard_p99_ms: heard.percentile(99.0),
        heard_max_ms: heard.max(),
        acknowledged_p50_ms: acknowledged.percentile(50.0),
        acknowledged_p99_ms: acknowledged.percentile(99.0),
        ended_p50_ms: ended.percentile(50.0),
        ended_p99_ms: ended.percentile(99.0),
    };
    output::note(&format!(
        "after a request to cancel, its activity hears of it: p50 {:.1} ms, p99 {:.1} ms, max {:.1} \
         ms; the request is answered: p50 {:.1} ms; the run has ended: p50 {:.1} ms, p99 {:.1} ms",
        found.heard_p50_ms,
        found.heard_p99_ms,
        found.heard_max_ms,
        found.acknowledged_p50_ms,
        found.ended_p50_ms,
        found.ended_p99_ms
    ));
    report::print("w9_cancel", target.database_kind(), &args, &found)
}

async fn cancel_one(client: &mut Connection) -> Result<Times> {
    let run = client.start(start_body("listen", &Value::Null)).await?;
    let run = format!("runs/{}", run.workflow_id);
    until_it_listens(client, &run).await?;
    let (sent_at, sent) = (clock::wall_micros(), clock::now());
    let cancel = Bytes::from_static(b"{}");
    let answer = client.send(Method::POST, &format!("{run}/cancel"), cancel).await?;
    answer.json::<Value>()?;
    let acknowledged = sent.elapsed();
    let answer = client.get(&format!("{run}/result?wait=60")).await?;
    let ended = sent.elapsed();
    let result: RunResult = answer.json()?;
    let heard = Duration::from_micros(u64::try_from(result.result - sent_at)?);
    Ok(Times { heard, acknowledged, ended })
}

#[derive(Deserialize)]
struct RunResult {
    result: i64,
}

/// Its activity says so in a heartbeat, once that it looks has been noted.
async fn until_it_listens(client: &mut Connection, run: &str) -> Result<()> {
    let start = clock::now();
    loop {
        let described: Value = client.get(run).await?.json()?;
        if described["pending_activities"][0]["heartbeat_details"] == json!("listening") {
            return Ok(());
        }
        ensure!(start.elapsed() < Duration::from_secs(60), "it does not listen: {described}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
