//! `dacapo batch show`

use anyhow::Result;
use dacapo_model::ids::BatchId;

use crate::args::ClientFlags;
use crate::client::wire::BatchDescription;
use crate::exit::Exit;
use crate::output;

/// Shows how far a batch has come, and which runs refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo batch show cancel-may")]
pub struct ShowArgs {
    /// The batch id.
    #[arg(value_name = "BATCH_ID")]
    batch_id: BatchId,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: ShowArgs) -> Result<Exit> {
    let answer = args.client.client()?.show_batch(args.batch_id.as_str()).await?;
    let text = match args.client.is_json() {
        true => answer.text,
        false => describe(answer.read()?),
    };
    output::line(&text)?;
    Ok(Exit::Success)
}

fn describe(described: BatchDescription) -> String {
    let batch = described.batch;
    let mut fields = vec![
        ("batch id", batch.batch_id),
        ("run id", batch.run_id),
        ("operation", batch.operation),
    ];
    fields.extend(described.filter.map(|filter| ("filter", filter)));
    fields.extend(described.reason.map(|reason| ("reason", reason)));
    fields.push(("status", batch.status));
    if described.paused {
        fields.push(("paused", "nothing is begun until it is resumed".to_owned()));
    }
    fields.push(("started", batch.started_at));
    fields.extend(batch.closed_at.map(|time| ("closed", time)));
    fields.extend(described.matched.map(|runs| ("matched", runs.to_string())));
    fields.push(("done", described.done.to_string()));
    fields.push(("skipped", described.skipped.to_string()));
    fields.push(("failed", described.failed.to_string()));
    fields.extend(described.last_failure.map(|text| ("last failure", text)));
    fields.extend(described.failure.map(|text| ("failure", text)));
    fields.extend(described.failures.into_iter().map(|failure| {
        let text = format!(
            "{} (run {}): {}: {}",
            failure.workflow_id, failure.run_id, failure.code, failure.message
        );
        ("refused", text)
    }));
    output::fields(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_shown_with_its_counts_and_with_those_that_refused() {
        let described = serde_json::from_str(
            r#"{"batch_id": "b", "run_id": "r", "operation": "move", "status": "running",
                "started_at": "t", "filter": "f", "matched": 10, "done": 7, "skipped": 2,
                "failed": 1, "paused": true, "failures": [{"workflow_id": "order-17",
                "run_id": "x", "code": "replay_diverged", "message": "no"}]}"#,
        );
        let text = describe(described.expect("valid"));
        for shown in ["matched", "10", "order-17 (run x): replay_diverged: no", "until it is"] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }
}
