//! `dacapo run waiting`

use anyhow::Result;

use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::{Awaited, RunWaiting};
use crate::exit::Exit;
use crate::output;

/// Shows what a run waits for, and where in its code. The server replays the
/// history of the run for it; the run is not disturbed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dacapo run waiting order-17")]
pub struct WaitingArgs {
    #[command(flatten)]
    run: RunFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: WaitingArgs) -> Result<Exit> {
    let answer = args.client.client()?.run_waiting(&args.run.address()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let waiting: RunWaiting = answer.read()?;
    let mut fields = vec![("status", waiting.status)];
    fields.extend(waiting.waiting_for.map(|awaited| ("waits for", describe(awaited))));
    fields.extend(waiting.backtrace.map(|frames| ("backtrace", frames)));
    output::line(&output::fields(&fields))?;
    Ok(Exit::Success)
}

fn describe(awaited: Awaited) -> String {
    let operation = awaited.operation_id.map(|id| format!(" (operation {id})")).unwrap_or_default();
    match (awaited.kind.as_str(), awaited.activity_type, awaited.fire_at) {
        ("next", ..) => "whatever happens next".to_owned(),
        ("activity", Some(activity), _) => {
            let attempt = awaited.attempt.unwrap_or(1);
            format!("activity {activity}, attempt {attempt}{operation}")
        }
        ("timer", _, Some(fire_at)) => format!("a timer that fires at {fire_at}{operation}"),
        (kind, ..) => match awaited.signal_name.or(awaited.reason) {
            Some(what) => format!("{kind} {what}"),
            None => format!("{kind}{operation}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_told_in_words() {
        let read = |text: &str| describe(serde_json::from_str(text).expect("valid"));
        assert_eq!(read(r#"{"kind": "next"}"#), "whatever happens next");
        let activity =
            r#"{"kind": "activity", "operation_id": 3, "activity_type": "charge", "attempt": 2}"#;
        assert_eq!(read(activity), "activity charge, attempt 2 (operation 3)");
        let timer = r#"{"kind": "timer", "operation_id": 1, "fire_at": "2026-01-01T00:00:00Z"}"#;
        assert_eq!(read(timer), "a timer that fires at 2026-01-01T00:00:00Z (operation 1)");
        assert_eq!(read(r#"{"kind": "signal", "signal_name": "go"}"#), "signal go");
        assert_eq!(read(r#"{"kind": "operation", "operation_id": 1}"#), "operation (operation 1)");
    }
}
