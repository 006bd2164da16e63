//! `dacapo run move`

use anyhow::Result;
use dacapo_model::ids::ModuleName;
use dacapo_model::module::ModuleDigest;
use serde_json::{Map, Value};

use crate::args::{ClientFlags, RunFlags};
use crate::client::wire::Moved;
use crate::exit::Exit;
use crate::output;

/// Moves an open run to another version of its code: to the newest of its module
/// unless another is named. The server replays its history with that code first,
/// and refuses what does not fit. A blocked run goes on at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run move order-17
  dacapo run move order-17 --to-version 3")]
pub struct MoveArgs {
    #[command(flatten)]
    run: RunFlags,

    /// A version of the module.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    to_version: Option<u32>,

    /// Another module than the run's own.
    #[arg(long, value_name = "NAME")]
    module: Option<ModuleName>,

    /// The code itself, by its SHA-256.
    #[arg(long, value_name = "HEX", conflicts_with_all = ["to_version", "module"])]
    digest: Option<ModuleDigest>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: MoveArgs) -> Result<Exit> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("version", args.to_version.map(Value::from));
    put("module", args.module.map(|name| String::from(name).into()));
    put("digest", args.digest.map(|digest| digest.to_string().into()));
    let run = args.run.address();
    let answer = args.client.client()?.act_on_run(&run, "module", &Value::Object(body)).await?;
    if args.client.is_json() {
        output::line(&answer.text)?;
    } else {
        let moved: Moved = answer.read()?;
        let code = format!("version {} of {}", moved.module.version, moved.module.name);
        let done = match (moved.moved, moved.retried) {
            (true, _) => format!("goes on with {code}"),
            (false, true) => format!("has {code} already, and was blocked: it tries again"),
            (false, false) => format!("has {code} already: nothing changed"),
        };
        let text = format!("{} (run {}) {done}", run.workflow_id, moved.run_id);
        output::note(&output::printable(&text));
    }
    Ok(Exit::Success)
}
