//! `dacapo schedule times`

use anyhow::Result;

use super::ScheduleFlags;
use crate::args::ClientFlags;
use crate::client::wire::ScheduleTimes;
use crate::exit::Exit;
use crate::output;

/// Lists the times of a schedule, one a line: when it is due, or was, whether or not it is
/// paused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  dacapo schedule times nightly --from 2027-03-27T00:00:00Z --limit 3")]
pub struct TimesArgs {
    #[command(flatten)]
    schedule: ScheduleFlags,

    /// At this time or later [default: now].
    #[arg(long, value_name = "TIME")]
    from: Option<String>,

    /// At this time or before.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,

    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: TimesArgs) -> Result<Exit> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.from.map(|time| ("from", time)));
    query.extend(args.to.map(|time| ("to", time)));
    let schedule_id = args.schedule.schedule_id.as_str();
    let answer = args.client.client()?.schedule_times(schedule_id, &query).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    let times: ScheduleTimes = answer.read()?;
    for time in times.times {
        output::line(&time.due_at)?;
    }
    Ok(Exit::Success)
}
