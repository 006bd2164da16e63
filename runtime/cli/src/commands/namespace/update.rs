//! `dacapo namespace update`

use anyhow::Result;
use dacapo_model::ids::NamespaceName;

use super::settings::SettingsFlags;
use super::show::describe;
use crate::args::ClientFlags;
use crate::exit::{Exit, UsageError};
use crate::output;

/// Changes what is set of a namespace. What is not named stays as it is.
///
/// It holds for all that is asked for from then on. What there is already stays, also if it is
/// more than a new limit allows.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo namespace update shop --open-runs 20000 --start-rate none
  dacapo namespace update shop --retention 7days
  dacapo namespace update shop --no-hosts --no-secrets")]
pub struct UpdateArgs {
    /// Its name.
    #[arg(value_name = "NAME")]
    name: NamespaceName,

    #[command(flatten)]
    settings: SettingsFlags,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: UpdateArgs) -> Result<Exit> {
    let body = args.settings.body().map_err(UsageError)?;
    if body.is_empty() {
        let problem =
            "nothing is to be changed; `dacapo namespace update --help` lists what can be";
        return Err(UsageError(problem.to_owned()).into());
    }
    let client = args.client.client()?;
    let answer = client.change_namespace(args.name.as_str(), &body.into()).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
        return Ok(Exit::Success);
    }
    output::line(&describe(&answer.read()?))?;
    Ok(Exit::Success)
}
